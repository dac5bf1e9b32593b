// Tokens that come after the connection: with the `hello` of one that waits, and with an `auth` that renews one.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Client, type Frame, newRoom, Page, type Served, serve, sleep } from "./harness.ts";
import { AUTH_KEYS, come, dump, greet, joined, knock, roomPath, Stream, token } from "./tokens.ts";

let server: Served;
before(async () => {
	server = await serve({ vars: { AUTH_KEYS } });
});
after(() => server.close());

const withRole = (role: string, sub = "alice", claims: Record<string, unknown> = {}) =>
	token({ claims: { sub, role, ...claims } });
/** The `exp` of a token that a room keeps to for this many milliseconds, with the skew of the clocks. */
const expiring = (ms: number) => (Date.now() + ms - 30_000) / 1000;

test("A5 a connection whose token expires is closed with 4401, awake and asleep, and so is a stream", async () => {
	const [awake, asleep] = [newRoom(), newRoom()];
	const exp = expiring(2500);
	const start = Date.now();
	const short = await token({ claims: { exp } });
	const clients = [
		await joined(server.host, awake, short),
		await greet(server.host, awake, short),
		await come(server.host, awake, short),
		await joined(server.host, asleep, short),
		await greet(server.host, asleep, short),
	];
	const stream = await Stream.open(server, awake, short);
	const witness = await joined(server.host, awake, await token({ claims: { sub: "bob" } }), "bob");
	await server.evict(asleep);
	await sleep(1000);
	for (const client of clients) assert.deepEqual(client.closes, []);
	for (const client of clients) {
		assert.deepEqual(await client.closed(), { code: 4401, reason: "unauthorized" });
		const after = Date.now() - start;
		assert.ok(after >= 2300 && after < 4000, `closed after ${after} ms`);
	}
	assert.equal(await stream.problem(), "unauthorized");
	assert.equal((await witness.next("user_left")).userId, "alice");
	await witness.sync();
	witness.leave();
});

test("A5 auth renews a connection in place, also in a room that slept, and then it outlives its first token", async () => {
	for (const isPlain of [true, false]) {
		const room = newRoom();
		const exp = expiring(2500);
		const short = await token({ claims: { exp } });
		const client = isPlain ? await joined(server.host, room, short) : await greet(server.host, room, short);
		const witness = await joined(server.host, room, await token({ claims: { sub: "bob" } }), "bob");
		await server.evict(room);
		client.send({ type: "auth", token: await token(), id: "renew" });
		const ack = await client.next("ack");
		assert.equal(ack.id, "renew");
		await client.sync();
		assert.equal(client.all("ack").length, 1);
		await server.evict(room);
		await sleep(3000);
		await client.sync();
		await witness.sync();
		assert.deepEqual([client.closes, witness.types().includes("user_left")], [[], false]);
		assert.ok(!witness.types().includes("auth"), "a token is relayed to nobody");
		client.leave();
		witness.leave();
	}
});

test("A5 a token of another user, or none that counts, leaves the one before in its place", async () => {
	const room = newRoom();
	const client = await greet(server.host, room, await token({ claims: { exp: expiring(3000) } }));
	const start = Date.now();
	const refused: [string, string | undefined][] = [
		["identity_mismatch", await token({ claims: { sub: "bob", role: "admin" } })],
		["unauthorized", "garbage"],
		["unauthorized", ""],
		["unauthorized", await token({ claims: { exp: 1 } })],
		["forbidden", await token({ claims: { rooms: ["collaboration/other"] } })],
		["forbidden", await token({ claims: { role: "owner" } })],
	];
	for (const [i, [code, other]] of refused.entries()) {
		client.send({ type: "auth", token: other, id: i });
		const error = await client.next("error");
		assert.deepEqual([error.code, error.id], [code, i]);
	}
	client.send({ type: "auth", token: "garbage" });
	assert.equal((await client.next("error")).code, "unauthorized", "without an id as well");
	client.send({ type: "kick", userId: "nobody", id: "kick" });
	assert.equal((await client.next("error")).code, "forbidden", "an editor as before");
	client.set(1, "f", 1);
	assert.equal((await client.next("ack")).seq, 1);
	assert.deepEqual(await client.closed(), { code: 4401, reason: "unauthorized" });
	assert.ok(Date.now() - start > 2500, "and until the time of the token before");
});

