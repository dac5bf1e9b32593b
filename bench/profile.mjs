// `npm run profile`: how many instructions of the processor a change costs in the core, by phase, and where they go.
// Counted by callgrind on this machine, not timed, so the same code gives much the same figures whatever else is running.
// Arguments choose scenarios of tests/costs; `--times N` is how often the thing is done, `--json` is for programs.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { ask, fail, run, step } from "../scripts/lib.mjs";
import { rust } from "../scripts/setup.mjs";

const BUILD = ["build", "--profile", "profiling", "--bench", "profile"];
/** Collecting starts and stops at these: the room's own code, and its platform's, which is the test's. */
const SWITCHES = ["*heap::within*", "*heap::outside*"];
/** The functions that are the phases, by the ends of their names. A phase that is not met was inlined or renamed. */
const DECODE = /::Frame::decode$/;
const HANDLE = /::Room::handle$/;
const POLL = /::Room::poll$/;
const STATEMENTS = /::store::statements$/;
const ENCODE = /::json::encode$/;
/** For this it is kept from where it was called, for so many calls back. */
const WITH_CALLERS = ["*json::encode*"];
const CALLERS = 8;
const HEAP = /^(malloc|calloc|realloc|free|cfree|memalign|posix_memalign)$/;
const TOP = 25;

const { scenarios, times, isJson } = choice();
if (ask("valgrind", ["--version"]) === undefined) {
	fail(
		"valgrind is missing, whose callgrind does the counting. Install it with your system's packages " +
			"(`apt-get install valgrind`, `dnf install valgrind`) on Linux, then run this again. It does not run on Windows, " +
			"nor on current Macs.",
	);
}
await rust();
const program = await built();
const results = [];
for (const scenario of scenarios) results.push(await profile(scenario));
if (isJson) console.log(JSON.stringify(results, null, "\t"));
else tell(results);

/** What the command line asks for. */
function choice() {
	try {
		const options = { times: { type: "string", default: "1000" }, json: { type: "boolean", default: false } };
		const { values, positionals } = parseArgs({ options, allowPositionals: true });
		const times = Number(values.times);
		if (!Number.isSafeInteger(times) || times < 1) throw new Error("--times takes a whole number");
		const scenarios = positionals.length > 0 ? positionals : ["herd", "lone"];
		return { scenarios, times, isJson: values.json };
	} catch (error) {
		return fail(`${error.message}\nnpm run profile -- [--times N] [--json] [scenario …]`);
	}
}

/** Builds `bench/core.rs` as the room is deployed, but with names and without what is done after compiling. Returns the program's path. */
async function built() {
	const done = step("building the program to be profiled");
	await run("cargo", [...BUILD, "--quiet"]);
	done();
	const messages =
		ask("cargo", [...BUILD, "--quiet", "--message-format=json"]) ?? fail("cargo built, and then it did not.");
	const artifacts = messages.split("\n").map((line) => JSON.parse(line));
	return artifacts.find(({ target, executable }) => target?.name === "profile" && executable).executable;
}

/** The costs of doing it once. Two runs, of which one does it twice as often: what making the room costs cancels out. */
async function profile(scenario) {
	const done = step(`${scenario}, ${times} times and ${2 * times} times`);
	const [once, twice] = [await counted(scenario, times), await counted(scenario, 2 * times)];
	done();
	const each = (count) => Math.round((count(twice) - count(once)) / times);
	const phase = (what, ...conditions) => each((graph) => graph.inclusive(what, ...conditions));
	const within = (door) => (callers) => callers.some((caller) => door.test(caller));
	const total = each((graph) => graph.total);
	const phases = {
		decode: phase(DECODE),
		apply: phase(HANDLE) - phase(DECODE),
		applyEncode: phase(ENCODE, within(HANDLE)),
		flush: phase(POLL),
		flushEncode: phase(ENCODE, within(POLL)),
		SQL: phase(STATEMENTS),
	};
	const { decode, apply, flush, SQL } = phases;
	const missing = Object.entries({ DECODE, HANDLE, POLL, STATEMENTS, ENCODE }).filter(([, what]) => !twice.has(what));
	return {
		scenario,
		times,
		total,
		phases: { ...phases, rest: total - decode - apply - flush - SQL },
		heap: each((graph) => graph.entries(HEAP)),
		top: top(once, twice),
		missing: missing.map(([name]) => name.toLowerCase()),
	};
}

