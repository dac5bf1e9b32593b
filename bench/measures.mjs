// What is read of a round, by the program that made it. The first measure of a program is the one that counts: the one
// of the picture, and the one that is named first.

/**
 * @typedef {object} Measure
 * @property {string} name as the head of a column
 * @property {import("./statistics.mjs").Figure} of
 * @property {"more" | "less"} [better] its ratio to the baseline says something, and this is the better direction
 * @property {number} [digits] after the point
 * @property {boolean} [ifAny] left out of a table in which it is 0 throughout
 */

const KIB = 1024;
const MILLIS = 1_000;
const MICROS = 1_000_000;

const sum = (counts = {}) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const quantile = (name, key, quantile, more = {}) => ({
	name: `${name}${quantile} ms`,
	of: (round) => round[key]?.[quantile],
	digits: 2,
	...more,
});
const less = { better: "less" };

/** @type {Measure} */
const serverShare = { name: "workerd CPU %", of: (round) => 100 * (round.serverCpu / round.elapsed) };
/** @type {Measure} */
const loadShare = { name: "load CPU %", of: (round) => 100 * (round.loadCpu / round.elapsed) };
/** @type {Measure} */
const late = quantile("load late ", "lateness", "p99");
/** @type {Measure} */
const closed = { name: "closed", of: (round) => sum(round.closedByServer) };
/** @type {Measure} */
const lost = { name: "lost", of: (round) => round.lost };
/** Changes for which a later one of their field stood. @type {Measure} */
const coalesced = { name: "coalesced %", of: (round) => (100 * round.coalesced) / round.delivered, ifAny: true };
/** @type {Measure[]} */
const faults = [
	{ name: "unacked", of: (round) => round.unacked, ifAny: true },
	{ name: "gaps", of: (round) => round.gaps, ifAny: true },
	{ name: "resyncs", of: (round) => round.resyncs, ifAny: true },
	{ name: "repeated", of: (round) => round.repeated, ifAny: true },
	{ name: "errors", of: (round) => sum(round.errors) + (round.unreadable ?? 0), ifAny: true },
];

/** CPU time of workerd for each of something that a round counts. */
const cpuEach = (what, key) => ({
	name: `CPU us/${what}`,
	of: (round) => round.serverCpu && (MICROS * round.serverCpu) / round[key],
	digits: 1,
	...less,
});
/** Of two readings of memory in a round, how much more the second is for each room, in KiB. */
const grown = (kind, from, to) => (round) => {
	const [before, after] = [round[from]?.[kind], round[to]?.[kind]];
	return before === undefined || before === null || after === undefined || after === null
		? undefined
		: (after - before) / KIB / round.rooms;
};

/** @type {Measure[]} */
const delivering = [
	{ name: "deliveries/CPU s", of: (round) => round.serverCpu && round.delivered / round.serverCpu, better: "more" },
	{ name: "deliveries/s", of: (round) => round.delivered / round.elapsed },
	quantile("", "latency", "p50", less),
	quantile("", "latency", "p90"),
	quantile("", "latency", "p99"),
	quantile("", "latency", "max"),
];

const trip = {
	p50: quantile("round trip ", "roundTrip", "p50", less),
	p90: quantile("round trip ", "roundTrip", "p90"),
	p99: quantile("round trip ", "roundTrip", "p99"),
};
/** @type {Measure} */
const changes = { name: "changes/s", of: (round) => round.changesPerSecond, better: "more" };

