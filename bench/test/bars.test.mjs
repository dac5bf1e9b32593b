import assert from "node:assert/strict";
import { test } from "node:test";
import { barRows, bars, judged } from "../bars.mjs";
import { workloads } from "../workloads.mjs";

const fanout = (contender, round, changesPerSecond) => ({
	workload: "fanout-2-32",
	contender,
	round,
	changesPerSecond,
});
const herd = (round, more = {}) => ({
	workload: "herd-100",
	contender: "hello",
	round,
	latency: { p50: 20, p90: 30, p99: 40, max: 60 },
	drain: 0.04,
	lost: 0,
	closedByServer: {},
	...more,
});
const of = (rounds, workload, what) => {
	const found = judged(rounds).find(({ bar }) => bar.workload === workload && bar.what === what);
	assert.ok(found);
	return found;
};

test("every bar is about workloads and contenders that are run", () => {
	for (const { workload, contender, against, atLeast, atMost } of bars) {
		assert.ok(workloads[workload].contenders.includes(contender), `${workload}: ${contender}`);
		if (against) assert.ok(workloads[workload].contenders.includes(against), `${workload}: ${against}`);
		assert.equal((atLeast === undefined) !== (atMost === undefined), true, "one limit");
	}
});

test("ratios are taken within each round, and then their median", () => {
	const slow = [fanout("hello", 2, 80), fanout("party-put", 2, 10)];
	const fast = [fanout("hello", 1, 5_000), fanout("party-put", 1, 1_000)];
	const last = [fanout("hello", 3, 700), fanout("party-put", 3, 100)];
	// 5, 8 and 7. The ratio of the medians would be another one.
	const { value, met } = of([...slow, ...fast, ...last], "fanout-2-32", "changes/s");
	assert.deepEqual({ value, met }, { value: 7, met: true });
	assert.equal(of(fast, "fanout-2-32", "changes/s").met, false);
});

test("what must not happen is looked for in every round", () => {
	const rounds = [herd(1), herd(2, { lost: 3, closedByServer: { 1013: 1, broken: 1 } }), herd(3)];
	assert.equal(of(rounds, "herd-100", "changes lost").value, 3);
	assert.equal(of(rounds, "herd-100", "changes lost").met, false);
	assert.equal(of(rounds, "herd-100", "people closed").value, 2);
	assert.equal(of(rounds, "herd-100", "latency p99").met, true);
	const fine = [herd(1), herd(2)];
	assert.equal(of(fine, "herd-100", "changes lost").met, true);
	assert.equal(of(fine, "herd-100", "people closed").met, true);
});

test("a round that broke is not one in which nothing was lost", () => {
	const rounds = [herd(1), { workload: "herd-100", contender: "hello", round: 2, failed: "it broke" }];
	assert.equal(of(rounds, "herd-100", "changes lost").met, false);
});

test("memory is counted for each room", () => {
	const [before, awake] = [{ wasm: 1 << 20 }, { wasm: 11 << 20 }];
	const rounds = [{ workload: "memory", contender: "hello", round: 1, rooms: 1024, before, awake, again: awake }];
	const told = judged(rounds).filter(({ bar }) => bar.workload === "memory" && bar.contender === "hello");
	assert.deepEqual(
		told.map(({ value, met }) => ({ value, met })),
		[
			{ value: 10, met: true },
			{ value: 0, met: true },
			{ value: 0, met: true },
		],
	);
	const refused = [{ ...rounds[0], errors: { storage: 2 } }];
	const faults = judged(refused).filter(({ bar }) => bar.what === "lost, closed, refused" && bar.workload === "memory");
	assert.deepEqual(
		faults.map(({ bar, met }) => [bar.contender, met]),
		[
			["plain", undefined],
			["hello", false],
		],
	);
	// A server that does not tell its WebAssembly's memory has not met anything.
	const untold = [{ ...rounds[0], before: { wasm: null }, awake: { wasm: null }, again: { wasm: null } }];
	assert.equal(of(untold, "memory", "wasm heap of an awake room").met, undefined);
});

test("the table says what was not measured", () => {
	const rows = barRows(judged([fanout("hello", 1, 650), fanout("party-put", 1, 100)]));
	const row = (workload, what) => rows.find((row) => row[0] === workload && row[2] === what);
	assert.deepEqual(row("fanout-2-32", "changes/s / party-put").slice(3), ["at least 6x", "6.50x", "met"]);
	assert.deepEqual(row("herd-100", "latency p99").slice(3), ["at most 50 ms", "-", "not measured"]);
});
