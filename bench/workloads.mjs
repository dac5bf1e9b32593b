// What is measured: each workload with its load, who runs it, and how its figures are read.

/**
 * @typedef {object} Workload
 * @property {string} title what happens in it, for people
 * @property {string} program of the load program, or one of `inProcess`
 * @property {Record<string, number>} options of that program
 * @property {string[]} contenders in the order in which they are shown
 * @property {string} baseline what ratios refer to
 * @property {string} [table] the measures that are shown, when they are not those of the program
 * @property {number} [share] rounds of it for each that is asked for, when not one: more of what a disk's mood decides, fewer
 *   of what no bar is about, or what hardly differs from round to round
 * @property {boolean} [instrumented] the server counts what it stores, which costs it some time
 * @property {number} seconds about how long a contender takes, for the first guess at how long all of it takes
 */

/** Which options each program takes, beside those that say what it runs against. @type {Record<string, string[]>} */
export const programs = {
	herd: ["clients", "rate", "seconds", "fields", "drain"],
	fanout: ["receivers", "outstanding", "seconds", "fields", "drain"],
	sync: ["fields", "outstanding", "seconds"],
	resume: ["fields", "missed", "times", "outstanding"],
	wake: ["rooms", "idle", "fields"],
	storm: ["clients", "fields"],
	rooms: ["rooms", "people", "rate", "seconds", "fields", "drain"],
	memory: ["rooms", "fields", "idle"],
	rows: ["changes", "fields", "pause"],
	start: ["times"],
};

/** Programs that are not the load program's, but modules beside this one. */
export const inProcess = new Set(["rows", "start"]);

/** Whoever cannot keep up ends this soon after the last write. What is missing then counts as lost. */
const DRAIN = 6;
/** Starting a server, joining, and ending it. */
const AROUND = 4;

const all = ["relay", "party", "party-put", "party-sql", "tldraw", "plain", "hello"];
const fastest = ["relay", "party-put", "plain", "hello"];
const remembering = ["party-put", "party-sql", "tldraw", "plain", "hello"];
/** What can be counted: servers that speak a page's messages, so that the same changes can be sent to all. */
const counted = ["party-put", "party-sql", "plain", "hello"];

function herd(title, options, contenders) {
	const filled = { seconds: 8, drain: DRAIN, ...options };
	const seconds = filled.seconds + DRAIN / 2 + AROUND;
	return { title, program: "herd", options: filled, contenders, baseline: "relay", seconds };
}

function fanout(receivers, outstanding, contenders, options = {}) {
	const title = `one writer, ${receivers} receivers, ${outstanding} changes in flight, ${options.fields ?? 10} fields`;
	const filled = { receivers, outstanding, seconds: 5, fields: 10, drain: DRAIN, ...options };
	// With two receivers there is little to send, and storing is what takes time.
	const baseline = receivers > 2 ? "relay" : "party-put";
	return { title, program: "fanout", options: filled, contenders, baseline, seconds: filled.seconds + AROUND };
}

function sync(fields) {
	const options = { fields, outstanding: 8, seconds: 5 };
	const title = `\`sync_request\` of a room with ${fields.toLocaleString("en")} fields, 8 in flight`;
	return { title, program: "sync", options, contenders: remembering, baseline: "party-put", seconds: 5 + AROUND };
}

