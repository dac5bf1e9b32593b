// A client over a storage that fails, hangs, and works again, in virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outbox } from "../../packages/sdk/src/outbox.ts";
import type { OutboxStorage } from "../../packages/sdk/src/types.ts";
import { onVirtualTime, pass, Stage } from "./scripted.ts";

onVirtualTime();

/** A durable storage that tabs can share, and what is wrong with it. */
class Disk {
	record: Outbox | undefined;
	/** Nothing is answered. */
	isHanging = false;
	/** What is written is refused; reading works. */
	isFull = false;
	/** Everything fails. */
	isBroken = false;
	/** What was asked while it hung. */
	readonly #late: (() => void)[] = [];
	readonly storage: OutboxStorage = {
		isDurable: true,
		update: async (_key, change) => {
			if (this.isHanging) await new Promise<void>((answer) => this.#late.push(answer));
			const before = structuredClone(this.record);
			const after = change(before);
			if (this.isBroken || (this.isFull && after !== before)) throw new Error("The disk is full.");
			this.record = structuredClone(after) as Outbox | undefined;
		},
	};

	/** It answers again, first of all what it was asked before. */
	heal(): void {
		this.isHanging = this.isFull = this.isBroken = false;
		for (const answer of this.#late.splice(0)) answer();
	}

	get fields(): unknown[] {
		return (this.record?.entries ?? []).map(
			({ message }) => message.type === "field_selected" && message.selection.value,
		);
	}
}

const persistence = (stage: Stage) => stage.client.getSnapshot().persistence;

test("a storage that never answers holds nobody up for more than a second, and that is told", async () => {
	const disk = new Disk();
	disk.isHanging = true;
	const stage = new Stage({ storage: disk.storage });
	stage.client.connect();
	void stage.client.select("x", 1);
	assert.equal(stage.client.getSnapshot().selections.x?.value, 1);
	await pass(999);
	assert.equal(stage.network.sockets.length, 0);
	await pass(2);
	assert.deepEqual(stage.heard(), [
		["status", "connecting", undefined],
		[
			"error",
			{ code: "storage_failed", message: "Pending changes are in memory only: Error: No answer within 1000 ms." },
		],
	]);
	assert.equal(persistence(stage), "memory");
	await stage.letIn();
	await pass();
	const [sent] = stage.said();
	assert.deepEqual([sent.selection.value, sent.seq], [1, 1]);
	await stage.apply(sent);
	assert.equal(stage.client.getSnapshot().pendingCount, 0);
	stage.client.close();
});

for (const fault of ["isHanging", "isFull", "isBroken"] as const)
	test(`what was made in memory is stored once storage works again (${fault})`, async () => {
		const disk = new Disk();
		const stage = new Stage({ storage: disk.storage });
		await stage.enter();
		await stage.network.last.end();
		void stage.client.select("before", "b");
		void stage.client.select("dropped", "d");
		await pass();
		assert.deepEqual([persistence(stage), disk.fields], ["durable", ["b", "d"]]);
		disk[fault] = true;
		void stage.client.select("during", "x");
		await pass(1_500);
		assert.equal(persistence(stage), "memory");
		void stage.client.select("later", "y");
		const [, dropped] = stage.client.pending();
		assert.equal(await stage.client.drop(dropped?.key ?? ""), true);
		await pass(10_000);
		assert.deepEqual([persistence(stage), disk.fields], ["memory", ["b", "d"]]);
		disk.heal();
		await pass(20_000);
		assert.deepEqual([persistence(stage), disk.fields], ["durable", ["b", "x", "y"]]);
		const errors = stage.heard().filter(([event]) => event === "error");
		assert.equal(errors.length, 1, "it is told once");
		stage.client.close();
		await pass();
		// A page that comes later has it.
		const next = new Stage({ storage: disk.storage });
		await next.enter();
		await pass();
		assert.deepEqual(
			next.said().map(({ seq, selection }) => [seq, selection.value]),
			[
				[1, "b"],
				[2, "x"],
				[3, "y"],
			],
		);
		next.client.close();
	});

test("E5 what is in flight in memory is settled there before it is stored", async () => {
	const disk = new Disk();
	const stage = new Stage({ storage: disk.storage });
	await stage.enter();
	disk.isFull = true;
	void stage.client.select("x", 1);
	await pass(1_500);
	const [sent] = stage.said();
	assert.equal(sent.seq, 1);
	disk.heal();
	await pass(1_400);
	assert.equal(persistence(stage), "memory");
	await stage.apply(sent);
	await pass();
	assert.deepEqual([persistence(stage), disk.fields, disk.record?.lastSeq], ["durable", [], 1]);
	void stage.client.select("x", 2);
	await pass();
	const [next] = stage.said();
	assert.deepEqual([next.seq, stage.network.sockets.length], [2, 1]);
	stage.client.close();
});

test("a storage that answers very late does not undo what was done since", async () => {
	const disk = new Disk();
	disk.isHanging = true;
	const stage = new Stage({ storage: disk.storage });
	stage.client.connect();
	void stage.client.select("x", 1);
	await pass(1_001);
	await stage.letIn();
	await pass();
	const [sent] = stage.said();
	await stage.apply(sent);
	disk.heal();
	await pass(5_000);
	assert.deepEqual([persistence(stage), disk.fields], ["durable", []]);
	assert.equal(stage.client.getSnapshot().selections.x?.pending, false);
	stage.client.close();
});

test("after forget() nothing of the user is stored or shown, nobody waits, and it can be connected again", async () => {
	const disk = new Disk();
	const stage = new Stage({ storage: disk.storage });
	await stage.enter();
	const one = stage.client.select("x", 1);
	await pass();
	await stage.apply(stage.said()[0]);
	await one;
	await stage.network.last.end();
	const left = stage.client.select("y", 1);
	await pass();
	const { clientId } = disk.record ?? {};
	await stage.client.forget();
	assert.equal(disk.record, undefined);
	assert.deepEqual(await left, { outcome: "withdrawn" });
	const { status, reason, selections, participants, pendingCount, version } = stage.client.getSnapshot();
	assert.deepEqual(
		[status, reason, selections, participants, pendingCount, version],
		["closed", "forgotten", {}, [], 0, 0],
	);
	await pass(60_000);
	assert.equal(disk.record, undefined);
	await stage.enter();
	assert.notEqual((disk.record as Outbox | undefined)?.clientId, clientId);
	stage.client.close();
});

test("forget() rejects if it could not be done", async () => {
	const disk = new Disk();
	const stage = new Stage({ storage: disk.storage });
	await stage.enter();
	disk.isHanging = true;
	const forgotten = assert.rejects(stage.client.forget(), /No answer/);
	await pass(5_000);
	await forgotten;
	disk.isHanging = false;
});
