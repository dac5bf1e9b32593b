// Whatever comes in, the room says what is wrong, changes nothing and goes on.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { newRoom, Page, type Served, serve, sleep } from "./harness.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

test("F1 F4 F5 garbage of every kind gets an error, is not relayed and changes nothing", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	const bob = await Page.joined(server.host, room, "bob");
	const before = await bob.sync();
	const seen = bob.frames.length;
	const garbage: [string, string][] = [
		["", "bad_message"],
		["null", "bad_message"],
		["[]", "bad_message"],
		['"x"', "bad_message"],
		["{", "bad_message"],
		["{}", "bad_message"],
		['{"type":1}', "bad_message"],
		['{"type":"x","type":"x"}', "bad_message"],
		['{"type":"x","\\u0074ype":"y"}', "bad_message"],
		['{"type":"x","s":"\\ud800"}', "bad_message"],
		['{"type":"x","deep":{"\\udfff":1}}', "bad_message"],
		['{"type":"x"} trailing', "bad_message"],
		['{"type":"field_selected"}', "bad_message"],
		['{"type":"field_selected","selection":[]}', "bad_message"],
		['{"type":"field_selected","selection":{"field":"f","userId":"alice"}}', "bad_message"],
		['{"type":"field_selected","selection":{"field":1,"value":1,"userId":"alice"}}', "bad_message"],
		['{"type":"field_selected","selection":{"field":"f","value":1,"userId":"alice","timestamp":"now"}}', "bad_message"],
		['{"type":"field_cleared","userId":"alice"}', "bad_message"],
		['{"type":"user_ready","userId":"alice","isReady":"yes"}', "bad_message"],
		['{"type":"user_joined","userId":"alice"}', "bad_message"],
		['{"type":"user_joined","userId":"","userName":"x"}', "bad_message"],
		['{"type":"sync_request","since":-1}', "bad_message"],
		['{"type":"sync_request","id":""}', "bad_message"],
		['{"type":"sync_request","id":1.5}', "bad_message"],
		[`{"type":"sync_request","id":"${"i".repeat(65)}"}`, "bad_message"],
		['{"type":"user_joined","userId":"bob","userName":"x"}', "identity_mismatch"],
		['{"type":"field_selected","selection":{"field":"f","value":1,"userId":"bob"}}', "identity_mismatch"],
		['{"type":"batch","changes":{}}', "bad_message"],
		['{"type":"hello","protocol":1}', "bad_message"],
		[`{"type":"x","a":${"[".repeat(200)}${"]".repeat(200)}}`, "limit_depth"],
	];
	for (const type of ["welcome", "sync_response", "changes", "ack", "conflict", "error", "user_left"]) {
		garbage.push([`{"type":"${type}"}`, "reserved_type"]);
	}
	for (const [text, code] of garbage) {
		alice.socket.send(text);
		const error = await alice.next("error");
		assert.equal(error.code, code, text);
		assert.ok(typeof error.message === "string" && error.message.length > 10);
		assert.doesNotMatch(error.message, /src\/|\.rs|wasm|panic|stack/i);
	}
	alice.socket.send(new Uint8Array([1, 2, 3]));
	assert.equal((await alice.next("error")).code, "bad_message");
	const after = await bob.sync();
	assert.deepEqual({ ...after, time: 0 }, { ...before, time: 0, participants: after.participants });
	assert.equal(bob.frames.length, seen + 1, "nothing of it was relayed");
	for (const page of [alice, bob]) page.leave();
});

test("F3 an error answers the id of what it refuses, once", async () => {
	const alice = await Page.joined(server.host, newRoom(), "alice");
	alice.send({ type: "user_ready", userId: "alice", id: "r" });
	assert.equal((await alice.next("error")).id, "r");
	alice.send({ type: "welcome", id: -3 });
	assert.equal((await alice.next("error")).id, -3);
	alice.send({ type: "chat", id: { not: "ours" } });
	alice.send({ type: "sync_request", id: "s" });
	await alice.next("sync_response");
	assert.equal((await alice.next("ack")).id, "s");
	assert.equal(alice.types().filter((type) => type === "ack").length, 1);
	alice.leave();
});

test("F1 F3 every frame of the vectors gets its answer from the built room", async () => {
	const vectors = JSON.parse(readFileSync(new URL("../vectors/frames.json", import.meta.url), "utf8"));
	const room = newRoom();
	const listener = await Page.joined(server.host, room, "listener");
	for (const vector of vectors) {
		const ann = await Page.joined(server.host, room, "ann");
		await listener.sync();
		const [heard, told] = [listener.frames.length, ann.frames.length];
		ann.socket.send(vector.frame);
		if (vector.expect.startsWith("close ")) {
			assert.equal(`close ${(await ann.closed()).code}`, vector.expect, vector.name);
			ann.leave();
			continue;
		}
		await ann.sync();
		await listener.sync();
		const errors = ann.frames.slice(told).filter((frame) => "code" in frame);
		const isRelayed = listener.frames.slice(heard).some((frame) => JSON.stringify(frame) === canonical(vector.frame));
		if (vector.expect === "relay") assert.ok(isRelayed, vector.name);
		if (vector.expect === "relay" || vector.expect === "ok") assert.deepEqual(errors, [], vector.name);
		else assert.deepEqual([errors.map((e) => e.code), isRelayed], [[vector.expect], false], vector.name);
		ann.leave();
	}
	listener.leave();
});

function canonical(text: string): string | undefined {
	try {
		return JSON.stringify(JSON.parse(text));
	} catch {
		return undefined;
	}
}

test("F2 ping is answered by the runtime", async () => {
	const alice = await Page.joined(server.host, newRoom(), "alice");
	alice.socket.send("ping");
	await alice.until(() => alice.frames.includes("pong"), "pong");
	alice.leave();
});