/** @type {Record<string, Workload>} */
export const workloads = {
	"herd-20": herd("20 people write a field each 20 times a second", { clients: 20, rate: 20 }, all),
	"herd-100": herd("100 people write a field each 20 times a second", { clients: 100, rate: 20 }, all),
	"herd-200": herd("200 people write a field each 20 times a second", { clients: 200, rate: 20 }, fastest),
	"herd-500": herd("500 people write a field each 5 times a second", { clients: 500, rate: 5 }, fastest),
	"herd-shared": herd("100 people write 5 fields 20 times a second each", { clients: 100, rate: 20, fields: 5 }, all),
	"fanout-2-32": { ...fanout(2, 32, all, { seconds: 3 }), share: 2 },
	"fanout-2-256": { ...fanout(2, 256, all, { seconds: 3 }), share: 2 },
	"fanout-2-256-distinct": fanout(2, 256, all, { fields: 256 }),
	"fanout-10-32": fanout(10, 32, all),
	"fanout-100-32": fanout(100, 32, all),
	"fanout-100-256": fanout(100, 256, all),
	"fanout-500-32": fanout(500, 32, fastest),
	lone: {
		...fanout(1, 1, all, { seconds: 2 }),
		title: "one writer, one receiver, one change in flight: how long until it is durable and seen",
		table: "lone",
		share: 3,
	},
	"sync-10": sync(10),
	"sync-100": sync(100),
	"sync-1000": sync(1000),
	resume: {
		title: "resuming to 1,000 fields of which 10 have changed",
		program: "resume",
		options: { fields: 1000, missed: 10, times: 50, outstanding: 1 },
		contenders: remembering,
		baseline: "party-put",
		seconds: 3 + AROUND,
	},
	wake: {
		title: "50 rooms of 20 fields, asleep with a socket open, are asked for their state",
		program: "wake",
		options: { rooms: 50, idle: 18, fields: 20 },
		contenders: remembering,
		baseline: "party-put",
		seconds: 20 + AROUND,
	},
	storm: {
		title: "200 people arrive at once and want the state of 20 fields",
		program: "storm",
		options: { clients: 200, fields: 20 },
		contenders: remembering,
		baseline: "party-put",
		seconds: 2 + AROUND,
	},
	rooms: {
		title: "1,000 rooms of 3 people, one of whom writes each second",
		program: "rooms",
		options: { rooms: 1000, people: 3, rate: 1, seconds: 10, fields: 20, drain: DRAIN },
		contenders: ["relay", "party", "party-put", "tldraw", "plain", "hello"],
		baseline: "party-put",
		seconds: 20 + AROUND,
	},
	memory: {
		title: "1,000 rooms of 20 fields: awake, asleep with a socket open, left",
		program: "memory",
		options: { rooms: 1000, fields: 20, idle: 18 },
		contenders: ["relay", "party-put", "plain", "hello"],
		baseline: "party-put",
		instrumented: true,
		seconds: 105 + AROUND,
	},
	rows: {
		title: "1,000 changes to 10 fields, sent in one go: rows written",
		program: "rows",
		options: { changes: 1000, fields: 10, pause: 0 },
		contenders: counted,
		baseline: "party-put",
		instrumented: true,
		seconds: 1 + AROUND,
	},
	"rows-paced": {
		title: "1,000 changes to 10 fields, one every millisecond: rows written",
		program: "rows",
		options: { changes: 1000, fields: 10, pause: 1 },
		contenders: counted,
		baseline: "party-put",
		instrumented: true,
		seconds: 2 + AROUND,
	},
	start: {
		title: "from workerd being up to the first reply of a first room",
		program: "start",
		options: { times: 5 },
		contenders: ["relay", "party-put", "party-sql", "plain"],
		baseline: "party-put",
		seconds: 12,
	},
};

/** Once for three rounds. */
const ONCE = 1 / 3;

const barred = [
	...["herd-100", "herd-200", "herd-500", "fanout-100-256", "fanout-100-32", "fanout-2-32", "fanout-2-256"],
	...["lone", "sync-1000", "wake", "rows", "memory"],
];

for (const [name, workload] of Object.entries(workloads)) {
	if (!barred.includes(name) || name === "memory" || name === "rows") workload.share = ONCE;
}

/** How often each contender of a workload runs. @param {Workload} workload @param {number} turns that are asked for */
export function roundsOf({ share = 1 }, turns) {
	return Math.ceil(turns * share);
}

/** @type {Record<string, { workloads: string[], rounds: number, seconds?: number }>} */
export const suites = {
	/** What the bars are about. */
	bars: { workloads: barred, rounds: 3 },
	full: { workloads: Object.keys(workloads), rounds: 3 },
	/** Whether something is badly off. Nothing to quote. */
	quick: {
		workloads: ["herd-100", "fanout-2-32", "fanout-100-32", "lone", "sync-1000", "rows"],
		rounds: 1,
		seconds: 3,
	},
};

/**
 * The workloads of these names. The name of a program is its first workload, to be given options of one's own.
 * @param {string[]} names
 * @param {Record<string, number>} own options that take the place of theirs, where they have them
 * @returns {{ name: string, workload: Workload }[]}
 */
export function chosen(names, own = {}) {
	const unused = new Set(Object.keys(own));
	const found = names.map((name) => {
		const workload = workloads[name] ?? Object.values(workloads).find(({ program }) => program === name);
		if (workload === undefined) throw new Error(`There is no workload ${name}.`);
		const taken = Object.entries(own).filter(([option]) => programs[workload.program].includes(option));
		for (const [option] of taken) unused.delete(option);
		if (taken.length === 0) return { name, workload };
		const options = { ...workload.options, ...Object.fromEntries(taken) };
		const longer = lasting(options) - lasting(workload.options);
		const title = `${workload.program} with a custom load`;
		return { name, workload: { ...workload, title, options, seconds: workload.seconds + longer } };
	});
	for (const option of unused) throw new Error(`No workload of these takes --${option}.`);
	return found;
}

/** The seconds that a load says itself. @param {Record<string, number>} options */
function lasting({ seconds = 0, idle = 0 }) {
	return seconds + idle;
}
