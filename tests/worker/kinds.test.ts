// Rooms of declared kinds in the built Worker: the kinds of tests/worker/kinds, checked by the validator that is built in.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, newRoom, type Served, serve, sleep } from "./harness.ts";
import { AUTH_KEYS, token, type Wanted } from "./tokens.ts";

let server: Served;
let keyed: Served;
before(async () => {
	server = await serve({ kinds: "rooms", party: "order" });
	keyed = await serve({ kinds: "rooms", party: "order", vars: { AUTH_KEYS } });
});
after(() => Promise.all([server.close(), keyed.close()]));

const address = (room: string, field: string, party = "order") =>
	`/parties/${party}/${encodeURIComponent(room)}/fields/${encodeURIComponent(field)}`;

/** Sets a field over HTTP, and gives what comes of it. */
async function put(field: string, value: unknown, room: string, party = "order"): Promise<Record<string, unknown>> {
	const body = JSON.stringify({ value, userId: "ann" });
	const response = await server.get(address(room, field, party), { method: "PUT", body });
	const { code, path, keyword } = (await response.json()) as Record<string, unknown>;
	return { status: response.status, code, path, keyword };
}

const REFUSED = { status: 422, code: "invalid_value" };
const DONE = { status: 200, code: undefined, path: undefined, keyword: undefined };

test("K3 a value that breaks its field's schema is refused with the place and the keyword, and changes nothing", async () => {
	const room = newRoom();
	for (const [value, keyword, path] of [
		["12", "type", ""],
		[{ amount: 1 }, "required", ""],
		[{ amount: -1, currency: "EUR" }, "minimum", "/amount"],
		[{ amount: 0.005, currency: "EUR" }, "multipleOf", "/amount"],
		[{ amount: 1, currency: "GBP" }, "enum", "/currency"],
		[{ amount: 1, currency: "EUR", "a/b": 1 }, "additionalProperties", "/a~1b"],
	]) {
		assert.deepEqual(await put("price", value, room), { ...REFUSED, path, keyword });
	}
	assert.deepEqual(await put("price", { amount: 9_999_999_999.99, currency: "EUR" }, room), DONE);
	assert.equal((await server.state(room)).selections.price.value.amount, 9_999_999_999.99);
});

test("K2 a literal part goes before a star, and what nothing names is let in only where the kind says so", async () => {
	const room = newRoom();
	assert.deepEqual(await put("tag/good", "yes", room), DONE);
	assert.deepEqual(await put("tag/best", "yes", room), { ...REFUSED, path: "", keyword: "type" });
	assert.deepEqual(await put("tag/best", 1, room), DONE);
	assert.deepEqual((await put("tag/a/b", "yes", room)).code, "unknown_field");
	assert.deepEqual((await put("other", 1, room)).code, "unknown_field");
	assert.deepEqual(await put("other", [1], room, "loose"), DONE);
	assert.deepEqual((await put("price", 1, room, "loose")).code, "invalid_value");
	assert.deepEqual(await put("anything", { at: "all" }, room, "collaboration"), DONE);
});

test("K3 E2 a numbered refusal is told again with the same members", async (t) => {
	const room = newRoom();
	const connected = async () => {
		const client = new Client(server.host, room, "ann", undefined, { party: "order" });
		t.after(() => client.leave());
		await client.open();
		client.send({ type: "hello", protocol: 1, clientId: "ann" });
		await client.next("welcome");
		return client;
	};
	const first = await connected();
	first.set(1, "price", { amount: -1, currency: "EUR" });
	const { duplicate, ...told } = await first.next("error");
	assert.equal(duplicate, undefined);
	assert.deepEqual(told, {
		type: "error",
		code: "invalid_value",
		message: "`price` cannot hold this value: it breaks `minimum` at `/amount` of the field's schema.",
		field: "price",
		path: "/amount",
		keyword: "minimum",
		seq: 1,
	});
	first.cut();
	const again = await connected();
	again.set(1, "price", { amount: -1, currency: "EUR" });
	// The words for people are others.
	const repeated = await again.next("error");
	assert.deepEqual({ ...repeated, message: told.message }, { ...told, duplicate: true });
});

