// What values break of schemas, and what is wrong with a schema: the validator that the Worker and pages share.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { KEYWORDS } from "../../packages/sdk/src/schema/keywords.ts";
import { MOST_STEPS } from "../../packages/sdk/src/schema/node.ts";
import { isAmbiguous } from "../../packages/sdk/src/schema/patterns.ts";
import { problems } from "../../packages/sdk/src/schema/problems.ts";
import { compile } from "../../packages/sdk/src/schema.ts";

interface Vector {
	schema: unknown;
	cases: { value: string; misfit: string | null }[];
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL("../vectors/schemas.json", import.meta.url), "utf8"));

/** `"keyword path"`, or null if the value fits. */
function broken(schema: unknown, value: unknown): string | null {
	const misfit = compile(schema)(value);
	return misfit === undefined ? null : `${misfit.keyword} ${misfit.path}`;
}

for (const { schema, cases } of vectors) {
	test(`K3 ${JSON.stringify(schema)}`, () => {
		assert.deepEqual(problems(schema), []);
		const told = cases.map(({ value }) => ({ value, misfit: broken(schema, JSON.parse(value)) }));
		assert.deepEqual(told, cases);
	});
}

test("K3 the vectors break every keyword that a value can break", () => {
	const told = new Set(vectors.flatMap(({ cases }) => cases.map(({ misfit }) => misfit?.split(" ")[0])));
	// What these ask is asked by the keywords within them.
	const passedOn = ["allOf", "dependentSchemas", "patternProperties", "prefixItems", "$dynamicRef", "$ref"];
	const expected = KEYWORDS.map(([keyword]) => keyword).filter((keyword) => !passedOn.includes(keyword));
	assert.deepEqual(
		expected.filter((keyword) => !told.has(keyword)),
		[],
	);
});

test("K3 a number beyond doubles is too large for a maximum, and is no integer", () => {
	const value = JSON.parse("1e400");
	assert.equal(broken({ type: "number" }, value), null);
	assert.equal(broken({ maximum: 1e308 }, value), "maximum ");
	assert.equal(broken({ multipleOf: 2 }, value), "multipleOf ");
	assert.equal(broken({ type: "integer" }, value), "type ");
	assert.equal(broken({ uniqueItems: true }, [value, null]), null);
});

test("K3 numbers count as the doubles that they are read as", () => {
	assert.equal(broken({ const: 9007199254740992 }, JSON.parse("9007199254740993")), null);
	assert.equal(broken({ multipleOf: 0.01 }, JSON.parse("0.070000000000000000001")), null);
});

test("K3 a value whose check would not end in time is refused", () => {
	const either = { properties: { next: { $ref: "#" } } };
	const schema = {
		anyOf: [
			{ ...either, required: ["a"] },
			{ ...either, required: ["b"] },
		],
	};
	const nested = (depth: number): unknown => (depth === 0 ? { a: 1 } : { a: 1, next: nested(depth - 1) });
	const hopeless = (depth: number): unknown => (depth === 0 ? {} : { a: 1, b: 1, next: hopeless(depth - 1) });
	assert.deepEqual(problems(schema), []);
	assert.equal(broken(schema, nested(100)), null);
	assert.equal(broken(schema, hopeless(8)), "anyOf ");
	assert.equal(broken(schema, hopeless(100)), "steps ");
	// The next value has all of its steps again.
	const list = Array(MOST_STEPS - 1).fill(0);
	assert.equal(broken({ items: { type: "number" } }, list), null);
	assert.equal(broken({ items: { type: "number" } }, [...list, 0]), "steps ");
});

test("K3 distinct items are counted without comparing each with each", () => {
	const list = Array.from({ length: 50_000 }, (_, at) => ({ at }));
	assert.equal(broken({ uniqueItems: true }, list), null);
	assert.equal(broken({ uniqueItems: true }, [...list, { at: 7 }]), "uniqueItems ");
});

