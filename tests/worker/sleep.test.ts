// Rooms sleep, wake as they were, and end.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { newRoom, Page, type Served, serve, sleep } from "./harness.ts";

// The build with faults tells one life of the object in memory from the next.
let server: Served;
before(async () => {
	server = await serve({ faults: true });
});
after(() => server.close());

/** What of the state is the same after sleeping, and what of it is time. */
const steady = ({ time: _, ...state }: any) => state;

test("U8 J5 a room put to sleep with its sockets open wakes with the same state, people and epoch", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	const bob = await Page.joined(server.host, room, "bob");
	alice.select("f", 1, "alice");
	assert.equal((await bob.next("field_selected")).selection.value, 1);
	bob.send({ type: "user_ready", userId: "bob", isReady: true });
	await alice.sync();
	const before = await bob.sync();
	const first = await alice.instance();
	await server.evict(room);
	const after = await bob.sync();
	const heardNow = (s: any) => ({
		...steady(s),
		participants: s.participants.map((p: any) => ({ ...p, lastSeen: p.id === "bob" ? 0 : p.lastSeen })),
	});
	// Bob has just asked, so he was heard later. Alice was not.
	assert.deepEqual(heardNow(after), heardNow(before));
	assert.notEqual(await alice.instance(), first, "the object was rebuilt");
	assert.deepEqual(alice.closes, []);
	// Whose connection it is was remembered, so nobody has to join again.
	alice.select("f", 2, "bob");
	assert.equal((await alice.next("error")).code, "identity_mismatch");
	alice.select("f", 2, "alice");
	assert.equal((await bob.next("field_selected")).selection.value, 2);
	await server.evict(room);
	alice.leave();
	assert.equal((await bob.next("user_left")).userId, "alice");
	bob.leave();
});

test("F2 a room with open sockets really falls asleep, and pings do not wake it", async () => {
	const room = newRoom();
	const alice = await Page.joined(server.host, room, "alice");
	const first = await alice.instance();
	for (let i = 0; i < 7; i += 1) {
		await sleep(2000);
		alice.socket.send("ping");
	}
	await alice.until(() => alice.frames.filter((frame) => frame === "pong").length === 7, "seven pongs");
	assert.notEqual(await alice.instance(), first);
	const seen = (await alice.sync()).participants[0];
	assert.deepEqual([seen.id, seen.online], ["alice", true]);
	alice.leave();
});

test("X3 after the last socket left, the room is gone from memory and one alarm is all that is to come", async () => {
	const folder = mkdtempSync(join(tmpdir(), "roomkeep-"));
	const kept = await serve({ faults: true, persist: folder });
	const room = newRoom();
	const alice = await Page.joined(kept.host, room, "alice");
	const bob = await Page.joined(kept.host, room, "bob");
	alice.select("f", 1, "alice");
	await alice.sync();
	const first = await alice.instance();
	bob.leave();
	await alice.next("user_left");
	alice.leave();
	await alice.closed();
	await sleep(12_000);
	const [alarm, ...more] = alarms(folder);
	assert.deepEqual(more, []);
	const days = ((alarm ?? 0) - Date.now()) / 86_400_000;
	assert.ok(days > 29.9 && days <= 30, `the alarm is in ${days} days`);
	const carol = await Page.joined(kept.host, room, "carol");
	assert.notEqual(await carol.instance(), first);
	assert.equal((await carol.sync()).selections.f.value, 1);
	carol.leave();
	await kept.close();
	rmSync(folder, { recursive: true, force: true });
});

test("X3 U8 a room that nobody used for its time to live is deleted, and the next life has another epoch", async () => {
	const folder = mkdtempSync(join(tmpdir(), "roomkeep-"));
	// Two seconds.
	const brief = await serve({ vars: { ROOM_TTL_DAYS: String(2 / 86_400) }, persist: folder });
	const room = newRoom();
	const alice = await Page.joined(brief.host, room, "alice");
	alice.select("f", 1, "alice");
	const before = await alice.sync();
	// While someone is there the room stays, whatever the alarm finds.
	await sleep(3000);
	assert.equal((await alice.sync()).selections.f.value, 1);
	alice.leave();
	await alice.closed();
	assert.equal(alarms(folder).length, 1);
	const tables = () => brief.sql(room, "SELECT name FROM sqlite_master WHERE name IN ('room', 'field', 'participant')");
	assert.equal((await tables()).length, 3);
	const deadline = Date.now() + 10_000;
	while ((await tables()).length > 0 && Date.now() < deadline) await sleep(200);
	assert.deepEqual(await tables(), []);
	assert.deepEqual(alarms(folder), []);
	const carol = await Page.joined(brief.host, room, "carol");
	const next = await carol.sync();
	assert.deepEqual([next.version, next.selections], [1, {}]);
	assert.notEqual(next.epoch, before.epoch);
	carol.leave();
	await brief.close();
	rmSync(folder, { recursive: true, force: true });
});

/** When the alarms of all rooms in this folder are due, in milliseconds, as workerd has noted them on disk. */
function alarms(folder: string): number[] {
	const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
	const file = files.find((name) => name.endsWith("Room/metadata.sqlite"));
	assert.ok(file, "workerd keeps its alarms in a file");
	const database = new DatabaseSync(join(folder, file), { readOnly: true });
	const rows = database.prepare("SELECT scheduled_time / 1000000 AS at FROM _cf_ALARM").all();
	database.close();
	// It notes nanoseconds.
	return rows.map((row) => Number(row.at));
}
