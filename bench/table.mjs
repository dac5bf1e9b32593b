// What is printed of the rounds: for each workload a table with a line for each contender.

import { measures, strain } from "./measures.mjs";
import { figures, median, ratios, spread } from "./statistics.mjs";

/** With more of a core than this the load program may itself be what is slow. */
const BUSY = 0.85;
/** Later than this to write, in ms, and its lateness shows in the latencies. */
const LATE_MS = 5;

/**
 * Head and rows of the table of one workload.
 * @param {import("./workloads.mjs").Workload} workload
 * @param {import("./statistics.mjs").Round[]} rounds of this workload
 */
export function tableRows(workload, rounds) {
	const all = measures[workload.table ?? workload.program];
	const shown = all.filter((measure) => isWorthShowing(measure, rounds));
	const there = workload.contenders.filter((name) => rounds.some(({ contender }) => contender === name));
	const baseline = there.includes(workload.baseline) ? workload.baseline : there[0];
	const rows = there.map((name) => [name, ...shown.map((measure) => cell(measure, rounds, name, baseline))]);
	return [["", ...shown.map(({ name }) => name)], ...rows];
}

/** What did not happen to anybody, a fault most often, needs no column, nor does what nobody of them has. */
function isWorthShowing({ of, ifAny }, rounds) {
	const values = rounds.filter(({ failed }) => !failed).map(of);
	return values.some((value) => Number.isFinite(value) && (!ifAny || value !== 0));
}

/** The median, how far the rounds are apart, and the ratio to the baseline. */
function cell({ of, digits = 0, better }, rounds, contender, baseline) {
	const values = figures(rounds, contender, of);
	const value = median(values);
	if (value === undefined)
		return rounds.some((round) => round.contender === contender && round.failed) ? "failed" : "-";
	const number = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
	const apart = spread(values);
	const ratio = better && contender !== baseline ? median(ratios(rounds, contender, baseline, of)) : undefined;
	const around = apart === undefined || apart < 0.005 || !better ? "" : ` ±${Math.round(100 * apart)}%`;
	return `${number}${around}${ratio === undefined ? "" : ` (${times(ratio)})`}`;
}

/** A ratio with as many digits as say something. @param {number} ratio */
export function times(ratio) {
	return `${ratio.toFixed(ratio >= 100 ? 0 : ratio >= 10 ? 1 : ratio >= 0.1 ? 2 : 3)}x`;
}

/**
 * What must not be lost in a median: rounds that failed, each kind of error and each close, and where the load program
 * may have been what was slow.
 * @param {import("./statistics.mjs").Round[]} rounds
 * @returns {string[]}
 */
export function remarks(rounds) {
	return rounds.flatMap((round) => {
		const where = `${round.workload}, round ${round.round}, ${round.contender}`;
		if (round.failed) return [`${where}: failed: ${round.failed}`];
		const counts = Object.entries({ ...round.errors, ...round.closedByServer });
		const told = counts.filter(([, count]) => count > 0).map(([what, count]) => `${where}: ${count} x ${what}`);
		const { share, late } = strain(round);
		if (share > BUSY) {
			told.push(`${where}: the load program used ${Math.round(100 * share)}% of a core; it may be the bottleneck`);
		}
		if (late > LATE_MS) {
			told.push(`${where}: the load program was ${late.toFixed(1)} ms late (p99), which is part of every latency`);
		}
		return told;
	});
}

/** Rows as text in columns. The first row is the head. @param {string[][]} rows @param {number} left how many columns keep to the left */
export function aligned(rows, left = 1) {
	const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
	const line = (row) => row.map((text, i) => (i < left ? text.padEnd(widths[i]) : text.padStart(widths[i])));
	return rows.map((row) => `${line(row).join("  ").trimEnd()}\n`).join("");
}

/** Rows as a table of Markdown. @param {string[][]} rows @param {number} left how many columns keep to the left */
export function markdown([head, ...rows], left = 1) {
	const rule = head.map((_, column) => (column < left ? "---" : "--:"));
	const line = (row) => `| ${row.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |\n`;
	return [head, rule, ...rows].map(line).join("");
}
