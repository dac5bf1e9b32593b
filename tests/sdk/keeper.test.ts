// An outbox as it is kept: what is shown and what is stored while steps are being stored, by one tab and by several.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as soon } from "node:timers/promises";
import { Keeper } from "../../packages/sdk/src/keeper.ts";
import * as box from "../../packages/sdk/src/outbox.ts";
import { memoryStorage } from "../../packages/sdk/src/storage.ts";
import { conflict, entry, keys, numbers, outbox, ready, set } from "./outboxes.ts";

/** A storage whose updates are told of when it is said, and what it holds. */
function slowStorage(isDurable = true) {
	const updates: { end: () => void; fail: (error: Error) => void }[] = [];
	const slow = {
		isDurable,
		record: undefined as unknown,
		updates,
		/** Ends the oldest update. */
		async end() {
			updates.shift()?.end();
			await soon();
		},
		async fail() {
			updates.shift()?.fail(new Error("The disk is full."));
			await soon();
		},
		async update(_key: string, change: (record: unknown) => unknown) {
			// The transaction is over long before its promise tells.
			const next = structuredClone(change(structuredClone(slow.record)));
			slow.record = next;
			await new Promise<void>((end, fail) => updates.push({ end, fail }));
			return next;
		},
	};
	return slow;
}

function keeping(storage: ConstructorParameters<typeof Keeper>[0], empty = outbox([])) {
	const told: unknown[] = [];
	const owner = {
		stored: (isChanged: boolean) => void told.push(isChanged),
		failed: (error: unknown) => void told.push(`${error}`),
	};
	return { told, keeper: new Keeper(storage, "key", empty, owner) };
}

test("steps are shown at once and stored later, those of one go together", async () => {
	const storage = slowStorage();
	const { keeper, told } = keeping(storage);
	const stored = keeper.do(box.add(entry("a")));
	void keeper.do(box.add(entry("b")));
	assert.deepEqual([keys(keeper.shown), keys(keeper.stored)], [["a", "b"], []]);
	await soon();
	assert.deepEqual([storage.updates.length, told], [1, []]);
	await storage.end();
	await stored;
	assert.deepEqual([keys(keeper.stored), told], [["a", "b"], [true]]);
	assert.equal(storage.updates.length, 0);
});

test("steps that come while others are stored are stored next, on top", async () => {
	const storage = slowStorage();
	const { keeper, told } = keeping(storage);
	void keeper.do(box.add(entry("a")));
	await soon();
	const second = keeper.do(box.add(entry("b")), box.number(["a"]));
	await storage.end();
	assert.deepEqual([keys(keeper.stored), numbers(keeper.stored)], [["a"], [undefined]]);
	assert.deepEqual(
		[keys(keeper.shown), numbers(keeper.shown)],
		[
			["a", "b"],
			[1, undefined],
		],
	);
	await storage.end();
	await second;
	assert.deepEqual(numbers(keeper.stored), [1, undefined]);
	assert.deepEqual(keeper.stored, keeper.shown);
	assert.deepEqual(told, [true, true]);
});

test("what another tab stored is kept, and steps are done on top of it", async () => {
	const storage = slowStorage();
	const { keeper } = keeping(storage);
	storage.record = outbox([entry("theirs", ready, { seq: 5 })], { clientId: "theirs", lastSeq: 5 });
	void keeper.do(box.add(entry("mine")), box.number(["mine"]));
	assert.deepEqual(numbers(keeper.shown), [1]);
	await soon();
	await storage.end();
	assert.deepEqual(
		[keys(keeper.stored), numbers(keeper.stored), keeper.stored.clientId],
		[["theirs", "mine"], [5, 6], "theirs"],
	);
});

test("without steps it reads, once, and says that nothing was changed here", async () => {
	const storage = slowStorage();
	const { keeper, told } = keeping(storage);
	storage.record = outbox([entry("theirs")]);
	const read = keeper.do();
	await soon();
	await storage.end();
	await read;
	assert.deepEqual([keys(keeper.shown), told, storage.updates.length], [["theirs"], [false], 0]);
});

test("who asks for what is stored gets what was stored after that, also while something is being stored", async () => {
	const storage = slowStorage();
	const { keeper } = keeping(storage);
	void keeper.do();
	await soon();
	// Another tab stores something and tells, before this one hears of its own.
	storage.record = outbox([entry("theirs")]);
	const read = keeper.do();
	await storage.end();
	await storage.end();
	await read;
	assert.deepEqual(keys(keeper.stored), ["theirs"]);
});

test("an entry that is read again in the same form is the same object, and in another form another", async () => {
	const storage = slowStorage();
	const { keeper } = keeping(storage);
	void keeper.do(box.add(entry("a")), box.add(entry("b")));
	await soon();
	await storage.end();
	const [a, b] = keeper.shown.entries;
	storage.record = box.replace("b", (one) => box.changed(one, { seq: 3 }))(storage.record as box.Outbox);
	void keeper.do();
	await soon();
	await storage.end();
	assert.equal(keeper.shown.entries[0], a);
	assert.notEqual(keeper.shown.entries[1], b);
	assert.equal(keeper.shown.entries[1]?.seq, 3);
});

