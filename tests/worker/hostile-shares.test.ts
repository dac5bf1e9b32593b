// Somebody takes all that there is of something: those who have less still get theirs (X1, A9, E5, Q1, J4).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, newRoom, type Served, serve, sleep } from "./harness.ts";
import { AUTH_KEYS, answered, bearer, come, greet, joined, knock, roomPath, token } from "./tokens.ts";

let server: Served;
before(async () => {
	server = await serve({ vars: { AUTH_KEYS, LIMIT_CONNECTIONS: "6", LIMIT_REQUESTS: "3", LEAVE_DELAY_MS: "700" } });
});
after(() => server.close());

const tokens = <Users extends string[]>(...users: Users) =>
	Promise.all(users.map((sub) => token({ claims: { sub } }))) as Promise<{ [User in keyof Users]: string }>;

test("X1 a user who holds all connections gives way to those who come, and gets no more", async () => {
	const room = newRoom();
	const [eve, ann, bob] = await tokens("eve", "ann", "bob");
	const hers = await Promise.all(Array.from({ length: 6 }, () => joined(server.host, room, eve, "eve")));
	assert.equal(await knock(server.host, roomPath(room, `?token=${eve}`)), "HTTP 503");
	// She comes back at once whenever one of hers is closed.
	let knocks = 0;
	let stops = false;
	const storm = (async () => {
		for (; !stops; knocks += 1) await knock(server.host, roomPath(room, `?token=${eve}`));
	})();
	const [anna, bobby] = [await joined(server.host, room, ann, "ann"), await joined(server.host, room, bob, "bob")];
	const again = await joined(server.host, room, ann, "ann");
	stops = true;
	await storm;
	const closed = () => hers.flatMap(({ closes }) => closes.map(({ code, reason }) => `${code} ${reason}`));
	await anna.until(() => closed().length === 3, "three of hers to be closed");
	assert.deepEqual(new Set(closed()), new Set(["4503 limit_connections"]));
	assert.ok(knocks > 0);
	for (const client of [anna, bobby, again]) {
		client.send({ type: "field_selected", id: 1, selection: { field: "f", value: 1, userId: client.userId } });
		assert.equal((await client.next("ack")).id, 1);
	}
	for (const client of [...hers, anna, bobby, again]) client.cut();
});

test("A9 one network that owes 50 tokens keeps nobody else from showing theirs", async () => {
	const room = newRoom();
	const from = (address: string) => ({ "cf-connecting-ip": address });
	const idle = Array.from({ length: 50 }, () => {
		return new Client(server.host, room, "eve", undefined, { headers: from("192.0.2.1") });
	});
	await Promise.all(idle.map((client) => client.open()));
	assert.equal(await knock(server.host, roomPath(room), from("192.0.2.1")), "HTTP 503");
	const ann = new Client(server.host, room, "ann", undefined, { headers: from("2001:db8::1") });
	await ann.open();
	ann.send({ type: "hello", protocol: 1, clientId: "a", token: await token({ claims: { sub: "ann" } }) });
	assert.equal((await ann.next("welcome")).userId, "ann");
	const closed = () => idle.flatMap(({ closes }) => closes.map(({ code }) => code));
	await ann.until(() => closed().length > 0, "one of theirs to be closed");
	assert.deepEqual(closed(), [4503]);
	for (const client of [...idle, ann]) client.cut();
});

test("Q1 X1 a user who has all open permission requests gives way, and its first to expire ends", async () => {
	const room = newRoom();
	const [eve, ann] = await tokens("eve", "ann");
	const [mallory, anna] = [await joined(server.host, room, eve, "eve"), await joined(server.host, room, ann, "ann")];
	for (const [id, ttlMs] of [60_000, 30_000, 90_000].entries()) {
		mallory.send({ type: "permission_request", requestId: `r${id}`, action: "a", ttlMs, id });
		await mallory.next("ack");
	}
	mallory.send({ type: "permission_request", requestId: "r9", action: "a", id: 9 });
	assert.equal((await mallory.next("error")).code, "limit_requests");
	anna.send({ type: "permission_request", requestId: "r0", action: "a", id: 1 });
	assert.equal((await anna.next("ack")).id, 1);
	const ended = await mallory.next("permission_cancelled");
	assert.deepEqual([ended.userId, ended.requestId, ended.expired], ["eve", "r1", true]);
	for (const client of [mallory, anna]) client.leave();
});

test("E6 J4 who takes over or comes back in time has not left, and who stays away has", async () => {
	const room = newRoom();
	const [ann, bob] = await tokens("ann", "bob");
	const watcher = await joined(server.host, room, bob, "bob");
	let page = await greet(server.host, room, ann, "ann");
	page.send({ type: "user_joined", userId: "ann", userName: "Ann" });
	await watcher.next("user_joined");
	const older = page;
	page = await greet(server.host, room, ann, "ann");
	assert.equal((await older.closed()).code, 4410);
	page.leave();
	await sleep(200);
	page = await greet(server.host, room, ann, "ann", "another");
	page.send({ type: "user_joined", userId: "ann", userName: "Ann" });
	await sleep(1_000);
	assert.deepEqual(
		watcher.types().filter((type) => type.startsWith("user_")),
		["user_joined"],
	);
	const gone = Date.now();
	page.leave();
	assert.equal((await watcher.next("user_left")).userId, "ann");
	assert.ok(Date.now() - gone >= 600, "it waited");
	watcher.leave();
});

test("A8 a time that storage cannot hold is refused, and the latest that it can hold is kept", async () => {
	const [admin, eve] = [
		await token({ claims: { sub: "root", role: "admin" } }),
		await token({ claims: { sub: "eve2" } }),
	];
	const room = newRoom();
	const revoke = (until: string) => {
		const init = { method: "POST", headers: bearer(admin), body: `{"jti":"none","until":${until}}` };
		return answered(server, "/users/eve2/revocations", init);
	};
	assert.equal(await revoke("9223372036854775807"), "400 bad_request");
	assert.equal(await revoke("9007199254740991"), "204");
	const client = await come(server.host, room, eve, "eve2");
	assert.ok(await client.sync());
	client.leave();
});
