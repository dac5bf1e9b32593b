// What is served where, and how the door says no.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { newRoom, Page, type Served, serve } from "./harness.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

/** Opens a socket with these bytes in its path and waits for how it ends. */
function knock(path: string, protocols: string[] = [], host = server.host): Promise<{ code: number; reason: string }> {
	return new Promise((resolve, reject) => {
		const socket = new WebSocket(`ws://${host}${path}`, protocols);
		socket.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
		socket.on("unexpected-response", (_request, response) => reject(new Error(`HTTP ${response.statusCode}`)));
		socket.on("error", reject);
	});
}

async function problem(path: string, init?: RequestInit, from: Served = server) {
	const response = await from.get(path, init);
	assert.equal(response.headers.get("content-type"), "application/problem+json", path);
	const body = (await response.json()) as { status: number; code: string };
	assert.equal(body.status, response.status);
	return [response.status, body.code];
}

test("U2 U3 U7 a bad room and an unknown party are 4400 and 4404 after the upgrade, 400 and 404 over HTTP", async () => {
	const long = "x".repeat(257);
	for (const room of ["a%2Fb", "a%00b", "%ff", "%zz", long]) {
		assert.deepEqual(await knock(`/parties/collaboration/${room}`), { code: 4400, reason: "bad_room" }, room);
		assert.deepEqual(await problem(`/parties/collaboration/${room}/state`), [400, "bad_room"], room);
	}
	assert.deepEqual(await knock("/parties/nope/r"), { code: 4404, reason: "unknown_party" });
	assert.deepEqual(await problem("/parties/nope/r/state"), [404, "unknown_party"]);
	assert.deepEqual(await knock("/parties/collaboration/r/nope"), { code: 4404, reason: "not_found" });
});

test("U7 partysocket does not hear of a refusal as a broken network", async () => {
	const page = new Page(server.host, "r", { party: "nope" });
	assert.deepEqual(await page.closed(), { code: 4404, reason: "unknown_party" });
	page.leave();
});

test("U6 the first subprotocol offered is chosen, at a refusal too", async () => {
	const chosen = await new Promise((resolve, reject) => {
		const socket = new WebSocket(`ws://${server.host}/parties/collaboration/${newRoom()}`, ["one", "two"]);
		socket.on("error", reject);
		socket.on("open", () => {
			resolve(socket.protocol);
			socket.close();
		});
	});
	assert.equal(chosen, "one");
	assert.equal((await knock("/parties/nope/r", ["one", "two"])).code, 4404);
});

test("U1 U4 headers and a token of the client change nothing", async () => {
	const room = newRoom();
	const headers = { "x-partykit-room": "other", "x-roomkeep-room": "other" };
	const response = await server.get(`/parties/collaboration/${encodeURIComponent(room)}/state?token=t&_pk=1`, {
		headers,
	});
	assert.equal(response.status, 200);
	const socket = new WebSocket(`ws://${server.host}/parties/collaboration/${room}?_pk=me&token=secret`, {
		headers: { "x-user": "eve" },
	});
	const answer = await new Promise<string>((resolve, reject) => {
		socket.on("error", reject);
		socket.on("open", () => socket.send('{"type":"sync_request"}'));
		socket.on("message", (data) => resolve(String(data)));
	});
	assert.deepEqual(JSON.parse(answer).participants, []);
	assert.ok(!answer.includes("secret") && !answer.includes("eve"));
	socket.close();
});

test("U9 a client's close is answered at once with its code", async () => {
	for (const code of [1000, 1001, 3000, 4321]) {
		const socket = new WebSocket(`ws://${server.host}/parties/collaboration/${newRoom()}`);
		await new Promise((resolve) => socket.once("open", resolve));
		const start = performance.now();
		socket.close(code, "bye");
		const answered = await new Promise((resolve) => socket.once("close", resolve));
		assert.equal(answered, code);
		assert.ok(performance.now() - start < 1000);
	}
	const socket = new WebSocket(`ws://${server.host}/parties/collaboration/${newRoom()}`);
	await new Promise((resolve) => socket.once("open", resolve));
	socket.close();
	assert.equal(await new Promise((resolve) => socket.once("close", resolve)), 1005);
});

test("H1 the state over HTTP is what a socket gets, with an ETag that follows the version", async () => {
	const room = newRoom();
	const path = `/parties/collaboration/${encodeURIComponent(room)}/state`;
	const alice = await Page.joined(server.host, room, "alice");
	alice.select("f", { a: [1] }, "alice");
	const { time, ...frame } = await alice.sync();
	const response = await server.get(path);
	const tag = response.headers.get("etag") ?? "";
	assert.match(tag, /^W\/".+"$/);
	const body = (await response.json()) as any;
	assert.ok(body.time >= time);
	body.participants[0].lastSeen = frame.participants[0].lastSeen;
	assert.deepEqual({ ...body, time }, { ...frame, time });
	for (const header of [tag, `"x", ${tag}`, tag.slice(2), "*"]) {
		const known = await server.get(path, { headers: { "if-none-match": header } });
		assert.deepEqual([known.status, await known.text(), known.headers.get("etag")], [304, "", tag], header);
	}
	alice.select("f", 2, "alice");
	await alice.sync();
	const changed = await server.get(path, { headers: { "if-none-match": tag } });
	assert.equal(changed.status, 200);
	assert.notEqual(changed.headers.get("etag"), tag);
	assert.equal(changed.headers.get("access-control-allow-origin"), "*");
	assert.equal((await server.get(path, { method: "HEAD" })).status, 200);
	alice.leave();
});

