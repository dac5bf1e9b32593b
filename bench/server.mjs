// Starts one contender in a workerd of its own.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { fail } from "../scripts/lib.mjs";

/** The same for all, so that the runtime does the same for all. */
const COMPATIBILITY_DATE = "2026-11-17";
/** How long to look for the process that listens. It does already, when Miniflare says so. */
const FIND_MS = 5_000;
const FIND_EVERY_MS = 100;
const LISTEN = "0A";

/**
 * @typedef {object} Server
 * @property {string} host with its port, straight to the contender
 * @property {number} pid of its workerd
 * @property {Miniflare} miniflare
 * @property {string} [memoryUrl] what `instrument` counts, as JSON
 * @property {() => Promise<void>} dispose
 */

/**
 * Starts a contender on a port of its own. With `instrument` it also counts what it stores and its WebAssembly's memory.
 * `storage` is a folder that outlives the server; without one the rooms are gone with it.
 * @param {import("./contenders.mjs").Contender} contender
 * @param {import("./contenders.mjs").Options & { instrument?: boolean, storage?: string }} [options]
 * @returns {Promise<Server>}
 */
export async function start(contender, { instrument = false, storage, ...options } = {}) {
	const worker = contender.worker(options);
	const miniflare = new Miniflare(
		convertV4MiniflareOptions({
			name: "contender",
			host: "127.0.0.1",
			port: 0,
			log: new Log(LogLevel.ERROR),
			// Straight to the Worker: Miniflare's own entry would add most of a millisecond to each message.
			unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
			compatibilityDate: COMPATIBILITY_DATE,
			...(storage && { resourcePersistencePath: storage }),
			...(instrument ? instrumented(worker) : worker),
		}),
	);
	const dispose = () => miniflare.dispose();
	try {
		await miniflare.ready;
		const { host, port } = await miniflare.unsafeGetDirectURL("contender");
		const pid = await listener(Number(port));
		return { host, pid, miniflare, dispose, ...(instrument && { memoryUrl: `http://${host}/__bench` }) };
	} catch (error) {
		await dispose();
		throw error;
	}
}

/** Puts `contenders/instrument.mjs` around a contender, which is evaluated after it. */
function instrumented(worker) {
	const entry = worker.modules[0].path;
	const classes = Object.values(worker.durableObjects).map(({ className }) => className);
	const counting = classes.map((name) => `export const ${name} = counted(contender.${name});`);
	const contents = `
		import { counted, telling } from "./instrument.mjs";
		import * as contender from "./${entry}";
		${counting.join("\n")}
		export default telling(contender.default);
	`;
	const instrument = readFileSync(join(import.meta.dirname, "contenders/instrument.mjs"), "utf8");
	const modules = [
		{ type: "ESModule", path: "instrumented.mjs", contents },
		{ type: "ESModule", path: "instrument.mjs", contents: instrument },
		...worker.modules,
	];
	return { ...worker, modules };
}

/** The process below this one that listens on a port. Another server's may be there as well, or may be ending. */
async function listener(port) {
	for (const end = Date.now() + FIND_MS; Date.now() < end; await sleep(FIND_EVERY_MS)) {
		const socket = listening(port);
		const found = socket && descendants().find(({ pid, name }) => name === "workerd" && holds(pid, socket));
		if (found) return found.pid;
	}
	return fail(`No workerd below this process listens on port ${port}.`);
}

/** The socket that listens on a port of 127.0.0.1, as /proc/PID/fd calls it. */
function listening(port) {
	const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
	for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n")) {
		const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
		if (local === address && state === LISTEN) return `socket:[${inode}]`;
	}
	return undefined;
}

function holds(pid, socket) {
	const folder = `/proc/${pid}/fd`;
	try {
		return readdirSync(folder).some((descriptor) => readlinkSync(join(folder, descriptor)) === socket);
	} catch {
		return false; // It, or one of its files, has gone since it was listed.
	}
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
