// What `npm start`, `npm run build` and `npm run deploy` make of the module that declares the rooms, and the Worker of that.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { emptyFolder, root } from "./packed.ts";

let folder: string;
/** What the script left: out of the way of a build that goes on beside. */
const OUT = "build/rooms-script-test";

before(() => {
	folder = emptyFolder();
});

after(() => {
	rmSync(folder, { recursive: true, force: true });
	rmSync(join(root, OUT), { recursive: true, force: true });
});

/** Runs one of the scripts for a file with this content, from the folder that it is in. */
function run(script: string, name: string, content: string | undefined, ...args: string[]) {
	if (content !== undefined) writeFileSync(join(folder, name), content);
	const options = { cwd: root, env: { ...process.env, INIT_CWD: folder }, encoding: "utf8" } as const;
	const { status, stderr } = spawnSync(process.execPath, [`scripts/${script}`, "--rooms", name, ...args], options);
	return { status, stderr: stderr.trim().replaceAll(folder, "FOLDER") };
}

/** The kinds that a module declares, as the script leaves them. */
async function kinds(name: string, content: string): Promise<unknown> {
	const { status, stderr } = run("rooms.mjs", name, content, "--out", OUT);
	assert.deepEqual([status, stderr], [0, ""]);
	const path = pathToFileURL(join(root, OUT, "rooms.mjs"));
	return (await import(`${path.href}?${name}`)).default;
}

const DECLARED = { version: 1, rows: {}, others: "none", enter: ["rooms"], lenses: [] };

test("K1 rooms are declared in TypeScript, JavaScript or JSON, and in files that they import", async () => {
	writeFileSync(join(folder, "schemas.ts"), `export const price: object = { type: "number" };`);
	const typed = `
		import { defineRoom } from "roomkeep/rooms";
		import { price } from "./schemas.ts";
		export default { order: defineRoom({ fields: { price: { schema: price } } }) };`;
	const order = { ...DECLARED, fields: { price: { schema: { type: "number" }, write: ["editor"] } } };
	assert.deepEqual(await kinds("a.ts", typed), { order });
	assert.deepEqual(await kinds("a.mjs", `export default { order: {} };`), { order: { ...DECLARED, fields: {} } });
	assert.deepEqual(await kinds("a.json", `{"order":{"fields":{"price":{"schema":{"type":"number"}}}}}`), { order });
	const odd = await kinds("b.json", `{"order":{"fields":{"__proto__":{"write":["admin"]}}}}`);
	assert.match(JSON.stringify(odd), /"fields":\{"__proto__":\{"write":\["admin"\]\}\}/);
});

test("K1 what makes no sense ends each command before anything is built", () => {
	const nonsense = `{"order":{"fields":{"price/*":{"schema":{"type":"amount"}}},"others":"all"}}`;
	const lines = [
		"FOLDER/a.json: makes no sense:",
		'  rooms.order.fields["price/*"].schema.type: must be one of "array", "boolean", "integer", "null", "number", "object", "string", or a list of some of them',
		'  rooms.order.others: must be one of "none", "any"',
	];
	for (const [script, ...args] of [
		["rooms.mjs"],
		["build.mjs", "--dry-run"],
		["start.mjs"],
		["deploy.mjs", "--dry-run"],
	]) {
		assert.deepEqual(run(script ?? "", "a.json", nonsense, ...args), { status: 1, stderr: lines.join("\n") }, script);
	}
});

test("K1 a name that stands twice, a syntax error, an exception and a missing file are told", () => {
	const twice = run("rooms.mjs", "a.json", '{"order":{"fields":{\n"price":{},\n"price":{}}}}');
	assert.deepEqual(twice.status, 1);
	assert.match(twice.stderr, /a\.json: cannot be read:\n {2}.*a\.json:3:1: Duplicate key "price" in object literal$/);
	const typed = run("rooms.mjs", "a.ts", "export default { a: { fields: { x: {}, x: {} } } };");
	assert.match(typed.stderr, /a\.ts:1:40: Duplicate key "x" in object literal$/);
	const broken = run("rooms.mjs", "a.ts", "export default {");
	assert.match(broken.stderr, /a\.ts: cannot be read:\n {2}.*a\.ts:1:\d+: Expected identifier but found end of file$/);
	const missing = run("rooms.mjs", "a.ts", 'import "./none.ts"; export default {};');
	assert.match(missing.stderr, /a\.ts:1:8: Could not resolve ".\/none.ts"$/);
	const thrown = run("rooms.mjs", "a.ts", 'throw new Error("no kinds today");');
	assert.match(thrown.stderr, /a\.ts: cannot be run: Error: no kinds today\n/);
	const none = run("rooms.mjs", "none.ts", undefined);
	assert.equal(
		none.stderr,
		"FOLDER/none.ts: there is no such file. `--rooms FILE` names the module that declares the rooms.",
	);
	const text = run("rooms.mjs", "a.txt", "");
	assert.equal(text.stderr, "FOLDER/a.txt: must be one of .ts, .mts, .mjs, .js, .json.");
	const empty = run("rooms.mjs", "a.ts", "export const rooms = {};");
	assert.match(empty.stderr, /rooms: must be an object of kinds by party, .* and is missing$/);
	assert.deepEqual(
		[twice, typed, broken, missing, thrown, none, text, empty].map(({ status }) => status),
		Array(8).fill(1),
	);
});

