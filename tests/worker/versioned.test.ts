// Clients that say `hello`: numbered once and only once, resumed without gaps, and shown to each other.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { Client, type Frame, Mirror, newRoom, Page, type Served, serve, sleep } from "./harness.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

const greeted = (room: string, userId: string, hello: object = {}, mirror?: Mirror) =>
	Client.greeted(server.host, room, userId, hello, mirror);

/** Enough idle sockets that changes are gathered for some milliseconds between two flushes (Y8). */
async function crowd(room: string, count = 60): Promise<WebSocket[]> {
	const address = `ws://${server.host}/parties/collaboration/${room}`;
	const sockets = Array.from({ length: count }, () => new WebSocket(address));
	await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("open", resolve))));
	return sockets;
}

test("E5 A writes, the ack is lost, B writes a newer value, A sends again: B's value stands and A is told", async () => {
	const room = newRoom();
	const bob = await greeted(room, "bob");
	bob.set(1, "price", "first");
	const first = await bob.next("ack");
	const alice = await greeted(room, "alice");
	const write = ["price", "from alice", { baseVersion: first.version }] as const;
	// Not a byte of the answer is read.
	alice.socket.pause();
	alice.set(1, ...write);
	await bob.until(() => bob.mirror.selections.price.value === "from alice", "alice's value");
	alice.cut();
	bob.set(2, "price", "newer", { baseVersion: bob.mirror.version });
	await bob.until(() => bob.all("ack").length === 2, "bob's ack");
	const before = await server.state(room);
	assert.equal(before.selections.price.value, "newer");

	const again = await greeted(room, "alice", alice.mirror.since, alice.mirror);
	const welcome = await again.next("welcome");
	assert.deepEqual([welcome.lastSeq, welcome.version], [1, before.version]);
	again.set(1, ...write);
	assert.deepEqual(await again.next("ack"), { type: "ack", seq: 1, version: first.version + 1, duplicate: true });
	assert.deepEqual(Mirror.of(await again.sync()), Mirror.of(before));
	assert.deepEqual(again.mirror.known(), Mirror.of(before));
	assert.deepEqual([again.all("conflict"), again.all("error"), bob.mirror.gaps], [[], [], []]);
	again.set(2, "price", "on top", { baseVersion: before.version });
	assert.equal((await again.next("ack")).version, before.version + 1);
	for (const client of [again, bob]) client.leave();
});

test("E2 S4 a conflict whose telling was lost is told again, and is no write when the field has moved on", async () => {
	const room = newRoom();
	const bob = await greeted(room, "bob");
	bob.set(1, "f", 1);
	bob.set(2, "f", 2);
	await bob.until(() => bob.mirror.selections.f?.value === 2, "both values");
	const alice = await greeted(room, "alice");
	alice.socket.pause();
	alice.set(1, "f", "late", { baseVersion: 1 });
	alice.set(2, "g", "after it");
	await bob.until(() => bob.mirror.selections.g, "what alice wrote next");
	alice.cut();
	bob.send({ type: "field_cleared", field: "f", userId: "bob", seq: 3 });
	await bob.until(() => bob.mirror.selections.f === undefined, "the clearing");
	const again = await greeted(room, "alice");
	assert.equal((await again.next("welcome")).lastSeq, 2);
	again.set(1, "f", "late", { baseVersion: 1 });
	again.set(2, "g", "after it");
	again.set(3, "f", "anew", { baseVersion: 0 });
	const third = await again.until(() => again.all("conflict")[1], "the second conflict");
	const [first] = again.all("conflict");
	// What the field holds is told as it stands now.
	const cleared = { type: "conflict", code: "E_CONFLICT", field: "f", serverVersion: 4, current: null };
	assert.deepEqual(first, { ...cleared, seq: 1, clientVersion: 1, duplicate: true });
	assert.deepEqual(third, { ...cleared, seq: 3, clientVersion: 0 });
	assert.deepEqual(again.all("ack"), [{ type: "ack", seq: 2, version: 3, duplicate: true }]);
	assert.deepEqual(again.mirror.known(), Mirror.of(await server.state(room)));
	again.set(2, "g", "something else");
	assert.deepEqual([(await again.next("error")).code, again.frames.at(-1).seq], ["seq_reused", 2]);
	again.set(5, "g", 5);
	const early = await again.next("error");
	assert.deepEqual([early.code, early.seq, early.expected, early.retry], ["out_of_order", 5, 4, true]);
	for (const client of [again, bob]) client.leave();
});