test("A5 the role of the new token counts at once, up and down, and its name at the next joining", async () => {
	const room = newRoom();
	const client = await joined(server.host, room, await withRole("viewer"));
	const witness = await joined(server.host, room, await withRole("editor", "bob"), "bob");
	const write = async (id: string) => {
		client.select("f", id, "alice", { id });
		return (await client.until(() => client.frames.find((frame) => frame.id === id), id)).type;
	};
	const renew = async (role: string) => {
		client.send({ type: "auth", token: await withRole(role, "alice", { name: role }), id: `to ${role}` });
		await client.until(() => client.all("ack").find(({ id }) => id === `to ${role}`), "the ack");
	};
	assert.equal(await write("as viewer"), "error");
	await renew("editor");
	assert.equal(await write("as editor"), "ack");
	await server.evict(room);
	assert.equal(await write("as editor, after sleeping"), "ack");
	await renew("viewer");
	assert.equal(await write("as viewer again"), "error");
	await server.evict(room);
	assert.equal(await write("as viewer, after sleeping"), "error");
	await renew("moderator");
	client.send({ type: "kick", userId: "bob", id: "kick" });
	assert.deepEqual(await witness.closed(), { code: 4403, reason: "kicked" });
	client.send({ type: "user_joined", userId: "alice", userName: "anybody" });
	assert.equal((await client.sync()).participants.find(({ id }: Frame) => id === "alice").name, "moderator");
	client.leave();
});

test("A5 A6 an anonymous server has nothing to renew, and says so with an ack and nothing to the others", async () => {
	const anonymous = await serve();
	const room = newRoom();
	const [client, other] = [new Page(anonymous.host, room), await Page.joined(anonymous.host, room, "bob")];
	client.send({ type: "auth", token: "x", id: 1 });
	assert.equal((await client.next("ack")).id, 1);
	await other.sync();
	assert.ok(!other.types().includes("auth"));
	client.leave();
	other.leave();
	await anonymous.close();
});

test("A9 whoever waits with the token sees nothing and counts as nobody, while the room goes on and sleeps", async () => {
	const room = newRoom();
	const waiting = await come(server.host, room);
	const alice = await joined(server.host, room, await token());
	const bob = await greet(server.host, room, await token({ claims: { sub: "bob" } }), "bob");
	bob.send({ type: "user_joined", userId: "bob", userName: "Bob" });
	alice.select("f", 1, "alice");
	alice.send({ type: "cursor", x: 1 });
	bob.send({ type: "presence", data: { x: 1 } });
	bob.set(1, "g", 2);
	await bob.next("ack");
	await server.evict(room);
	alice.select("f", 3, "alice");
	alice.send({ type: "cursor", x: 2 });
	bob.send({ type: "presence", data: { x: 2 } });
	bob.set(2, "g", 4);
	await bob.sync();
	const state = await alice.sync();
	assert.deepEqual(state.participants.map(({ id, connections }: Frame) => [id, connections]).sort(), [
		["alice", 1],
		["bob", 1],
	]);
	assert.deepEqual(state.presence.length, 1);
	await server.evict(room);
	await sleep(200);
	assert.deepEqual(waiting.frames, []);
	waiting.send({ type: "hello", protocol: 1, clientId: "c", token: await token({ claims: { sub: "carol" } }) });
	await waiting.until(() => waiting.frames.length > 1, "the welcome and the state");
	assert.deepEqual(waiting.types(), ["welcome", "sync_response"]);
	alice.select("f", 5, "alice");
	assert.equal((await waiting.next("changes")).changes[0].selection.value, 5);
	for (const client of [waiting, alice, bob]) client.leave();
});

test("A9 who waits is closed with 4401 after 10 s, awake or asleep, and a page that only pings as well", async () => {
	const [awake, asleep] = [newRoom(), newRoom()];
	const member = await joined(server.host, awake, await token());
	const start = Date.now();
	const clients = [await come(server.host, awake), await come(server.host, asleep), await come(server.host, asleep)];
	const pinging = new Page(server.host, awake, { maxRetries: 0 });
	await pinging.open();
	await server.evict(asleep);
	const pings = setInterval(() => pinging.socket.send("ping"), 1000);
	await sleep(8500 - (Date.now() - start));
	for (const client of [...clients, pinging]) assert.deepEqual(client.closes, []);
	for (const client of [...clients, pinging]) {
		assert.deepEqual(await client.closed(), { code: 4401, reason: "unauthorized" });
		assert.ok(Date.now() - start >= 9900 && Date.now() - start < 12_000, `after ${Date.now() - start} ms`);
	}
	clearInterval(pings);
	assert.ok(pinging.frames.includes("pong"));
	await member.sync();
	assert.equal(await dump(server, "Room", `collaboration/${asleep}`), "", "nothing was stored for those who waited");
	member.leave();
	pinging.leave();
});

