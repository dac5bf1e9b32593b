// The outbox: what each step makes of it, and what is shown and stored while steps are being stored.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as soon } from "node:timers/promises";
import * as box from "../../packages/sdk/src/outbox.ts";
import { memoryStorage } from "../../packages/sdk/src/storage.ts";

const set = (field: string, value: any, baseVersion = 0): box.FieldMessage => {
	return { type: "field_selected", selection: { field, value, userId: "ann" }, baseVersion };
};
const cleared = (field: string, baseVersion = 0): box.FieldMessage => {
	return { type: "field_cleared", field, userId: "ann", baseVersion };
};
const batch = (...changes: box.FieldMessage[]): box.Message => ({ type: "batch", changes });
const ready: box.Message = { type: "user_ready", userId: "ann", isReady: true };

function entry(key: string, message: box.Message = set(key, 1), more: Partial<box.Entry> = {}): box.Entry {
	return { key, at: 1, message, size: 10, ...more };
}

function outbox(entries: box.Entry[], more: Partial<box.Outbox> = {}): box.Outbox {
	const user = { id: "ann", name: "Ann" };
	const address = { host: "h", party: "p", room: "r", user };
	const lastSeq = Math.max(0, ...entries.map(({ seq = 0 }) => seq));
	return { address, clientId: "c", lastSeq, entries, ...more };
}

/** Freezes all of it, so that a step that changes something in place throws. */
function frozen<T>(thing: T): T {
	if (thing instanceof Object) {
		Object.freeze(thing);
		Object.values(thing).forEach(frozen);
	}
	return thing;
}

/** Does a step at once and again on what is stored: both come to the same, and what it begins with stays as it was. */
function done(step: box.Step, before: box.Outbox): box.Outbox {
	const shown = step(frozen(before));
	assert.deepEqual(step(structuredClone(before)), shown);
	return shown;
}

const keys = ({ entries }: box.Outbox) => entries.map(({ key }) => key);
const numbers = ({ entries }: box.Outbox) => entries.map(({ seq }) => seq);
const conflict = { field: "x", version: 9, current: null };

test("E1 numbers are given in the order of the outbox and once, and what is held gets none", () => {
	const before = outbox([entry("a", ready, { seq: 4 }), entry("b"), entry("c"), entry("d", set("x", 1), { conflict })]);
	const after = done(box.number(["d", "c", "b", "a", "gone"]), before);
	assert.deepEqual([numbers(after), after.lastSeq], [[4, 5, 6, undefined], 6]);
	assert.deepEqual(done(box.number(["b", "c"]), after), after, "a number stands for one message for ever");
	const due = done(box.number(["a"]), outbox([entry("a", set("x", 1), { due: 50 })]));
	assert.deepEqual([due.entries[0]?.due, due.entries[0]?.seq], [undefined, 1]);
});

test("E2 a number that the room did not keep is taken back, and those after it", () => {
	const before = outbox([entry("a", ready, { seq: 7 }), entry("b", ready, { seq: 5 }), entry("c", ready, { seq: 6 })]);
	const after = done(box.unnumber(6), { ...before, entries: [...before.entries, entry("d")] });
	assert.deepEqual([numbers(after), after.lastSeq], [[undefined, 5, undefined, undefined], 5]);
	assert.equal(done(box.unnumber(9), before).lastSeq, 7, "never forward");
});

test("E4 a new name begins at 1, with everything that is pending", () => {
	const held = entry("h", set("x", 1), { conflict });
	const after = done(box.renew("new"), outbox([entry("a", ready, { seq: 70 }), held, entry("b")], { lastSeq: 90 }));
	assert.deepEqual([after.clientId, after.lastSeq, numbers(after)], ["new", 0, [undefined, undefined, undefined]]);
	assert.deepEqual(keys(after), ["a", "h", "b"]);
	assert.deepEqual(after.entries[1]?.conflict, conflict);
});

test("U8 what is pending becomes a change of the room's new life, in which nothing of before is known", () => {
	const before = outbox([entry("a", batch(set("x", 1, 5), cleared("y", 6))), entry("b", ready)], { epoch: "e" });
	const after = done(box.settleIn("f"), before);
	assert.deepEqual(after.entries[0]?.message, batch(set("x", 1), cleared("y")));
	assert.deepEqual([after.epoch, after.entries[1]?.message], ["f", ready]);
	assert.equal(box.settleIn("f")(after), after, "it is settled");
	const first = done(box.settleIn("e"), outbox([entry("a", set("x", 1, 5))]));
	assert.deepEqual(first.entries[0]?.message, set("x", 1, 5), "the first life is the one that it was based on");
});

