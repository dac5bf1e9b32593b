// Who comes in with what, and what they may do there.

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { Client, type Frame, newRoom, Page, type Served, serve, sleep } from "./harness.ts";
import { AUTH_KEYS, answered, bearer, come, dump, greet, joined, knock, roomPath, Stream, token } from "./tokens.ts";

let server: Served;
before(async () => {
	server = await serve({ vars: { AUTH_KEYS } });
});
after(() => server.close());

/** How `GET /state` of a new room is answered. */
function state(from: Served, bearerOf?: string, rest = "/state"): Promise<string> {
	return answered(from, roomPath(newRoom(), rest), bearerOf === undefined ? {} : { headers: bearer(bearerOf) });
}

async function stateOf(room: string): Promise<Frame> {
	return (await server.get(roomPath(room, "/state"), { headers: bearer(await token()) })).json();
}

const withRole = (role: string, sub = "alice", claims: Record<string, unknown> = {}) =>
	token({ claims: { sub, role, ...claims } });

test("A1 the header comes before the query, and a hello's token does not change who came in with another", async () => {
	const [alice, bob] = [await token(), await token({ claims: { sub: "bob", role: "viewer" } })];
	assert.equal(await state(server, alice, "/state?token=garbage"), "200");
	assert.equal(await state(server, "garbage", `/state?token=${alice}`), "401 unauthorized");
	const get = (authorization: string, query = "") =>
		answered(server, roomPath(newRoom(), `/state${query}`), { headers: { authorization } });
	assert.equal(await get(`bearer ${alice}`), "200");
	assert.equal(await get(`BEARER   ${alice}`), "200");
	assert.equal(await get(`Basic ${alice}`), "401 unauthorized");
	assert.equal(await get("Basic YTpi", `?token=${alice}`), "200");
	assert.equal(await get(alice), "401 unauthorized");
	assert.equal(await state(server, undefined, "/state?token="), "401 unauthorized");

	const client = await come(server.host, newRoom(), alice);
	client.send({ type: "hello", protocol: 1, clientId: "c", token: bob });
	const { userId, role } = await client.next("welcome");
	assert.deepEqual([userId, role], ["alice", "editor"]);
	client.leave();
	const headers = bearer(alice);
	assert.equal(await knock(server.host, roomPath(newRoom()), headers), "open", "as a Worker's own fetch may send it");
});

test("A1 A5 a token that holds for a very long time opens every door", async () => {
	const faults: string[] = [];
	for (const exp of [4102444800, 9223372036, 253402300799, 9007199254740991, 1e300]) {
		const long = await token({ claims: { sub: `long-${exp}`, role: "moderator", exp } });
		const [room, headers] = [newRoom(), bearer(long)];
		const outcomes = [
			await knock(server.host, roomPath(room, `?token=${long}`)),
			await answered(server, roomPath(room, "/state"), { headers }),
			await answered(server, roomPath(room, "/fields/f"), { method: "PUT", headers, body: '{"value":1}' }),
			await answered(server, roomPath(room, "/events"), { headers }),
			await answered(server, roomPath(room), { method: "DELETE", headers }),
		].join();
		if (outcomes !== "open,200,200,200,204") faults.push(`${exp}: ${outcomes}`);
	}
	assert.deepEqual([faults, server.logs], [[], []]);
});

test("A1 U4 nothing in a request passes for what the router says", async () => {
	const viewer = bearer(await withRole("viewer"));
	const entry = encodeURIComponent(
		JSON.stringify({ pass: { user: "eve", pass: { role: "admin", tokenId: "", expires: 9e12 } } }),
	);
	for (const query of [`?entry=${entry}`, `?entry=%22anonymous%22`]) {
		assert.equal(await state(server, undefined, `/state${query}`), "401 unauthorized");
		assert.equal(await state(server, undefined, `/changes${query}&since=0`), "401 unauthorized");
		assert.equal(await knock(server.host, roomPath(newRoom(), query)), "4401 unauthorized");
		const init = { method: "DELETE", headers: viewer };
		assert.equal(await answered(server, roomPath(newRoom(), `/fields/f${query}`), init), "403 forbidden");
	}
	for (const path of [
		"/connect",
		"/revoked?user=alice",
		"/check?token=t",
		"/revoke?until=9000000000000",
		"/write",
		"/delete",
	]) {
		for (const method of ["GET", "POST"]) {
			assert.equal(await answered(server, path, { method, headers: viewer }), "404 not_found", path);
		}
		assert.match(await answered(server, roomPath(newRoom(), path), { headers: viewer }), /^40[45] /, path);
	}
	const head = await server.get(roomPath(newRoom(), "/state"), { method: "HEAD" });
	assert.equal(head.status, 401);
});