test("E3 F3 an ack covers all before it; one with an id comes for each id, beside those by number", async () => {
	const room = newRoom();
	const alice = await greeted(room, "alice");
	const others = await crowd(room);
	const ids: number[] = [];
	for (let seq = 1; seq <= 40; seq += 1) {
		alice.set(seq, "f", seq, seq % 10 === 0 ? { id: seq } : {});
		ids.push(...(seq % 10 === 0 ? [seq] : []));
	}
	await alice.until(() => alice.all("ack").some((ack) => ack.seq === 40), "the last ack");
	const acks = alice.all("ack");
	assert.deepEqual(
		acks.filter((ack) => "id" in ack).map((ack) => [ack.id, ack.seq, ack.version]),
		ids.map((id) => [id, id, id]),
	);
	const seqs = acks.map((ack) => ack.seq);
	assert.deepEqual(
		seqs,
		seqs.toSorted((a, b) => a - b),
	);
	for (const other of others) other.terminate();
	alice.leave();
});

test("E3 F3 a message with an id and no number does not swallow the ack of the number before it", async () => {
	const room = newRoom();
	const alice = await greeted(room, "alice");
	const others = await crowd(room, 120);
	for (let i = 1; i <= 10; i += 1) {
		// The first goes out at once. The others are gathered, and nothing comes after them.
		alice.set(2 * i - 1, "f", 1);
		alice.set(2 * i, "f", 2);
		alice.select("g", 3, "alice", { id: i });
		await alice.until(() => alice.all("ack").some((ack) => ack.id === i), "the ack by name");
		await alice.until(() => alice.all("ack").some((ack) => ack.seq === 2 * i), "the ack by number", 1000);
	}
	for (const other of others) other.terminate();
	alice.leave();
});

test("E2 E3 what is refused for its content is recorded under its number and comes before any ack that covers it", async () => {
	const room = newRoom();
	const alice = await greeted(room, "alice");
	alice.set(1, "f".repeat(200), 1);
	alice.set(2, "f", "x".repeat(33_000));
	alice.send({ type: "field_selected", seq: 3, selection: { field: "f" } });
	alice.set(4, "f", "kept");
	await alice.next("ack");
	const told = alice.frames.filter((frame) => "seq" in frame).map((frame) => [frame.seq, frame.code, frame.retry]);
	assert.deepEqual(told, [
		[1, "limit_name", undefined],
		[2, "limit_value", undefined],
		[3, "bad_message", undefined],
		[4, undefined, undefined],
	]);
	alice.cut();
	const again = await greeted(room, "alice");
	assert.equal((await again.next("welcome")).lastSeq, 4);
	again.set(2, "f", "x".repeat(33_000));
	const error = await again.next("error");
	assert.deepEqual([error.code, error.seq, error.duplicate], ["limit_value", 2, true]);
	assert.equal((await again.sync()).version, 1);
	again.leave();
});

test("E4 the last 64 answers are known, also after sleep, and a hundred writes may be under way", async () => {
	const room = newRoom();
	const alice = await greeted(room, "alice");
	for (let seq = 1; seq <= 100; seq += 1) alice.set(seq, `f${seq}`, seq);
	await alice.until(() => alice.all("ack").at(-1)?.seq === 100, "the last ack");
	alice.cut();
	await server.evict(room);
	const again = await greeted(room, "alice", alice.mirror.since, alice.mirror);
	again.set(37, "f37", 37);
	assert.deepEqual(await again.next("ack"), { type: "ack", seq: 37, version: 37, duplicate: true });
	again.set(36, "f36", 36);
	const error = await again.next("error");
	assert.deepEqual([error.code, error.seq, error.retry], ["outcome_forgotten", 36, undefined]);
	assert.equal((await again.sync()).version, 100);
	again.leave();
});

