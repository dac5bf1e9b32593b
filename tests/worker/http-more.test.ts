// What a room does over HTTP beside writing one field: several fields, one field read, messages, and leavers removed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, type Frame, newRoom, Page, type Served, serve } from "./harness.ts";
import { AUTH_KEYS, answered, bearer, dump, roomPath, token } from "./tokens.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

interface Answer {
	status: number;
	etag: string | null;
	body: Frame;
}

async function ask(method: string, path: string, body?: object | string, headers: Record<string, string> = {}) {
	const text = typeof body === "object" ? JSON.stringify(body) : body;
	const response = await server.get(path, { method, headers, ...(text === undefined ? {} : { body: text }) });
	const answer = await response.text();
	const etag = response.headers.get("etag");
	return { status: response.status, etag, body: answer === "" ? undefined : JSON.parse(answer) } as Answer;
}

const set = (field: string, value: unknown) => ({ type: "field_selected", selection: { field, value } });
const clear = (field: string) => ({ type: "field_cleared", field });

test("H7 S9 H10 a PATCH or a POST makes all of its changes or none, and is stored", async () => {
	const room = newRoom();
	const state = roomPath(room, "/state");
	const done = await ask("PATCH", state, { userId: "bob", changes: [set("a", 1), set("b", { n: 1.5 }), clear("c")] });
	assert.deepEqual([done.status, done.body.version], [200, 2]);
	assert.deepEqual([done.body.selections.b.value, done.body.selections.c], [{ n: 1.5 }, null]);
	assert.equal(done.etag, (await server.get(state)).headers.get("etag"));
	await server.evict(room);
	assert.deepEqual(Object.keys((await server.state(room)).selections), ["a", "b"]);
	const changes = [clear("a"), { ...set("b", 2), baseVersion: 1 }];
	const late = await ask("PATCH", state, { userId: "bob", changes });
	assert.deepEqual(
		[late.status, late.body.code, late.body.field, late.body.serverVersion],
		[409, "E_CONFLICT", "b", 2],
	);
	const missed = await ask("PATCH", state, { userId: "bob", changes: [clear("a")] }, { "if-match": 'W/"x-1"' });
	assert.deepEqual([missed.status, missed.body.code], [412, "precondition_failed"]);
	// As `sendBeacon` sends it.
	const text = { "content-type": "text/plain;charset=UTF-8" };
	const beacon = await ask("POST", state, { userId: "bob", changes: [clear("a")] }, text);
	assert.deepEqual([beacon.status, beacon.body], [200, { version: 3, selections: { a: null } }]);
	assert.equal((await ask("PATCH", state, "rubbish")).body.code, "bad_message");
	const allowed = (await server.get(state, { method: "PUT", body: "{}" })).headers.get("allow");
	assert.equal(allowed, "GET, HEAD, PATCH, POST");
});

test("H8 a field is read by itself, with the tag that its writer got", async () => {
	const room = newRoom();
	const path = roomPath(room, "/fields/a%2Fb");
	assert.deepEqual((await ask("GET", path)).body.code, "field_not_set");
	const put = await ask("PUT", path, { value: [1], userId: "bob", note: "x" });
	const read = await ask("GET", path);
	assert.deepEqual([read.status, read.etag, read.body], [200, put.etag, put.body.selection]);
	const same = await ask("GET", path, undefined, { "if-none-match": `W/${read.etag}` });
	assert.deepEqual([same.status, same.etag, same.body], [304, read.etag, undefined]);
	assert.equal((await ask("GET", path, undefined, { "if-none-match": '"other"' })).status, 200);
	assert.equal((await server.get(path, { method: "HEAD" })).headers.get("etag"), read.etag);
	await ask("DELETE", `${path}?userId=bob`);
	const gone = await ask("GET", path);
	assert.deepEqual([gone.status, gone.etag, gone.body.code, gone.body.version], [404, null, "field_not_set", 2]);
});

test("H9 P2 P3 a back end's message reaches all, or one user", async () => {
	const room = newRoom();
	const messages = roomPath(room, "/messages");
	const [ann, bob] = [await Client.greeted(server.host, room, "ann"), new Page(server.host, room)];
	await bob.open();
	bob.send({ type: "user_joined", userId: "bob", userName: "Bob" });
	await ann.next("user_joined");
	const text = '{ "type": "price alert", "at": 1.10 }';
	assert.deepEqual(await ask("POST", messages, text), { status: 200, etag: null, body: { sent: 2 } });
	await Promise.all([ann.next("price alert"), bob.next("price alert")]);
	assert.deepEqual((await ask("POST", messages, { type: "nudge", to: "bob" })).body, { sent: 1 });
	await bob.next("nudge");
	await ann.sync();
	assert.deepEqual(ann.all("nudge"), []);
	assert.equal((await ask("POST", messages, { type: "kick", userId: "bob" })).body.code, "bad_message");
	assert.equal((await ask("POST", messages, { type: "changes" })).body.code, "reserved_type");
	assert.equal((await ask("POST", messages, { type: "x", text: "y".repeat(70_000) })).status, 413);
	assert.equal((await ask("PUT", messages, { type: "x" })).status, 405);
	ann.leave();
	bob.leave();
});

