// Two users, one field: what the later one is told, and what comes of the decision.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Conflict } from "../../packages/sdk/src/types.ts";
import { newRoom, type Served, serve } from "../worker/harness.ts";
import { applied, closeAll, converged, enter, eventually, isSynced, make, until, values } from "./worker-client.ts";
import { Net } from "./worker-net.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(async () => {
	closeAll();
	await server.close();
});

/** Two who see the same, of whom the first then loses the network while the second goes on. */
async function apart(base: Record<string, string>) {
	const room = newRoom();
	const net = new Net();
	const ann = await enter(server, room, "ann", net.options);
	const bob = await enter(server, room, "bob");
	for (const [field, value] of Object.entries(base)) applied(await bob.select(field, value));
	await until(ann, () => Object.keys(values(ann)).length === Object.keys(base).length, "to see it all");
	const conflicts: Conflict[] = [];
	ann.on("conflict", (conflict) => conflicts.push(conflict));
	net.block();
	return { room, net, ann, bob, conflicts };
}

describe("conflicts", { concurrency: true }, () => {
	test("S4: a choice without a network meets a newer one, and is made again on top of it", async () => {
		const { room, net, ann, bob, conflicts } = await apart({ price: "1" });
		const base = ann.getSnapshot().selections.price?.version;
		const late = ann.select("price", "mine");
		const other = ann.select("note", "goes on");
		const version = applied(await bob.select("price", "theirs"));
		net.heal();
		const outcome = await late;
		assert.equal(outcome.outcome, "conflict");
		assert.deepEqual([outcome.current?.value, outcome.current?.userId], ["theirs", "bob"]);
		applied(await other);
		const [conflict] = ann.getSnapshot().conflicts;
		assert.deepEqual(conflicts, [conflict]);
		assert.deepEqual(
			[conflict?.mine.value, conflict?.mine.version, conflict?.theirs.value, conflict?.theirs.version],
			["mine", base, "theirs", version],
		);
		assert.equal(values(ann).price, "theirs");
		// It follows when the other changes again.
		const newer = applied(await bob.select("price", "theirs again"));
		await until(ann, (now) => now.conflicts[0]?.theirs.version === newer, "to see the newer one");
		applied(await ann.resolve("price", "mine"));
		assert.deepEqual(ann.getSnapshot().conflicts, []);
		assert.deepEqual(await converged(server, room, ann, bob), { price: "mine", note: "goes on" });
	});

	test("V6: a second undo does not run over what somebody wrote between two changes of one's own", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const bob = await enter(server, room, "bob");
		applied(await ann.select("price", "first"));
		await until(bob, () => values(bob).price === "first", "to see it");
		applied(await bob.select("price", "between"));
		await until(ann, () => values(ann).price === "between", "to see it");
		applied(await ann.select("price", "last"));
		applied(await ann.undo());
		const { outcome, current } = await ann.undo();
		assert.deepEqual([outcome, current?.value], ["conflict", "between"], "though its version is by ann's own client");
		assert.deepEqual(await converged(server, room, ann, bob), { price: "between" });
		await ann.resolve("price", "theirs");
		applied(await ann.redo());
		assert.deepEqual(await converged(server, room, ann, bob), { price: "last" });
	});

	test("a conflict is decided for theirs, for another value, or by choosing anew", async () => {
		const { room, net, ann, bob } = await apart({ a: "1", b: "1", c: "1", d: "1" });
		const late = ["a", "b", "c", "d"].map((field) => ann.select(field, "mine"));
		for (const field of ["a", "b", "c", "d"]) applied(await bob.select(field, "theirs"));
		net.heal();
		for (const outcome of await Promise.all(late)) assert.equal(outcome.outcome, "conflict");
		assert.equal(ann.getSnapshot().conflicts.length, 4);
		assert.deepEqual(await ann.resolve("a", "theirs"), { outcome: "withdrawn" });
		applied(await ann.resolve("b", "third"));
		applied(await ann.select("c", "theirs"));
		applied(await ann.select("d", "anew"));
		assert.deepEqual(ann.getSnapshot().conflicts, []);
		const none = await ann.resolve("a", "mine");
		assert.deepEqual([none.outcome, none.code], ["rejected", "no_conflict"]);
		const expected = { a: "theirs", b: "third", c: "theirs", d: "anew" };
		assert.deepEqual(await converged(server, room, ann, bob), expected);
	});

	test("the same value chosen by two is no conflict", async () => {
		const { room, net, ann, bob, conflicts } = await apart({ price: "1" });
		const late = ann.select("price", { currency: "EUR", amount: 1.5 });
		const cleared = ann.clear("note");
		applied(await bob.select("price", { currency: "EUR", amount: 1.5 }));
		applied(await bob.select("note", "x"));
		applied(await bob.clear("note"));
		net.heal();
		applied(await late);
		applied(await cleared);
		assert.deepEqual(conflicts, []);
		assert.equal(ann.getSnapshot().selections.price?.userId, "bob");
		await converged(server, room, ann, bob);
	});

	test("S5: a field that was set and cleared before one came is not in the way of one's first choices", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		for (const field of ["a", "b", "c"]) {
			applied(await bob.select(field, 1));
			applied(await bob.clear(field));
		}
		const ann = await enter(server, room, "ann");
		const quick = [ann.select("a", 2), ann.select("a", 3), ann.clear("a"), ann.select("a", 4)];
		for (const outcome of await Promise.all(quick)) applied(outcome);
		applied(
			await ann.transaction((all) => {
				all.select("b", 2);
				all.select("c", 2);
				all.select("d", 2);
			}),
		);
		assert.deepEqual(await converged(server, room, ann, bob), { a: 4, b: 2, c: 2, d: 2 });
	});

	test("S5, S9: what is chosen right after a transaction that has to be sent again is not overtaken by it", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		applied(await bob.select("a", 1));
		applied(await bob.clear("a"));
		const ann = await enter(server, room, "ann");
		const made = ann.transaction((all) => {
			all.select("a", 2);
			all.select("b", 2);
		});
		const after = ann.select("b", 3);
		applied(await made);
		applied(await after);
		assert.deepEqual(await converged(server, room, ann, bob), { a: 2, b: 3 });
	});

	test("of several choices of one field that came too late, the last is what waits for a decision", async () => {
		const { room, net, ann, bob } = await apart({ price: "1" });
		const late = ["2", "3", "4"].map((value) => ann.select("price", value));
		const note = ann.select("note", "x");
		const more = ann.select("price", "5");
		applied(await bob.select("price", "theirs"));
		net.heal();
		for (const outcome of await Promise.all([...late, more])) assert.equal(outcome.outcome, "conflict");
		applied(await note);
		const { conflicts } = ann.getSnapshot();
		assert.deepEqual([conflicts.length, conflicts[0]?.mine.value], [1, "5"]);
		assert.equal(ann.getSnapshot().pendingCount, 0);
		applied(await ann.resolve("price", "mine"));
		assert.deepEqual(await converged(server, room, ann, bob), { price: "5", note: "x" });
	});

	test("clearing meets a newer value, and a value meets a clearing", async () => {
		const { room, net, ann, bob } = await apart({ a: "1", b: "1" });
		const cleared = ann.clear("a");
		const chosen = ann.select("b", "mine");
		applied(await bob.select("a", "theirs"));
		applied(await bob.clear("b"));
		net.heal();
		assert.equal((await cleared).current?.value, "theirs");
		const second = await chosen;
		assert.deepEqual([second.outcome, second.current], ["conflict", null]);
		const { conflicts } = ann.getSnapshot();
		assert.deepEqual(
			conflicts.map(({ mine, theirs }) => [mine.value, theirs.value]),
			[
				[undefined, "theirs"],
				["mine", undefined],
			],
		);
		applied(await ann.resolve("a", "mine"));
		applied(await ann.resolve("b", "mine"));
		assert.deepEqual(await converged(server, room, ann, bob), { b: "mine" });
	});

	test("S9: a transaction that came too late in one field is held as a whole, and decided as a whole", async () => {
		for (const choice of ["mine", "theirs", "third"]) {
			const { room, net, ann, bob, conflicts } = await apart({ a: "1", b: "1" });
			const late = ann.transaction((all) => {
				all.select("a", "mine");
				all.select("b", "mine");
				all.clear("c");
			});
			applied(await bob.select("b", "theirs"));
			net.heal();
			assert.equal((await late).outcome, "conflict");
			assert.deepEqual(values(ann), { a: "1", b: "theirs" });
			const [conflict] = ann.getSnapshot().conflicts;
			assert.deepEqual(conflicts, [conflict]);
			assert.deepEqual(
				[conflict?.field, conflict?.others],
				[
					"b",
					[
						{ field: "a", value: "mine" },
						{ field: "c", value: undefined },
					],
				],
			);
			const decided = await ann.resolve("b", choice);
			assert.equal(decided.outcome, choice === "theirs" ? "withdrawn" : "applied");
			const expected = choice === "theirs" ? { a: "1", b: "theirs" } : { a: "mine", b: choice };
			assert.deepEqual(await converged(server, room, ann, bob), expected);
		}
	});

	test("S9: a transaction with two fields that others changed is decided field by field", async () => {
		const { room, net, ann, bob } = await apart({ a: "1", b: "1" });
		const late = ann.transaction((all) => {
			all.select("a", "mine");
			all.select("b", "mine");
		});
		applied(await bob.select("a", "theirs"));
		applied(await bob.select("b", "theirs"));
		net.heal();
		assert.equal((await late).outcome, "conflict");
		const second = await ann.resolve("a", "mine");
		assert.deepEqual([second.outcome, ann.getSnapshot().conflicts[0]?.field], ["conflict", "b"]);
		applied(await ann.resolve("b", "mine"));
		assert.deepEqual(await converged(server, room, ann, bob), { a: "mine", b: "mine" });
	});

	test("a conflict that was decided too late is a conflict again", async () => {
		const { room, net, ann, bob } = await apart({ price: "1" });
		const late = ann.select("price", "mine");
		applied(await bob.select("price", "theirs"));
		net.heal();
		assert.equal((await late).outcome, "conflict");
		await until(ann, isSynced, "to be synced");
		net.block();
		const decided = ann.resolve("price", "mine");
		assert.equal(values(ann).price, "mine");
		applied(await bob.select("price", "newer"));
		net.heal();
		assert.equal((await decided).outcome, "conflict");
		assert.equal(ann.getSnapshot().conflicts[0]?.theirs.value, "newer");
		assert.deepEqual(await ann.resolve("price", "theirs"), { outcome: "withdrawn" });
		assert.deepEqual(await converged(server, room, ann, bob), { price: "newer" });
	});

	test("two who both choose at the same moment: one has it, the other is asked", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const bob = await enter(server, room, "bob");
		for (let i = 0; i < 10; i++) {
			const [first, second] = await Promise.all([ann.select("price", `a${i}`), bob.select("price", `b${i}`)]);
			const outcomes = [first.outcome, second.outcome].sort();
			assert.deepEqual(outcomes, ["applied", "conflict"]);
			const loser = first.outcome === "conflict" ? ann : bob;
			applied(await loser.resolve("price", "mine"));
			await converged(server, room, ann, bob);
		}
	});

	test("one's own quick second edit is no conflict, and what others did between two of them is", async () => {
		const { room, net, ann, bob } = await apart({ price: "1" });
		net.heal();
		await until(ann, isSynced, "to be synced");
		const quick = Array.from({ length: 20 }, (_, i) => ann.select("price", `quick ${i}`));
		for (const outcome of await Promise.all(quick)) applied(outcome);
		assert.deepEqual(await converged(server, room, ann, bob), { price: "quick 19" });
		assert.deepEqual(ann.getSnapshot().conflicts, []);
	});

	test("what is chosen before anything is known of the room does not overwrite what is there", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		applied(await bob.select("price", "theirs"));
		const ann = make(server, room, "ann");
		const blind = ann.select("price", "mine");
		const note = ann.select("note", "x");
		ann.connect();
		assert.equal((await blind).outcome, "conflict");
		applied(await note);
		await eventually(() => values(ann).price === "theirs", "theirs to be shown");
		assert.deepEqual(await converged(server, room, ann, bob), { price: "theirs", note: "x" });
	});
});