test("K4 roles, claims and own fields decide who may write", async () => {
	const room = newRoom();
	const write = async (field: string, value: unknown, claims: Wanted["claims"]) => {
		const headers = { authorization: `Bearer ${await token({ claims: { rooms: ["order/*"], ...claims } })}` };
		const response = await keyed.get(address(room, field), { method: "PUT", headers, body: JSON.stringify({ value }) });
		return response.status === 200 ? "done" : ((await response.json()) as { code: string }).code;
	};
	assert.equal(await write("note", 1, {}), "done");
	assert.equal(await write("note", 1, { role: "viewer" }), "forbidden");
	assert.equal(await write("approved", true, {}), "forbidden");
	assert.equal(await write("approved", true, { role: "moderator" }), "done");
	assert.equal(await write("rate", 1, { role: "moderator" }), "forbidden");
	assert.equal(await write("rate", 1, { role: "viewer", service: "pricing" }), "done");
	assert.equal(await write("rate", 1, { role: "viewer", service: ["other", "pricing"] }), "done");
	assert.equal(await write("rate", 1, { role: "admin" }), "done");
	assert.equal(await write("ready/alice", true, { role: "viewer" }), "done");
	assert.equal(await write("ready/bob", true, { role: "admin" }), "forbidden");
	assert.equal(await write("seen/x/y", 1, { role: "viewer" }), "done");
});

test("K5 a user's own room opens to its owner and to an admin", async () => {
	const read = async (party: string, claims: Wanted["claims"]) => {
		const headers = { authorization: `Bearer ${await token({ claims })}` };
		return (await keyed.get(`/parties/${party}/alice/state`, { headers })).status;
	};
	assert.equal(await read("own", { rooms: undefined }), 200);
	assert.equal(await read("own", { sub: "bob", rooms: ["own/*"] }), 403);
	assert.equal(await read("own", { sub: "bob", rooms: ["own/*"], role: "admin" }), 200);
	assert.equal(await read("shared", { sub: "bob", rooms: ["shared/*"] }), 200);
	assert.equal(await read("shared", { sub: "bob", rooms: [] }), 403);
});

test("K6 what was stored by an older version is brought forward", async (t) => {
	const persist = mkdtempSync(join(tmpdir(), "roomkeep-kinds-"));
	t.after(() => rmSync(persist, { recursive: true, force: true }));
	const room = newRoom();
	const older = await serve({ kinds: "before", party: "order", persist });
	const values = { name: "Bike", note: 1, status: "open", legacy: 1, "label/a": "b" };
	for (const [field, value] of Object.entries(values)) {
		const body = JSON.stringify({ value, userId: "ann" });
		assert.equal((await older.get(address(room, field), { method: "PUT", body })).status, 200);
	}
	const before = await older.state(room);
	await older.close();
	const newer = await serve({ kinds: "rooms", party: "order", persist });
	t.after(() => newer.close());
	const { selections, version } = await newer.state(room);
	const held = Object.fromEntries(Object.entries<any>(selections).map(([field, { value }]) => [field, value]));
	assert.deepEqual(held, { title: "Bike", note: 1, status: "draft", approved: false, "tag/a": "b" });
	assert.equal(selections.note.version, before.selections.note.version, "what did not change has its version");
	assert.ok(version > before.version);
});

test("K7 the definition can be read, and asked for again", async () => {
	const response = await server.get("/kinds/order");
	const definition = (await response.json()) as Record<string, any>;
	assert.equal(definition.version, 3);
	assert.deepEqual(definition.fields["ready/*"], { schema: { type: "boolean" }, write: ["own"] });
	const headers = { "if-none-match": response.headers.get("etag") ?? "" };
	assert.equal((await server.get("/kinds/order", { headers })).status, 304);
	assert.deepEqual(await (await server.get("/kinds/collaboration")).json(), { version: 0, others: "any" });
	assert.equal((await server.get("/kinds/none")).status, 404);
});

test("K2 X3 a kind says how long its unused rooms are kept", async () => {
	const room = newRoom();
	assert.deepEqual(await put("note", 1, room, "short"), DONE);
	await sleep(4000);
	const state = (await (await server.get(`/parties/short/${room}/state`)).json()) as { selections: object };
	assert.deepEqual(state.selections, {});
});