test("A2 a token is for the rooms of the parties that it names", async () => {
	const parties = await serve({ vars: { AUTH_KEYS, PARTIES: "collaboration,chat" } });
	const headers = bearer(await token({ claims: { rooms: ["chat/*"] } }));
	assert.equal(await answered(parties, "/parties/chat/r/state", { headers }), "200");
	assert.equal(await answered(parties, "/parties/collaboration/r/state", { headers }), "403 forbidden");
	assert.equal(await answered(parties, "/parties/other/r/state", { headers }), "404 unknown_party");
	const encoded = bearer(await token({ claims: { rooms: ["chat/a:b é"] } }));
	assert.equal(await answered(parties, "/parties/chat/a%3Ab%20%C3%A9/state", { headers: encoded }), "200");
	assert.equal(await answered(parties, "/parties/chat/a%253Ab%20%C3%A9/state", { headers: encoded }), "403 forbidden");
	await parties.close();
});

test("A3 who writes is the token's user, over HTTP and over a socket", async () => {
	const room = newRoom();
	const headers = bearer(await token({ claims: { name: "Alice of the token" } }));
	const put = async (body: object, field = "f") => {
		const response = await server.get(roomPath(room, `/fields/${field}`), {
			method: "PUT",
			headers,
			body: JSON.stringify(body),
		});
		return { status: response.status, ...((await response.json()) as Frame) };
	};
	assert.equal((await put({ value: 1 })).selection.userId, "alice");
	assert.equal((await put({ value: 2, userId: "alice" })).selection.userId, "alice");
	for (const userId of ["bob", 7, "", ["alice"]]) {
		const refused = await put({ value: 3, userId });
		assert.deepEqual([refused.status, refused.code], [403, "identity_mismatch"], JSON.stringify(userId));
	}
	const remove = (query: string, body?: string) =>
		answered(server, roomPath(room, `/fields/f${query}`), { method: "DELETE", headers, ...(body && { body }) });
	assert.equal(await remove("?userId=bob"), "403 identity_mismatch");
	assert.equal(await remove("", '{"userId":"bob"}'), "403 identity_mismatch");
	assert.equal((await put({ value: 4 }, "g")).version, 3);

	const client = await come(server.host, room, await token());
	for (const message of [
		{ type: "user_joined", userId: "bob", userName: "Bob" },
		{ type: "user_ready", userId: "bob", isReady: true },
		{ type: "field_selected", selection: { field: "f", value: 5, userId: "bob" } },
		{ type: "field_cleared", field: "f", userId: "bob" },
		{ type: "batch", changes: [{ type: "field_cleared", field: "f", userId: "bob" }] },
		{ type: "sync_request", userId: "bob" },
		{ type: "cursor", userId: "bob" },
	]) {
		client.send({ ...message, id: message.type });
		const error = await client.next("error");
		assert.deepEqual([error.code, error.id], ["identity_mismatch", message.type]);
	}
	assert.equal((await client.sync()).version, 3);
	assert.deepEqual((await client.sync()).participants, []);
	client.leave();
});

test("A3 E4 H3 an outbox belongs to the token's user, and an idempotency key is each user's own", async () => {
	const room = newRoom();
	const put = (sub: string, body: object, more: Record<string, string> = {}) =>
		token({ claims: { sub } }).then((made) =>
			answered(server, roomPath(room, "/fields/f"), {
				method: "PUT",
				headers: { ...bearer(made), ...more },
				body: JSON.stringify(body),
			}),
		);
	assert.equal(await put("alice", { value: 1, clientId: "tab", seq: 1 }), "200");
	assert.equal(await put("bob", { value: 2, clientId: "tab", seq: 2 }), "403 identity_mismatch");
	assert.equal(await put("bob", { value: 2, clientId: "tab" }), "403 identity_mismatch");
	assert.equal(await put("alice", { value: 3, clientId: "tab", seq: 2 }), "200");
	assert.equal(await put("alice", { value: 4 }, { "idempotency-key": "k" }), "200");
	assert.equal(await put("bob", { value: 5 }, { "idempotency-key": "k" }), "200");
	assert.equal(await put("alice", { value: 6 }, { "idempotency-key": "k" }), "422 idempotency_key_reused");
	const [selected] = Object.values<Frame>((await stateOf(room)).selections);
	assert.deepEqual([selected.value, selected.userId], [5, "bob"]);
});

