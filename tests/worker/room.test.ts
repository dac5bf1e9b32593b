// The main job over real sockets, with partysocket and its defaults.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newRoom, Page, type Served, serve, sleep } from "./harness.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

const page = (room: string, userId: string) => Page.joined(server.host, room, userId);

test("U1 Y1 Y2 a late joiner sees all that was chosen and by whom", async () => {
	const room = newRoom();
	const alice = await page(room, "alice");
	alice.select("productType", "iPhone 13", "alice");
	alice.select("condition", "Like New", "alice");
	alice.select("price", "45000", "alice");
	await alice.sync();
	const bob = await page(room, "bob");
	bob.select("quantity", "1", "bob");
	await bob.sync();
	const carol = await page(room, "carol");
	const state = await carol.sync();
	const values = Object.values(state.selections).map((s: any) => [s.field, s.value, s.userId]);
	assert.deepEqual(values, [
		["condition", "Like New", "alice"],
		["price", "45000", "alice"],
		["productType", "iPhone 13", "alice"],
		["quantity", "1", "bob"],
	]);
	assert.deepEqual(
		state.participants.map((p: any) => [p.id, p.name, p.isReady, p.online, p.connections]),
		[
			["alice", "alice", false, true, 1],
			["bob", "bob", false, true, 1],
			["carol", "carol", false, true, 1],
		],
	);
	assert.equal(state.version, 7);
	assert.deepEqual([state.presence, state.requests, state.permissions], [[], [], []]);
	assert.equal("reset" in state, false);
	assert.ok(Math.abs(state.time - Date.now()) < 5000);
	assert.match(state.epoch, /^[0-9a-f]{32}$/);
	assert.ok(!alice.types().includes("sync_request"), "a sync_request is never relayed");
	for (const p of [alice, bob, carol]) p.leave();
});

test("S2 S3 S8 a change is stored with the room's version and sent to the others in the seed's shape", async () => {
	const room = newRoom();
	const alice = await page(room, "alice");
	const bob = await page(room, "bob");
	const selection = { field: "price", value: { amount: 1, big: 1e21 }, userId: "alice", timestamp: 5, note: ["x"] };
	alice.send({ type: "field_selected", selection, id: "a1" });
	const ack = await alice.next("ack");
	const frame = await bob.next("field_selected");
	assert.equal(ack.id, "a1");
	assert.equal(frame.version, ack.version);
	const { version, updatedAt, ...rest } = frame.selection;
	assert.deepEqual(rest, selection);
	assert.equal(version, ack.version);
	assert.ok(Math.abs(updatedAt - Date.now()) < 5000);
	// An older clock wins when it arrives later.
	bob.send({ type: "field_selected", selection: { ...selection, value: 2, userId: "bob", timestamp: 1 } });
	assert.equal((await alice.next("field_selected")).selection.value, 2);
	bob.send({ type: "field_cleared", field: "price", userId: "bob" });
	assert.deepEqual(await alice.next("field_cleared"), {
		type: "field_cleared",
		field: "price",
		userId: "bob",
		version: version + 2,
	});
	bob.send({ type: "field_cleared", field: "price", userId: "bob", id: 7 });
	assert.deepEqual(await bob.next("ack"), { type: "ack", id: 7, version: version + 2 });
	assert.deepEqual((await alice.sync()).selections, {});
	assert.ok(!bob.types().includes("field_cleared"), "a plain client never gets its own change");
	for (const p of [alice, bob]) p.leave();
});

test("S4 Y3 a writer who lost a race is told what won, and one who was away gets what he missed", async () => {
	const room = newRoom();
	const alice = await page(room, "alice");
	const bob = await page(room, "bob");
	alice.select("price", 1, "alice");
	const { version, selection } = await bob.next("field_selected");
	bob.select("price", 2, "bob", { baseVersion: selection.version, id: "b" });
	assert.equal((await bob.next("ack")).version, version + 1);
	alice.select("price", 3, "alice", { baseVersion: selection.version, id: "a" });
	const conflict = await alice.next("conflict");
	assert.deepEqual(
		[conflict.id, conflict.code, conflict.field, conflict.clientVersion, conflict.serverVersion],
		["a", "E_CONFLICT", "price", version, version + 1],
	);
	assert.equal(conflict.current.value, 2);
	const { epoch } = await bob.sync();
	bob.send({ type: "sync_request", since: version, epoch });
	const missed = await bob.next("changes");
	assert.deepEqual([missed.from, missed.to, missed.epoch, missed.changes.length], [version, version + 1, epoch, 1]);
	assert.equal(missed.changes[0].selection.value, 2);
	for (const p of [alice, bob]) p.leave();
});

