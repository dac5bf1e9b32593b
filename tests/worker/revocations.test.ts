// Tokens that are revoked: wherever they were shown before, and wherever they are shown from then on.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, type Frame, newRoom, type Served, serve, sleep } from "./harness.ts";
import {
	AUTH_KEYS,
	answered,
	bearer,
	come,
	dump,
	greet,
	joined,
	knock,
	roomPath,
	Stream,
	seconds,
	token,
} from "./tokens.ts";

let server: Served;
before(async () => {
	server = await serve({ vars: { AUTH_KEYS } });
});
after(() => server.close());

/** Open sockets are closed within this many milliseconds. */
const PROMPTLY = 1000;

let users = 0;
/** A user of its own for each test. */
function newUser(): string {
	users += 1;
	return `user-${users}`;
}

function tokenOf(sub: string, jti: string, claims: Record<string, unknown> = {}): Promise<string> {
	return token({ claims: { sub, jti, ...claims } });
}

/** Says that a user's tokens count no more. By an admin who has no business in any room. */
async function revoke(
	sub: string,
	body: object | string,
	by?: string | null,
	to = server,
	method = "POST",
): Promise<string> {
	const admin = by === undefined ? await token({ claims: { sub: "root", role: "admin", rooms: undefined } }) : by;
	return answered(to, `/users/${encodeURIComponent(sub)}/revocations`, {
		method,
		...(method === "GET" ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
		headers: admin === null ? {} : bearer(admin),
	});
}

const soon = (ms = 3_600_000) => ({ until: Date.now() + ms });

/** Waits until all are closed because of a revocation, and no longer than they may stay open. */
async function allRevoked(clients: Client[]): Promise<void> {
	const deadline = Date.now() + PROMPTLY;
	for (const client of clients) {
		assert.deepEqual(await client.closed(deadline - Date.now()), { code: 4403, reason: "revoked" });
	}
}

/** What becomes of a token at every kind of door. */
async function atTheDoors(bearerOf: string, to = server): Promise<string[]> {
	const room = newRoom();
	const waiting = await come(to.host, room);
	waiting.send({ type: "hello", protocol: 1, clientId: "c", token: bearerOf });
	const said = await waiting.until<string>(() => {
		const closing = waiting.closes[0];
		if (closing !== undefined) return `${closing.code} ${closing.reason}`;
		return waiting.frames.length > 1 && "open";
	}, "an answer to the token");
	waiting.leave();
	const headers = bearer(bearerOf);
	const outcomes = [
		said,
		await knock(to.host, roomPath(room, `?token=${bearerOf}`)),
		await answered(to, roomPath(room, "/state"), { headers }),
		await answered(to, roomPath(room, `/changes?since=0&token=${bearerOf}`)),
		await answered(to, roomPath(room, "/fields/f"), { method: "PUT", headers, body: '{"value":1}' }),
		await answered(to, roomPath(room, "/events"), { headers }),
	];
	return [...new Set(outcomes)];
}

const REFUSED = ["4403 revoked", "403 revoked"];
const WELCOME = ["open", "200"];

test("A8 a token is revoked: its connections close in every room, awake or asleep, and it opens none", async () => {
	const [user, other] = [newUser(), newUser()];
	const [lost, kept, others] = [await tokenOf(user, "a"), await tokenOf(user, "b"), await tokenOf(other, "a")];
	const rooms = [newRoom(), newRoom(), newRoom(), newRoom()] as const;
	const asleep = await joined(server.host, rooms[3], lost, user);
	const greetedAsleep = await greet(server.host, rooms[3], lost, user);
	const doomed = [
		await joined(server.host, rooms[0], lost, user),
		await come(server.host, rooms[0], lost),
		await greet(server.host, rooms[1], lost, user),
		await greet(server.host, rooms[2], lost, user),
		asleep,
		greetedAsleep,
	];
	const sibling = await joined(server.host, rooms[0], kept, user);
	const bystander = await joined(server.host, rooms[0], others, other);
	const elsewhere = await joined(server.host, rooms[3], others, other);
	const spared = [sibling, bystander, elsewhere];
	const streams = await Promise.all([rooms[0], rooms[1]].map((room) => Stream.open(server, room, lost)));
	const stream = await Stream.open(server, rooms[0], kept);
	await server.evict(rooms[3]);

	assert.equal(await revoke(user, { jti: "a", ...soon() }), "204");
	await allRevoked(doomed);
	const ends = Promise.all(streams.map((stream) => stream.problem()));
	assert.deepEqual(await Promise.race([ends, sleep(PROMPTLY)]), ["revoked", "revoked"]);
	assert.deepEqual(await atTheDoors(lost), REFUSED);

	for (const client of spared) await client.sync();
	bystander.select("f", 1, other);
	await sibling.next("field_selected");
	assert.ok(!stream.text.includes("problem"));
	const there = (await sibling.sync()).participants.find(({ id }: Frame) => id === user);
	assert.deepEqual([there.online, there.connections], [true, 1], "the user is there with the other token");
	assert.ok(!bystander.types().includes("user_left"));
	assert.equal((await elsewhere.next("user_left")).userId, user, "where no other token of the user's is");
	assert.deepEqual(await atTheDoors(kept), WELCOME);
	assert.deepEqual(await atTheDoors(others), WELCOME);
	for (const client of spared) client.leave();
	stream.leave();
});

test("A8 all tokens of a user are revoked, and of no other user", async () => {
	const [user, other] = [newUser(), newUser()];
	const room = newRoom();
	const tokens = [await tokenOf(user, "a"), await tokenOf(user, "b"), await tokenOf(user, "c")] as const;
	const doomed = [
		await joined(server.host, room, tokens[0], user),
		await greet(server.host, room, tokens[1], user),
		await greet(server.host, newRoom(), tokens[2], user),
	];
	const witness = await joined(server.host, room, await tokenOf(other, "a"), other);
	assert.equal(await revoke(user, { jti: null, ...soon() }), "204");
	await allRevoked(doomed);
	assert.equal((await witness.next("user_left")).userId, user);
	for (const lost of [...tokens, await tokenOf(user, "made later")]) {
		assert.deepEqual(await atTheDoors(lost), REFUSED);
	}
	assert.deepEqual(await atTheDoors(await tokenOf(other, "a")), WELCOME);
	witness.leave();
});

test("A8 a revocation holds until it is over, and no longer, and then nothing of it is kept", async () => {
	const user = newUser();
	// It expires a little later than the revocation ends, with the skew of the clocks.
	const lost = await tokenOf(user, "a", { exp: Date.now() / 1000 - 26 });
	const room = newRoom();
	const client = await joined(server.host, room, lost, user);
	const until = Date.now() + 2000;
	assert.equal(await revoke(user, { until }), "204");
	await allRevoked([client]);
	while (Date.now() < until - 300) {
		assert.equal(await answered(server, roomPath(room, "/state"), { headers: bearer(lost) }), "403 revoked");
		await sleep(100);
	}
	assert.notEqual(await dump(server, "User", user), "");
	await sleep(until - Date.now() + 50);
	assert.equal(await answered(server, roomPath(room, "/state"), { headers: bearer(lost) }), "200");
	const deadline = Date.now() + 10_000;
	while ((await dump(server, "User", user)) !== "" && Date.now() < deadline) await sleep(100);
	assert.equal(await dump(server, "User", user), "");
});

test("A8 a door's note of a room is gone once the token has expired", async () => {
	const user = newUser();
	const client = await joined(server.host, newRoom(), await tokenOf(user, "a", { exp: Date.now() / 1000 - 28 }), user);
	assert.match(await dump(server, "User", user), /collaboration/);
	assert.equal((await client.closed()).code, 4401);
	const deadline = Date.now() + 10_000;
	while ((await dump(server, "User", user)) !== "" && Date.now() < deadline) await sleep(100);
	assert.equal(await dump(server, "User", user), "");
});

test("A8 a revocation is known after the user's object was put out of memory", async () => {
	const user = newUser();
	const [one, another] = [await tokenOf(user, "a"), await tokenOf(user, "b")];
	assert.equal(await revoke(user, { jti: "a", ...soon() }), "204");
	await server.miniflare.unsafeEvictDurableObject("roomkeep", "User", { name: user, webSockets: "close" });
	assert.deepEqual(await atTheDoors(one), REFUSED);
	const client = await joined(server.host, newRoom(), another, user);
	await server.miniflare.unsafeEvictDurableObject("roomkeep", "User", { name: user, webSockets: "close" });
	assert.equal(await revoke(user, soon()), "204");
	await allRevoked([client]);
});

test("A8 A5 a token that a connection was renewed with is revoked too, and one that it gave up does not matter", async () => {
	const user = newUser();
	const room = newRoom();
	const [first, second] = [await tokenOf(user, "a"), await tokenOf(user, "b", { exp: seconds() + 7200 })];
	const client = await greet(server.host, room, first, user);
	client.send({ type: "auth", token: second, id: 1 });
	assert.equal((await client.next("ack")).id, 1);
	await server.evict(room);
	assert.equal(await revoke(user, { jti: "a", ...soon() }), "204");
	await sleep(300);
	await client.sync();
	assert.deepEqual(client.closes, []);
	client.send({ type: "auth", token: first, id: 2 });
	const error = await client.next("error");
	assert.deepEqual([error.code, error.id], ["revoked", 2], "a revoked token renews nothing");
	await client.sync();
	await server.evict(room);
	assert.equal(await revoke(user, { jti: "b", ...soon() }), "204");
	await allRevoked([client]);
});

test("A8 whoever comes in while the revocation goes on is not left behind", async () => {
	for (let round = 0; round < 5; round += 1) {
		const user = newUser();
		const lost = await tokenOf(user, "a");
		const rooms = [newRoom(), newRoom(), newRoom()];
		const coming = Array.from({ length: 24 }, async (_, i) => {
			await sleep(i * 2);
			const room = rooms[i % rooms.length] as string;
			// One that is closed at once may never be seen open.
			if (i % 2 === 0) return new Client(server.host, room, user, undefined, { query: `?token=${lost}` });
			const client = await come(server.host, room, undefined, user);
			client.send({ type: "hello", protocol: 1, clientId: `c${i}`, token: lost });
			return client;
		});
		await sleep(10 + round * 8);
		assert.equal(await revoke(user, { jti: "a", ...soon() }), "204");
		const came = await Promise.all(coming);
		await allRevoked(came);
	}
});

test("A8 a body that makes no sense is a 400 and revokes nothing", async () => {
	const user = newUser();
	const good = await tokenOf(user, "a");
	const client = await joined(server.host, newRoom(), good, user);
	const until = Date.now() + 3_600_000;
	for (const body of [
		"",
		"null",
		"[]",
		"7",
		"{}",
		"{",
		{ jti: "a" },
		{ until: Date.now() - 1 },
		{ until: 0 },
		{ until: -until },
		{ until: seconds() + 3600 },
		{ until: String(until) },
		{ until: new Date(until).toISOString() },
		{ until: until + 0.5 },
		{ until: null },
		{ until: true },
		{ until: [until] },
		`{"until":1e400}`,
		`{"until":${until},"until":${until}}`,
		{ until, jti: "" },
		{ until, jti: 7 },
		{ until, jti: ["a"] },
		{ until, jti: "a\nb" },
		{ until, jti: "x".repeat(129) },
		`{"until":${until},"jti":"a","jti":"b"}`,
	]) {
		const name = JSON.stringify(body).slice(0, 80);
		assert.equal(await revoke(user, body), "400 bad_request", name);
	}
	assert.equal(await revoke(user, "x".repeat(3_000_000)), "413 limit_message");
	assert.deepEqual(await atTheDoors(good), WELCOME);
	await client.sync();
	client.leave();
});

test("A8 A4 the role admin alone is asked for, of a token that counts", async () => {
	const user = newUser();
	const good = await tokenOf(user, "a");
	const by = (claims: Record<string, unknown>) => token({ claims: { sub: "boss", ...claims } });
	for (const role of ["viewer", "editor", "moderator"]) {
		assert.equal(await revoke(user, soon(), await by({ role })), "403 forbidden", role);
	}
	assert.equal(await revoke(user, soon(), await by({ role: undefined })), "403 forbidden");
	assert.equal(await revoke(user, soon(), null), "401 unauthorized");
	assert.equal(await revoke(user, soon(), "garbage"), "401 unauthorized");
	assert.equal(await revoke(user, soon(), await by({ role: "admin", exp: 1 })), "401 unauthorized");
	assert.equal(await revoke(user, "garbage", null), "401 unauthorized", "who may not is not told what is wrong");
	assert.deepEqual(await atTheDoors(good), WELCOME);
	for (const rooms of [undefined, [], ["chat/x"], "nonsense"]) {
		assert.equal(await revoke(newUser(), soon(), await by({ role: "admin", rooms })), "204", JSON.stringify(rooms));
	}
	const query = await by({ role: "admin" });
	const init = { method: "POST", body: JSON.stringify(soon()) };
	assert.equal(await answered(server, `/users/${user}/revocations?token=${query}`, init), "204");
	assert.deepEqual(await atTheDoors(good), REFUSED);
});

test("A8 an admin whose own token was revoked revokes nothing", async () => {
	const [admin, user] = [newUser(), newUser()];
	const by = await tokenOf(admin, "a", { role: "admin" });
	assert.equal(await revoke(newUser(), soon(), by), "204");
	assert.equal(await revoke(admin, { jti: "a", ...soon() }), "204");
	assert.equal(await revoke(user, soon(), by), "403 revoked");
	assert.deepEqual(await atTheDoors(await tokenOf(user, "a")), WELCOME);
	assert.equal(await revoke(admin, soon()), "204", "it is no mistake to do it again");
	assert.equal(await revoke(user, soon(), await tokenOf(admin, "b", { role: "admin" })), "403 revoked");
});

test("A6 A8 an anonymous server has nobody who may revoke", async () => {
	const open = await serve();
	assert.equal(await revoke("alice", soon(), null, open), "403 forbidden");
	assert.equal(await revoke("alice", soon(), undefined, open), "403 forbidden");
	await open.close();
});

test("A8 U2 the user's id is percent-decoded once, whatever it holds", async () => {
	for (const user of ["auth0|7", "a/b", "Zoë 🦀", "100%25", "a+b&c=d?e#f", "...", "collaboration/x", "7"]) {
		const lost = await tokenOf(user, "a");
		const client = await joined(server.host, newRoom(), lost, user);
		assert.equal(await revoke(user, soon()), "204", user);
		await allRevoked([client]);
		assert.deepEqual(await atTheDoors(lost), REFUSED, user);
	}
	assert.deepEqual(await atTheDoors(await tokenOf("auth0", "a")), WELCOME);
	for (const path of ["/users/%ff/revocations", "/users//revocations", "/users/a/b/revocations"]) {
		assert.equal(await answered(server, path, { method: "POST" }), "404 not_found", path);
	}
});

test("A8 H5 any other method is a 405, and a preflight is answered before the token is asked for", async () => {
	const user = newUser();
	for (const method of ["GET", "HEAD", "PUT", "DELETE", "PATCH"]) {
		const response = await server.get(`/users/${user}/revocations`, { method });
		assert.deepEqual([response.status, response.headers.get("allow")], [405, "POST"], method);
		await response.body?.cancel();
	}
	assert.equal(await revoke(user, "", undefined, server, "GET"), "405 method_not_allowed");
	const preflight = await server.get(`/users/${user}/revocations`, { method: "OPTIONS" });
	assert.equal(preflight.status, 204);
	assert.match(preflight.headers.get("access-control-allow-methods") ?? "", /\bPOST\b/);
});

test("A8 the id of a token may hold anything but control characters, and means that token alone", async () => {
	const user = newUser();
	for (const jti of ["a b", "7 a", "'; DROP TABLE revocation; --", "ä🦀", "x".repeat(128)]) {
		const lost = await tokenOf(user, jti);
		const client = await joined(server.host, newRoom(), lost, user);
		assert.equal(await revoke(user, { jti, ...soon() }), "204", jti);
		await allRevoked([client]);
		assert.deepEqual(await atTheDoors(lost), REFUSED, jti);
	}
	assert.deepEqual(await atTheDoors(await tokenOf(user, "a")), WELCOME);
});

test("A8 a user in a hundred rooms is out of all of them at once", async () => {
	const user = newUser();
	const lost = await tokenOf(user, "a");
	const clients = await Promise.all(Array.from({ length: 100 }, () => come(server.host, newRoom(), lost, user)));
	assert.equal(await revoke(user, { jti: "a", ...soon() }), "204");
	await allRevoked(clients);
});

test("A8 the revocation of one token and that of all do not get in each other's way", async () => {
	const user = newUser();
	const [one, another] = [await tokenOf(user, "a"), await tokenOf(user, "b")];
	const until = Date.now() + 1500;
	assert.equal(await revoke(user, { jti: "a", ...soon() }), "204");
	assert.equal(await revoke(user, { until }), "204");
	assert.deepEqual(await atTheDoors(another), REFUSED);
	await sleep(until - Date.now() + 50);
	assert.deepEqual(await atTheDoors(another), WELCOME);
	assert.deepEqual(await atTheDoors(one), REFUSED);
});

test("A8 a revocation may be for good", async () => {
	const room = newRoom();
	for (const until of ["9007199254740992", "9223372036854775807"]) {
		assert.equal(await revoke(newUser(), `{"until":${until}}`), "400 bad_request", until);
	}
	for (const until of ["253402300799999", "8640000000000001", "9007199254740991"]) {
		const [guest, stranger] = [newUser(), newUser()];
		const lost = await tokenOf(guest, "a");
		const client = await joined(server.host, room, lost, guest);
		assert.equal(await revoke(guest, `{"until":${until}}`), "204", `${until}, of one who is in a room`);
		await allRevoked([client]);
		assert.equal(await revoke(stranger, `{"until":${until}}`), "204", `${until}, of one who was nowhere`);
		for (const token of [lost, await tokenOf(stranger, "a")]) assert.deepEqual(await atTheDoors(token), REFUSED);
	}
});

test("A8 H6 a room that was deleted meanwhile is not made again by being told", async () => {
	const user = newUser();
	const room = newRoom();
	const moderator = await token({ claims: { role: "moderator" } });
	const client = await joined(server.host, room, await tokenOf(user, "a"), user);
	assert.equal(await answered(server, roomPath(room), { method: "DELETE", headers: bearer(moderator) }), "204");
	assert.equal((await client.closed()).code, 4409);
	assert.equal(await revoke(user, soon()), "204");
	assert.equal(await dump(server, "Room", `collaboration/${room}`), "");
});

test("A8 what cannot be looked up lets nobody in: 503, and a socket that may come again", async () => {
	const user = newUser();
	const room = newRoom();
	const good = await tokenOf(user, "a");
	const client = await joined(server.host, room, good, user);
	const storage = await server.miniflare.unsafeGetDurableObjectStorage("roomkeep", "User", { name: user });
	await storage.exec("ALTER TABLE room RENAME TO away");
	await server.miniflare.unsafeEvictDurableObject("roomkeep", "User", { name: user, webSockets: "close" });
	assert.deepEqual(await atTheDoors(good), ["4500 unavailable", "HTTP 503", "503 unavailable"]);
	assert.equal(await revoke(user, soon()), "503 unavailable");
	client.send({ type: "auth", token: good, id: 1 });
	const error = await client.next("error");
	assert.deepEqual([error.code, error.retry, error.id], ["unavailable", true, 1]);
	await client.sync();
	await storage.exec("ALTER TABLE away RENAME TO room");
	await server.miniflare.unsafeEvictDurableObject("roomkeep", "User", { name: user, webSockets: "close" });
	assert.deepEqual(await atTheDoors(good), WELCOME);
	assert.equal(await revoke(user, soon()), "204");
	await allRevoked([client]);
});

test("A8 a room that cannot be read when it is told is told again", async () => {
	const user = newUser();
	const room = newRoom();
	const client = await joined(server.host, room, await tokenOf(user, "a"), user);
	await server.sql(room, "ALTER TABLE participant RENAME TO away");
	await server.evict(room);
	await revoke(user, soon());
	await sleep(200);
	if (client.closes.length === 0) {
		await server.sql(room, "ALTER TABLE away RENAME TO participant");
		await server.evict(room);
	}
	assert.equal((await client.closed(4000)).code, 4403, "the revoked token is in a room that can be read again");
});
