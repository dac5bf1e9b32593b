// One measurement: a contender is started for it, the load runs against it, and it is ended.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { run, step } from "../scripts/lib.mjs";
import { rows } from "./rows.mjs";
import { start } from "./server.mjs";
import { starting } from "./starting.mjs";

const here = import.meta.dirname;
const program = join(here, "target/release/roomkeep-bench");

/** What takes longer than several times what it should, and this, hangs. */
const PATIENCE_MS = 60_000;
const PATIENCE_TIMES = 4;

/** Builds the load program. */
export async function build() {
	const done = step("building the load program");
	const args = ["build", "--release", "--locked", "--quiet", "--manifest-path", join(here, "Cargo.toml")];
	await run("cargo", [...args, "--target-dir", join(here, "target")]);
	done();
}

/**
 * What a workload reports of a contender.
 * @param {import("./workloads.mjs").Workload} workload
 * @param {import("./contenders.mjs").Contender} contender
 * @param {import("./contenders.mjs").Options} options
 */
export async function measure(workload, contender, options) {
	if (workload.program === "start") return starting(contender, options, workload.options.times);
	const server = await start(contender, { ...options, instrument: workload.instrumented });
	try {
		const url = `ws://${server.host}/parties/collaboration/bench-${crypto.randomUUID()}`;
		const { dialect } = contender;
		if (workload.program === "rows") return await rows({ url, dialect, memoryUrl: server.memoryUrl }, workload.options);
		const args = ["--url", url, "--dialect", dialect, "--server-pid", String(server.pid)];
		if (server.memoryUrl) args.push("--memory-url", server.memoryUrl);
		for (const [option, value] of Object.entries(workload.options)) args.push(`--${option}`, String(value));
		return JSON.parse(
			await output([workload.program, ...args], PATIENCE_TIMES * 1_000 * workload.seconds + PATIENCE_MS),
		);
	} finally {
		await server.dispose();
	}
}

/** What the load program prints. @returns {Promise<string>} */
async function output(args, withinMs) {
	const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
	let [text, errors, isLate] = ["", "", false];
	child.stdout.on("data", (data) => (text += data));
	child.stderr.on("data", (data) => (errors += data));
	const alarm = setTimeout(() => {
		isLate = true;
		child.kill("SIGKILL");
	}, withinMs);
	const [code, signal] = await once(child, "close");
	clearTimeout(alarm);
	if (isLate) throw new Error(`the load program was not done within ${Math.round(withinMs / 1_000)} s`);
	if (code !== 0) throw new Error(errors.trim() || `the load program ended with ${signal ?? code}`);
	return text;
}