test("Y4 E1 welcome says what the client needs; another protocol, a second hello and a number before it are refused", async () => {
	const room = newRoom();
	const early = new Client(server.host, room, "alice");
	await early.open();
	early.set(1, "f", "too early");
	const refusal = await early.next("error");
	assert.deepEqual([refusal.code, refusal.seq], ["bad_message", 1]);
	early.send({ type: "hello", protocol: 1, clientId: "c" });
	const { limits, time, epoch, connectionId, kind, ...welcome } = await early.next("welcome");
	const expected = { type: "welcome", protocol: 1, userId: null, role: "moderator", version: 0, lastSeq: 0 };
	assert.deepEqual(welcome, expected);
	// An open kind has no version (K6).
	assert.deepEqual(kind, { party: "collaboration", version: 0 });
	assert.equal(limits.outcomes, 64);
	assert.match(connectionId, /^[0-9a-f]{32}$/);
	assert.ok(Math.abs(time - Date.now()) < 5000);
	const state = await early.next("sync_response");
	assert.deepEqual([state.epoch, state.version, "reset" in state], [epoch, 0, false]);
	early.send({ type: "hello", protocol: 1, clientId: "d", id: "second" });
	const second = await early.next("error");
	assert.deepEqual([second.code, second.id], ["bad_message", "second"]);
	// Nothing of this was recorded: the number is still to be had, under the first name.
	early.set(1, "f", "in time");
	assert.equal((await early.next("ack")).version, 1);
	const other = new Client(server.host, room, "bob");
	await other.open();
	other.send({ type: "hello", protocol: 2, clientId: "bob" });
	assert.deepEqual(await other.closed(), { code: 4426, reason: "protocol" });
	const bob = new Client(server.host, room, "bob");
	await bob.open();
	bob.send({ type: "user_joined", userId: "bob", userName: "Bob" });
	bob.send({ type: "hello", protocol: 1, clientId: "c", id: 1 });
	assert.equal((await bob.next("error")).code, "identity_mismatch");
	assert.deepEqual(early.closes, [], "a clientId of somebody else fences nobody");
	for (const client of [early, bob]) client.leave();
});

test("E6 F7 a newer connection of the same client closes the older, and what that still had under way is dropped", async () => {
	const room = newRoom();
	const watcher = await Page.joined(server.host, room, "watcher");
	const older = await greeted(room, "alice");
	older.send({ type: "user_joined", userId: "alice", userName: "Alice" });
	await watcher.next("user_joined");
	// Both come at the same time, so somewhere among the writes the newer one is let in.
	const newer = new Client(server.host, room, "alice");
	await newer.open();
	for (let seq = 1; seq <= 150; seq += 1) older.set(seq, "f", seq);
	newer.send({ type: "hello", protocol: 1, clientId: "alice" });
	for (let seq = 151; seq <= 300; seq += 1) older.set(seq, "f", seq);
	const { lastSeq, version } = await newer.next("welcome");
	assert.deepEqual(await older.closed(), { code: 4410, reason: "replaced" });
	const state = await newer.sync();
	const alice = state.participants.find(({ id }: { id: string }) => id === "alice");
	assert.deepEqual([alice.online, alice.connections], [true, 1]);
	assert.deepEqual([state.version, state.selections.f?.value ?? 0], [version, lastSeq]);
	assert.deepEqual(newer.mirror.gaps, []);

	// One that does not even notice: it reads nothing and goes on writing.
	newer.socket.pause();
	const newest = await greeted(room, "alice");
	assert.equal((await newest.next("welcome")).lastSeq, lastSeq);
	newer.set(lastSeq + 1, "f", "from the dead");
	newer.send({ type: "chat", text: "from the dead" });
	newer.send({ type: "presence", data: "from the dead" });
	newer.socket.resume();
	assert.equal((await newer.closed()).code, 4410);
	newest.set(lastSeq + 1, "f", "from the living");
	assert.equal((await newest.next("ack")).version, version + 1);
	assert.equal((await watcher.sync()).selections.f.value, "from the living");
	assert.doesNotMatch(JSON.stringify([watcher.frames, newest.frames]), /from the dead/);
	assert.ok(!watcher.types().includes("user_left"), "J4: who takes over has not left");
	for (const peer of [newest, watcher]) peer.leave();
});