test("U8 a conflict that waits for its user is with what the new life has, which begins with nothing", () => {
	const current: any = { ...set("x", 2), version: 9, updatedAt: 1 };
	const held = entry("a", set("x", 1, 5), { conflict: { field: "x", version: 9, current } });
	const after = done(box.settleIn("f"), outbox([held], { epoch: "e" }));
	assert.deepEqual(after.entries[0]?.conflict, { field: "x", version: 0, current: null });
});

test("entries are added, removed and replaced by key", () => {
	const before = outbox([entry("a"), entry("b")]);
	assert.deepEqual(keys(done(box.add(entry("c")), before)), ["a", "b", "c"]);
	assert.deepEqual(keys(done(box.remove(["a", "gone"]), before)), ["b"]);
	const step = box.replace("b", (one) => box.changed(one, { message: ready }));
	const after = done(step, before);
	assert.deepEqual(after.entries[1], entry("b", ready));
	assert.equal(after.entries[0], before.entries[0], "the others are the same objects");
	assert.deepEqual(done(step, outbox([entry("a")])), outbox([entry("a")]), "what is gone stays away");
});

test("an entry takes the place of another that was not sent, and comes after one that was", () => {
	const before = outbox([entry("a"), entry("old", set("x", 1), { due: 50 }), entry("b")]);
	const step = box.add(entry("new", set("x", 2)), "old");
	assert.deepEqual(keys(done(step, before)), ["a", "b", "new"]);
	assert.deepEqual(keys(done(step, box.number(["old"])(before))), ["a", "old", "b", "new"]);
	assert.deepEqual(keys(done(step, outbox([]))), ["new"], "what was sent and answered is gone");
});

test("hurry makes all that waits for another change of its field ready, and leaves the others as they are", () => {
	const before = outbox([entry("a", set("x", 1), { due: 99 }), entry("b")]);
	assert.deepEqual(
		box.ready(before, 98, () => true).map(({ key }) => key),
		["b"],
	);
	const after = done(box.hurry, before);
	assert.deepEqual(
		box.ready(after, 0, () => true).map(({ key }) => key),
		["a", "b"],
	);
	assert.equal(after.entries[1], before.entries[1]);
});

test("E4 what is ready is unnumbered, not held, due and suits, and fills the window up to 32", () => {
	const held = entry("h", set("x", 1), { conflict });
	const entries = [entry("s", ready, { seq: 1 }), held, entry("l", set("x", 1), { due: 51 }), entry("r", ready)];
	const all = (suits: (message: box.Message) => boolean, now = 50) => {
		return box.ready(outbox([...entries, entry("f")]), now, suits).map(({ key }) => key);
	};
	assert.deepEqual(
		all(() => true),
		["r", "f"],
	);
	assert.deepEqual(
		all(() => true, 51),
		["l", "r", "f"],
	);
	assert.deepEqual(all(box.isOfField), ["f"]);
	const many = (sent: number) => {
		const numbered = Array.from({ length: sent }, (_, i) => entry(`s${i}`, ready, { seq: i + 1 }));
		const waiting = Array.from({ length: 50 }, (_, i) => entry(`w${i}`));
		return box.ready(outbox([...numbered, ...waiting]), 0, () => true).length;
	};
	assert.deepEqual([0, 1, 31, 32, 40].map(many), [32, 31, 1, 0, 0]);
});

test("what is under way is in the order of its numbers", () => {
	const after = outbox([entry("a", ready, { seq: 3 }), entry("b"), entry("c", ready, { seq: 2 })]);
	assert.deepEqual(
		box.underWay(after).map(({ key }) => key),
		["c", "a"],
	);
});

test("an outbox is full with 1,000 changes or 4 MiB", () => {
	const of = (count: number) => outbox(Array.from({ length: count }, (_, i) => entry(`${i}`)));
	assert.deepEqual(
		[999, 1_000].map((count) => box.isFull(of(count), entry("more"))),
		[false, true],
	);
	const big = outbox([entry("a", ready, { size: 4 * 1024 * 1024 - 10 })]);
	assert.equal(box.isFull(big, entry("b")), false);
	assert.equal(box.isFull(big, entry("b", ready, { size: 11 })), true);
});

test("a change of one field, or of one in a batch, gets another base or another value", () => {
	const both = batch(set("x", 1, 3), set("y", 2, 4));
	assert.deepEqual(
		box.rebased(both, (field, before) => (field === "x" ? 8 : before)),
		batch(set("x", 1, 8), set("y", 2, 4)),
	);
	assert.deepEqual(
		box.withField(both, "y", cleared("y", 99)),
		batch(set("x", 1, 3), cleared("y", 4)),
		"the base stays",
	);
	assert.deepEqual(box.withField(set("x", 1, 3), "x", set("x", 2, 99)), set("x", 2, 3));
	assert.equal(
		box.rebased(ready, () => 1),
		ready,
	);
	assert.deepEqual(box.fieldMessages(ready), []);
	assert.deepEqual(box.fieldMessages(both).map(box.chosenIn), [1, 2]);
	assert.equal(box.chosenIn(cleared("x")), undefined);
});

