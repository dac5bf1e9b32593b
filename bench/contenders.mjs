// Who is measured: each contender as the part of Miniflare's options that is its own.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { buildSync } from "esbuild";
import { fail, fingerprint, run, step } from "../scripts/lib.mjs";

const here = import.meta.dirname;
const packagesStamp = join(here, "node_modules/.lock-stamp");

/** What only a room that remembers can be asked to do. */
const NEEDS_STATE = new Set(["sync", "resume", "wake", "storm"]);

/**
 * @typedef {object} Options
 * @property {string} [dist] the build of Roomkeep, when it is not dist/
 */

/**
 * @typedef {object} Contender
 * @property {string} dialect what the load program speaks to it
 * @property {(workload: string) => boolean} does whether a workload makes sense with it
 * @property {(options?: Options) => object} worker its part of Miniflare's options. The first module is the entry.
 */

const everything = () => true;
const passingOn = (workload) => !NEEDS_STATE.has(workload);

/** The first one that runs is what the others are compared with. @type {Record<string, Contender>} */
export const contenders = {
	relay: { dialect: "relay", does: passingOn, worker: relay },
	party: { dialect: "relay", does: passingOn, worker: () => party("Party") },
	"party-put": { dialect: "party", does: everything, worker: () => party("PartyPut") },
	"party-sql": { dialect: "party", does: everything, worker: () => party("PartySql") },
	tldraw: { dialect: "tldraw", does: everything, worker: tldraw },
	plain: { dialect: "plain", does: everything, worker: roomkeep },
	hello: { dialect: "hello", does: everything, worker: roomkeep },
};

/** Installs what the contenders are made of, in bench/node_modules, if it is not there as the lock file has it. */
export async function packages() {
	const print = fingerprint(["bench/package.json", "bench/package-lock.json"]);
	if (existsSync(packagesStamp) && readFileSync(packagesStamp, "utf8") === print) return;
	const done = step("installing the npm packages of the benchmark");
	await run("npm", ["ci", "--prefix", here, "--loglevel=error"]);
	writeFileSync(packagesStamp, print);
	done();
}

function relay() {
	const contents = readFileSync(join(here, "contenders/relay.mjs"), "utf8");
	return {
		modules: [{ type: "ESModule", path: "relay.mjs", contents }],
		durableObjects: { ROOMS: { className: "Relay", useSQLite: true } },
	};
}

/** PartyServer finds the room's namespace by the name of its binding. */
function party(className) {
	return {
		modules: [bundled("party.mjs")],
		durableObjects: { Collaboration: { className, useSQLite: true } },
	};
}

function tldraw() {
	return {
		modules: [bundled("tldraw.mjs")],
		durableObjects: { ROOMS: { className: "Tldraw", useSQLite: true } },
	};
}

/** @param {Options} [options] */
function roomkeep({ dist = join(here, "../dist") } = {}) {
	const entry = join(dist, "entry.js");
	const wasm = existsSync(entry) && readdirSync(dist).find((name) => name.endsWith(".wasm"));
	if (!wasm) fail(`${relative(process.cwd(), dist)} holds no build of Roomkeep. Run \`npm run build\`.`);
	return {
		modules: [
			{ type: "ESModule", path: "entry.js", contents: readFileSync(entry, "utf8") },
			{ type: "CompiledWasm", path: wasm, contents: new Uint8Array(readFileSync(join(dist, wasm))) },
		],
		// A user's rate would end what is measured here.
		bindings: {
			PARTIES: "collaboration",
			ALLOW_ANONYMOUS: "true",
			LIMIT_CONNECTIONS: "1000",
			LIMIT_MESSAGES_PER_SECOND: "1000000",
			LIMIT_MESSAGES_BURST: "1000000",
		},
		durableObjects: {
			ROOMS: { className: "Room", useSQLite: true },
			USERS: { className: "User", useSQLite: true },
		},
	};
}

/** A contender with its packages in one module, as a deploy would upload it. */
function bundled(name) {
	const { outputFiles } = buildSync({
		entryPoints: [join(here, "contenders", name)],
		bundle: true,
		minify: true,
		write: false,
		format: "esm",
		target: "es2024",
		conditions: ["workerd", "worker", "browser"],
		external: ["cloudflare:*"],
		define: { "process.env.NODE_ENV": '"production"' },
		logLevel: "warning",
	});
	return { type: "ESModule", path: name, contents: outputFiles[0].text };
}