test("S9 a batch is done as a whole or not at all, one version a change", async () => {
	const small = await serve({ vars: { LIMIT_FIELDS: "3" } });
	const room = newRoom();
	const bob = await Page.joined(small.host, room, "bob");
	const carol = await Client.greeted(small.host, room, "carol");
	const alice = await Client.greeted(small.host, room, "alice");
	const select = (field: string, value: unknown, more: object = {}) => ({
		type: "field_selected",
		selection: { field, value, userId: "alice", timestamp: 1 },
		...more,
	});
	const clear = (field: string) => ({ type: "field_cleared", field, userId: "alice" });
	const batch = (seq: number, ...changes: object[]) => alice.send({ type: "batch", seq, changes });
	batch(1, select("a", 1), select("b", 2), select("a", 3), clear("b"), clear("absent"));
	assert.deepEqual(await alice.next("ack"), { type: "ack", seq: 1, version: 5 });
	// Bob's joining was the first version.
	const frame = await carol.next("changes");
	assert.deepEqual(
		[frame.from, frame.to, frame.changes.map((c: Frame) => [c.field, c.version, c.selection?.value ?? null])],
		[
			1,
			5,
			[
				["a", 4, 3],
				["b", 5, null],
			],
		],
	);
	await bob.sync();
	const told = () => bob.frames.filter((f) => "version" in f && f.type.startsWith("field_"));
	assert.deepEqual(
		told().map((f) => [f.type, f.version, f.selection?.value]),
		[
			["field_selected", 2, 1],
			["field_selected", 3, 2],
			["field_selected", 4, 3],
			["field_cleared", 5, undefined],
		],
	);

	const before = await bob.sync();
	const heard = told().length;
	bob.select("a", "bob's", "bob");
	await alice.until(() => alice.mirror.selections.a.value === "bob's", "bob's value");
	// The second is late, the third too: the first conflict answers for all.
	batch(2, select("c", 1), select("a", 2, { baseVersion: 4 }), select("b", 1, { baseVersion: 2 }));
	const conflict = await alice.next("conflict");
	assert.deepEqual(
		[conflict.seq, conflict.field, conflict.clientVersion, conflict.serverVersion, conflict.current.value],
		[2, "a", 4, 6, "bob's"],
	);
	// The last one is a field too many.
	batch(3, clear("a"), select("x", 1), select("y", 1), select("z", 1), select("w", 1));
	assert.deepEqual([(await alice.next("error")).code, alice.frames.at(-1).seq], ["limit_fields", 3]);
	batch(4, select("a", "x"), { type: "user_ready", userId: "alice", isReady: true });
	assert.deepEqual([(await alice.next("error")).code, alice.frames.at(-1).seq], ["bad_message", 4]);
	batch(5, ...Array.from({ length: 101 }, (_, i) => select("a", i)));
	assert.deepEqual([(await alice.next("error")).code, alice.frames.at(-1).seq], ["limit_batch", 5]);
	const after = await bob.sync();
	assert.deepEqual([after.version, Object.keys(after.selections)], [before.version + 1, ["a"]]);
	assert.equal(after.selections.a.value, "bob's");
	assert.equal(told().length, heard, "nobody heard anything of them");
	// Its own earlier writes in the batch are no conflict to the later ones.
	batch(6, select("a", 1, { baseVersion: 6 }), select("a", 2, { baseVersion: 6 }));
	batch(6, select("a", 1, { baseVersion: 6 }), select("a", 2, { baseVersion: 6 }));
	await alice.until(() => alice.all("ack").some((ack) => ack.duplicate), "the ack of the one sent twice");
	assert.equal((await bob.sync()).version, before.version + 3);
	assert.deepEqual([alice.mirror.gaps, carol.mirror.gaps], [[], []]);
	for (const peer of [alice, bob, carol]) peer.leave();
	await small.close();
});