test("H2 what changed since a version or a time, over HTTP", async () => {
	const room = newRoom();
	const path = (query: string) => `/parties/collaboration/${encodeURIComponent(room)}/changes${query}`;
	const read = async (query: string) => (await server.get(path(query))).json() as Promise<any>;
	const alice = await Page.joined(server.host, room, "alice");
	alice.select("f", 1, "alice");
	alice.select("g", 2, "alice");
	const { epoch } = await alice.sync();
	const page = await read(`?since=2&epoch=${epoch}&token=t`);
	assert.deepEqual([page.from, page.to, page.version, page.epoch], [2, 3, 3, epoch]);
	assert.deepEqual(
		page.changes.map((change: any) => [change.kind, change.version, change.field, change.selection.value]),
		[["field", 3, "g", 2]],
	);
	assert.equal(page.participants[0].id, "alice");
	const yesterday = new Date(Date.now() - 86_400_000).toISOString();
	assert.equal((await read(`?since=${yesterday}`)).changes.length, 3);
	const tomorrow = new Date(Date.now() + 86_400_000).toISOString().replace("Z", "+00:00");
	assert.equal((await read(`?since=${encodeURIComponent(tomorrow)}`)).changes.length, 0);
	assert.equal((await read("?since=2&epoch=other")).reset, true);
	assert.equal((await read("?since=4")).reset, true);
	for (const query of [
		"",
		"?since=",
		"?since=-1",
		"?since=1.5",
		"?since=soon",
		"?since=Jan%201%202026",
		"?since=2026-99-99",
	]) {
		assert.deepEqual(await problem(path(query)), [400, "bad_request"], query);
	}
	alice.leave();
});

test("H5 health, other paths, other methods", async () => {
	const health = await server.get("/health");
	assert.deepEqual([health.status, await health.json()], [200, { status: "ok" }]);
	for (const path of [
		"/nope",
		"/parties",
		"/parties/collaboration/r/nope",
		"/health/x",
		"/parties/collaboration/r/state/x",
	]) {
		assert.deepEqual(await problem(path), [404, "not_found"], path);
	}
	const room = "/parties/collaboration/r";
	for (const method of ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"]) {
		assert.deepEqual(await problem(`${room}/changes`, { method }), [405, "method_not_allowed"], method);
		// Several fields are written there (H7, H10).
		const isWrite = method === "POST" || method === "PATCH";
		const [status] = await problem(`${room}/state`, { method });
		assert.equal(status, isWrite ? 400 : 405, method);
		assert.deepEqual(await problem("/health", { method }), [405, "method_not_allowed"], method);
	}
	assert.deepEqual(await problem("/parties/collaboration/r"), [426, "upgrade_required"]);
});

test("A6 without ALLOW_ANONYMOUS the Worker refuses everyone, sockets too, but tells its health", async () => {
	for (const vars of [{ ALLOW_ANONYMOUS: "" }, { ALLOW_ANONYMOUS: "false" }, { ALLOW_ANONYMOUS: "TRUE" }]) {
		const closed = await serve({ vars });
		assert.deepEqual(await problem("/parties/collaboration/r/state", {}, closed), [503, "auth_not_configured"]);
		assert.deepEqual(await problem("/parties/nope/r/state", {}, closed), [503, "auth_not_configured"]);
		await assert.rejects(knock("/parties/collaboration/r", [], closed.host), /HTTP 503/);
		assert.equal((await closed.get("/health")).status, 200);
		assert.deepEqual(await problem("/nope", {}, closed), [404, "not_found"]);
		await closed.close();
	}
});

test("X1 a variable that makes no sense refuses with 503 and does not guess", async () => {
	const wrongs: Record<string, string>[] = [{ LIMIT_FIELDS: "many" }, { ROOM_TTL_DAYS: "-1" }];
	for (const vars of wrongs) {
		const wrong = await serve({ vars });
		assert.deepEqual(await problem("/parties/collaboration/r/state", {}, wrong), [503, "misconfigured"]);
		await wrong.close();
	}
});

test("U7 X1 a full room fails the upgrade, so that partysocket keeps its queue and comes in later", async () => {
	const small = await serve({ vars: { LIMIT_CONNECTIONS: "2" } });
	const room = newRoom();
	const first = await Page.joined(small.host, room, "alice");
	const second = await Page.joined(small.host, room, "bob");
	await assert.rejects(knock(`/parties/collaboration/${room}`, [], small.host), /HTTP 503/);
	const third = new Page(small.host, room, { minReconnectionDelay: 50, maxReconnectionDelay: 100 });
	third.select("f", "kept", "carol");
	second.leave();
	await first.until(() => first.types().includes("field_selected"), "the queued write", 10_000);
	for (const page of [first, third]) page.leave();
	await small.close();
});