test("A3 the token's name is the user's, and without one the user's word is taken", async () => {
	const room = newRoom();
	const witness = await joined(server.host, room, await token({ claims: { sub: "witness" } }), "witness");
	const named = await come(server.host, room, await token({ claims: { name: "Alice Certified" } }));
	named.send({ type: "user_joined", userId: "alice", userName: "Mallory", color: "red" });
	const announced = await witness.next("user_joined");
	assert.deepEqual([announced.userId, announced.userName, announced.color], ["alice", "Alice Certified", "red"]);
	const nameless = await come(server.host, room, await token({ claims: { sub: "bob" } }), "bob");
	nameless.send({ type: "user_joined", userId: "bob", userName: "Bob himself" });
	assert.equal((await witness.next("user_joined")).userName, "Bob himself");
	const names = (await witness.sync()).participants.map(({ id, name }: Frame) => [id, name]);
	assert.deepEqual(Object.fromEntries(names), { witness: "witness", alice: "Alice Certified", bob: "Bob himself" });
	for (const client of [witness, named, nameless]) client.leave();
});

test("A3 Y4 the welcome tells who one is and what one may, whichever way the token came", async () => {
	for (const role of ["viewer", "editor", "moderator", "admin"]) {
		const greeted = await greet(server.host, newRoom(), await withRole(role, `${role}-7`), `${role}-7`);
		const inQuery = await come(server.host, newRoom(), await withRole(role, `${role}-7`));
		inQuery.send({ type: "hello", protocol: 1, clientId: "c" });
		for (const client of [greeted, inQuery]) {
			const welcome = await client.next("welcome");
			assert.deepEqual([welcome.userId, welcome.role], [`${role}-7`, role]);
			client.leave();
		}
	}
	const anonymous = await serve();
	const client = await Client.greeted(anonymous.host, newRoom(), "alice");
	const welcome = await client.next("welcome");
	assert.deepEqual([welcome.userId, welcome.role], [null, "moderator"]);
	client.leave();
	await anonymous.close();
});

/** What of these messages is done, for a connection of this role. */
const messages: [least: string, message: Record<string, unknown>][] = [
	["viewer", { type: "user_joined", userId: "alice", userName: "Alice" }],
	["viewer", { type: "sync_request" }],
	["viewer", { type: "presence", data: { x: 1 } }],
	["editor", { type: "user_ready", userId: "alice", isReady: true }],
	["editor", { type: "field_selected", selection: { field: "f", value: 1, userId: "alice" } }],
	["editor", { type: "field_cleared", field: "f", userId: "alice" }],
	["editor", { type: "batch", changes: [{ type: "field_cleared", field: "f", userId: "alice" }] }],
	["editor", { type: "cursor", x: 1 }],
	["moderator", { type: "kick", userId: "nobody" }],
];