test("X1 limits are kept at the edge and said clearly", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	const refused = async (message: unknown) => {
		alice.send(message);
		return (await alice.next("error")).code;
	};
	const select = (field: string, value: unknown) => ({
		type: "field_selected",
		selection: { field, value, userId: "alice" },
	});
	assert.equal(await refused({ type: "x", a: "x".repeat(65_536) }), "limit_message");
	alice.send({ type: "x", id: "long", a: "x".repeat(65_536) });
	assert.equal((await alice.next("error")).id, "long");
	assert.equal(await refused(select("f", "x".repeat(32 * 1024))), "limit_value");
	assert.equal(await refused(select("f".repeat(129), 1)), "limit_name");
	assert.equal(await refused(select("ä".repeat(65), 1)), "limit_name");
	alice.select("f".repeat(128), "x".repeat(32 * 1024 - 2), "alice");
	const bob = new Page(server.host, room);
	bob.send({ type: "user_joined", userId: "b".repeat(128), userName: "n".repeat(257) });
	assert.equal((await bob.next("error")).code, "limit_name");
	const state = await alice.sync();
	assert.deepEqual(Object.keys(state.selections), ["f".repeat(128)]);
	for (const page of [alice, bob]) page.leave();
});

test("X1 limits come from the Worker's variables", async () => {
	const small = await serve({
		vars: {
			LIMIT_FIELDS: "2",
			LIMIT_PARTICIPANTS: "2",
			LIMIT_MESSAGE_BYTES: "900",
			LIMIT_VALUE_BYTES: "500",
			LIMIT_ROOM_BYTES: "950",
			LIMIT_NAME_BYTES: "8",
		},
	});
	const alice = await Page.joined(small.host, "r", "alice");
	const code = async (field: string, value: unknown) => {
		alice.select(field, value, "alice", { id: field });
		return (await alice.until(() => alice.frames.find((f) => f.id === field), field)).code ?? "ack";
	};
	assert.equal(await code("a", "x".repeat(300)), "ack");
	assert.equal(await code("b", "x".repeat(300)), "limit_room");
	assert.equal(await code("c", 1), "ack");
	assert.equal(await code("d", 1), "limit_fields");
	assert.equal(await code("e", "x".repeat(500)), "limit_value");
	assert.equal(await code("g", "x".repeat(900)), "limit_message");
	assert.equal(await code("too-long-", 1), "limit_name");
	const bob = await Page.joined(small.host, "r", "bob");
	const carol = new Page(small.host, "r");
	carol.send({ type: "user_joined", userId: "carol", userName: "Carol" });
	assert.equal((await carol.next("error")).code, "limit_participants");
	bob.leave();
	await carol.until(() => carol.types().includes("user_left"), "bob to leave");
	carol.send({ type: "user_joined", userId: "carol", userName: "Carol" });
	const people = (await carol.sync()).participants.map((p: any) => p.id);
	assert.deepEqual(people, ["alice", "carol"], "the longest offline gives way");
	for (const page of [alice, carol]) page.leave();
	await small.close();
});

test("X1 one who does not read is closed with 4508, and the others go on", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	const slow = new WebSocket(`ws://${server.host}/parties/collaboration/${room}`, { perMessageDeflate: false });
	await new Promise((resolve) => slow.once("open", resolve));
	slow.send(JSON.stringify({ type: "user_joined", userId: "slow", userName: "Slow" }));
	await alice.next("user_joined");
	// The kernel's buffers on loopback take some megabytes before any is left unsent.
	slow.pause();
	const big = { type: "chat", text: "x".repeat(60_000) };
	for (let i = 0; i < 2000 && !alice.types().includes("user_left"); i += 1) {
		alice.send(big);
		if (i % 20 === 0) await sleep(5);
	}
	assert.equal((await alice.next("user_left")).userId, "slow");
	alice.select("f", 1, "alice");
	assert.equal((await alice.sync()).selections.f.value, 1);
	slow.terminate();
	alice.leave();
});

test("X1 the whole room may be longer than what its reader may leave unread", async () => {
	const large = await serve({ vars: { LIMIT_ROOM_BYTES: "8000000" } });
	const alice = await Page.joined(large.host, "r", "alice");
	for (let i = 0; i < 200; i += 1) alice.select(`f${i}`, "x".repeat(30_000), "alice", { id: `i${i}` });
	await alice.until(() => alice.frames.some((frame) => frame.id === "i199"), "all of it", 20_000);
	// It asks twice, as a page that has missed something does, and others go on meanwhile.
	const bob = new Page(large.host, "r");
	const seen = () => bob.frames.filter((frame) => frame.type === "sync_response").length;
	for (let round = 1; round <= 3; round += 1) {
		bob.send({ type: "sync_request" });
		bob.send({ type: "sync_request" });
		for (let i = 0; i < 10; i += 1) alice.select("f", i, "alice");
		await bob.until(() => seen() === 2 * round, "both replies", 20_000);
	}
	assert.deepEqual(bob.closes, []);
	for (const page of [alice, bob]) page.leave();
	await large.close();
});

test("J4 a connection that breaks off without a word is seen to leave", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	const other = new WebSocket(`ws://${server.host}/parties/collaboration/${room}`);
	await new Promise((resolve) => other.once("open", resolve));
	other.send(JSON.stringify({ type: "user_joined", userId: "bob", userName: "Bob" }));
	await alice.next("user_joined");
	const heard = Date.now();
	await sleep(200);
	other.terminate();
	const left = await alice.next("user_left");
	assert.equal(left.userId, "bob");
	assert.ok(left.lastSeen <= heard + 50, "lastSeen is the last sign, not the time of the break");
	alice.leave();
});
