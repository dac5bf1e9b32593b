import assert from "node:assert/strict";
import { test } from "node:test";
import { aligned, markdown, remarks, tableRows, times } from "../table.mjs";
import { workloads } from "../workloads.mjs";

const round = (contender, number, delivered, more = {}) => ({
	workload: "herd-100",
	contender,
	round: number,
	delivered,
	lost: 0,
	elapsed: 2,
	serverCpu: 1,
	loadCpu: 0.5,
	latency: { p50: 1, p90: 2, p99: 3, max: 4 },
	errors: {},
	closedByServer: {},
	...more,
});
const table = (rounds) => {
	const [head, ...rows] = tableRows(workloads["herd-100"], rounds);
	const cell = (contender, name) => rows.find(([first]) => first === contender)?.[head.indexOf(name)];
	return { head, rows, cell };
};

test("a cell has the median, how far the rounds are apart, and the ratio", () => {
	const relay = [round("relay", 1, 100), round("relay", 2, 100), round("relay", 3, 100)];
	const hello = [round("hello", 1, 900), round("hello", 2, 1_000), round("hello", 3, 1_200)];
	const { cell, rows } = table([...hello, ...relay]);
	assert.equal(cell("hello", "deliveries/CPU s"), "1,000 ±15% (10.0x)");
	assert.equal(cell("relay", "deliveries/CPU s"), "100");
	assert.deepEqual(
		rows.map(([contender]) => contender),
		["relay", "hello"],
	);
});

test("columns of faults are there when there were faults, lost and closed always", () => {
	const fine = table([round("relay", 1, 100, { gaps: 0 })]);
	assert.ok(fine.head.includes("lost") && fine.head.includes("closed"));
	assert.ok(!fine.head.includes("gaps") && !fine.head.includes("errors"));
	const faulty = table([round("relay", 1, 100, { gaps: 2, errors: { storage: 3 }, closedByServer: { 1013: 4 } })]);
	assert.equal(faulty.cell("relay", "gaps"), "2");
	assert.equal(faulty.cell("relay", "errors"), "3");
	assert.equal(faulty.cell("relay", "closed"), "4");
});

test("who failed in every round is in the table as well", () => {
	const failed = { workload: "herd-100", contender: "plain", round: 1, failed: "it broke" };
	const { cell } = table([round("relay", 1, 100), failed]);
	assert.equal(cell("plain", "deliveries/CPU s"), "failed");
});

test("without the baseline the first one takes its place", () => {
	const { cell } = table([round("plain", 1, 100), round("hello", 1, 50)]);
	assert.equal(cell("hello", "deliveries/CPU s"), "50 (0.50x)");
});

test("what a median would hide is remarked", () => {
	const rounds = [
		round("relay", 1, 100),
		round("relay", 2, 100, { closedByServer: { 1013: 4 }, errors: { storage: 0 } }),
		round("hello", 2, 100, { loadCpu: 1.8, lateness: { p99: 12 } }),
		{ workload: "herd-100", contender: "plain", round: 1, failed: "it broke" },
	];
	assert.deepEqual(remarks(rounds), [
		"herd-100, round 2, relay: 4 x 1013",
		"herd-100, round 2, hello: the load program used 90% of a core; it may be the bottleneck",
		"herd-100, round 2, hello: the load program was 12.0 ms late (p99), which is part of every latency",
		"herd-100, round 1, plain: failed: it broke",
	]);
});

test("ratios have as many digits as say something", () => {
	assert.deepEqual([0.0312, 0.951, 8.04, 12.34, 123.4].map(times), ["0.031x", "0.95x", "8.04x", "12.3x", "123x"]);
});

test("tables are text in columns, or Markdown", () => {
	const rows = [
		["", "a"],
		["x", "1,000"],
	];
	assert.equal(aligned(rows), "       a\nx  1,000\n");
	assert.equal(markdown(rows), "|  | a |\n| --- | --: |\n| x | 1,000 |\n");
});