test("A4 each role does what it may, and is refused the rest with forbidden", async () => {
	const roles = ["viewer", "editor", "moderator", "admin"];
	const faults: string[] = [];
	for (const role of roles) {
		const room = newRoom();
		const witness = await joined(server.host, room, await withRole("editor", "witness"), "witness");
		const client = await greet(server.host, room, await withRole(role));
		for (const [least, message] of messages) {
			const id = `${role} ${message.type}`;
			client.send({ ...message, id });
			const answer = await client.until(() => client.frames.find((frame) => frame.id === id), id);
			const may = roles.indexOf(role) >= roles.indexOf(least);
			const wanted = may ? ["ack", undefined, undefined] : ["error", "forbidden", true];
			const seen = [answer.type, answer.code, answer.retry];
			if (JSON.stringify(seen) !== JSON.stringify(wanted)) faults.push(`${id}: ${seen}`);
		}
		for (const type of ["permission_request", "permission_response", "permission_cancelled", "permission_revoked"]) {
			const least = type === "permission_request" || type === "permission_cancelled" ? "editor" : "moderator";
			if (roles.indexOf(role) >= roles.indexOf(least)) continue;
			const rest = { requestId: "r", userId: "bob", action: "a", decision: "allow", scope: "once" };
			client.send({ type, ...rest, id: type });
			const answer = await client.until(() => client.frames.find((frame) => frame.id === type), type);
			if (answer.code !== "forbidden") faults.push(`${role} ${type}: ${JSON.stringify(answer)}`);
		}
		await witness.sync();
		const told = witness.types().filter((type) => !["user_joined", "sync_response"].includes(type));
		if (role === "viewer" && told.length > 0) faults.push(`a viewer made the others hear ${told}`);
		assert.equal((await client.sync()).version > 2, role !== "viewer");
		client.leave();
		witness.leave();
	}
	assert.deepEqual(faults, []);
});

test("A4 E2 what a role does not reach is not recorded under its number: with a better token it is done", async () => {
	const client = await greet(server.host, newRoom(), await withRole("viewer"));
	client.set(1, "f", 1);
	const error = await client.next("error");
	assert.deepEqual([error.code, error.seq, error.retry], ["forbidden", 1, true]);
	client.send({ type: "auth", token: await withRole("editor") });
	// While the new token is checked, the role is still the old one's (A5), and the write is refused once more.
	let refused = 1;
	client.set(1, "f", 1);
	await client.until(() => {
		if (client.all("ack").some(({ seq }) => seq === 1)) return true;
		if (client.all("error").length > refused) {
			refused = client.all("error").length;
			client.set(1, "f", 1);
		}
		return false;
	}, "the ack");
	assert.ok(client.all("error").every(({ code }) => code === "forbidden"));
	const state = await client.sync();
	assert.deepEqual([state.version, state.selections.f.value], [1, 1]);
	client.leave();
});

test("A7 with ALLOWED_ORIGINS, pages of other origins neither come in nor read", async () => {
	const listed = "https://app.example";
	const strict = await serve({
		vars: { ALLOWED_ORIGINS: `${listed}, http://localhost:3000/, https://*.Below.example:443`, AUTH_KEYS },
	});
	const good = await token();
	const upgrade = (origin?: string, query = `?token=${good}`) =>
		knock(strict.host, roomPath(newRoom(), query), origin === undefined ? {} : { origin });
	assert.equal(await upgrade(listed), "open");
	assert.equal(await upgrade("http://localhost:3000"), "open");
	assert.equal(await upgrade("https://a.b.below.example"), "open");
	assert.equal(await upgrade("https://below.example"), "4403 forbidden_origin");
	assert.equal(await upgrade(), "open", "what names no origin is no page");
	for (const origin of ["https://evil.example", "http://app.example", `${listed}:444`, `${listed}.evil`, "null"]) {
		assert.equal(await upgrade(origin), "4403 forbidden_origin", origin);
		assert.equal(await upgrade(origin, ""), "4403 forbidden_origin", `${origin} without a token`);
	}

	const body = '{"value":1}';
	const asks: [string, RequestInit, number][] = [
		["/state", { headers: bearer(good) }, 200],
		["/fields/f", { method: "PUT", headers: bearer(good), body }, 200],
		["/state", {}, 401],
		["/events", {}, 401],
		["/nope", {}, 404],
		["/state", { method: "OPTIONS" }, 204],
	];
	for (const [rest, init, status] of asks) {
		for (const [origin, allowed] of [
			[listed, listed],
			["https://evil.example", null],
			[undefined, null],
		]) {
			const headers = { ...(init.headers as object), ...(origin == null ? {} : { origin }) };
			const response = await strict.get(roomPath("r", rest), { ...init, headers });
			const { headers: got } = response;
			await response.body?.cancel();
			const what = `${init.method ?? "GET"} ${rest} from ${origin}`;
			assert.equal(response.status, status, what);
			assert.equal(got.get("access-control-allow-origin"), allowed, what);
			assert.equal(got.get("access-control-allow-credentials"), allowed && "true", what);
			assert.match(got.get("vary") ?? "", /origin/i, what);
		}
	}
	await strict.close();
});