/** The functions that do the most by themselves, for each time. */
function top(once, twice) {
	const costs = [...twice.self].map(([name, cost]) => ({ name, cost: (cost - (once.self.get(name) ?? 0)) / times }));
	const sorted = costs.sort((a, b) => b.cost - a.cost).slice(0, TOP);
	return sorted.map(({ name, cost }) => ({ cost: Math.round(cost), name }));
}

/** Runs the program under callgrind. */
async function counted(scenario, count) {
	const folder = mkdtempSync(join(tmpdir(), "roomkeep-profile-"));
	try {
		const file = join(folder, "callgrind.out");
		const options = [
			"--tool=callgrind",
			`--callgrind-out-file=${file}`,
			...SWITCHES.map((name) => `--toggle-collect=${name}`),
			...WITH_CALLERS.map((name) => `--separate-callers${CALLERS}=${name}`),
		];
		await run("valgrind", [...options, program, scenario, String(count)], { quiet: true });
		return graph(readFileSync(file, "utf8"));
	} catch (error) {
		return fail(error.message);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** What callgrind wrote: what each function costs by itself, and with all that it calls for each of its callers. */
function graph(text) {
	const names = new Map();
	const self = new Map();
	const calls = [];
	let [current, callee, isCall, total] = ["", "", false, 0];
	for (const line of text.split("\n")) {
		const named = line.match(/^(c?fn)=\((\d+)\)(?: (.*))?$/);
		if (named) {
			const [, kind, id, name] = named;
			if (name !== undefined) names.set(id, name);
			if (kind === "fn") current = names.get(id);
			else callee = names.get(id);
		} else if (line.startsWith("calls=")) {
			isCall = true;
		} else if (/^[\d+*-]/.test(line)) {
			const cost = Number(line.split(" ")[1] ?? 0);
			if (isCall) {
				calls.push({ caller: plain(current), callee, cost });
			} else {
				self.set(plain(current), (self.get(plain(current)) ?? 0) + cost);
				total += cost;
			}
			isCall = false;
		}
	}
	const sum = (some) => some.reduce((sum, { cost }) => sum + cost, 0);
	return {
		self,
		total,
		/** What a function and all below it cost, where its callers are as asked. */
		inclusive: (what, holds = () => true) => {
			const to = calls.filter(({ callee }) => what.test(plain(callee)));
			return sum(to.filter(({ callee }) => holds(callee.split("'").slice(1))));
		},
		/** What some functions and all below them cost, calls among themselves left out. */
		entries: (what) => sum(calls.filter(({ caller, callee }) => what.test(plain(callee)) && !what.test(caller))),
		has: (what) => [...self.keys()].some((name) => what.test(name)),
	};
}

/** A function's name without its callers or how deep it recurs. */
function plain(name) {
	return name.split("'")[0];
}

/** Shows it to people. */
function tell(results) {
	const number = (count) => count.toLocaleString("en").padStart(10);
	for (const { scenario, times, total, phases, heap, top, missing } of results) {
		console.log(`\n${scenario}: instructions for each change or answer, from ${times} and ${2 * times} of them\n`);
		for (const [name, count] of Object.entries(phases)) {
			const share = `${((100 * count) / total).toFixed(1)} %`.padStart(8);
			console.log(`  ${(name.endsWith("Encode") ? "  of that, encode" : name).padEnd(20)}${number(count)}${share}`);
		}
		console.log(`  ${"all".padEnd(20)}${number(total)}`);
		console.log(`  ${"of all, the heap".padEnd(20)}${number(heap)}\n`);
		for (const { name, cost } of top) console.log(`${number(cost)}  ${name}`);
		if (missing.length > 0)
			console.log(`\n  Not met, so inlined or renamed, and counted elsewhere: ${missing.join(", ")}.`);
	}
	console.log(
		`\nSQLite, sockets and what clients say are left out. The program: ${basename(program)}, built without LTO.`,
	);
}