test("J1 J4 J5 a refresh loses nothing, and the others see the coming and going", async () => {
	const room = newRoom();
	const bob = await page(room, "bob");
	const alice = await page(room, "alice");
	assert.equal((await bob.next("user_joined")).userId, "alice");
	for (const field of ["a", "b", "c", "d", "e"]) alice.select(field, field, "alice");
	const before = await alice.sync();
	const mine = (s: any) => s.participants.find((p: any) => p.id === "alice");
	alice.leave();
	const left = await bob.next("user_left");
	assert.equal(left.userId, "alice");
	const away = mine(await bob.sync());
	assert.deepEqual([away.online, away.connections, away.lastSeen], [false, 0, left.lastSeen]);
	const again = await page(room, "alice");
	const back = await bob.next("user_joined");
	const state = await again.sync();
	assert.deepEqual(state.selections, before.selections);
	assert.equal(state.version, before.version, "joining again is not counted");
	assert.equal(back.joinedAt, mine(before).joinedAt);
	assert.equal(mine(state).joinedAt, mine(before).joinedAt);
	for (const p of [again, bob]) p.leave();
});

test("J4 a leaving is told within 50 ms, without a timer", async () => {
	const room = newRoom();
	const bob = await page(room, "bob");
	const delays: number[] = [];
	for (let i = 0; i < 5; i += 1) {
		const alice = await page(room, "alice");
		const start = performance.now();
		alice.leave();
		await bob.next("user_left");
		delays.push(performance.now() - start);
	}
	assert.ok(Math.min(...delays) < 50, `${delays}`);
	bob.leave();
});

test("J1 J5 a second tab is silent, and the user stays until both are gone", async () => {
	const room = newRoom();
	const bob = await page(room, "bob");
	const one = await page(room, "alice");
	const two = await page(room, "alice");
	await bob.next("user_joined");
	const alice = (await bob.sync()).participants.find((p: any) => p.id === "alice");
	assert.deepEqual([alice.online, alice.connections], [true, 2]);
	one.select("f", 1, "alice");
	assert.equal((await two.next("field_selected")).selection.value, 1, "the other tab is another receiver");
	one.leave();
	await one.closed();
	await bob.sync();
	assert.ok(!bob.types().includes("user_left"));
	two.leave();
	await bob.next("user_left");
	assert.equal(bob.types().filter((type) => type === "user_joined").length, 1);
	bob.leave();
});

test("U5 two sockets with one _pk both live", async () => {
	const room = newRoom();
	const one = new Page(server.host, room, { id: "same" });
	const two = new Page(server.host, room, { id: "same" });
	one.send({ type: "user_joined", userId: "alice", userName: "Alice" });
	two.send({ type: "user_joined", userId: "bob", userName: "Bob" });
	await one.sync();
	await two.sync();
	two.select("f", 1, "bob");
	await one.next("field_selected");
	two.leave();
	await one.next("user_left");
	one.select("f", 2, "alice");
	const state = await one.sync();
	assert.equal(state.selections.f.value, 2);
	one.leave();
});

test("J3 what was queued before the page's open handler runs is taken, and the user is announced all the same", async () => {
	const room = newRoom();
	const bob = await page(room, "bob");
	const alice = new Page(server.host, room);
	alice.socket.addEventListener("open", () => {
		alice.send({ type: "user_joined", userId: "alice", userName: "Alice" });
		alice.send({ type: "sync_request" });
	});
	alice.select("f", "queued", "alice", { id: "q" });
	assert.equal((await alice.next("ack")).id, "q");
	await alice.next("sync_response");
	await bob.next("field_selected");
	assert.equal((await bob.next("user_joined")).userName, "Alice");
	alice.send({ type: "user_joined", userId: "mallory", userName: "M", id: 1 });
	assert.deepEqual([(await alice.next("error")).code, alice.frames.at(-1).id], ["identity_mismatch", 1]);
	for (const p of [alice, bob]) p.leave();
});

test("J3 J7 ready is stored, sent, and not taken from someone who never joined", async () => {
	const room = newRoom();
	const bob = await page(room, "bob");
	const alice = new Page(server.host, room);
	alice.send({ type: "user_ready", userId: "alice", isReady: true, id: 1 });
	assert.equal((await alice.next("error")).code, "not_joined");
	alice.send({ type: "user_joined", userId: "alice", userName: "Alice" });
	alice.send({ type: "user_ready", userId: "alice", isReady: true });
	const frame = await bob.next("user_ready");
	assert.deepEqual([frame.userId, frame.isReady, typeof frame.version], ["alice", true, "number"]);
	assert.equal((await bob.sync()).participants[0].isReady, true);
	for (const p of [alice, bob]) p.leave();
});