test("A7 without ALLOWED_ORIGINS every page may ask, and a preflight is answered before the token is", async () => {
	assert.equal(
		await knock(server.host, roomPath(newRoom(), `?token=${await token()}`), { origin: "https://x.y" }),
		"open",
	);
	for (const [path, method] of [
		[roomPath("r", "/fields/f"), "PUT"],
		[roomPath("r"), "DELETE"],
		[roomPath("r", "/state"), "GET"],
		["/users/alice/revocations", "POST"],
	] as const) {
		const headers = {
			origin: "https://x.y",
			"access-control-request-method": method,
			"access-control-request-headers": "authorization, idempotency-key",
		};
		const { status, headers: got } = await server.get(path, { method: "OPTIONS", headers });
		assert.deepEqual([status, got.get("access-control-allow-origin"), got.get("vary")], [204, "*", null], path);
		assert.ok(got.get("access-control-allow-methods")?.includes(method), path);
		assert.match(got.get("access-control-allow-headers") ?? "", /authorization.*idempotency-key/);
	}
	for (const rest of ["/state", "/events"]) {
		const refused = await server.get(roomPath("r", rest), { headers: { origin: "https://x.y" } });
		assert.deepEqual([refused.status, refused.headers.get("access-control-allow-origin")], [401, "*"]);
	}
	const closed = await serve({ vars: { AUTH_KEYS: "nope" } });
	assert.equal((await closed.get(roomPath("r", "/state"), { method: "OPTIONS" })).status, 204);
	await closed.close();
});

test("A4 H6 a moderator deletes a room: sockets are closed with 4409 and a new life begins", async () => {
	const room = newRoom();
	const remove = async (role: string) =>
		answered(server, roomPath(room), { method: "DELETE", headers: bearer(await withRole(role, "boss")) });
	const alice = await joined(server.host, room, await token());
	const bob = await greet(server.host, room, await token({ claims: { sub: "bob" } }), "bob");
	const waiting = await come(server.host, room);
	const stream = await Stream.open(server, room, await token());
	alice.select("f", 1, "alice");
	const { epoch, version } = await alice.sync();
	assert.ok(version > 0);
	assert.equal(await remove("viewer"), "403 forbidden");
	assert.equal(await remove("editor"), "403 forbidden");
	assert.equal(await answered(server, roomPath(room), { method: "DELETE" }), "401 unauthorized");
	assert.deepEqual(alice.closes, []);
	await server.evict(room);
	assert.equal(await remove("moderator"), "204");
	for (const client of [alice, bob, waiting]) {
		assert.deepEqual(await client.closed(), { code: 4409, reason: "deleted" });
	}
	assert.equal(await stream.problem(), "deleted");
	assert.equal(await dump(server, "Room", `collaboration/${room}`), "");
	const anew = await greet(server.host, room, await token(), "alice", "tab");
	const [welcome, state] = [await anew.next("welcome"), await anew.next("sync_response")];
	assert.deepEqual([welcome.version, state.selections, state.participants], [0, {}, []]);
	assert.notEqual(welcome.epoch, epoch);
	anew.leave();

	const back = await come(server.host, room, await token());
	back.send({ type: "hello", protocol: 1, clientId: "other", since: version, epoch });
	assert.equal((await back.next("sync_response")).reset, true);
	back.leave();
	assert.equal(await remove("admin"), "204");
	assert.equal(await remove("moderator"), "204", "one that is gone already is as it shall be");
});

test("A6 H6 where everyone is let in everyone may delete", async () => {
	const anonymous = await serve();
	const room = newRoom();
	const page = await Page.joined(anonymous.host, room, "alice");
	assert.equal(await answered(anonymous, roomPath(room), { method: "DELETE" }), "204");
	assert.equal((await page.closed()).code, 4409);
	page.leave();
	await anonymous.close();
});

/** Sends a path as it is, which `fetch` would tidy up first. */
function raw(path: string, method: string, headers: Record<string, string>): Promise<number> {
	const [host, port] = server.host.split(":");
	return new Promise((resolve, reject) => {
		const sent = request({ host, port, path, method, headers }, (response) => {
			response.resume();
			resolve(response.statusCode ?? 0);
		});
		sent.on("error", reject);
		sent.end();
	});
}