test("K1 what is only unwise is told and done", () => {
	const { status, stderr } = run("rooms.mjs", "a.json", '{"order":{"fields":{"body":{"text":true}}}}', "--out", OUT);
	assert.equal(status, 0);
	assert.equal(stderr, "FOLDER/a.json: rooms.order.fields.body.text: is accepted, but this version does not act on it");
});

test("K1 K2 K5 K6 the project's own rooms make sense, and nothing about them is unwise", () => {
	const { status, stderr } = run("rooms.mjs", join(root, "rooms/index.ts"), undefined, "--out", OUT);
	assert.deepEqual([status, stderr], [0, ""]);
	assert.ok(existsSync(join(root, OUT, "rooms.mjs")));
});

test("K1 the rooms of the README make sense, and its example of what does not is told as it says", () => {
	const readme = readFileSync(join(root, "README.md"), "utf8");
	const module = readme.match(/```ts\n(\/\/ rooms\/index\.ts\n[^`]*)```/)?.[1] ?? "";
	const told = readme.match(/```\nrooms\/index\.ts: (makes no sense:[\s\S]*?)\n```/)?.[1];
	assert.ok(module.includes("minimum:") && told, "the README has both");
	assert.deepEqual(run("rooms.mjs", "a.ts", module, "--out", OUT), { status: 0, stderr: "" });
	const wrong = run("rooms.mjs", "a.ts", module.replace("minimum:", "minimun:"), "--out", OUT);
	assert.deepEqual(wrong, { status: 1, stderr: `FOLDER/a.ts: ${told}` });
});

test("K3 the Worker says what a value breaks of its field's schema, and never throws", async () => {
	mkdirSync(join(root, OUT), { recursive: true });
	const price = { type: "object", properties: { amount: { type: "number", minimum: 0 } } };
	const declared = { order: { fields: { price: { schema: price }, note: {}, "tag/*": { schema: { maxLength: 2 } } } } };
	const rows = { items: { cells: { price: { schema: { type: "number" } } } } };
	assert.equal(
		run("rooms.mjs", "a.json", JSON.stringify({ order: { ...declared.order, rows } }), "--out", OUT).status,
		0,
	);
	const outfile = join(root, OUT, "kinds.mjs");
	const alias = {
		"roomkeep-rooms": join(root, OUT, "rooms.mjs"),
		"roomkeep-validators": join(root, "packages/sdk/src/rooms/validators.ts"),
	};
	await build({ entryPoints: [join(root, "src/shell/kinds.mjs")], bundle: true, format: "esm", outfile, alias });
	const { definitions, misfit } = await import(pathToFileURL(outfile).href);
	assert.deepEqual(Object.keys(JSON.parse(definitions()).order.fields), ["price", "note", "tag/*"]);
	assert.ok(readFileSync(outfile, "utf8").length < 60_000, "nothing but the validator comes along");
	for (const [pattern, value, expected] of [
		["price", '{"amount":12}', undefined],
		["price", '{"amount":-1}', "minimum /amount"],
		["price", '{"amount":"12"}', "type /amount"],
		["price", "12", "type "],
		["note", "[[]]", undefined],
		["tag/*", '"abc"', "maxLength "],
		["items/*/price", '"1"', "type "],
		["items/*/price", "1", undefined],
		["items", "1", undefined],
		["price", "no JSON", "type "],
		["toString", "1", undefined],
	]) {
		assert.equal(misfit("order", pattern, value), expected, `${pattern} ${value}`);
	}
	assert.equal(misfit("other", "price", "1"), undefined);
});
