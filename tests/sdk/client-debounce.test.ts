// Changes that wait for more of the same field, over virtual time, with a room that is played to the client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { onVirtualTime, pass, Stage, values, watched } from "./scripted.ts";

onVirtualTime();

test("debounce sends the last of several quick changes of a field, and all have its outcome", async () => {
	const stage = new Stage();
	await stage.enter();
	const outcomes = [];
	for (let i = 1; i <= 4; i += 1) {
		outcomes.push(watched(stage.client.select("x", i, { debounceMs: 300 })));
		await pass(290);
	}
	assert.deepEqual([stage.said(), values(stage), stage.client.getSnapshot().pendingCount], [[], { x: 4 }, 1]);
	await pass(20);
	const [sent, ...more] = stage.said();
	assert.deepEqual([sent.selection.value, more.length], [4, 0]);
	await stage.apply(sent);
	assert.deepEqual(
		outcomes.map(({ value }) => value?.outcome),
		Array(4).fill("applied"),
	);
});

test("what falls due between two looks at the clock is sent", async (t) => {
	const stage = new Stage();
	await stage.enter();
	void stage.client.select("x", 1, { debounceMs: 300 });
	await pass();
	// The timer rings a little early, and the time comes while its code runs.
	const read = Date.now;
	let seen = 0;
	t.mock.method(Date, "now", () => {
		const isFirst = read() !== seen;
		seen = read();
		return seen - Number(isFirst);
	});
	await pass(310);
	t.mock.restoreAll();
	assert.deepEqual(
		stage.said().map(({ selection }) => selection.value),
		[1],
	);
});

test("debounce keeps the order: what comes after it has it sent at once, or is sent in its place", async () => {
	const stage = new Stage();
	await stage.enter();
	void stage.client.select("x", 1, { debounceMs: 300 });
	void stage.client.select("x", 2, { debounceMs: 300 });
	await pass(10);
	void stage.client.setReady(true);
	await pass();
	assert.deepEqual(
		stage.said().map(({ type, selection }) => selection?.value ?? type),
		[2, "user_ready"],
	);
	void stage.client.select("x", 3, { debounceMs: 300 });
	void stage.client.select("x", 4);
	await pass();
	assert.deepEqual(
		stage.said().map(({ selection }) => selection.value),
		[4],
	);
});

test("debounce sends what is due once there is a connection, and does not look for one in between", async (t) => {
	const stage = new Stage();
	stage.client.connect();
	await pass(1);
	void stage.client.select("x", 1, { debounceMs: 300 });
	await pass(1_000);
	const timers = t.mock.method(globalThis, "setTimeout");
	await pass(2_000);
	assert.ok(timers.mock.callCount() < 20, `${timers.mock.callCount()} timers in two seconds`);
	timers.mock.restore();
	await stage.letIn();
	await pass();
	assert.deepEqual(
		stage.said().map(({ selection }) => selection.value),
		[1],
	);
});

test("debounce loses nothing when another tab has sent what it would have taken the place of", async () => {
	const records = new Map<string, any>();
	const storage = {
		isDurable: false,
		async update(key: string, change: (record: unknown) => unknown) {
			records.set(key, structuredClone(change(structuredClone(records.get(key)))));
			return records.get(key);
		},
	};
	const stage = new Stage({ storage });
	void stage.client.select("x", 1, { debounceMs: 300 });
	await pass(10);
	const [key = ""] = records.keys();
	const record = records.get(key);
	const [entry] = record.entries;
	records.set(key, { ...record, lastSeq: 1, entries: [{ ...entry, seq: 1, due: undefined }] });
	void stage.client.select("x", 2, { debounceMs: 300 });
	await pass(10);
	const { entries } = records.get(key);
	assert.deepEqual(
		entries.map(({ seq, message }: any) => [seq, message.selection.value]),
		[
			[1, 1],
			[undefined, 2],
		],
	);
	assert.deepEqual(values(stage), { x: 2 });
});
