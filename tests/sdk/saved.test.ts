// What the room has told, kept for the user's next page, in virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutboxStorage, Snapshot } from "../../packages/sdk/src/types.ts";
import { onVirtualTime, pass, Stage } from "./scripted.ts";

onVirtualTime();

/** A storage for what rooms have told, and what it holds. */
class Disk {
	record: any;
	writes = 0;
	isHanging = false;
	readonly storage: OutboxStorage = {
		isDurable: true,
		update: async (_key, change) => {
			if (this.isHanging) await new Promise(() => {});
			const before = structuredClone(this.record);
			const after = change(before);
			if (after !== before) this.writes += 1;
			this.record = structuredClone(after);
		},
		remove: async (isUnwanted) => {
			if (isUnwanted(this.record)) this.record = undefined;
		},
	};
}

const selection = (value: unknown, version: number) => {
	return { field: "x", value, userId: "bob", timestamp: null, version, updatedAt: 5 };
};
const bob = {
	id: "bob",
	name: "Bob",
	isReady: true,
	online: true,
	connections: 1,
	joinedAt: 1,
	lastSeen: 2,
	version: 1,
};
const request = {
	requestId: "q",
	userId: "bob",
	action: "finish",
	detail: null,
	status: "pending",
	createdAt: 1,
	expiresAt: 9e9,
	version: 2,
};

/** A client that was told a state, and has saved it. */
async function left(disk: Disk, options: object = {}): Promise<Stage> {
	const stage = new Stage({ replica: disk.storage, ...options });
	stage.version = 4;
	stage.sync = (since) => [
		since === stage.epoch
			? { type: "changes", from: 4, to: 4, epoch: "e", changes: [], participants: [bob], presence: [] }
			: {
					...{ type: "sync_response", version: 4, epoch: "e", time: 0, selections: { x: selection("old", 3) } },
					...{ participants: [bob], presence: [{ connectionId: "b", userId: "bob", data: 1 }] },
					...{ requests: [request], permissions: [], reset: true },
				},
	];
	await stage.enter();
	await pass(5);
	return stage;
}

/** What a client shows of the room. */
const shown = ({ selections, participants, requests, version }: Snapshot) => {
	return [selections.x?.value, participants.map(({ id, online }) => [id, online]), requests.length, version];
};

test("the next page shows what was known, at once and offline, and asks only for what is newer", async () => {
	const disk = new Disk();
	const first = await left(disk);
	const at = first.client.getSnapshot().lastSyncedAt;
	first.client.close();
	const next = new Stage({ replica: disk.storage });
	assert.deepEqual(shown(next.client.getSnapshot()), [undefined, [], 0, 0]);
	next.client.connect();
	await pass();
	assert.deepEqual(shown(next.client.getSnapshot()), ["old", [["bob", false]], 1, 4]);
	const { status, presence, lastSyncedAt } = next.client.getSnapshot();
	assert.deepEqual([status, presence, lastSyncedAt], ["connecting", [], at]);
	// What is chosen meanwhile is based on it.
	void next.client.select("x", "mine");
	next.version = 5;
	await next.network.last.open();
	const [hello] = next.network.last.said();
	assert.deepEqual([hello.type, hello.since, hello.epoch], ["hello", 4, "e"]);
	await next.network.last.say(next.welcome());
	const change = { kind: "field", version: 5, field: "y", selection: { ...selection("new", 5), field: "y" } };
	const changes = { type: "changes", from: 4, to: 5, epoch: "e", changes: [change], participants: [bob], presence: [] };
	await next.network.last.say(changes, { type: "ack", id: "hello", version: 5 });
	const { selections, participants } = next.client.getSnapshot();
	assert.deepEqual([selections.y?.value, participants[0]?.online], ["new", true]);
	assert.deepEqual(
		next.said().map(({ baseVersion }) => baseVersion),
		[3],
	);
	next.client.close();
});

test("it is written at once after a pause, and five times a second at most", async () => {
	const disk = new Disk();
	const stage = await left(disk);
	assert.equal(disk.writes, 1);
	await pass(1_000);
	const tell = async (to: number) => {
		const change = { kind: "field", version: to, field: "x", selection: selection(to, to) };
		await stage.network.last.say({ type: "changes", from: to - 1, to, epoch: "e", changes: [change] });
	};
	await tell(5);
	await pass(1);
	assert.equal(disk.writes, 2);
	for (let to = 6; to <= 100; to += 1) {
		await tell(to);
		await pass(2);
	}
	assert.equal(disk.writes, 2);
	await pass(200);
	assert.equal(disk.writes, 3);
	assert.equal(JSON.parse(disk.record.text).selections.x.value, 100, "what came last is there");
	await stage.network.last.say({ type: "presence", presence: [{ connectionId: "b", userId: "bob", data: 2 }] });
	await pass(5_000);
	assert.equal(disk.writes, 3, "presence is not kept");
	stage.client.close();
});