test("H6 H3 clearing a field of an odd name never deletes the room", async () => {
	const room = "odd";
	const headers = bearer(await withRole("moderator", "alice"));
	const alice = await joined(server.host, room, await token());
	alice.select("f", 1, "alice");
	const { epoch } = await alice.sync();
	for (const rest of [
		"/fields/..",
		"/fields/../",
		"/fields/%2e%2e",
		"/fields/.%2E",
		"/fields/%2E%2E/",
		"/fields/x/..",
		"/fields/x/../..",
		"/fields/x/../../",
		"/",
		"//",
		"/.",
		"/./",
		"/state/..",
		"/fields/..?userId=alice",
		"/fields/..%2F",
		"/fields/",
		"/fields",
	]) {
		const status = await raw(`/parties/collaboration/${room}${rest}`, "DELETE", headers);
		assert.notEqual(status, 204, rest);
		assert.deepEqual(alice.closes, [], rest);
	}
	const tidied = new URL(`http://${server.host}/parties/collaboration/${room}/fields/..`);
	assert.ok(tidied.pathname.endsWith(`/${room}/`));
	assert.equal(await answered(server, tidied.pathname, { method: "DELETE", headers }), "400 bad_request");
	const state = await alice.sync();
	assert.deepEqual([state.epoch, state.selections.f.value], [epoch, 1]);
	alice.leave();
});

test("A4 kick closes all connections of a user in the room with 4403, and no other", async () => {
	const [room, elsewhere] = [newRoom(), newRoom()];
	const bobs = await token({ claims: { sub: "bob" } });
	const doomed = [
		await joined(server.host, room, bobs, "bob"),
		await greet(server.host, room, bobs, "bob"),
		await come(server.host, room, bobs),
	];
	const stream = await Stream.open(server, room, bobs);
	const spared = await joined(server.host, elsewhere, bobs, "bob");
	const editor = await joined(server.host, room, await withRole("editor"));
	const moderator = await joined(server.host, room, await withRole("moderator", "mod"), "mod");
	editor.send({ type: "kick", userId: "bob", id: 1 });
	assert.equal((await editor.next("error")).code, "forbidden");
	editor.send({ type: "kick", userId: "bob" });
	assert.equal((await editor.next("error")).code, "forbidden");
	await server.evict(room);
	moderator.send({ type: "kick", userId: "bob", id: 2 });
	assert.equal((await moderator.next("ack")).id, 2);
	for (const client of doomed) assert.deepEqual(await client.closed(), { code: 4403, reason: "kicked" });
	assert.equal(await stream.problem(), "kicked");
	assert.equal((await editor.next("user_left")).userId, "bob");
	assert.equal(editor.all("user_left").length, 1);
	await spared.sync();
	await editor.sync();
	assert.ok(!editor.types().includes("kick"));
	moderator.send({ type: "kick", userId: "", id: 3 });
	assert.equal((await moderator.next("error")).code, "bad_message");
	moderator.send({ type: "kick", userId: "nobody", id: 4 });
	assert.equal((await moderator.next("ack")).id, 4);
	for (const client of [spared, editor, moderator]) client.leave();
});

test("X1 past the rate a user is told once a second, and closed with 4429 after 10 s, and the others go on", async () => {
	const limited = await serve({
		vars: { AUTH_KEYS, LIMIT_MESSAGES_PER_SECOND: "20", LIMIT_MESSAGES_BURST: "30" },
	});
	const room = newRoom();
	const bob = await joined(limited.host, room, await token({ claims: { sub: "bob" } }), "bob");
	const flooding = await greet(limited.host, room, await token());
	const told: number[] = [];
	flooding.socket.on("message", (data) => {
		if (String(data).includes('"limit_rate"')) told.push(Date.now());
	});
	let sent = 0;
	const start = Date.now();
	let bobsWrites = 0;
	while (flooding.closes.length === 0 && Date.now() - start < 15_000) {
		for (let i = 0; i < 10; i += 1) {
			flooding.send({ type: "field_selected", selection: { field: "f", value: sent, userId: "alice" }, id: sent });
			sent += 1;
		}
		if (Date.now() - start > bobsWrites * 500) {
			bobsWrites += 1;
			bob.select("g", bobsWrites, "bob", { id: `bob ${bobsWrites}` });
		}
		await sleep(20);
	}
	const lasted = Date.now() - start;
	assert.deepEqual(flooding.closes, [{ code: 4429, reason: "limit_rate" }]);
	assert.ok(lasted > 9500 && lasted < 13_000, `closed after ${lasted} ms`);
	const done = flooding.all("ack").length;
	assert.ok(done >= 200 && done <= 300, `${done} of ${sent} messages were done in ${lasted} ms`);
	assert.ok(told.length >= 8 && told.length <= 12, `told ${told.length} times`);
	for (const error of flooding.all("error")) assert.deepEqual([error.code, error.retry], ["limit_rate", true]);
	await bob.until(() => bob.frames.find(({ id }) => id === `bob ${bobsWrites}`), "the last of bob's answers");
	assert.equal(bob.all("ack").length, bobsWrites);
	assert.deepEqual(bob.all("error"), []);
	await limited.close();
});