test("A9 who waits is closed with 4401 on any other message, and nothing of it is done", async () => {
	const room = newRoom();
	const member = await joined(server.host, room, await token());
	const good = await withRole("admin");
	for (const message of [
		{ type: "sync_request" },
		{ type: "sync_request", token: good },
		{ type: "user_joined", userId: "alice", userName: "A" },
		{ type: "field_selected", selection: { field: "f", value: 1, userId: "alice" } },
		{ type: "cursor", x: 1 },
		{ type: "kick", userId: "alice" },
		{ type: "auth", token: good },
		{ type: "hello", protocol: 1, clientId: "c" },
		{ type: "hello", protocol: 1, clientId: "c", token: "" },
		{ type: "hello", protocol: 1, clientId: "c", token: 7 },
		{ type: "hello", protocol: 1, clientId: "", token: good },
		{ type: "hello", protocol: 1, clientId: "c", token: "garbage" },
		{ type: "hello", protocol: 1, clientId: "c", token: "x".repeat(9000) },
		{ type: "hello", protocol: 2, clientId: "c", token: good },
		"{",
		"",
		new Uint8Array([1, 2, 3]),
	]) {
		const waiting = await come(server.host, room);
		waiting.socket.send(
			typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message),
		);
		waiting.send({ type: "field_selected", selection: { field: "f", value: 2, userId: "alice" } });
		const what = JSON.stringify(message).slice(0, 80);
		// Y4: who speaks another protocol need not come back with another token.
		const code = what.includes('"protocol":2') ? 4426 : 4401;
		assert.equal((await waiting.closed()).code, code, what);
		assert.deepEqual(waiting.frames, [], what);
	}
	assert.deepEqual((await member.sync()).selections, {});
	assert.deepEqual([...new Set(member.types())], ["sync_response"]);
	member.leave();
});

test("A9 fifty wait in a room and no more, and they keep no member out", async () => {
	const small = await serve({ vars: { AUTH_KEYS, LIMIT_CONNECTIONS: "2" } });
	const room = newRoom();
	const good = await token();
	const waiting = await Promise.all(Array.from({ length: 50 }, () => come(small.host, room)));
	assert.equal(await knock(small.host, roomPath(room)), "HTTP 503");
	assert.equal(await knock(small.host, roomPath(newRoom())), "4401 unauthorized", "in another room there is room");
	await small.evict(room);
	assert.equal(await knock(small.host, roomPath(room)), "HTTP 503", "after sleeping too");
	const first = await joined(small.host, room, good);
	assert.equal(await knock(small.host, roomPath(room)), "HTTP 503", "a member is none of those who wait");
	const [second, late] = waiting as [Client, Client];
	second.send({ type: "hello", protocol: 1, clientId: "second", token: good });
	await second.next("welcome");
	const third = await come(small.host, room);
	assert.equal(await knock(small.host, roomPath(room, `?token=${good}`)), "HTTP 503", "two members are all it takes");
	late.send({ type: "hello", protocol: 1, clientId: "late", token: good });
	assert.equal((await late.closed()).code, 4500, "it may come again later");
	first.leave();
	await first.closed();
	third.send({ type: "hello", protocol: 1, clientId: "third", token: good });
	await third.next("welcome");
	await small.close();
});

