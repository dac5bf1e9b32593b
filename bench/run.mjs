// Measures the contenders under the same load, taking turns: `node bench/run.mjs --help`.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fail } from "../scripts/lib.mjs";
import { barRows, bars, judged } from "./bars.mjs";
import { Clock } from "./clock.mjs";
import { contenders, packages } from "./contenders.mjs";
import { machine } from "./machine.mjs";
import { build, measure } from "./measure.mjs";
import { aligned, remarks, tableRows } from "./table.mjs";
import { chosen, programs, roundsOf, suites, workloads } from "./workloads.mjs";

const here = import.meta.dirname;
/** Columns of the table of bars that are words. */
const BAR_WORDS = 3;

/** What the load is made of. Each is a number, and goes to the programs that take it. */
const loads = [...new Set(Object.values(programs).flat())].sort();

const { values: options } = parseArgs({
	options: {
		suite: { type: "string" },
		workload: { type: "string" },
		only: { type: "string" },
		rounds: { type: "string" },
		dist: { type: "string", default: join(here, "../dist") },
		json: { type: "string" },
		from: { type: "string" },
		docs: { type: "boolean", default: false },
		strict: { type: "boolean", default: false },
		help: { type: "boolean", default: false },
		...Object.fromEntries(loads.map((name) => [name, { type: "string" }])),
	},
});
if (options.help) {
	console.log(help());
	process.exit(0);
}
const result = options.from === undefined ? await measured() : read(options.from);
const verdicts = result.own ? [] : judged(result.rounds, barsOf(result));
tell(result, verdicts);
if (options.json !== undefined) write(options.json, result);
if (options.docs) {
	refuseDocsOf(result);
	await packages();
	const { writeDocs } = await import("./docs.mjs");
	for (const file of writeDocs(result, verdicts)) console.log(`Written: ${relative(process.cwd(), file)}`);
}
if (options.strict && verdicts.some(({ met }) => met !== true)) process.exit(1);

/**
 * @typedef {object} Result
 * @property {string} time
 * @property {object} machine
 * @property {string} suite
 * @property {number} turns how many rounds were asked for
 * @property {boolean} own whether the load was not the workloads' own
 * @property {{ name: string, workload: import("./workloads.mjs").Workload, commit?: string }[]} plan
 * @property {import("./statistics.mjs").Round[]} rounds
 */

/** Runs all that was asked for. @returns {Promise<Result>} */
async function measured() {
	if (process.platform !== "linux") fail("CPU time is read from /proc, so this runs on Linux only.");
	const suite = options.suite ?? "bars";
	if (!(suite in suites)) fail(`There is no suite ${suite}.`);
	const turns = Number(options.rounds ?? suites[suite].rounds);
	if (!Number.isInteger(turns) || turns < 1) fail("--rounds is a whole number from 1.");
	const own = ownLoad();
	const plan = planned(suite, own);
	const which = { suite: options.workload ? "" : suite, turns, own: Object.keys(own).length > 0 };
	if (options.docs) refuseDocsOf(which);
	await packages();
	const result = { time: new Date().toISOString(), machine: machine(), ...which, plan, rounds: [] };
	// What is missing is said before the first run, not in the middle of the measuring.
	for (const name of new Set(plan.flatMap(({ workload }) => workload.contenders))) contenders[name].worker(options);
	await build();
	const clock = new Clock(plan, turns);
	for (const { name, workload } of plan) {
		await takeTurns(name, workload, roundsOf(workload, turns), clock, result.rounds);
		console.log(section(name, workload, result.rounds));
		// A long run that is ended leaves what it has.
		if (options.json !== undefined) write(options.json, result);
	}
	return result;
}

/** What is in docs/ is what others are to quote. @param {{ own: boolean, suite: string }} result */
function refuseDocsOf({ own, suite }) {
	if (!own && suite !== "quick") return;
	fail("--docs is for workloads as they are: no load of one's own, and not the quick suite.");
}

/** A B C, C B A, A B C: what grows slower or warmer as time goes by does so for all of them. */
async function takeTurns(name, workload, turns, clock, rounds) {
	for (let round = 1; round <= turns; round++) {
		const order = round % 2 === 1 ? workload.contenders : workload.contenders.toReversed();
		for (const contender of order) {
			console.error(`${clock.left()}  ${name}, round ${round} of ${turns}: ${contender}`);
			const begin = Date.now();
			const which = { workload: name, contender, round };
			try {
				const report = await measure(workload, contenders[contender], { dist: options.dist });
				rounds.push({ ...report, ...which });
			} catch (error) {
				const failed = error.message.replaceAll(/\s+/g, " ");
				console.error(`  failed: ${failed}`);
				rounds.push({ ...which, failed });
			}
			clock.took(name, contender, (Date.now() - begin) / 1_000);
		}
	}
}

/** The load that was given in numbers of one's own. */
function ownLoad() {
	const given = loads.filter((name) => options[name] !== undefined);
	for (const name of given) if (!Number.isFinite(Number(options[name]))) fail(`--${name} is a number.`);
	return Object.fromEntries(given.map((name) => [name, Number(options[name])]));
}

