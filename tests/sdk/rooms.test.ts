// What a definition becomes, and what is said of one that makes no sense. Each message is here in full.

import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { patternOf } from "../../packages/sdk/src/rooms/names.ts";
import { checkRooms, DefinitionError, defineRoom } from "../../packages/sdk/src/rooms.ts";

/** The lines of the message for a definition that makes no sense. */
function faults(rooms: unknown): readonly string[] {
	try {
		checkRooms(rooms);
	} catch (error) {
		assert.ok(error instanceof DefinitionError, String(error));
		assert.equal(error.message, error.faults.join("\n"));
		return error.faults;
	}
	return [];
}

test("K2 what a definition leaves out is filled in", () => {
	assert.deepEqual(checkRooms({ trade: defineRoom({}) }), {
		rooms: {
			trade: { version: 1, fields: {}, rows: {}, others: "none", enter: ["rooms"], lenses: [] },
		},
		warnings: [],
	});
	const { rooms } = checkRooms({
		order: {
			fields: { price: { schema: true }, note: { write: ["viewer"] } },
			rows: { items: { cells: { price: {} } } },
			ttlDays: 0.5,
			enter: undefined,
		},
	});
	assert.deepEqual(rooms.order, {
		version: 1,
		fields: { price: { schema: true, write: ["editor"] }, note: { write: ["viewer"] } },
		rows: { items: { cells: { price: { write: ["editor"] } }, write: ["editor"] } },
		others: "none",
		enter: ["rooms"],
		lenses: [],
		ttlDays: 0.5,
	});
});

test("K2 all members of a kind are kept as they are given", () => {
	const order = {
		version: 3,
		fields: {
			"*": { schema: { type: "number" }, write: ["moderator", "claim:team=a=b"] },
			"done/*": { write: ["own"] },
			"x/*": { write: ["viewer"] },
		},
		rows: { items: { cells: { name: { write: ["own"] } }, write: ["admin", "own"], max: 5 } },
		others: "any",
		enter: ["owner", "rooms"],
		lenses: [
			{ to: 2 },
			{
				to: 3,
				rename: { "a/*": "x/*" },
				drop: ["b"],
				map: { price: { "1": 2 } },
				default: { price: 5 },
			},
		],
		ttlDays: 7,
	};
	const { rooms, warnings } = checkRooms({ order });
	assert.deepEqual(rooms, { order });
	assert.deepEqual(warnings, ["rooms.order.rows: is accepted, but this version does not act on it"]);
	assert.deepEqual(checkRooms(rooms).rooms, rooms, "what is kept is a definition again");
	assert.deepEqual(checkRooms(JSON.parse(JSON.stringify(rooms))).rooms, rooms, "and plain JSON");
});

test("K2 members of later versions are accepted with a warning", () => {
	const { rooms, warnings } = checkRooms({
		draft: {
			fields: { body: { text: true }, title: { text: { root: "t", maxLength: 100 } }, plain: { text: false } },
			rows: { items: { cells: { note: { text: {} } } } },
			resolutions: {},
			history: { keep: "full", bytes: 1000 },
		},
	});
	assert.deepEqual(rooms.draft?.fields, {
		body: { write: ["editor"], text: true },
		title: { write: ["editor"], text: { root: "t", maxLength: 100 } },
		plain: { write: ["editor"] },
	});
	assert.deepEqual(rooms.draft?.resolutions, { open: ["editor"] });
	assert.deepEqual(rooms.draft?.history, { keep: "full", days: 30, bytes: 1000 });
	assert.deepEqual(
		warnings,
		["fields.body.text", "fields.title.text", "rows", "rows.items.cells.note.text", "resolutions", "history"].map(
			(place) => `rooms.draft.${place}: is accepted, but this version does not act on it`,
		),
	);
});

test("K1 a schema of a library becomes JSON Schema", () => {
	const { rooms } = checkRooms({
		order: { fields: { price: { schema: z.object({ amount: z.number().min(0), currency: z.enum(["EUR", "USD"]) }) } } },
	});
	assert.deepEqual(rooms.order?.fields.price?.schema, {
		$schema: "https://json-schema.org/draft/2020-12/schema",
		type: "object",
		properties: { amount: { type: "number", minimum: 0 }, currency: { type: "string", enum: ["EUR", "USD"] } },
		required: ["amount", "currency"],
	});
	// What is sent has to fit, not what the library would make of it.
	const length = checkRooms({ order: { fields: { a: { schema: z.string().transform((text) => text.length) } } } });
	assert.deepEqual(length.rooms.order?.fields.a?.schema, {
		$schema: "https://json-schema.org/draft/2020-12/schema",
		type: "string",
	});
});

