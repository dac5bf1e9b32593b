import assert from "node:assert/strict";
import { test } from "node:test";
import { figures, median, ratios, spread } from "../statistics.mjs";

const round = (contender, number, value) => ({ workload: "w", contender, round: number, value });
const value = ({ value }) => value;

test("the median is the middle one, or lies between two", () => {
	assert.equal(median([3, 1, 2]), 2);
	assert.equal(median([4, 1, 2, 3]), 2.5);
	assert.equal(median([undefined, Number.NaN, 7]), 7);
	assert.equal(median([undefined]), undefined);
});

test("the spread is half of the range, as a part of the median", () => {
	assert.equal(spread([90, 100, 120]), 0.15);
	assert.equal(spread([100]), undefined);
	assert.equal(spread([0, 0]), undefined);
});

test("a ratio is of two that ran in the same round", () => {
	// In the second round the machine was ten times as slow, for both.
	const rounds = [round("a", 1, 80), round("b", 1, 10), round("b", 2, 1), round("a", 2, 8), round("a", 3, 500)];
	assert.deepEqual(ratios(rounds, "a", "b", value), [8, 8]);
	assert.deepEqual(ratios(rounds, "a", "nobody", value), []);
});

test("rounds that failed have no figures", () => {
	const failed = { ...round("a", 1, 80), failed: "it broke" };
	const rounds = [failed, round("b", 1, 10), round("a", 2, 30), { ...round("b", 2, 10), failed: "it broke" }];
	assert.deepEqual(figures(rounds, "a", value), [30]);
	assert.deepEqual(ratios(rounds, "a", "b", value), []);
});

test("nothing is divided by 0", () => {
	assert.deepEqual(ratios([round("a", 1, 80), round("b", 1, 0)], "a", "b", value), []);
});