/** The workloads, each with those contenders that are wanted and can do it. */
function planned(suite, own) {
	const wanted = options.only?.split(",");
	for (const name of wanted ?? []) if (!(name in contenders)) fail(`There is no contender ${name}.`);
	const { workloads: names, seconds } = suites[suite];
	try {
		const plan = chosen(options.workload?.split(",") ?? names, own).map(({ name, workload }) => {
			const can = (one) => contenders[one]?.does(workload.program);
			const among = wanted ? wanted.filter((one) => workload.contenders.includes(one)) : workload.contenders;
			const isShort = seconds !== undefined && !options.workload && workload.options.seconds > seconds;
			const load = isShort && own.seconds === undefined ? { ...workload.options, seconds } : workload.options;
			return { name, workload: { ...workload, options: load, contenders: among.filter(can) } };
		});
		const runs = plan.filter(({ workload }) => workload.contenders.length > 0);
		if (runs.length === 0) fail("None of these contenders does any of these workloads.");
		return runs;
	} catch (error) {
		return fail(error.message);
	}
}

/** Those bars that something in the run is about. @param {Result} result */
function barsOf({ plan }) {
	const runs = (name, contender) =>
		plan.some((one) => one.name === name && one.workload.contenders.includes(contender));
	return bars.filter((bar) => runs(bar.workload, bar.contender) && (!bar.against || runs(bar.workload, bar.against)));
}

/** What is said of one workload. */
function section(name, workload, rounds) {
	const own = rounds.filter((round) => round.workload === name);
	const load = Object.entries(workload.options).map(([option, value]) => `${option} ${value}`);
	return `\n${name}: ${workload.title}\n(${load.join(", ")})\n${aligned(tableRows(workload, own))}`;
}

/** @param {Result} result @param {import("./bars.mjs").Verdict[]} verdicts */
function tell(result, verdicts) {
	if (options.from !== undefined) {
		for (const { name, workload } of result.plan) console.log(section(name, workload, result.rounds));
	}
	const noted = remarks(result.rounds);
	if (noted.length > 0) console.log(`${noted.join("\n")}\n`);
	if (verdicts.length === 0) return;
	console.log(aligned(barRows(verdicts), BAR_WORDS));
	const met = verdicts.filter((verdict) => verdict.met).length;
	const short = result.suite === "quick" ? " This was short, so none of it is to be quoted." : "";
	console.log(`${met} of ${verdicts.length} bars met.${short}`);
}

/** A path of a file of results. */
function resultsFile(name) {
	return resolve(here, "results", name);
}

/**
 * What these files hold as one run. Where several have a workload, the last one's is taken.
 * @returns {Result}
 */
function read(names) {
	const results = names.split(",").map(readOne);
	/** @type {Map<string, { entry: Result["plan"][0], rounds: Result["rounds"] }>} */
	const measured = new Map();
	for (const { machine, plan, rounds } of results) {
		for (const { name, workload } of plan) {
			const own = rounds.filter((round) => round.workload === name);
			// A run that was ended has planned what it has not measured.
			if (own.length > 0) measured.set(name, { entry: { name, workload, commit: machine.commit }, rounds: own });
		}
	}
	const order = Object.keys(workloads).filter((name) => measured.has(name));
	const isFull = suites.full.workloads.every((name) => measured.has(name));
	return {
		...results.at(-1),
		suite: results.length === 1 ? results[0].suite : isFull ? "full" : "",
		plan: order.map((name) => measured.get(name).entry),
		rounds: order.flatMap((name) => measured.get(name).rounds),
	};
}

/** @returns {Result} */
function readOne(name) {
	try {
		return JSON.parse(readFileSync(resultsFile(name), "utf8"));
	} catch (error) {
		return fail(`${relative(process.cwd(), resultsFile(name))}: ${error.message}`);
	}
}

function write(name, result) {
	const file = resultsFile(name);
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, `${JSON.stringify(result, null, "\t")}\n`);
}

function help() {
	const names = (record) => Object.keys(record).join(", ");
	return `node bench/run.mjs [options]
  --suite NAME      ${names(suites)} (bars)
  --workload A,B    these instead of a suite's: ${names(workloads)},
                    or a program, to be given a load: ${names(programs)}
  --only A,B        contenders: ${names(contenders)}
  --rounds N        how often each contender runs, taking turns (as the suite has it); \`lone\` three times as often, two receivers twice,
                    and what no bar is about, \`memory\` and \`rows\` a third as often
  --dist FOLDER     the build of Roomkeep (dist/)
  --json FILE       all rounds, in bench/results/ unless the path is absolute
  --from A,B        measures nothing, but tells what such files hold, the later one where both have a workload
  --docs            writes docs/bench.md, docs/bench.json and docs/bench.svg
  --strict          fails when a bar is not met
The load, in place of the workload's own (then no bars are judged):
${Object.entries(programs)
	.map(([name, takes]) => `  ${name.padEnd(8)}        ${takes.map((option) => `--${option}`).join(" ")}`)
	.join("\n")}`;
}