test("K1 the room of a schema that a library cannot say in JSON Schema is refused", () => {
	const old = { "~standard": { version: 1, vendor: "old", validate: () => ({ value: 1 }) } };
	assert.deepEqual(faults({ a: { fields: { f: { schema: old }, g: { schema: z.bigint() } } } }), [
		"rooms.a.fields.f.schema: is a schema of `old` that cannot convert itself to JSON Schema; take a version of the library that can, or write JSON Schema",
		"rooms.a.fields.g.schema: is a schema of `zod` that is no JSON Schema: BigInt cannot be represented in JSON Schema",
	]);
});

const KINDS = 'there are "version", "fields", "rows", "others", "enter", "lenses", "ttlDays", "resolutions", "history"';
const RULES = 'must be one of "viewer", "editor", "moderator", "admin", "own", or "claim:NAME=VALUE"';
const ORDER = "lenses stand in order of `to`, one for each version from 2 on";
const long = "x".repeat(129);

/** Definitions of the kind `a`, and what is said of each, without the place of the kind. */
const WRONG: [definition: unknown, ...lines: string[]][] = [
	[5, ": must be a kind of room, and is a number"],
	[null, ": must be a kind of room, and is null"],
	[[], ": must be a kind of room, and is a list"],
	[{ feilds: {} }, ".feilds: is no member of a kind of room; did you mean `fields`?"],
	[{ colour: 1 }, `.colour: is no member of a kind of room; ${KINDS}`],
	[{ version: 0 }, ".version: must be a whole number of 1 or more"],
	[{ version: "2" }, ".version: must be a whole number of 1 or more"],
	[{ others: "all" }, '.others: must be one of "none", "any"'],
	[{ enter: [] }, '.enter: must be a list of "rooms", "owner" or both'],
	[{ enter: ["owner", "owner"] }, ".enter[1]: stands there twice"],
	[{ enter: ["editor"] }, '.enter[0]: must be one of "rooms", "owner"'],
	[{ ttlDays: 0 }, ".ttlDays: must be a number of days above 0 and up to 36500"],
	[{ ttlDays: 36_501 }, ".ttlDays: must be a number of days above 0 and up to 36500"],
	[
		{ resolutions: { open: ["own"] } },
		".resolutions.open[0]: is `own`, but no part of the name is a `*` that could be the user's id",
	],
	[{ history: {} }, '.history.keep: must be one of "off", "who", "full"'],
	[{ history: { keep: "full", days: 0 } }, ".history.days: must be a number above 0"],

	[{ fields: [] }, ".fields: must be an object of fields by pattern, and is a list"],
	[{ fields: { f: true } }, ".fields.f: must be a field, and is a boolean"],
	[{ fields: { f: { wirte: [] } } }, ".fields.f.wirte: is no member of a field; did you mean `write`?"],
	[
		{ fields: { f: { required: true } } },
		'.fields.f.required: is no member of a field; there are "schema", "write", "text"',
	],
	[{ fields: { "": {} } }, '.fields[""]: has a part without a letter: a pattern is parts with `/` between them'],
	[
		{ fields: { "a//b": {} } },
		'.fields["a//b"]: has a part without a letter: a pattern is parts with `/` between them',
	],
	[{ fields: { "a*": {} } }, '.fields["a*"]: has a part `a*`: a `*` stands for a whole part'],
	[{ fields: { ["ü".repeat(257)]: {} } }, `.fields[${JSON.stringify("ü".repeat(257))}]: is longer than 512 bytes`],
	[{ fields: { f: { text: 1 } } }, ".fields.f.text: must be a text's options, and is a number"],
	[{ fields: { f: { text: { root: 1 } } } }, ".fields.f.text.root: must be a text"],
	[{ fields: { f: { text: { maxLength: 0 } } } }, ".fields.f.text.maxLength: must be a whole number of 1 or more"],

	[{ fields: { f: { schema: "string" } } }, ".fields.f.schema: must be a schema: an object, true or false"],
	[
		{ fields: { "price/*": { schema: { type: "amount" } } } },
		'.fields["price/*"].schema.type: must be one of "array", "boolean", "integer", "null", "number", "object", "string", or a list of some of them',
	],
	[
		{ fields: { f: { schema: { anyOf: [{}, { minimun: 1 }] } } } },
		".fields.f.schema.anyOf[1].minimun: is no keyword of JSON Schema; did you mean `minimum`?",
	],
	[{ fields: { f: { schema: { const: () => 1 } } } }, ".fields.f.schema.const: is a function, which is no JSON"],
	[{ fields: { f: { schema: { maximum: Number.NaN } } } }, ".fields.f.schema.maximum: is NaN, which is no JSON"],

	[{ fields: { f: { write: "editor" } } }, ".fields.f.write: must be a list of at least one rule"],
	[{ fields: { f: { write: [] } } }, ".fields.f.write: must be a list of at least one rule"],
	[{ fields: { f: { write: ["editors"] } } }, `.fields.f.write[0]: ${RULES}; did you mean \`editor\`?`],
	[{ fields: { f: { write: ["everybody"] } } }, `.fields.f.write[0]: ${RULES}`],
	[{ fields: { f: { write: ["claim:team"] } } }, `.fields.f.write[0]: ${RULES}`],
	[{ fields: { f: { write: ["claim:=x"] } } }, `.fields.f.write[0]: ${RULES}`],
	[{ fields: { f: { write: [null] } } }, `.fields.f.write[0]: ${RULES}`],
	[{ fields: { f: { write: ["editor", "editor"] } } }, ".fields.f.write[1]: stands there twice"],
	[{ fields: { f: { write: [`claim:a=${"x".repeat(512)}`] } } }, ".fields.f.write[0]: is longer than 512 bytes"],
	[
		{ fields: { "done/x": { write: ["own"] } } },
		'.fields["done/x"].write[0]: is `own`, but no part of the name is a `*` that could be the user\'s id',
	],

	[{ rows: { items: 5 } }, ".rows.items: must be a list of rows, and is a number"],
	[{ rows: { items: {} } }, ".rows.items.cells: must be an object of columns by name, and is missing"],
	[
		{ rows: { items: { cells: {}, maxx: 1 } } },
		".rows.items.maxx: is no member of a list of rows; did you mean `max`?",
	],
	[{ rows: { items: { cells: {}, max: 0 } } }, ".rows.items.max: must be a whole number of 1 or more"],
	[{ rows: { "": { cells: {} } } }, '.rows[""]: has no letter'],
	[{ rows: { "a/b": { cells: {} } } }, '.rows["a/b"]: has a `/` or a `*`: it is one part of a name'],
	[{ rows: { [long]: { cells: {} } } }, `.rows.${long}: is longer than 128 bytes`],
	[{ rows: { items: { cells: { "*": {} } } } }, '.rows.items.cells["*"]: has a `/` or a `*`: it is one part of a name'],
	[
		{ rows: { items: { cells: { price: { write: [] } } } } },
		".rows.items.cells.price.write: must be a list of at least one rule",
	],
	[
		{ fields: { "items/*/price": {} }, rows: { items: { cells: { price: {} } } } },
		'.fields["items/*/price"]: is a cell of the list `items`, whose cells are in `rows`',
	],

	[{ lenses: {} }, ".lenses: must be a list of lenses"],
	[{ version: 2 }, ".lenses: has no lens to version 2; `version` is 2"],
	[{ version: 3, lenses: [{ to: 2 }] }, ".lenses: has no lens to version 3; `version` is 3"],
	[{ lenses: [{ to: 2 }] }, ".lenses[0]: leads to version 2, but `version` is 1"],
	[
		{ version: 3, lenses: [{ to: 3 }, { to: 2 }] },
		`.lenses[0].to: must be 2: ${ORDER}`,
		`.lenses[1].to: must be 3: ${ORDER}`,
	],
	[
		{ version: 2, lenses: [{ to: 2, renmae: {} }] },
		".lenses[0].renmae: is no member of a lens; did you mean `rename`?",
	],
	[{ version: 2, lenses: [{ to: 2, rename: { a: 1 } }] }, ".lenses[0].rename.a: must be a pattern as a text"],
	[{ version: 2, lenses: [{ to: 2, rename: { a: "a" } }] }, ".lenses[0].rename.a: becomes what it is"],
	[
		{ version: 2, others: "any", lenses: [{ to: 2, rename: { "a/*": "b" } }] },
		'.lenses[0].rename["a/*"]: becomes `b`, which has not as many `*`',
	],
	[
		{ version: 2, others: "any", lenses: [{ to: 2, rename: { a: "c", b: "c" } }] },
		".lenses[0].rename.b: becomes `c`, as another one does",
	],
	[
		{ version: 2, lenses: [{ to: 2, rename: { a: "b" } }] },
		".lenses[0].rename.a: becomes `b`, of which the kind has no field",
	],
	[{ version: 2, lenses: [{ to: 2, drop: "a" }] }, ".lenses[0].drop: must be a list of patterns"],
	[
		{ version: 2, lenses: [{ to: 2, drop: ["a*"] }] },
		".lenses[0].drop[0]: has a part `a*`: a `*` stands for a whole part",
	],
	[
		{ version: 2, lenses: [{ to: 2, map: { a: [] } }] },
		".lenses[0].map.a: must be an object of new values by old one, and is a list",
	],
	[
		{ version: 2, fields: { "a/*": { schema: { enum: [1] } } }, lenses: [{ to: 2, map: { "a/*": { x: 2 } } }] },
		'.lenses[0].map["a/*"].x: breaks `enum` of the field\'s schema',
	],
	[
		{ version: 2, others: "any", lenses: [{ to: 2, default: { "a/*": 1 } }] },
		'.lenses[0].default["a/*"]: must be the name of one field, without `*`',
	],
	[
		{ version: 2, lenses: [{ to: 2, default: { a: 1 } }] },
		".lenses[0].default.a: is a name of which the kind has no field",
	],
	[
		{
			version: 2,
			fields: { "*": { schema: { properties: { n: { minimum: 1 } } } } },
			lenses: [{ to: 2, default: { a: { n: 0 } } }],
		},
		".lenses[0].default.a: breaks `minimum` at `/n` of the field's schema",
	],
];