test("Y6 Y7 S8 all hello clients get the same text, before the ack; a plain page beside them gets every change", async () => {
	const room = newRoom();
	const others = await crowd(room);
	const plain = await Page.joined(server.host, room, "plain");
	const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map((name) => greeted(room, name)));
	assert.ok(alice && bob && carol);
	const writes = 300;
	for (let seq = 1; seq <= writes; seq += 1) {
		alice.set(seq, `f${seq % 3}`, seq);
		if (seq % 10 === 0) bob.set(seq / 10, "g", seq);
	}
	const total = writes + writes / 10;
	await alice.until(() => alice.all("ack").at(-1)?.seq === writes, "alice's last ack");
	await bob.until(() => bob.all("ack").at(-1)?.seq === writes / 10, "bob's last ack");
	await Promise.all(
		[carol, alice, bob].map((client) => client.until(() => client.mirror.version === total + 1, "all")),
	);
	const changes = (client: Client) => client.texts.filter((text) => text.startsWith('{"type":"changes"'));
	assert.deepEqual(changes(alice), changes(bob));
	assert.deepEqual(changes(carol), changes(bob));
	const joined = changes(carol).map((text) => JSON.parse(text));
	for (const [i, frame] of joined.entries()) {
		if (i > 0) assert.equal(frame.from, joined[i - 1].to);
		const versions = frame.changes.map((change: Frame) => change.version);
		assert.ok(versions.every((version: number, n: number) => version > (versions[n - 1] ?? frame.from)));
		assert.equal(versions.at(-1), frame.to);
		const fields = frame.changes.map((change: Frame) => change.field);
		assert.equal(new Set(fields).size, fields.length, "each field once a frame");
	}
	assert.ok(joined.length < total, `${total} changes came in ${joined.length} frames`);
	// An ack comes after the changes that it covers.
	let known = 0;
	for (const frame of alice.frames) {
		if (frame.type === "changes") known = frame.to;
		if (frame.type === "ack") assert.ok(frame.version <= known, `${frame.version} was acked at ${known}`);
	}
	const state = await plain.sync();
	for (const client of [alice, bob, carol]) {
		assert.deepEqual([client.mirror.known(), client.mirror.gaps], [Mirror.of(state), []]);
		assert.ok(!client.types().includes("field_selected"));
	}
	const stock = plain.all("field_selected");
	assert.deepEqual(
		stock.map((frame) => frame.version),
		Array.from({ length: total }, (_, i) => i + 2),
	);
	assert.deepEqual(
		stock.filter((frame) => frame.selection.userId === "alice").map((frame) => frame.selection.value),
		Array.from({ length: writes }, (_, i) => i + 1),
	);
	assert.ok(!plain.types().includes("changes"));
	// A page's own write comes to the others as changes and to itself not at all.
	plain.select("f0", "from the page", "plain");
	await carol.until(() => carol.mirror.selections.f0.value === "from the page", "the page's value");
	assert.equal(plain.all("field_selected").length, total);
	for (const socket of others) socket.terminate();
	for (const peer of [alice, bob, carol, plain]) peer.leave();
});

test("Y3 Y7 over sleep: live frames join up, and who was away gets just what it missed", async () => {
	const room = newRoom();
	const alice = await greeted(room, "alice");
	const bob = await greeted(room, "bob");
	const away = await greeted(room, "carol");
	alice.send({ type: "user_joined", userId: "alice", userName: "Alice" });
	alice.set(1, "kept", 1);
	alice.set(2, "cleared", 2);
	await alice.until(() => alice.all("ack").at(-1)?.seq === 2, "both acks");
	await away.until(() => away.mirror.version === 3, "all of it");
	away.cut();
	await server.evict(room);
	bob.set(1, "new", 3);
	await bob.next("ack");
	alice.send({ type: "field_cleared", field: "cleared", userId: "alice", seq: 3 });
	await server.evict(room);
	alice.send({ type: "user_ready", userId: "alice", isReady: true, seq: 4 });
	bob.set(2, "new", 4);
	await bob.until(() => bob.all("ack").at(-1)?.seq === 2, "bob's second ack");
	await alice.until(() => alice.all("ack").at(-1)?.seq === 4, "alice's last ack");
	const state = await server.state(room);
	assert.equal(state.version, 7);

	const back = await greeted(room, "carol", away.mirror.since, away.mirror);
	const missed = await back.next("changes");
	assert.deepEqual([missed.from, missed.to, missed.epoch, missed.presence], [3, 7, state.epoch, []]);
	assert.deepEqual(
		missed.changes.map((c: Frame) => [c.kind, c.field ?? c.participant.id, c.selection?.value ?? null]).toSorted(),
		[
			["field", "cleared", null],
			["field", "new", 4],
			["participant", "alice", null],
		],
	);
	assert.deepEqual(
		missed.participants.map((p: Frame) => [p.id, p.online, p.isReady]),
		[["alice", true, true]],
	);
	await server.evict(room);
	alice.set(5, "kept", "live");
	await back.until(() => back.mirror.version === 8, "the next change");
	for (const client of [alice, bob, back]) {
		await client.until(() => client.mirror.version === 8, "the same");
		assert.deepEqual([client.mirror.gaps, client.mirror.known()], [[], Mirror.of(await server.state(room))]);
		assert.deepEqual(client.closes, []);
	}
	// A version of the future and another life of the room are answered with everything.
	for (const hello of [
		{ since: 99, epoch: state.epoch },
		{ since: 1, epoch: "other" },
	]) {
		const stranger = await greeted(room, "dora", hello);
		assert.equal((await stranger.next("sync_response")).reset, true);
		stranger.cut();
	}
	for (const client of [alice, bob, back]) client.leave();
});