/** @type {Record<string, Measure[]>} */
export const measures = {
	herd: [
		...delivering,
		quantile("ack ", "ackLatency", "p50"),
		quantile("ack ", "ackLatency", "p99"),
		coalesced,
		{ name: "drain s", of: (round) => round.drain, digits: 2 },
		serverShare,
		{ name: "MB in", of: (round) => round.bytes / 1e6, digits: 1 },
		lost,
		closed,
		...faults,
		loadShare,
		late,
	],
	fanout: [
		changes,
		trip.p50,
		trip.p99,
		quantile("seen ", "latency", "p50"),
		quantile("seen ", "latency", "p99"),
		quantile("ack ", "ackLatency", "p50"),
		coalesced,
		cpuEach("change", "changes"),
		serverShare,
		lost,
		closed,
		...faults,
		loadShare,
	],
	lone: [
		trip.p50,
		trip.p90,
		trip.p99,
		quantile("ack ", "ackLatency", "p50"),
		changes,
		cpuEach("change", "changes"),
		lost,
		closed,
		...faults,
		loadShare,
	],
	sync: [
		{ name: "replies/s", of: (round) => round.repliesPerSecond, better: "more" },
		quantile("", "latency", "p50", less),
		quantile("", "latency", "p99"),
		{ name: "KB/reply", of: (round) => round.bytes / 1e3, digits: 1 },
		cpuEach("reply", "replies"),
		closed,
		...faults,
		loadShare,
	],
	resume: [
		quantile("", "latency", "p50", less),
		quantile("", "latency", "p99"),
		quantile("asked ", "askLatency", "p50", less),
		quantile("asked ", "askLatency", "p99"),
		{ name: "KB/answer", of: (round) => round.bytes / 1e3, digits: 1, ...less },
		{ name: "entries", of: (round) => round.changes },
		closed,
		...faults,
	],
	wake: [
		quantile("", "latency", "p50", less),
		quantile("", "latency", "p90"),
		quantile("", "latency", "p99"),
		closed,
		...faults,
	],
	storm: [
		{ name: "all in ms", of: (round) => MILLIS * round.elapsed, digits: 1, ...less },
		quantile("", "latency", "p50", less),
		quantile("", "latency", "p99"),
		{ name: "workerd CPU s", of: (round) => round.serverCpu, digits: 2, ...less },
		closed,
		...faults,
		loadShare,
	],
	rooms: [
		...delivering,
		{ name: "RSS MB", of: (round) => round.memory?.rss && round.memory.rss / 1e6, digits: 1, ...less },
		serverShare,
		lost,
		closed,
		...faults,
		loadShare,
		late,
	],
	memory: [
		{ name: "RSS KiB/room awake", of: grown("rss", "before", "awake"), digits: 1, ...less },
		{ name: "asleep", of: grown("rss", "before", "idle"), digits: 1, ...less },
		{ name: "wasm KiB/room awake", of: grown("wasm", "before", "awake"), digits: 2 },
		{ name: "asleep holds wasm KiB", of: grown("wasm", "awake", "again"), digits: 2 },
		{ name: "RSS KiB/room left", of: grown("rss", "before", "left"), digits: 1 },
		{ name: "RSS MB before", of: (round) => round.before?.rss && round.before.rss / 1e6, digits: 1 },
		closed,
		...faults,
	],
	rows: [
		{ name: "rows", of: (round) => round.rows, ...less },
		{ name: "rows/change", of: (round) => round.rows / round.written, digits: 3 },
		{ name: "ms", of: (round) => MILLIS * round.elapsed, digits: 1 },
		lost,
		closed,
		...faults,
	],
	start: [
		quantile("first answer ", "latency", "p50", less),
		quantile("first answer ", "latency", "max"),
		quantile("next room ", "nextRoom", "p50", less),
		quantile("server ready ", "ready", "p50"),
		{ name: "script KB gz", of: (round) => round.scriptGzip / 1e3, digits: 1 },
		{ name: "wasm KB gz", of: (round) => (round.wasmGzip ? round.wasmGzip / 1e3 : undefined), digits: 1 },
	],
};

/** For the bars, which name a measure that is in no table of theirs. */
export const figure = {
	deliveriesPerCpuSecond: delivering[0].of,
	p50: (round) => round.latency?.p50,
	p99: (round) => round.latency?.p99,
	roundTrip: trip.p50.of,
	changes: changes.of,
	lost: lost.of,
	closed: closed.of,
	wrong: (round) => (round.lost ?? 0) + (round.unacked ?? 0) + sum(round.closedByServer) + sum(round.errors),
	drain: (round) => round.drain,
	replies: (round) => round.repliesPerSecond,
	rows: (round) => round.rows,
	awakeWasm: grown("wasm", "before", "awake"),
	asleepWasm: grown("wasm", "awake", "again"),
};

/** The load program's share of one core, and how late it was. @param {import("./statistics.mjs").Round} round */
export function strain(round) {
	return { share: round.loadCpu / round.elapsed, late: round.lateness?.p99 ?? 0 };
}
