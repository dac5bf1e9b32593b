// Measures the contenders under the same load, one after the other: `node bench/run.mjs --help`.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { fail } from "../scripts/lib.mjs";
import { summary } from "./table.mjs";

const here = import.meta.dirname;
const program = join(here, "target/release/roomkeep-bench");

/**
 * @typedef {object} Contender
 * @property {string} dialect what the load program speaks to it
 * @property {() => object} worker its part of Miniflare's options
 */

/** The first one that runs is what the others are compared with. @type {Record<string, Contender>} */
const contenders = {
	relay: { dialect: "relay", worker: relay },
	plain: { dialect: "plain", worker: roomkeep },
	hello: { dialect: "hello", worker: roomkeep },
};

/** Which of our options each workload of the load program takes. @type {Record<string, string[]>} */
const workloads = {
	herd: ["clients", "rate", "seconds", "drain"],
};

const { values: options } = parseArgs({
	options: {
		workload: { type: "string", default: "herd" },
		rounds: { type: "string", default: "2" },
		only: { type: "string", default: Object.keys(contenders).join(",") },
		clients: { type: "string", default: "100" },
		rate: { type: "string", default: "20" },
		seconds: { type: "string", default: "10" },
		drain: { type: "string", default: "30" },
		dist: { type: "string", default: join(here, "../dist") },
		json: { type: "string" },
		help: { type: "boolean", default: false },
	},
});
if (options.help) {
	console.log(`node bench/run.mjs [options]
  --workload NAME   one of ${Object.keys(workloads).join(", ")} (herd)
  --only A,B        contenders; the first is the baseline (${Object.keys(contenders).join(",")})
  --rounds N        how often each contender runs, taking turns (2)
  --clients N       (100)   --rate N     writes of each in a second (20)
  --seconds N       (10)    --drain N    seconds to wait for what is late (30)
  --dist FOLDER     the build of Roomkeep (dist/)
  --json FILE       all rounds, in bench/results/ unless the path is absolute`);
	process.exit(0);
}
const chosen = options.only.split(",");
for (const name of chosen) if (!(name in contenders)) fail(`There is no contender ${name}.`);
if (!(options.workload in workloads)) fail(`There is no workload ${options.workload}.`);
const rounds = Number(options.rounds);
if (!Number.isInteger(rounds) || rounds < 1) fail("--rounds is a whole number from 1.");
if (process.platform !== "linux") fail("CPU time is read from /proc, so this runs on Linux only.");

// What is missing is said before the first run, not in the middle of the measuring.
for (const name of chosen) contenders[name].worker();
await build();

/** @type {import("./table.mjs").Round[]} */
const results = [];
for (let round = 1; round <= rounds; round++) {
	for (const name of chosen) {
		console.log(`round ${round} of ${rounds}: ${name}`);
		results.push({ round, contender: name, ...(await measure(contenders[name])) });
	}
}
console.log(summary(results, chosen));
if (options.json !== undefined) {
	const file = resolve(here, "results", options.json);
	const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, `${JSON.stringify({ time: new Date().toISOString(), machine, options, results }, null, "\t")}\n`);
	console.log(`All rounds are in ${relative(process.cwd(), file)}.`);
}

/** Builds the load program. */
async function build() {
	const manifest = join(here, "Cargo.toml");
	const args = ["build", "--release", "--locked", "--quiet", "--manifest-path", manifest];
	await output("cargo", [...args, "--target-dir", join(here, "target")]);
}

function relay() {
	const contents = readFileSync(join(here, "contenders/relay.mjs"), "utf8");
	return {
		modules: [{ type: "ESModule", path: "relay.mjs", contents }],
		durableObjects: { ROOMS: { className: "Relay", useSQLite: true } },
	};
}

function roomkeep() {
	const entry = join(options.dist, "entry.js");
	const wasm = existsSync(entry) && readdirSync(options.dist).find((name) => name.endsWith(".wasm"));
	if (!wasm) fail(`${relative(process.cwd(), options.dist)} holds no build of Roomkeep. Run \`npm run build\`.`);
	return {
		modules: [
			{ type: "ESModule", path: "entry.js", contents: readFileSync(entry, "utf8") },
			{ type: "CompiledWasm", path: wasm, contents: new Uint8Array(readFileSync(join(options.dist, wasm))) },
		],
		// A user's rate would end what is measured here.
		bindings: {
			PARTIES: "collaboration",
			ALLOW_ANONYMOUS: "true",
			LIMIT_MESSAGES_PER_SECOND: "1000000",
			LIMIT_MESSAGES_BURST: "1000000",
		},
		durableObjects: {
			ROOMS: { className: "Room", useSQLite: true },
			USERS: { className: "User", useSQLite: true },
		},
	};
}

/** One run of the load program against a contender that was started for it. @param {Contender} contender */
async function measure({ dialect, worker }) {
	const miniflare = new Miniflare(
		convertV4MiniflareOptions({
			name: "contender",
			host: "127.0.0.1",
			port: 0,
			log: new Log(LogLevel.ERROR),
			// Straight to the Worker: Miniflare's own entry would add most of a millisecond to each message.
			unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
			compatibilityDate: "2026-11-17",
			...worker(),
		}),
	);
	try {
		await miniflare.ready;
		const { host } = await miniflare.unsafeGetDirectURL("contender");
		const url = `ws://${host}/parties/collaboration/bench-${crypto.randomUUID()}`;
		const args = ["--url", url, "--dialect", dialect, "--server-pid", String(await workerd())];
		for (const name of workloads[options.workload]) args.push(`--${name}`, options[name]);
		return JSON.parse(await output(program, [options.workload, ...args]));
	} finally {
		await miniflare.dispose();
	}
}

/** The process of the one workerd that runs below us. The one before it may take a moment to go. */
async function workerd() {
	for (let attempt = 0; attempt < 50; attempt++) {
		const found = descendants().filter(({ name }) => name === "workerd");
		if (found.length === 1) return found[0].pid;
		await sleep(100);
	}
	return fail("There is not exactly one workerd process below this one.");
}

function descendants() {
	const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
	const known = processes.flatMap((pid) => {
		try {
			const [, name, parent] = readFileSync(`/proc/${pid}/stat`, "utf8").match(/\((.*)\) \S+ (\d+)/s) ?? [];
			return [{ pid: Number(pid), name, parent: Number(parent) }];
		} catch {
			return []; // It has ended since the folder was listed.
		}
	});
	const below = (pid) => known.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)]);
	return below(process.pid);
}

/** What a command prints. Its errors are shown, and end this script. @returns {Promise<string>} */
async function output(command, args) {
	const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
	let text = "";
	child.stdout.on("data", (data) => (text += data));
	const [code] = await once(child, "close");
	if (code !== 0) throw new Error(`${command} ended with ${code}.`);
	return text;
}
