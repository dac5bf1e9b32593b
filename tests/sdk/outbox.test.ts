// The outbox: what each step makes of it. What is kept of it, keeper.test.ts shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as box from "../../packages/sdk/src/outbox.ts";
import { batch, cleared, conflict, entry, keys, numbers, outbox, ready, set } from "./outboxes.ts";

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

test("what was done in memory is merged into what is stored: what is gone goes, what is new comes", () => {
	const trace: any = (field: string) => [{ field }];
	const stored = outbox([entry("done"), entry("kept"), entry("theirs")], {
		lastSeq: 3,
		undo: [trace("a")],
		epoch: "e",
	});
	const memory = outbox([entry("kept"), entry("new")], { lastSeq: 5, undo: [trace("b")], redo: [], epoch: "e" });
	const merged = box.merge(stored, memory, ["done", "kept"]);
	assert.deepEqual([keys(merged), merged.lastSeq, merged.undo], [["kept", "theirs", "new"], 5, [trace("b")]]);
	const other = box.merge(stored, { ...memory, clientId: "own" }, ["done", "kept"]);
	assert.deepEqual([other.clientId, other.lastSeq, other.undo], ["c", 3, [trace("a"), trace("b")]]);
	const later = box.merge(outbox([entry("old", set("x", 1, 7))], { epoch: "e" }), { ...memory, epoch: "f" }, []);
	assert.deepEqual([later.epoch, later.entries[0]?.message], ["f", set("x", 1, 0)]);
});

test("E1 steps about numbers count for the tab that leads, and who leads changes only in its turn", () => {
	const begun = box.lead("a", undefined)(outbox([entry("x")]));
	assert.equal(begun.leader, "a");
	assert.equal(box.lead("c", "b")(begun), begun);
	const taken = box.lead("b", "a")(begun);
	assert.deepEqual(numbers(box.ifLeading("a", box.number(["x"]))(taken)), [undefined]);
	assert.deepEqual(numbers(box.ifLeading("b", box.number(["x"]))(taken)), [1]);
	assert.equal(box.ifLeading("a", box.renew("d"))(taken), taken);
});

test("S4 a change is held in place of whatever else was chosen for the field and not sent", () => {
	const rest = [
		entry("y"),
		entry("sent", set("x", 5, 3), { seq: 8 }),
		entry("both", batch(set("x", 6, 3), set("z", 1))),
	];
	const older = entry("older", set("x", 0, 1), { conflict: { ...conflict, version: 4 } });
	const apart = entry("apart", set("x", 8, 4), { line: "another" });
	const other = entry("other", set("x", "text"), { line: "another", conflict });
	const both = done(box.hold("first", conflict), outbox([older, other, entry("first", set("x", "a text", 3)), apart]));
	assert.deepEqual(keys(both), ["first", "apart"], "what it has whole goes, what was not made of it stays");
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

test("K6 what is held is of the version of the kind that its newest change was made for, a transaction of its own", () => {
	const kindOf = (...entries: box.Entry[]) => done(box.hold("first", conflict), outbox(entries)).entries[0]?.kind;
	const newer = entry("second", set("x", 2, 3), { kind: 2 });
	assert.equal(kindOf(entry("first", set("x", 1, 3), { kind: 1 })), 1);
	assert.equal(kindOf(entry("first", set("x", 1, 3), { kind: 1 }), newer), 2);
	assert.equal(kindOf(entry("first", batch(set("x", 1, 3), set("y", 1)), { kind: 1 }), newer), 1);
});

test("K6 an outbox goes to a newer version of the kind and never back, and what could be undone stays behind", () => {
	const trace = [{ field: "x", before: 1, from: 1, version: 2 }];
	const before = outbox([entry("a", set("x", 1), { kind: 1 })], { kind: 1, undo: [trace], redo: [trace] });
	for (const kind of [undefined, 1]) assert.equal(box.ofKind(kind)(before), before);
	const after = done(box.ofKind(2), before);
	assert.deepEqual([after.kind, after.undo, after.redo, after.entries], [2, [], [], before.entries]);
	assert.equal(box.ofKind(1)(after), after);
	assert.equal(box.ofKind()(outbox([])).kind, undefined);
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
