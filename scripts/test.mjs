// `npm test`: sets everything up, then runs the tests: the core and the store on the host, the built room under workerd,
// the SDK under Node, the demo in a browser. Arguments choose layers. With `--all` the files named `*.long.test.ts` are run too.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "./build.mjs";
import { environment, fail, root, step } from "./lib.mjs";
import { chromium, packages, rust } from "./setup.mjs";

const LAYERS = ["host", "worker", "sdk", "browser"];
const { layers, isAll } = choice();
const runs = (...some) => some.some((layer) => layers.includes(layer));
const totals = { passed: 0, failed: 0 };
/** Files that take long and were not asked for. */
const left = [];

await Promise.all([packages(), rust()]);
// Compilers that use one core at a time leave the other to the first tests. Who waits for this hears of it if it fails.
const built = bundles();
built.catch(() => {});
if (runs("host")) {
	await tests("the core and the store, on this machine", "cargo", ["test", "--quiet"]);
	const bench = ["--manifest-path", "bench/Cargo.toml", "--target-dir", "bench/target"];
	await tests("the load program's accounting", "cargo", ["test", "--quiet", "--locked", ...bench]);
	await tests("the benchmark's arithmetic", "node", [...node(), ...files("bench/test")]);
}
await built;
if (runs("worker")) {
	const [measured, others] = parted(files("tests/worker"), (name) => name.includes("hostile"));
	await tests("the built room under workerd", "node", [...node(), ...others]);
	// These measure how long others wait, so they have the machine to themselves.
	await tests("a hostile member", "node", [...node(1), ...measured]);
}
if (runs("sdk")) {
	await tests("the SDK", "node", [...node(), ...files("tests/sdk")]);
}
if (runs("browser")) {
	const browser = await chromium();
	if (browser === undefined) {
		fail("No Chromium was found and none could be installed. Install one, or set CHROMIUM_PATH to its path.");
	}
	await tests("the demo in a browser", "node", [...node(), ...files("tests/browser")], { CHROMIUM_PATH: browser });
}
if (left.length > 0) console.log(`\nNot run without \`npm test -- --all\`: ${left.join(", ")}`);
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed > 0 ? 1 : 0);

function choice() {
	try {
		const options = { all: { type: "boolean", default: false } };
		const { values, positionals } = parseArgs({ options, allowPositionals: true });
		const unknown = positionals.filter((name) => !LAYERS.includes(name));
		if (unknown.length > 0) throw new Error(`There is no layer ${unknown.join(", ")}.`);
		return { layers: positionals.length > 0 ? positionals : LAYERS, isAll: values.all };
	} catch (error) {
		return fail(`${error.message}\nnpm test -- [--all] [${LAYERS.join(" | ")} …]`);
	}
}

/** What the layers that were chosen run against. */
async function bundles() {
	if (runs("worker", "sdk", "browser")) await bundle();
	if (!runs("worker")) return;
	await bundle({ faults: true });
	for (const kinds of ["rooms", "before"]) {
		await bundle({ file: join(root, `tests/worker/kinds/${kinds}.ts`), out: `build/dist-kinds-${kinds}` });
	}
}

function node(atATime = 3) {
	// Most of their time is waiting. A test that hangs is ended and counts as failed.
	const limits = [`--test-concurrency=${atATime}`, "--test-timeout=300000", "--test-force-exit"];
	return ["--test", "--test-reporter=spec", ...limits];
}

/** Those of which something holds, and those of which it does not. */
function parted(all, holds) {
	return [all.filter(holds), all.filter((one) => !holds(one))];
}

function files(folder) {
	const all = readdirSync(join(root, folder)).filter((name) => /\.test\.(tsx?|mjs)$/.test(name));
	const [names, others] = parted(all, (name) => !name.endsWith(".tsx"));
	// Node takes types out of a file, but no JSX: tests of React say `createElement`.
	if (others.length > 0) fail(`Node cannot run ${others.join(", ")} in ${folder}.`);
	const [long, short] = parted(names.sort(), (name) => name.includes(".long."));
	if (!isAll) left.push(...long.map((name) => join(folder, name)));
	// The long ones first: what is short fits in beside them.
	return [...(isAll ? long : []), ...short].map((name) => join(folder, name));
}

/** Runs a test runner with its output shown, and adds its totals to ours. */
async function tests(title, command, args, env = {}) {
	const done = step(title);
	const { output, code } = await new Promise((resolve, reject) => {
		const child = spawn(command, args, { cwd: root, env: environment(env), stdio: ["ignore", "pipe", "pipe"] });
		let output = "";
		const take = (stream) => (data) => {
			output += data;
			stream.write(data);
		};
		child.stdout.on("data", take(process.stdout));
		child.stderr.on("data", take(process.stderr));
		child.on("error", reject);
		child.on("exit", (code) => resolve({ output, code }));
	});
	const sum = (pattern) => [...output.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
	const passed = sum(/test result: \w+\. (\d+) passed/g) + sum(/^ℹ pass (\d+)/gm);
	const failed = sum(/; (\d+) failed;/g) + sum(/^ℹ fail (\d+)/gm) + sum(/^ℹ cancelled (\d+)/gm);
	totals.passed += passed;
	totals.failed += Math.max(failed, code === 0 && passed > 0 ? 0 : 1);
	done();
}
