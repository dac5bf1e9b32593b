// What has to hold, and whether it did.

import { figure } from "./measures.mjs";
import { figures, median, ratios } from "./statistics.mjs";
import { times } from "./table.mjs";

/**
 * @typedef {object} Bar
 * @property {string} workload
 * @property {string} contender
 * @property {string} what is looked at
 * @property {import("./statistics.mjs").Figure} of
 * @property {string} [against] a contender: then it is the ratio to it that counts, each round by itself
 * @property {number} [atLeast] one of these two is the limit
 * @property {number} [atMost]
 * @property {string} [unit]
 * @property {boolean} [always] holds in every round, not in the median: what must not happen at all
 */

/**
 * @typedef {object} Verdict
 * @property {Bar} bar
 * @property {number} [value]
 * @property {boolean} [met] undefined when it was not measured
 */

/** A herd that is kept up with has its last change this soon after it was due. */
const KEEPS_UP = 1;
/** WebAssembly's memory grows in pages, so for many rooms a sleeping one may seem to hold some bytes. */
const NOTHING_KIB = 0.5;

/** What every herd has to do, whatever its size. @param {string} workload @param {number} p99 @returns {Bar[]} */
const herd = (workload, p99) => {
	const bar = { workload, contender: "hello" };
	return [
		{ ...bar, what: "latency p99", of: figure.p99, atMost: p99, unit: "ms" },
		{ ...bar, what: "the last change came after", of: figure.drain, atMost: KEEPS_UP, unit: "s", always: true },
		{ ...bar, what: "changes lost", of: figure.lost, atMost: 0, always: true },
		{ ...bar, what: "people closed", of: figure.closed, atMost: 0, always: true },
	];
};

const changes = { what: "changes/s", of: figure.changes };
const roundTrip = { what: "durable round trip p50", of: figure.roundTrip, against: "party-put", atMost: 1.1 };
const replies = { what: "replies/s", of: figure.replies, against: "party-put", atLeast: 3 };
const waking = { what: "first answer p50", of: figure.p50, against: "party-put", atMost: 1.5 };
const rows = { what: "rows written", of: figure.rows, against: "party-put", atMost: 1 / 20 };
const awake = { what: "wasm heap of an awake room", of: figure.awakeWasm, atMost: 32, unit: "KiB" };
const asleep = { what: "wasm heap of a sleeping room", of: figure.asleepWasm, atMost: NOTHING_KIB, unit: "KiB" };

/** @type {Bar[]} */
const speeds = [
	{
		workload: "herd-100",
		contender: "hello",
		what: "deliveries/CPU s",
		of: figure.deliveriesPerCpuSecond,
		against: "relay",
		atLeast: 8,
	},
	...herd("herd-100", 50),
	...herd("herd-200", 100),
	...herd("herd-500", 250),
	{ workload: "fanout-100-256", contender: "hello", ...changes, against: "relay", atLeast: 12 },
	{ workload: "fanout-100-32", contender: "plain", ...changes, against: "relay", atLeast: 0.95 },
	{ workload: "fanout-100-32", contender: "plain", ...changes, against: "party-put", atLeast: 1.2 },
	{ workload: "fanout-2-32", contender: "hello", ...changes, against: "party-put", atLeast: 6 },
	{ workload: "fanout-2-256", contender: "hello", ...changes, against: "party-put", atLeast: 15 },
	...["plain", "hello"].flatMap((contender) => [
		{ workload: "lone", contender, ...roundTrip },
		{ workload: "sync-1000", contender, ...replies },
		{ workload: "wake", contender, ...waking },
		{ workload: "rows", contender, ...rows },
		{ workload: "memory", contender, ...awake },
		{ workload: "memory", contender, ...asleep },
	]),
];

/** Whoever loses something is not quick. Each herd has this by itself. @type {Map<string, Bar>} */
const faultless = new Map();
for (const { workload, contender } of speeds.filter((bar) => !bar.workload.startsWith("herd"))) {
	const bar = { workload, contender, what: "lost, closed, refused", of: figure.wrong, atMost: 0, always: true };
	faultless.set(`${workload} ${contender}`, bar);
}

export const bars = [...speeds, ...faultless.values()];

/** @param {import("./statistics.mjs").Round[]} rounds @param {Bar[]} list @returns {Verdict[]} */
export function judged(rounds, list = bars) {
	return list.map((bar) => {
		const own = rounds.filter(({ workload }) => workload === bar.workload);
		const values = bar.against ? ratios(own, bar.contender, bar.against, bar.of) : figures(own, bar.contender, bar.of);
		const value = bar.always ? worst(bar, values) : median(values);
		// In a round that broke, what must not happen cannot be said not to have happened.
		const broke = bar.always && own.some(({ contender, failed }) => contender === bar.contender && failed);
		if (broke) return { bar, value, met: false };
		return { bar, value, met: value === undefined ? undefined : holds(bar, value) };
	});
}

function holds({ atLeast, atMost }, value) {
	return atLeast === undefined ? value <= atMost : value >= atLeast;
}

function worst({ atLeast }, values) {
	if (values.length === 0) return undefined;
	return atLeast === undefined ? Math.max(...values) : Math.min(...values);
}

/** Head and rows of the table of bars, with those that no workload of the run was about left out. @param {Verdict[]} verdicts */
export function barRows(verdicts) {
	const told = verdicts.map(({ bar, value, met }) => [
		bar.workload,
		bar.contender,
		bar.against ? `${bar.what} / ${bar.against}` : bar.what,
		`${bar.atLeast === undefined ? "at most" : "at least"} ${amount(bar, bar.atLeast ?? bar.atMost)}`,
		value === undefined ? "-" : bar.against ? times(value) : amount(bar, value),
		met === undefined ? "not measured" : met ? "met" : "NOT met",
	]);
	return [["workload", "contender", "what", "bar", "measured", ""], ...told];
}

function amount({ against, unit }, value) {
	const digits = Math.abs(value) < 0.1 ? 3 : 2;
	const number = value.toLocaleString("en", { maximumFractionDigits: digits });
	return against ? `${number}x` : `${number}${unit ? ` ${unit}` : ""}`;
}
