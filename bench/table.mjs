// What is printed of the rounds: one line for each measure, one column for each contender.

/** A run of the load program, as it reports it; times of latency are in ms, others in s. @typedef {any} Round */

/**
 * @typedef {object} Measure
 * @property {string} name
 * @property {(round: Round) => number | undefined} of
 * @property {number} [digits] after the point
 * @property {boolean} [compared] whether its ratio to the baseline says something
 */

const sum = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const perCpuSecond = (round) => round.serverCpu && round.delivered / round.serverCpu;

/** @type {Measure[]} */
const measures = [
	{ name: "changes written", of: (round) => round.written },
	{ name: "deliveries expected", of: (round) => round.expected },
	{ name: "deliveries", of: (round) => round.delivered },
	{ name: "of these coalesced", of: (round) => round.coalesced },
	{ name: "lost changes", of: (round) => round.lost },
	{ name: "deliveries/s", of: (round) => round.delivered / round.elapsed, compared: true },
	{ name: "drain s", of: (round) => round.drain, digits: 2 },
	{ name: "latency p50 ms", of: (round) => round.latency?.p50, digits: 2, compared: true },
	{ name: "latency p90 ms", of: (round) => round.latency?.p90, digits: 2, compared: true },
	{ name: "latency p99 ms", of: (round) => round.latency?.p99, digits: 2, compared: true },
	{ name: "latency max ms", of: (round) => round.latency?.max, digits: 2 },
	{ name: "ack p50 ms", of: (round) => round.ackLatency?.p50, digits: 2 },
	{ name: "ack p99 ms", of: (round) => round.ackLatency?.p99, digits: 2 },
	{ name: "unacked writes", of: (round) => round.unacked },
	{ name: "workerd CPU s", of: (round) => round.serverCpu, digits: 2, compared: true },
	{ name: "workerd CPU %", of: (round) => (100 * round.serverCpu) / round.elapsed },
	{ name: "deliveries/CPU s", of: perCpuSecond, compared: true },
	{ name: "frames received", of: (round) => round.frames, compared: true },
	{ name: "MB received", of: (round) => round.bytes / 1e6, digits: 1, compared: true },
	{ name: "load CPU %", of: (round) => (100 * round.loadCpu) / round.elapsed },
	{ name: "load late p99 ms", of: (round) => round.lateness?.p99, digits: 2 },
	{ name: "closed by server", of: (round) => sum(round.closedByServer) },
	{ name: "gaps", of: (round) => round.gaps },
	{ name: "resyncs", of: (round) => round.resyncs },
	{ name: "repeated", of: (round) => round.repeated },
	{ name: "errors", of: (round) => sum(round.errors) + round.unreadable },
];

/** The medians of all rounds as text. @param {Round[]} rounds @param {string[]} contenders the first is the baseline */
export function summary(rounds, contenders) {
	const cell = ({ of, digits = 0, compared }, contender, i) => {
		const median = (contender) => medianOf(rounds.filter((round) => round.contender === contender).map(of));
		const value = median(contender);
		if (value === undefined) return "-";
		const ratio = compared && i > 0 ? ` (${(value / median(contenders[0])).toFixed(2)}x)` : "";
		return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }) + ratio;
	};
	const rows = measures.map((measure) => [measure.name, ...contenders.map((name, i) => cell(measure, name, i))]);
	const title = `median of ${rounds.filter(({ contender }) => contender === contenders[0]).length}`;
	return `\n${aligned([[title, ...contenders], ...rows])}\n${remarks(rounds)}`;
}

/** What must not be lost in a median: each kind of error and each close, with the round that had it. */
function remarks(rounds) {
	const told = ({ round, contender, errors, closedByServer }) => {
		const counts = Object.entries({ ...errors, ...closedByServer });
		return counts.map(([what, count]) => `round ${round}, ${contender}: ${count} x ${what}\n`).join("");
	};
	return rounds.map(told).join("");
}

function aligned(rows) {
	const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
	const line = (row) => row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i])));
	return rows.map((row) => `${line(row).join("  ")}\n`).join("");
}

/** @param {(number | undefined)[]} values */
function medianOf(values) {
	const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
	if (sorted.length === 0) return undefined;
	return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}