test("P1 presence survives sleep, is told to who says hello, and goes with its connection", async () => {
	const room = newRoom();
	const plain = await Page.joined(server.host, room, "plain");
	const alice = await greeted(room, "alice");
	const bob = await greeted(room, "bob");
	const { connectionId } = await alice.next("welcome");
	alice.send({ type: "presence", data: { field: "price", at: 1.5 } });
	const shown = [{ connectionId, userId: null, data: { field: "price", at: 1.5 } }];
	assert.deepEqual(await bob.next("presence"), { type: "presence", presence: shown });
	// Once it is known whose it is, that is told as well.
	alice.send({ type: "user_joined", userId: "alice", userName: "Alice" });
	const named = [{ ...shown[0], userId: "alice" }];
	assert.deepEqual((await bob.next("presence")).presence, named);
	await server.evict(room);
	assert.deepEqual((await bob.sync()).presence, named);
	assert.deepEqual((await greeted(room, "carol")).all("sync_response")[0].presence, named);
	bob.send({ type: "sync_request", since: 1 });
	const resumed = await bob.until(() => bob.all("changes").find((frame) => "presence" in frame), "the answer");
	assert.deepEqual(resumed.presence, named);
	assert.equal((await server.state(room)).version, 2, "presence is no change");
	const tables = await server.sql(
		room,
		"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
	);
	assert.ok(tables.length >= 3);
	for (const { name } of tables) {
		assert.doesNotMatch(JSON.stringify(await server.sql(room, `SELECT * FROM ${name}`)), /price/);
	}
	await server.evict(room);
	alice.cut();
	const gone = await bob.until(() => bob.all("presence").find((frame) => frame.presence[0].data === null), "the end");
	assert.deepEqual(gone.presence, [{ connectionId, userId: "alice", data: null }]);
	assert.deepEqual((await bob.sync()).presence, []);
	bob.send({ type: "presence", data: "x".repeat(4095), id: "long" });
	assert.deepEqual([(await bob.next("error")).code, bob.frames.at(-1).id], ["limit_presence", "long"]);
	// Said by who has not said hello, it is refused and not passed on.
	plain.send({ type: "presence", data: 1 });
	assert.equal((await plain.next("error")).code, "bad_message");
	await plain.sync();
	assert.ok(!plain.types().includes("presence"));
	for (const peer of [bob, plain]) peer.leave();
});

test("P1 two hundred presences a second reach a reader as at most twenty, the newest within a second", async () => {
	const room = newRoom();
	const plain = await Page.joined(server.host, room, "plain");
	const alice = await greeted(room, "alice");
	const bob = await greeted(room, "bob");
	// The rate is kept while changes go out too.
	bob.set(1, "f", 0);
	await bob.next("ack");
	const start = performance.now();
	for (let i = 1; i <= 200; i += 1) {
		alice.send({ type: "presence", data: i });
		if (i % 20 === 0) bob.set(1 + i / 20, "f", i);
		const ahead = start + i * 5 - performance.now();
		if (ahead > 0) await sleep(ahead);
	}
	const end = performance.now();
	await bob.until(() => bob.all("presence").at(-1)?.presence[0].data === 200, "the newest");
	assert.ok(performance.now() - end < 1000);
	const frames = bob.all("presence").length;
	const most = Math.ceil(((performance.now() - start) / 1000) * 20) + 1;
	assert.ok(frames > 5 && frames <= most, `${frames} frames, at most ${most}`);
	await plain.sync();
	assert.deepEqual(new Set(plain.types()), new Set(["sync_response", "field_selected"]));
	for (const peer of [alice, bob, plain]) peer.leave();
});
