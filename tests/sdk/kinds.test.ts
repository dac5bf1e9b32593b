// What a page knows of its room's kind: which fields there are, who may write them, and what they may hold.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Problem, Writer } from "../../packages/sdk/src/kind.ts";
import { kindOf } from "../../packages/sdk/src/kinds.ts";
import { defineRoom } from "../../packages/sdk/src/rooms.ts";

const ann: Writer = { userId: "ann", role: "editor" };
const codeOf = (problem: Problem | undefined) => problem?.code ?? "fits";

/** A token as a back end signs it, with a signature that nobody here looks at. */
const token = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;

test("K2 the closest pattern says what a field may hold, and a field that none names is unknown", () => {
	const texts = { schema: { const: "text" } };
	const kind = kindOf(
		defineRoom({
			version: 3,
			fields: {
				"*": {},
				price: texts,
				"a/*": texts,
				"*/b": {},
				"a/b": { schema: { const: "a/b" } },
				"*/*/c": { schema: { const: "*/*/c" } },
				"a/*/*": { schema: { const: "a/*/*" } },
			},
			rows: { items: { cells: { name: { schema: { const: "name" } } } } },
		}),
	);
	assert.equal(kind.version, 3);
	for (const [field, value, code] of [
		["any", 1, "fits"],
		["price", 1, "invalid_value"],
		["price", "text", "fits"],
		["a/x", "text", "fits"],
		["a/b", "text", "invalid_value"],
		["a/b", "a/b", "fits"],
		["c/b", 1, "fits"],
		["a/x/c", "a/*/*", "fits"],
		["a/x/c", "*/*/c", "invalid_value"],
		["b/x/c", "*/*/c", "fits"],
		["items/7/name", "name", "fits"],
		["items/7/name", "other", "invalid_value"],
		["items/7/colour", "red", "unknown_field"],
		["a/b/c/d", 1, "unknown_field"],
		["b/x", 1, "unknown_field"],
		["a/", "text", "fits"],
	] as const)
		assert.equal(codeOf(kind.check(field, value, ann)), code, `${field} ${value}`);
});

test("K2 a kind that permits others has any field, for editors", () => {
	const kind = kindOf({ others: "any", fields: { price: { schema: { type: "string" } } } });
	assert.equal(kind.version, 1);
	assert.equal(kind.check("anything/at/all", [1], ann), undefined);
	assert.equal(codeOf(kind.check("anything", 1, { ...ann, role: "viewer" })), "forbidden");
	assert.equal(codeOf(kind.check("price", 1, ann)), "invalid_value");
	assert.equal(codeOf(kindOf({}).check("price", 1, ann)), "unknown_field");
});

test("K3 what is cleared holds nothing that could not fit, and a schema of a library is asked for its JSON", () => {
	const asked: unknown[] = [];
	const library = {
		"~standard": {
			version: 1 as const,
			vendor: "some",
			jsonSchema: {
				input(options: object) {
					asked.push(options);
					return { type: "integer" };
				},
			},
		},
	};
	const kind = kindOf({ fields: { count: { schema: library }, never: { schema: false } } });
	assert.equal(kind.check("count", undefined, ann), undefined);
	assert.equal(kind.check("never", undefined, ann), undefined);
	assert.deepEqual(asked, [], "not before there is a value");
	assert.equal(kind.check("count", 1, ann), undefined);
	assert.equal(kind.check("count", "1", ann)?.keyword, "type");
	assert.equal(codeOf(kind.check("never", 1, ann)), "invalid_value");
	assert.deepEqual(asked, [{ target: "draft-2020-12" }]);
});

test("K4 one rule of several is enough: a role and those above it, a claim, one's own", () => {
	const kind = kindOf({
		fields: {
			left: {},
			watch: { write: ["viewer"] },
			admin: { write: ["admin"] },
			team: { write: ["moderator", "claim:team=sales"] },
			sum: { write: ["claim:level=3"] },
			equal: { write: ["claim:text=a=b"] },
			"done/*": { write: ["own", "admin"] },
			"of/*/*": { write: ["own"] },
			nobody: { write: [] },
		},
		rows: { items: { cells: { name: {}, price: { write: ["admin"] } }, write: ["moderator"] } },
	});
	const may = (field: string, more: Partial<Writer> = {}) => kind.check(field, 1, { ...ann, ...more }) === undefined;
	const role = (role: string) => ({ role });
	const claim = (claims: object) => ({ token: token(claims) });
	const cases: [string, Partial<Writer>, boolean][] = [
		["left", {}, true],
		["left", role("viewer"), false],
		["left", role("admin"), true],
		["watch", role("viewer"), true],
		["admin", role("moderator"), false],
		["admin", role("admin"), true],
		["team", {}, false],
		["team", role("moderator"), true],
		["team", claim({ team: "sales" }), true],
		["team", { ...role("viewer"), ...claim({ team: ["support", "sales"] }) }, true],
		["team", claim({ team: "Sales" }), false],
		["team", claim({ team: [["sales"]] }), false],
		["team", claim({ team: { sales: true } }), false],
		["team", claim({}), false],
		["team", { token: "opaque" }, true],
		["team", { token: "a.###.c" }, true],
		["sum", claim({ level: 3 }), true],
		["sum", claim({ level: "3" }), true],
		["sum", claim({ level: [true, 3] }), true],
		["equal", claim({ text: "a=b" }), true],
		["equal", claim({ text: "a" }), false],
		["done/ann", {}, true],
		["done/ann", role("viewer"), true],
		["done/bob", {}, false],
		["done/bob", role("admin"), true],
		["of/ann/bob", {}, true],
		["of/bob/ann", {}, false],
		["nobody", role("admin"), false],
		["items/7/name", {}, false],
		["items/7/name", role("moderator"), true],
		["items/7/price", role("moderator"), false],
	];
	for (const [field, more, isAllowed] of cases)
		assert.equal(may(field, more), isAllowed, `${field} ${more.role} ${more.token}`);
	assert.equal(may("team", claim({ team: "sålés-ü" })), false);
	const foreign = kindOf({ fields: { team: { write: ["claim:team=sålés-ü"] } } });
	assert.equal(foreign.check("team", 1, { ...ann, ...claim({ team: "sålés-ü" }) }), undefined);
});

test("K4 as long as the room has not said who this is, roles and claims may be anything, and one's own is known", () => {
	const kind = kindOf({
		fields: {
			admin: { write: ["admin"] },
			claim: { write: ["claim:a=b"] },
			"done/*": { write: ["own"] },
			none: { write: [] },
		},
	});
	const early = { userId: "ann" };
	const codes = ["admin", "claim", "done/ann", "done/bob", "none"].map((field) => codeOf(kind.check(field, 1, early)));
	assert.deepEqual(codes, ["fits", "fits", "fits", "forbidden", "forbidden"]);
});

test("K2 K3 K4 a refusal is in the room's own words", () => {
	const words = JSON.parse(readFileSync(join(import.meta.dirname, "../vectors/words.json"), "utf8"));
	const kind = kindOf(words.definition);
	assert.ok(words.cases.length > 0);
	for (const { role, field, value, error } of words.cases)
		assert.deepEqual(kind.check(field, value, { userId: "ann", role }), error);
});