for (const [definition, ...lines] of WRONG) {
	test(`K1 K2 K4 K5 K6 ${lines.join(" and ")}`, () => {
		assert.deepEqual(
			faults({ a: definition }),
			lines.map((line) => `rooms.a${line}`),
		);
	});
}

test("K1 what is wrong in several places is told at once", () => {
	assert.deepEqual(faults({ a: { version: 0 }, b: { others: 1, fields: { f: { write: [] } } } }), [
		"rooms.a.version: must be a whole number of 1 or more",
		"rooms.b.fields.f.write: must be a list of at least one rule",
		'rooms.b.others: must be one of "none", "any"',
	]);
});

test("K1 what is no object of kinds is told with an example", () => {
	for (const [given, kind] of [
		[undefined, "missing"],
		[[], "a list"],
		[() => {}, "a function"],
	] as const) {
		assert.deepEqual(faults(given), [
			`rooms: must be an object of kinds by party, as in \`export default { trade: defineRoom({ … }) }\`, and is ${kind}`,
		]);
	}
});

test("K1 a party has a name that can stand in an address and in tokens", () => {
	const reason = "is no name of a party: 1 to 64 letters, digits, `_`, `-` and `.`, not beginning with `-` or `.`";
	for (const party of ["", "a/b", "a,b", "..", "-a", "ä", "a*", "x".repeat(65)]) {
		const place = /^\w+$/.test(party) ? `.${party}` : `[${JSON.stringify(party)}]`;
		assert.deepEqual(faults({ [party]: {} }), [`rooms${place}: ${reason}`]);
	}
	const good = Object.fromEntries(["trade", "Order_2", "my-kind.v1", "7"].map((party) => [party, {}]));
	assert.deepEqual(Object.keys(checkRooms(good).rooms).sort(), Object.keys(good).sort());
});