test("X1 all of a user's connections and requests share the rate, which holds for each user alone", async () => {
	const limited = await serve({ vars: { AUTH_KEYS, LIMIT_MESSAGES_PER_SECOND: "1", LIMIT_MESSAGES_BURST: "20" } });
	const room = newRoom();
	const good = await token();
	const [one, two] = [await come(limited.host, room, good), await come(limited.host, room, good)];
	for (let i = 0; i < 30; i += 1) (i % 2 === 0 ? one : two).send({ type: "sync_request", id: i });
	await sleep(500);
	const answers = one.all("sync_response").length + two.all("sync_response").length;
	assert.ok(answers >= 17 && answers <= 20, `${answers} answers on two connections together`);
	assert.equal(one.all("error").length + two.all("error").length, 1, "it is the user who is told, once");

	const headers = bearer(good);
	const refused = await limited.get(roomPath(room, "/state"), { headers });
	const problem = (await refused.json()) as Frame;
	assert.deepEqual([refused.status, problem.code, refused.headers.get("retry-after")], [429, "limit_rate", "1"]);
	const put = { method: "PUT", headers, body: '{"value":1}' };
	assert.equal(await answered(limited, roomPath(room, "/fields/f"), put), "429 limit_rate");
	assert.equal(await answered(limited, roomPath(room, "/events"), { headers }), "429 limit_rate");
	assert.equal(await knock(limited.host, roomPath(room, `?token=${good}`)), "HTTP 429");
	const other = bearer(await token({ claims: { sub: "bob" } }));
	assert.equal(await answered(limited, roomPath(room, "/state"), { headers: other }), "200");
	assert.equal(await answered(limited, roomPath(newRoom(), "/state"), { headers }), "200", "in another room as well");
	await sleep(1500);
	assert.equal(await answered(limited, roomPath(room, "/state"), { headers }), "200", "a moment later it goes on");
	one.send({ type: "sync_request", id: "later" });
	await one.until(() => one.frames.find(({ id }) => id === "later"), "an answer");
	one.leave();
	two.leave();
	await limited.close();
});

test("X4 requests without a token share the rate of their network, for each room", async () => {
	const limited = await serve({ vars: { LIMIT_MESSAGES_PER_SECOND: "1", LIMIT_MESSAGES_BURST: "5" } });
	const from = (address: string) => ({ headers: { "cf-connecting-ip": address } });
	const room = newRoom();
	const state = async (address: string, of = room) => answered(limited, roomPath(of, "/state"), from(address));
	for (let i = 0; i < 5; i += 1) assert.equal(await state(`2001:db8::${i}`), "200");
	const put = { method: "PUT", body: '{"value":1,"userId":"ann"}', ...from("2001:db8:0:0:ffff::1") };
	assert.equal(await answered(limited, roomPath(room, "/fields/f"), put), "429 limit_rate");
	assert.equal(await answered(limited, roomPath(room), { ...from("2001:db8::"), method: "DELETE" }), "429 limit_rate");
	assert.equal(await answered(limited, roomPath(room, "/events"), from("2001:db8::")), "429 limit_rate");
	assert.equal(await knock(limited.host, roomPath(room)), "open", "a socket is limited by what it sends");
	assert.equal(await state("2001:db8:0:1::"), "200", "another network");
	assert.equal(await state("2001:db8::", newRoom()), "200", "another room");
	await limited.close();
});