test("A9 F6 what is sent right behind the hello is handled in its order, once the token has been checked", async () => {
	const room = newRoom();
	const waiting = await come(server.host, room);
	const parts: object[] = [
		{ type: "hello", protocol: 1, clientId: "c", token: await token(), id: "hello" },
		{ type: "user_joined", userId: "alice", userName: "Alice", id: "join" },
		...Array.from({ length: 30 }, (_, i) => ({
			type: "field_selected",
			seq: i + 1,
			selection: { field: "f", value: i, userId: "alice" },
			id: i,
		})),
		{ type: "hello", protocol: 1, clientId: "c2", id: "again" },
		{ type: "sync_request", id: "sync" },
	];
	for (const part of parts) waiting.send(part);
	waiting.socket.send(new Uint8Array([1]));
	waiting.send({ type: "kick", userId: "x", id: "kick" });
	await waiting.until(() => waiting.frames.find(({ id }) => id === "kick"), "the last answer");
	assert.deepEqual(waiting.types().slice(0, 2), ["welcome", "sync_response"]);
	const answers = waiting.frames
		.filter(({ type }) => ["ack", "error"].includes(type))
		.map(({ id, code }) => code ?? id);
	const numbers = Array.from({ length: 30 }, (_, i) => i);
	assert.deepEqual(answers, ["hello", "join", ...numbers, "bad_message", "sync", "bad_message", "forbidden"]);
	const state = waiting.all("sync_response").at(-1);
	assert.deepEqual([state.version, state.selections.f.value, state.participants.length], [31, 29, 1]);
	waiting.leave();

	const refused = await come(server.host, room);
	refused.send({ type: "hello", protocol: 1, clientId: "d", token: "garbage" });
	refused.send({ type: "field_selected", selection: { field: "f", value: "evil", userId: "alice" } });
	assert.equal((await refused.closed()).code, 4401);
	const sent = await greet(server.host, room, await token());
	assert.equal((await sent.sync()).selections.f.value, 29);
	sent.leave();
});

test("A9 E6 a hello with a token takes the place of the connection before it, and so does one after sleeping", async () => {
	const room = newRoom();
	const good = await token();
	const first = await greet(server.host, room, good, "alice", "tab");
	await server.evict(room);
	const second = await greet(server.host, room, good, "alice", "tab");
	assert.equal((await first.closed()).code, 4410);
	await second.sync();
	second.leave();
});

test("A5 F3 each of many auths at once is answered once, and the last that is acked counts", async () => {
	const room = newRoom();
	const waiting = await come(server.host, room);
	waiting.send({ type: "hello", protocol: 1, clientId: "c", token: await withRole("viewer") });
	for (let i = 0; i < 10; i += 1) waiting.send({ type: "auth", token: await withRole("moderator"), id: i });
	const answers = () => waiting.frames.filter(({ type, id }) => type !== "welcome" && id !== undefined);
	await waiting.until(() => answers().length >= 10, "ten answers");
	await waiting.sync();
	assert.deepEqual(
		answers()
			.map(({ id }) => id)
			.sort(),
		Array.from({ length: 10 }, (_, i) => i),
	);
	const refused = answers().filter(({ type }) => type === "error");
	for (const error of refused) assert.equal(error.retry, true, "one that was not looked at may be sent again");
	assert.ok(waiting.all("ack").length > 0);
	waiting.send({ type: "kick", userId: "nobody", id: "kick" });
	assert.equal((await waiting.until(() => waiting.frames.find(({ id }) => id === "kick"), "an answer")).type, "ack");
	waiting.leave();
});

test("A9 E4 a clientId of another user is refused, to whoever came with a good token too", async () => {
	const room = newRoom();
	const alice = await greet(server.host, room, await token(), "alice", "tab");
	alice.set(1, "f", 1);
	await alice.next("ack");
	const bob = await come(server.host, room, undefined, "bob");
	const hello = { type: "hello", protocol: 1, token: await token({ claims: { sub: "bob" } }) };
	bob.send({ ...hello, clientId: "tab", id: 1 });
	const error = await bob.next("error");
	assert.deepEqual([error.code, error.id], ["identity_mismatch", 1]);
	assert.deepEqual(alice.closes, [], "nobody is replaced by somebody else");
	bob.send({ ...hello, clientId: "bobs", id: 2 });
	assert.equal((await bob.next("welcome")).userId, "bob");
	alice.leave();
	bob.leave();
});

test("A9 who goes away while the token is checked leaves nothing behind", async () => {
	const room = newRoom();
	for (let i = 0; i < 20; i += 1) {
		const waiting = await come(server.host, room);
		waiting.send({ type: "hello", protocol: 1, clientId: `c${i}`, token: await token() });
		waiting.send({ type: "user_joined", userId: "alice", userName: "Alice" });
		if (i % 2 === 0) waiting.cut();
		else waiting.leave();
	}
	await sleep(300);
	const bob = await joined(server.host, room, await token({ claims: { sub: "bob" } }), "bob");
	const online = (await bob.sync()).participants.filter((one: Frame) => one.online);
	assert.deepEqual(
		online.map(({ id, connections }: Frame) => [id, connections]),
		[["bob", 1]],
	);
	bob.leave();
});