test("S4 a conflict is judged by what the user saw and wants", () => {
	const judge = (message: box.Message, value: any, field = "x") =>
		box.judge(entry("a", message), field, value === undefined ? null : ({ field, value } as any));
	assert.equal(judge(set("x", { a: [1] }, 3), { a: [1] }), "same", "the room has what was wanted");
	assert.equal(judge(cleared("x", 3), undefined), "same", "it is cleared already");
	assert.equal(judge(set("x", 1, 3), 2), "conflict");
	assert.equal(judge(set("x", 1, 0), 2), "conflict");
	assert.equal(judge(cleared("x", 3), 2), "conflict");
	assert.equal(judge(set("x", 1, 3), undefined), "conflict", "somebody cleared what the user saw");
	assert.equal(judge(set("x", 1, 0), undefined), "again", "it was empty, and is");
	assert.equal(judge(batch(set("x", 1, 3), set("y", 1, 1)), 1), "again", "the rest of the batch is to do");
	assert.equal(judge(batch(set("x", 1, 3), set("y", 1, 1)), 2), "conflict");
	assert.equal(judge(ready, 2), "conflict");
});

test("S4 a change is held in place of whatever else was chosen for the field and not sent", () => {
	const rest = [
		entry("y"),
		entry("sent", set("x", 5, 3), { seq: 8 }),
		entry("both", batch(set("x", 6, 3), set("z", 1))),
	];
	const older = entry("older", set("x", 0, 1), { conflict: { ...conflict, version: 2 } });
	const later = [entry("second", set("x", 2, 3)), entry("third", cleared("x", 3), { due: 50 })];
	const first = entry("first", set("x", 1, 3), { seq: 7 });
	const after = done(box.hold("first", conflict), outbox([older, first, ...rest, ...later]));
	assert.deepEqual(keys(after), ["first", "y", "sent", "both"]);
	const [held] = after.entries;
	assert.deepEqual([held?.message, held?.conflict, held?.seq], [cleared("x", 3), conflict, undefined], "the last wish");
	const alone = done(box.hold("first", conflict), outbox([first]));
	assert.deepEqual(alone.entries[0]?.message, set("x", 1, 3));
	const whole = entry("whole", batch(set("x", 1, 3), set("y", 1, 3)), { seq: 7 });
	const merged = done(box.hold("whole", conflict), outbox([whole, entry("second", set("x", 2, 3))]));
	assert.deepEqual(merged.entries[0]?.message, batch(set("x", 2, 3), set("y", 1, 3)));
});

test("a rival is about the same field alone, and not under way", () => {
	assert.equal(box.isRival(entry("a", set("x", 1)), "x"), true);
	assert.equal(box.isRival(entry("a", cleared("x")), "x"), true);
	assert.equal(box.isRival(entry("a", set("x", 1), { seq: 1 }), "x"), false);
	assert.equal(box.isRival(entry("a", batch(set("x", 1), set("y", 1))), "x"), false);
	assert.equal(box.isRival(entry("a", ready), "x"), false);
});

test("ids are 1,000 different ones, of up to 64 characters that a room takes anywhere", () => {
	const ids = Array.from({ length: 1_000 }, box.randomId);
	assert.equal(new Set(ids).size, 1_000);
	for (const id of ids) assert.match(id, /^[\w-]{20,64}$/);
});

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

function keeping(storage: ConstructorParameters<typeof box.Keeper>[0], empty = outbox([])) {
	const told: unknown[] = [];
	const failed = (error: unknown) => told.push(`${error}`);
	return { told, keeper: new box.Keeper(storage, "key", empty, (isChanged) => told.push(isChanged), failed) };
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

test("when storing fails everything goes on in memory, with nothing lost, and that is told once", async () => {
	const storage = slowStorage();
	const { keeper, told } = keeping(storage);
	void keeper.do(box.add(entry("a")));
	await soon();
	await storage.end();
	const second = keeper.do(box.add(entry("b")));
	await soon();
	void keeper.do(box.add(entry("c")));
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

test("a storage that throws at once is one that fails", async () => {
	const storage = { isDurable: true, update: () => assert.fail("There is none.") };
	const { keeper, told } = keeping(storage);
	await keeper.do(box.add(entry("a")));
	assert.deepEqual([keys(keeper.stored), told.length], [["a"], 2]);
});

test("a step that is done by whoever hears of what was stored is stored too", async () => {
	const seen: string[][] = [];
	const keeper: box.Keeper = new box.Keeper(memoryStorage(), "key", outbox([]), heard, () => assert.fail());
	function heard() {
		seen.push(keys(keeper.stored));
		if (seen.length === 1) void keeper.do(box.add(entry("b")));
	}
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
