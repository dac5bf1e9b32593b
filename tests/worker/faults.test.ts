// Panics, failing statements and kill -9: what was shown to anyone is there afterwards.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePort } from "../ports.ts";
import { type Frame, newRoom, Page, type Served, serve, sleep } from "./harness.ts";

let server: Served;
before(async () => {
	server = await serve({ faults: true });
});
after(() => server.close());

test("S6 a panic in one room fails that event at once, and every room goes on with what it stored", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	const bob = await Page.joined(server.host, room, "bob");
	const other = await Page.joined(server.host, newRoom(), "olga");
	alice.select("f", "kept", "alice");
	other.select("g", "kept too", "olga");
	await Promise.all([alice.sync(), other.sync()]);
	const start = performance.now();
	alice.send({ fault: "panic" });
	const error = await alice.next("error");
	assert.ok(performance.now() - start < 1000);
	assert.deepEqual([error.code, error.retry], ["internal", true]);
	assert.doesNotMatch(JSON.stringify(error), /rs:|panick|unreachable/);
	assert.equal((await alice.sync()).selections.f.value, "kept");
	bob.select("f", "on", "bob");
	assert.equal((await alice.next("field_selected")).selection.value, "on");
	assert.equal((await other.sync()).selections.g.value, "kept too");
	assert.equal((await server.state(room)).selections.f.value, "on");
	assert.deepEqual([alice.closes, bob.closes, other.closes], [[], [], []]);
	for (const page of [alice, bob, other]) page.leave();
});

test("S6 a room that panicked sleeps again", async () => {
	const alice = await Page.joined(server.host, newRoom(), "alice");
	alice.send({ fault: "panic" });
	await alice.next("error");
	const first = await alice.instance();
	assert.equal(await alice.instance(), first);
	await sleep(13_000);
	assert.notEqual(await alice.instance(), first, "the object was evicted while its socket stayed open");
	assert.equal((await alice.sync()).participants[0].online, true);
	alice.leave();
});

test("S7 a statement that fails leaves memory and storage as they were, and its writer is told to try again", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	const bob = await Page.joined(server.host, room, "bob");
	alice.select("f", "before", "alice");
	const before = await alice.sync();
	const rows = await server.sql(room, "SELECT * FROM field");
	alice.send({ fault: "fail_commit" });
	await alice.next("armed");
	alice.select("f", "lost", "alice", { id: 1 });
	const error = await alice.next("error");
	assert.deepEqual([error.code, error.retry, error.id], ["storage", true, 1]);
	assert.deepEqual(await server.sql(room, "SELECT * FROM field"), rows);
	const after = await bob.sync();
	assert.deepEqual([after.version, after.selections], [before.version, before.selections]);
	assert.equal(bob.types().filter((type) => type === "field_selected").length, 1);
	alice.select("f", "again", "alice", { id: 2 });
	assert.equal((await alice.next("ack")).version, before.version + 1);
	assert.equal((await bob.sync()).selections.f.value, "again");
	for (const page of [alice, bob]) page.leave();
});

test("X2 a room whose storage cannot be read is refused, kept as it is, and served again once it can be", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	alice.select("f", "kept", "alice");
	await alice.sync();
	await server.sql(room, "UPDATE room SET schema = schema + 90");
	await server.evict(room);
	alice.send({ type: "sync_request" });
	assert.deepEqual(await alice.closed(), { code: 4500, reason: "unavailable" });
	alice.leave();
	const response = await server.get(`/parties/collaboration/${encodeURIComponent(room)}/state`);
	assert.deepEqual([response.status, ((await response.json()) as Frame).code], [503, "storage"]);
	await server.sql(room, "UPDATE room SET schema = schema - 90");
	const bob = await Page.joined(server.host, room, "bob");
	assert.equal((await bob.sync()).selections.f.value, "kept");
	bob.leave();
});

test("S6 J5 kill -9 in the middle of a burst: all that anyone saw is there after the restart", {
	timeout: 120_000,
}, async () => {
	const folder = mkdtempSync(join(tmpdir(), "roomkeep-"));
	const room = newRoom();
	let epoch = "";
	let last = -1;
	for (let round = 0; round < 3; round += 1) {
		const port = await freePort();
		const child = start(port, folder);
		const host = `127.0.0.1:${port}`;
		await healthy(host);
		const alice = await Page.joined(host, room, "alice");
		const bob = await Page.joined(host, room, "bob");
		const state = await bob.sync();
		if (round > 0) {
			assert.equal(state.epoch, epoch);
			assert.ok(state.selections.f.value >= last, `${state.selections.f.value} after ${last} was seen`);
			assert.ok(state.participants.every((p: any) => p.connections === 1));
		}
		epoch = state.epoch;
		for (let i = 0; i < 200; i += 1) alice.select("f", last + 1 + i, "alice", { id: i });
		// In the middle of it, at another place in every round.
		const middle = 10 + round * 60;
		await bob.until(() => bob.types().filter((type) => type === "field_selected").length > middle, "the burst");
		await kill(child);
		// What came until the end of the connection was seen.
		await bob.closed();
		const seen = bob.frames.filter((f) => f.type === "field_selected").map((f) => f.selection.value);
		const acked = alice.frames.filter((f) => f.type === "ack").map((f) => last + 1 + f.id);
		last = Math.max(last, ...seen, ...acked);
		for (const page of [alice, bob]) page.leave();
	}
	rmSync(folder, { recursive: true, force: true });
});

/** `npm start` in a process group of its own, so that all of it can be killed at once. */
function start(port: number, folder: string): ChildProcess {
	const args = [
		"start",
		"--",
		"--port",
		String(port),
		"--persist-to",
		folder,
		"--env-file",
		"/dev/null",
		"--inspector-port",
		"0",
	];
	return spawn("npm", args, { cwd: join(import.meta.dirname, "../.."), detached: true, stdio: "ignore" });
}

async function kill(child: ChildProcess): Promise<void> {
	const gone = new Promise((resolve) => child.once("exit", resolve));
	process.kill(-(child.pid ?? 0), "SIGKILL");
	await gone;
}

async function healthy(host: string): Promise<void> {
	const deadline = Date.now() + 60_000;
	for (;;) {
		const response = await fetch(`http://${host}/health`).catch(() => undefined);
		if (response?.ok) return;
		assert.ok(Date.now() < deadline, "npm start did not get ready");
		await sleep(200);
	}
}