test("S4 a conflict is what is stored, also when another tab had chosen something since that this one had not heard of", async () => {
	const storage = slowStorage();
	const { keeper } = keeping(storage);
	void keeper.do(box.add(entry("first", set("x", 1, 3))), box.number(["first"]));
	await soon();
	await storage.end();
	storage.record = box.add(entry("second", set("x", 2, 3)))(storage.record as box.Outbox);
	void keeper.do(box.hold("first", conflict));
	assert.deepEqual(keeper.shown.entries[0]?.message, set("x", 1, 3));
	await soon();
	await storage.end();
	assert.deepEqual((storage.record as box.Outbox).entries[0]?.message, set("x", 2, 3), "the last wish");
	assert.deepEqual(keeper.shown.entries, (storage.record as box.Outbox).entries);
	assert.deepEqual(keeper.stored.entries, (storage.record as box.Outbox).entries);
});

test("when storing fails twice in a row everything goes on in memory, with nothing lost, and that is told once", async () => {
	const storage = slowStorage();
	const { keeper, told } = keeping(storage);
	void keeper.do(box.add(entry("a")));
	await soon();
	await storage.end();
	const second = keeper.do(box.add(entry("b")));
	await soon();
	void keeper.do(box.add(entry("c")));
	await storage.fail();
	await storage.fail();
	await second;
	assert.deepEqual(
		[keys(keeper.stored), keys(keeper.shown)],
		[
			["a", "b", "c"],
			["a", "b", "c"],
		],
	);
	assert.equal(keeper.storage.isDurable, false);
	await keeper.do(box.number(["a"]));
	assert.deepEqual(numbers(keeper.stored), [1, undefined, undefined]);
	assert.deepEqual(told, [true, "Error: The disk is full.", true, true, true]);
});

test("what failed once is tried again, and what was stored all the same is there once", async () => {
	const storage = slowStorage();
	const { keeper, told } = keeping(storage);
	const stored = keeper.do(box.add(entry("a")), box.number(["a"]));
	await soon();
	await storage.fail();
	await storage.end();
	await stored;
	assert.deepEqual([keys(keeper.stored), numbers(keeper.stored), keeper.stored.lastSeq], [["a"], [1], 1]);
	assert.deepEqual([keeper.storage.isDurable, told], [true, [true]]);
});

test("a storage that throws at once is one that fails", async () => {
	const storage = { isDurable: true, update: () => assert.fail("There is none.") };
	const { keeper, told } = keeping(storage);
	await keeper.do(box.add(entry("a")));
	assert.deepEqual([keys(keeper.stored), told.length], [["a"], 2]);
});

test("a step that is done by whoever hears of what was stored is stored too", async () => {
	const seen: string[][] = [];
	const owner = {
		stored() {
			seen.push(keys(keeper.stored));
			if (seen.length === 1) void keeper.do(box.add(entry("b")));
		},
		failed: () => assert.fail(),
	};
	const keeper: Keeper = new Keeper(memoryStorage(), "key", outbox([]), owner);
	await keeper.do(box.add(entry("a")));
	assert.deepEqual(seen, [["a"], ["a", "b"]]);
});

test("E1 the first to look gives an outbox its name, under which all tabs send", async () => {
	const storage = memoryStorage();
	const tabs = ["a", "b"].map((clientId) => keeping(storage, { ...outbox([]), clientId }).keeper);
	for (const keeper of tabs) await keeper.do();
	// The second one is the first to change something.
	await tabs[1]?.do(box.add(entry("a")));
	await tabs[0]?.do();
	assert.deepEqual(
		tabs.map(({ stored }) => stored.clientId),
		["a", "a"],
	);
});

test("what is read is not written again, and what is no outbox is not taken for one", async () => {
	let record: unknown = outbox([entry("a")]);
	let written = 0;
	const storage = {
		isDurable: true,
		async update(_: string, change: (record: unknown) => unknown) {
			const after = change(record);
			if (after !== record) written += 1;
			record = after;
		},
	};
	const { keeper } = keeping(storage);
	await keeper.do();
	assert.deepEqual([keys(keeper.stored), written], [["a"], 0]);
	for (const rubbish of [{}, "rubbish", { entries: null }, { entries: [null] }, { entries: [{}] }]) {
		record = rubbish;
		const { keeper, told } = keeping(storage);
		await keeper.do(box.add(entry("b")));
		assert.deepEqual([keys(keeper.stored), keeper.storage.isDurable, record], [["b"], false, rubbish]);
		assert.match(String(told[0]), /TypeError/);
	}
});
