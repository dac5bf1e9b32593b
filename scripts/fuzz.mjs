// `npm run fuzz`: builds the fuzz targets with stable Rust, without the tool cargo-fuzz, and runs each for a minute.
// Arguments choose targets; `--seconds N` is for how long each runs, `--seed N` makes a run like another, and `--grow` keeps what was found in fuzz/corpus.

import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { fuzzing } from "./fuzzing.mjs";
import { environment, fail, root, run, step } from "./lib.mjs";
import { rust } from "./setup.mjs";

/** Inputs that a target's corpus has at most. */
const KEPT = 55;

const folder = join(root, "fuzz");
const all = readdirSync(join(folder, "fuzz_targets"))
	.map((name) => name.replace(/\.rs$/, ""))
	.sort();

const { targets, seconds, seed, grow } = choice();
await rust();
const { env, args, output } = fuzzing();
const built = step("building the fuzz targets");
await run("cargo", ["build", "--quiet", ...args], { env });
built();

const results = [];
for (const target of targets) {
	const done = step(`${target}, for ${seconds} s`);
	results.push({ target, ...(await fuzz(target)) });
	done();
}
console.log();
console.table(results.map(({ crash, ...result }) => ({ ...result, found: crash ? "a fault" : "nothing" })));
for (const { target, crash } of results.filter(({ crash }) => crash)) {
	console.error(`${target} found a fault. Run it again with\n  ${join(output, target)} ${crash}\n`);
}
process.exit(results.some(({ crash }) => crash) ? 1 : 0);

function choice() {
	const options = {
		seconds: { type: "string", default: "60" },
		seed: { type: "string", default: "0" },
		grow: { type: "boolean", default: false },
	};
	const { values, positionals } = parseArgs({ options, allowPositionals: true });
	const unknown = positionals.filter((name) => !all.includes(name));
	if (unknown.length > 0) fail(`There is no target ${unknown.join(", ")}. The targets are ${all.join(", ")}.`);
	const seconds = Number(values.seconds);
	if (!Number.isInteger(seconds) || seconds < 1) fail("--seconds must be a whole number of 1 or more.");
	const seed = Number(values.seed);
	if (!Number.isInteger(seed) || seed < 0) fail("--seed must be a whole number; 0 picks a new one each time.");
	return { targets: positionals.length > 0 ? positionals : all, seconds, seed, grow: values.grow };
}

/** Runs a target from its corpus on. What it finds is new goes to a copy, unless the corpus shall grow. */
async function fuzz(target) {
	const corpus = join(folder, "corpus", target);
	const work = mkdtempSync(join(tmpdir(), `roomkeep-fuzz-${target}-`));
	const artifacts = join(folder, "artifacts", target);
	mkdirSync(artifacts, { recursive: true });
	mkdirSync(corpus, { recursive: true });
	try {
		cpSync(corpus, work, { recursive: true });
		const start = Date.now();
		const { text, code } = await libfuzzer(target, [
			work,
			`-max_total_time=${seconds}`,
			`-seed=${seed}`,
			`-artifact_prefix=${artifacts}/`,
			`-dict=${join(folder, "protocol.dict")}`,
			"-rss_limit_mb=2048",
			"-timeout=10",
			"-max_len=2048",
			"-len_control=20",
		]);
		const took = Math.round((Date.now() - start) / 1000);
		const crash = code === 0 ? undefined : text.match(/Test unit written to (\S+)/)?.[1];
		if (code !== 0 && crash === undefined) throw new Error(`${target} ended with exit code ${code}\n${text}`);
		if (crash) console.error(text.slice(Math.max(0, text.search(/^(thread '|==\d+==)/m))));
		else if (grow) await minimise(target, corpus, work);
		const last = [...text.matchAll(/^#(\d+).*cov: (\d+) ft: (\d+)/gm)].at(-1) ?? [];
		const [executions, cov, ft] = last.slice(1).map(Number);
		return { executions, cov, ft, seconds: took, crash };
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
}

/** Keeps of all that was found the few inputs that together reach the most of the code. */
async function minimise(target, corpus, work) {
	const chosen = mkdtempSync(join(folder, "artifacts", `${target}-`));
	const list = join(chosen, "list");
	// How often a place is reached does not count here, or the corpus would have thousands of files.
	const merge = ["-merge=1", "-use_counters=0", "-timeout=10", `-merge_control_file=${list}`, chosen, work];
	const { text, code } = await libfuzzer(target, merge);
	if (code !== 0) throw new Error(`the corpus of ${target} could not be minimised\n${text}`);
	const inputs = reached(readFileSync(list, "utf8"));
	rmSync(corpus, { recursive: true });
	mkdirSync(corpus);
	const known = new Set();
	const news = ({ places }) => places.reduce((sum, place) => sum + (known.has(place) ? 0 : 1), 0);
	for (let kept = 0; kept < KEPT; kept += 1) {
		const best = inputs.reduce((best, input) => (news(input) > news(best) ? input : best));
		if (news(best) === 0) break;
		for (const place of best.places) known.add(place);
		cpSync(best.path, join(corpus, basename(best.path)));
	}
	rmSync(chosen, { recursive: true });
	console.log(`  ${readdirSync(corpus).length} inputs are kept in fuzz/corpus/${target}`);
}

/** The inputs of a merge, the shortest first, each with the places in the code that it reaches. */
function reached(list) {
	const lines = list.split("\n");
	const paths = lines.slice(2, 2 + Number(lines[0]));
	const inputs = lines.filter((line) => line.startsWith("FT ")).map((line) => line.split(" "));
	return inputs
		.map(([, at, ...places]) => ({ path: paths[Number(at)], places }))
		.sort((a, b) => statSync(a.path).size - statSync(b.path).size);
}

/** Runs a target's program. Resolves with what it says, which is long, and with its exit code. */
function libfuzzer(target, args) {
	return new Promise((resolve, reject) => {
		const child = spawn(join(output, target), args, {
			cwd: root,
			env: environment(),
			stdio: ["ignore", "ignore", "pipe"],
		});
		let text = "";
		child.stderr.on("data", (data) => {
			text += data;
		});
		child.on("error", reject);
		child.on("exit", (code, signal) => resolve({ text, code: code ?? signal }));
	});
}