for (const code of [4403, 4409])
	test(`X2 after ${code} nothing of it is left`, async () => {
		const disk = new Disk();
		const stage = await left(disk);
		assert.ok(disk.record);
		await stage.network.last.say({ type: "user_joined", userId: "eve", userName: "Eve", joinedAt: 1 });
		await stage.network.last.end(code, "why");
		await pass(5_000);
		assert.deepEqual([stage.status, disk.record], ["closed", undefined]);
	});

test("over HTTP a refusal has the same effect, and a broken line has none", async () => {
	const disk = new Disk();
	(await left(disk)).client.close();
	const stage = new Stage({ replica: disk.storage });
	stage.client.connect();
	await pass();
	await stage.network.last.fail();
	await stage.network.next();
	await stage.network.last.fail();
	await pass(5_000);
	assert.ok(disk.record);
	stage.answer = () => ({ status: 403, body: { code: "forbidden" } });
	await pass(5_000);
	assert.deepEqual([stage.status, disk.record], ["closed", undefined]);
});

test("another user of the device does not see it, and it is gone then", async () => {
	const disk = new Disk();
	(await left(disk)).client.close();
	const other = new Stage({ replica: disk.storage, user: { id: "eve", name: "Eve" } });
	other.client.connect();
	await pass();
	assert.deepEqual([shown(other.client.getSnapshot()), disk.record], [[undefined, [], 0, 0], undefined]);
	other.client.close();
});

test("A3 when the token turns out to be another user's, it is gone too", async () => {
	const disk = new Disk();
	(await left(disk)).client.close();
	const stage = new Stage({ replica: disk.storage });
	stage.client.connect();
	await pass();
	await stage.network.last.open();
	await stage.network.last.say(stage.welcome({ userId: "eve" }));
	assert.deepEqual([stage.client.getSnapshot().reason, disk.record], ["identity_mismatch", undefined]);
});

test("forget() takes it along, and what is shown", async () => {
	const disk = new Disk();
	const stage = await left(disk);
	await stage.network.last.say({ type: "user_joined", userId: "eve", userName: "Eve", joinedAt: 1 });
	await stage.client.forget();
	await pass(5_000);
	assert.deepEqual([disk.record, shown(stage.client.getSnapshot())], [undefined, [undefined, [], 0, 0]]);
});

test("what is torn, of a newer form or no record at all is ignored, and replaced by what the room tells", async () => {
	const disk = new Disk();
	(await left(disk)).client.close();
	const { record } = disk;
	const state = JSON.parse(record.text);
	const broken = [
		{ ...record, text: record.text.slice(0, -10) },
		{ ...record, text: "null" },
		{ ...record, text: "{}" },
		{ ...record, text: JSON.stringify({ ...state, selections: undefined }) },
		{ ...record, text: JSON.stringify({ ...state, selections: { x: null } }) },
		{ ...record, text: JSON.stringify({ ...state, epoch: undefined }) },
		{ ...record, format: 2 },
		{ ...record, text: undefined },
		{ format: 1 },
		"rubbish",
		7,
		null,
	];
	for (const one of broken) {
		disk.record = one;
		const stage = new Stage({ replica: disk.storage });
		stage.client.connect();
		await pass();
		assert.deepEqual(shown(stage.client.getSnapshot()), [undefined, [], 0, 0], JSON.stringify(one));
		const hello = await stage.letIn();
		assert.equal(hello.since, undefined);
		await pass(5);
		assert.deepEqual([disk.record.format, disk.record.userId], [1, "ann"]);
		stage.client.close();
	}
});

test("a storage that hangs or fails keeps nobody waiting for more than a second, and is not told of", async () => {
	const failing: OutboxStorage = { isDurable: true, update: () => Promise.reject(new Error("The disk is full.")) };
	const hanging = new Disk();
	hanging.isHanging = true;
	for (const storage of [failing, hanging.storage]) {
		const stage = new Stage({ replica: storage });
		stage.client.connect();
		await pass(1_001);
		await stage.letIn();
		await pass(5_000);
		assert.deepEqual(stage.heard(), [["status", "connecting", undefined], ["status", "synced", undefined], ["synced"]]);
		stage.client.close();
	}
});

test("what a server rendered is newer than what was kept", async () => {
	const disk = new Disk();
	(await left(disk)).client.close();
	const initial = { version: 9, epoch: "e", selections: { x: selection("served", 8) }, participants: [], presence: [] };
	const stage = new Stage({ replica: disk.storage, initial });
	stage.client.connect();
	await pass();
	assert.deepEqual(shown(stage.client.getSnapshot()), ["served", [], 0, 9]);
	stage.client.close();
});