const WRONG: [schema: unknown, path: string, reason: string][] = [
	["string", "", "must be a schema: an object, true or false"],
	[
		{ type: "text" },
		"type",
		'must be one of "array", "boolean", "integer", "null", "number", "object", "string", or a list of some of them',
	],
	[
		{ properties: { a: { type: [] } } },
		"properties.a.type",
		'must be one of "array", "boolean", "integer", "null", "number", "object", "string", or a list of some of them',
	],
	[{ items: [{}] }, "items", "must be a schema: an object, true or false"],
	[{ anyOf: [] }, "anyOf", "must be a list of at least one schema"],
	[{ properties: [] }, "properties", "must be an object of schemas"],
	[{ maxLength: -1 }, "maxLength", "must be a whole number of 0 or more"],
	[{ minimum: "0" }, "minimum", "must be a number"],
	[{ multipleOf: 0 }, "multipleOf", "must be a number above 0"],
	[{ required: "a" }, "required", "must be a list of names, each once"],
	[{ required: ["a", "a"] }, "required", "must be a list of names, each once"],
	[{ dependentRequired: { a: "b" } }, "dependentRequired", "must be an object of lists of names"],
	[{ enum: "a" }, "enum", "must be a list"],
	[{ title: 1 }, "title", "must be a text"],
	[{ uniqueItems: 1 }, "uniqueItems", "must be true or false"],
	[
		{ $anchor: "1a" },
		"$anchor",
		"must be a name of letters, digits, `_`, `-` and `.` that begins with a letter or `_`",
	],
	[{ $anchor: "a", items: { $anchor: "a" } }, "items.$anchor", "is `a`, as another one in this schema is"],
	[{ pattern: "(" }, "pattern", "must be a regular expression: Invalid regular expression: /(/u: Unterminated group"],
	[
		{ patternProperties: { "[": {} } },
		"patternProperties.[",
		"must be a regular expression: Invalid regular expression: /[/u: Unterminated character class",
	],
	[{ minimun: 1 }, "minimun", "is no keyword of JSON Schema; did you mean `minimum`?"],
	[{ allOf: [{ maxlength: 1 }] }, "allOf.0.maxlength", "is no keyword of JSON Schema; did you mean `maxLength`?"],
	[
		{ dependencies: {} },
		"dependencies",
		"is no keyword of JSON Schema 2020-12: write `dependentRequired` or `dependentSchemas`",
	],
	[{ nullable: true }, "nullable", 'is no keyword of JSON Schema 2020-12: write `type: ["…", "null"]`'],
	[
		{ $schema: "http://json-schema.org/draft-07/schema#" },
		"$schema",
		"must be https://json-schema.org/draft/2020-12/schema, or be left out",
	],
	[
		{ $id: "https://example.com/a", items: { $id: "b" } },
		"items.$id",
		"is not supported in a schema within a schema; use `$anchor` or `$defs`",
	],
	[{ $ref: "#/$defs/a" }, "$ref", '"#/$defs/a" leads nowhere'],
	[{ $ref: "#a" }, "$ref", '"#a" leads nowhere'],
	[{ $ref: "#/a~2" }, "$ref", '"#/a~2" leads nowhere'],
	[{ $ref: "#/%" }, "$ref", '"#/%" leads nowhere'],
	[{ $ref: "#/toString" }, "$ref", '"#/toString" leads nowhere'],
	[{ $ref: "#/title", title: "a" }, "$ref", '"#/title" leads to what is no schema'],
	[
		{ $ref: "https://example.com/a" },
		"$ref",
		'leads out of the schema, to "https://example.com/a"; put it into `$defs` and refer to it by `#/$defs/NAME`',
	],
	[{ $ref: "#/default", default: { type: 1 } }, "$ref.type", "must be one of"],
	[{ $ref: "#" }, "$ref", "leads back to itself without going into the value, so that it would never end"],
	[
		{ $defs: { a: { not: { $ref: "#/$defs/b" } }, b: { if: { $ref: "#/$defs/a" } } } },
		"$defs.a.not.$ref.if.$ref",
		"leads back to itself without going into the value, so that it would never end",
	],
];

for (const [schema, path, reason] of WRONG) {
	test(`K1 ${JSON.stringify(schema)} is no schema`, () => {
		const [found, ...others] = problems(schema).filter(({ isWarning }) => !isWarning);
		assert.deepEqual(others, []);
		assert.equal(found?.path.join("."), path);
		assert.ok(found?.reason.startsWith(reason), found?.reason);
	});
}

test("K1 what nothing is held to is said", () => {
	assert.deepEqual(
		problems({
			"x-label": "Price",
			id: "price",
			label: 1,
			$ref: "#/x-defs/a",
			"x-defs": { a: { pattern: "^(a+)+$" } },
		}),
		[
			{ path: ["label"], reason: "is no keyword of JSON Schema: nothing is held to it", isWarning: true },
			{
				path: ["$ref", "pattern"],
				reason: "repeats what repeats itself with nothing in between, which takes very long on some texts",
				isWarning: true,
			},
		],
	);
});

test("K1 expressions in which a repetition is repeated are told from harmless ones", () => {
	const slow = ["^(a+)+$", "^(a*b*)*$", "(\\w+\\s?)*", "(a|b+)*", "(?:x+){2,}", "(a+(b)?)*", "((ab)+)*"];
	assert.deepEqual(slow.filter(isAmbiguous), slow);
	const fine = ["^[a-z0-9]+(-[a-z0-9]+)*$", "^([a-z]+,)*$", "((a+)b)*", "[(a+)+]", "\\(a+\\)+", "(a+)?", "(a)*"];
	assert.deepEqual(fine.filter(isAmbiguous), []);
});