test("K1 the definition of a kind is at most 256 KiB", () => {
	const schema = { description: "x".repeat(262_144) };
	assert.deepEqual(faults({ a: { fields: { f: { schema } } } }), [
		"rooms.a: is 262277 bytes as JSON; the most is 262144",
	]);
});

test("K1 a schema that leads back to itself as an object is told", () => {
	const round: Record<string, unknown> = { type: "object" };
	round.not = round;
	round.items = round;
	const [fault, ...others] = faults({ a: { fields: { f: { schema: round } } } });
	assert.equal(fault, "rooms.a.fields.f.schema: is nested more than 128 deep");
	assert.deepEqual(others, []);
});

test("K1 names that JavaScript has a meaning for are names like others", () => {
	const given = JSON.parse(
		'{"a":{"fields":{"__proto__":{"write":["admin"]},"constructor":{"schema":{"default":{"__proto__":1}}}}}}',
	);
	const { rooms } = checkRooms(given);
	assert.equal(
		JSON.stringify(rooms.a?.fields),
		'{"__proto__":{"write":["admin"]},"constructor":{"schema":{"default":{"__proto__":1}},"write":["editor"]}}',
	);
});

test("K2 a name longer than rooms usually take is told", () => {
	assert.deepEqual(checkRooms({ a: { fields: { [long]: {} } } }).warnings, [
		`rooms.a.fields.${long}: is longer than the 128 bytes that a room takes unless LIMIT_NAME_BYTES says more`,
	]);
});

test("K2 a literal part goes before a star, from the left", () => {
	const patterns = ["*", "*/*/*", "*/b/c", "a/*/*", "a/*/c", "a/b/*", "price"];
	for (const [name, pattern] of [
		["price", "price"],
		["other", "*"],
		["a/b/c", "a/b/*"],
		["a/x/c", "a/*/c"],
		["a/x/y", "a/*/*"],
		["x/b/c", "*/b/c"],
		["x/y/z", "*/*/*"],
		["a/b", undefined],
		["a/b/c/d", undefined],
		["a/*/c", "a/*/c"],
	]) {
		assert.equal(patternOf(name ?? "", patterns), pattern, name);
		assert.equal(patternOf(name ?? "", patterns.toReversed()), pattern, name);
	}
});