test("X1 E2 a number that came too fast is not recorded, and is done when it is sent again", async () => {
	const limited = await serve({ vars: { AUTH_KEYS, LIMIT_MESSAGES_PER_SECOND: "10", LIMIT_MESSAGES_BURST: "10" } });
	const client = await greet(limited.host, newRoom(), await token());
	for (let seq = 1; seq <= 15; seq += 1) client.set(seq, "f", seq);
	const error = await client.next("error");
	assert.deepEqual([error.code, error.retry], ["limit_rate", true]);
	assert.ok(error.seq > 1 && error.seq <= 15, `told of the number ${error.seq}`);
	for (let seq = error.seq; seq <= 15; seq += 1) {
		await sleep(150);
		client.set(seq, "f", seq);
	}
	await client.until(() => client.all("ack").find(({ seq }) => seq === 15), "the ack of all");
	client.leave();
	await limited.close();
});

test("A1 A2 tokens as identity providers issue them: no jti, long subs, claims elsewhere, and defaults", async () => {
	const vars = {
		AUTH_KEYS,
		AUTH_CLAIM_ROLE: "/app_metadata/roles/0",
		AUTH_CLAIM_ROOMS: "/https:~1~1x.example~1rooms",
		AUTH_CLAIM_NAME: "/profile/nickname",
		AUTH_DEFAULT_ROLE: "viewer",
		AUTH_DEFAULT_ROOMS: "collaboration/lobby",
	};
	const provider = await serve({ vars });
	const sub = `auth0|${'"'.repeat(248)}x`;
	assert.equal(sub.length, 255);
	const claims = { sub, jti: undefined, role: undefined, rooms: undefined };
	const bare = await token({ kid: "ed", claims });
	const ask = (rest: string, by: string, init: RequestInit = {}, room = "lobby") =>
		answered(provider, roomPath(room, rest), { ...init, headers: bearer(by) });
	const write = { method: "PUT", body: '{"value":1}' };
	assert.equal(await ask("/state", bare), "200");
	assert.equal(await ask("/fields/f", bare, write), "403 forbidden");
	assert.equal(await ask("/state", bare, {}, "other"), "403 forbidden");
	const rooms = { "https://x.example/rooms": ["collaboration/a\\*"], rooms: ["collaboration/*"] };
	const full = await token({
		kid: "ed",
		alg: "Ed25519",
		claims: { ...claims, ...rooms, role: "admin", app_metadata: { roles: ["editor"] }, profile: { nickname: "Ann" } },
	});
	assert.equal(await ask("/fields/f", full, write, "a*"), "200");
	assert.equal(await ask("", full, { method: "DELETE" }, "a*"), "403 forbidden");
	for (const room of ["ab", "a", "a\\*", "lobby"])
		assert.equal(await ask("/state", full, {}, room), "403 forbidden", room);

	// The longest of everything stays with a socket while the room sleeps.
	const client = await come(provider.host, "a*", full, sub);
	client.send({ type: "hello", protocol: 1, clientId: "\u0001".repeat(128) });
	client.send({ type: "user_joined", userId: sub, userName: "x" });
	client.send({ type: "presence", data: "\u00e9\u4e00".repeat(800) });
	await client.sync();
	await provider.evict("a*");
	const { participants } = await client.sync();
	assert.deepEqual([participants[0].id, participants[0].name, participants[0].connections], [sub, "Ann", 1]);
	const by = bearer(await token({ claims: { ...claims, sub: "root", app_metadata: { roles: ["admin"] } } }));
	const body = JSON.stringify({ until: Date.now() + 60_000 });
	const revocations = `/users/${encodeURIComponent(sub)}/revocations`;
	const one = JSON.stringify({ jti: "other", until: Date.now() + 60_000 });
	assert.equal(await answered(provider, revocations, { method: "POST", headers: by, body: one }), "204");
	assert.equal(await ask("/state", bare), "200", "one without an id is not meant by any");
	assert.equal(await answered(provider, revocations, { method: "POST", headers: by, body }), "204");
	assert.deepEqual(await client.closed(), { code: 4403, reason: "revoked" });
	assert.equal(await ask("/state", bare), "403 revoked");
	await provider.close();
});