test("a network glitch: partysocket reconnects by itself, and the page has the truth again", async () => {
	const room = newRoom();
	const alice = await page(room, "alice");
	const bob = new Page(server.host, room);
	bob.socket.addEventListener("open", () => {
		bob.send({ type: "user_joined", userId: "bob", userName: "Bob" });
		bob.send({ type: "sync_request" });
	});
	await bob.next("sync_response");
	bob.socket.reconnect();
	alice.select("f", "meanwhile", "alice");
	const state = await bob.until(
		() => bob.frames.filter((frame) => frame.type === "sync_response")[1],
		"the state after the glitch",
		10_000,
	);
	const seen = bob.frames.some((f) => f.type === "field_selected") || state.selections.f?.value === "meanwhile";
	assert.ok(seen);
	assert.equal((await bob.sync()).selections.f.value, "meanwhile");
	for (const p of [alice, bob]) p.leave();
});

test("U2 U3 a:b and a%3Ab are one room, and the same name under another party is another", async () => {
	const both = await serve({ vars: { PARTIES: "collaboration, other" } });
	const one = await Page.joined(both.host, "x:y", "alice");
	one.select("f", 1, "alice");
	await one.sync();
	const escaped = await both.get("/parties/collaboration/x%3Ay/state").then((r) => r.json() as any);
	const plain = await both.get("//parties//collaboration/x:y/state").then((r) => r.json() as any);
	const other = await both.get("/parties/other/x:y/state").then((r) => r.json() as any);
	assert.deepEqual([escaped.version, plain.version, other.version], [2, 2, 0]);
	assert.notEqual(other.epoch, plain.epoch);
	one.leave();
	await both.close();
});

test("F6 frames come in the order of their causes", async () => {
	const room = newRoom();
	const alice = await page(room, "alice");
	const bob = await page(room, "bob");
	for (let i = 0; i < 50; i += 1) {
		alice.select("f", i, "alice");
		alice.send({ type: "chat", n: i });
	}
	alice.leave();
	await bob.next("user_left");
	const story = bob.frames.filter((f) => ["field_selected", "chat", "user_left"].includes(f.type));
	const expected = Array.from({ length: 50 }, (_, i) => [`s${i}`, `c${i}`]).flat();
	const told = story.map((f) =>
		f.type === "chat" ? `c${f.n}` : f.type === "user_left" ? "left" : `s${f.selection.value}`,
	);
	assert.deepEqual(told, [...expected, "left"]);
	const versions = story.filter((f) => f.version).map((f) => f.version);
	assert.deepEqual(
		versions,
		Array.from({ length: 50 }, (_, i) => (versions[0] ?? 0) + i),
	);
	bob.leave();
});

test("Y8 a hundred people write at once and all see all", async () => {
	const room = newRoom();
	const pages = await Promise.all(Array.from({ length: 100 }, (_, i) => page(room, `u${i}`)));
	for (const [i, p] of pages.entries()) p.select(`f${i}`, i, `u${i}`, { id: i });
	await Promise.all(pages.map((p) => p.next("ack", 10_000)));
	const states = await Promise.all(pages.map((p) => p.sync()));
	for (const state of states) assert.equal(Object.keys(state.selections).length, 100);
	await Promise.all(
		pages.map((p) =>
			p.until(() => p.types().filter((t) => t === "field_selected").length === 99, "99 changes", 10_000),
		),
	);
	for (const p of pages) p.leave();
});

test("P2 any other type is relayed to the others as it came and not stored", async () => {
	const room = newRoom();
	const alice = await page(room, "alice");
	const bob = await page(room, "bob");
	const text = '{"type":"cursor",  "x":1.50, "s":"\\u00e4", "userId":"alice", "id":"m"}';
	let raw = "";
	bob.socket.addEventListener("message", (event) => (raw = String(event.data)));
	alice.socket.send(text);
	await bob.next("cursor");
	assert.equal(raw, text);
	assert.equal((await alice.next("ack")).id, "m");
	alice.socket.send('{"type":"cursor","userId":"bob","id":"n"}');
	assert.equal((await alice.next("error")).code, "identity_mismatch");
	assert.equal((await bob.sync()).version, 2);
	for (const p of [alice, bob]) p.leave();
});

test("J6 lastSeen is when the user was last heard, pings included, and not now", async () => {
	const room = newRoom();
	const alice = await page(room, "alice");
	const bob = await page(room, "bob");
	const seen = async () => (await bob.sync()).participants[0].lastSeen as number;
	const first = await seen();
	await sleep(300);
	assert.equal(await seen(), first, "silence is not a sign of life");
	const pinged = Date.now();
	alice.socket.send("ping");
	await alice.until(() => alice.frames.includes("pong"), "pong");
	assert.ok((await seen()) >= pinged - 5, "a ping is");
	for (const p of [alice, bob]) p.leave();
});