test("J10 a participant who left is removed over HTTP, for those who are there and for those who come", async () => {
	const room = newRoom();
	const [ann, bob] = [new Page(server.host, room), new Page(server.host, room)];
	await Promise.all([ann.open(), bob.open()]);
	bob.send({ type: "user_joined", userId: "auth0|bob", userName: "Bob" });
	await ann.next("user_joined");
	const path = roomPath(room, "/participants/auth0%7Cbob");
	const online = await ask("DELETE", path);
	assert.deepEqual([online.status, online.body.code], [409, "participant_online"]);
	bob.leave();
	await ann.next("user_left");
	assert.deepEqual(await ask("DELETE", path), { status: 200, etag: null, body: { version: 2 } });
	assert.deepEqual((await ann.next("participant_removed")).userId, "auth0|bob");
	await server.evict(room);
	const state = await server.state(room);
	assert.deepEqual([state.version, state.participants], [2, []]);
	ann.leave();
});

test("H10 A4 A7 J10 with tokens: a beacon's is in the query, an origin that is not admitted may not, and roles hold", async () => {
	const guarded = await serve({ vars: { AUTH_KEYS, ALLOWED_ORIGINS: "https://app.example" } });
	const room = newRoom();
	const mine = await token({ claims: { sub: "ann", role: "viewer" } });
	const editor = await token({ claims: { sub: "eve", role: "editor" } });
	const post = (rest: string, body: object, headers: Record<string, string> = {}) =>
		answered(guarded, roomPath(room, rest), { method: "POST", body: JSON.stringify(body), headers });
	const changes = [set("f", 1)];
	assert.equal(await post(`/state?token=${editor}`, { changes }, { origin: "https://app.example" }), "200");
	assert.equal(await post(`/fields/f?token=${editor}`, { value: 2 }), "200");
	for (const rest of ["/state", "/fields/f", "/messages"]) {
		const evil = { origin: "https://evil.example", cookie: `token=${editor}` };
		assert.equal(await post(`${rest}?token=${editor}`, { changes, value: 3, type: "x" }, evil), "403 forbidden_origin");
		assert.equal(await post(rest, { changes, value: 3, type: "x" }, { cookie: `token=${editor}` }), "401 unauthorized");
		assert.equal(await post(`${rest}?token=${mine}`, { changes, value: 3, type: "x" }), "403 forbidden");
	}
	const foreign = { type: "x", userId: "bob" };
	assert.equal(await post(`/messages?token=${editor}`, foreign), "403 identity_mismatch");
	const remove = (user: string, by: string) =>
		answered(guarded, roomPath(room, `/participants/${user}`), { method: "DELETE", headers: bearer(by) });
	const removals = [await remove("bob", mine), await remove("bob", editor), await remove("ann", mine)];
	assert.deepEqual(removals, ["403 forbidden", "403 forbidden", "200"]);
	await guarded.close();
});

test("A1 a token without a kid is refused beside a provider whose keys nobody has fetched yet", async () => {
	const keys = JSON.stringify({
		keys: JSON.parse(AUTH_KEYS).keys.filter(({ kid }: { kid: string }) => kid === "secret"),
	});
	const alone = await serve({ vars: { AUTH_KEYS: keys } });
	const beside = await serve({ vars: { AUTH_KEYS: keys, AUTH_JWKS_URL: "http://127.0.0.1:9/jwks" } });
	const headers = bearer(await token({ kid: undefined }));
	assert.equal(await answered(alone, roomPath(newRoom(), "/state"), { headers }), "200");
	assert.equal(await answered(beside, roomPath(newRoom(), "/state"), { headers }), "401 unauthorized");
	await Promise.all([alone.close(), beside.close()]);
});

test("A8 a room that a user makes over HTTP is recorded with the user, and one that is there is not", async () => {
	const guarded = await serve({ vars: { AUTH_KEYS } });
	const room = newRoom();
	const headers = bearer(await token({ claims: { sub: "maker" } }));
	const put = (rest: string) => guarded.get(roomPath(room, rest), { method: "PUT", headers, body: '{"value":1}' });
	assert.deepEqual([(await put("/fields/f")).status, (await put("/fields/g")).status], [200, 200]);
	const made = await dump(guarded, "User", "maker");
	assert.equal(made.split(room).length, 2, made);
	const other = bearer(await token({ claims: { sub: "guest" } }));
	await guarded.get(roomPath(room, "/fields/f"), { method: "PUT", headers: other, body: '{"value":2}' });
	assert.ok(!(await dump(guarded, "User", "guest")).includes(room));
	await guarded.close();
});
