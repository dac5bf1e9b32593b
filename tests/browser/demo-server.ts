// The server and the browser for the tests of the demo.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../ports.ts";

// The first start may have to build the room.
const STARTING = 600_000;
// How long a server may take to end by itself.
const ENDING = 5_000;

const root = join(import.meta.dirname, "../..");

export function findChromium(): string {
	const path = process.env.CHROMIUM_PATH || spawnSync("which", ["chromium"], { encoding: "utf8" }).stdout?.trim();
	if (path) return path;
	throw new Error("There is no Chromium to test with. Install the package `chromium`, or set CHROMIUM_PATH.");
}

/** A server that was started, and how to end it. */
export interface Started {
	url: string;
	stop: () => Promise<void>;
}

/** Starts the server on a free port, with storage of its own. */
export async function startServer(): Promise<Started> {
	const port = await freePort();
	const directory = mkdtempSync(join(tmpdir(), "roomkeep-browser-"));
	// A key of the developer's own in .dev.vars would keep the demo out.
	const local = ["--persist-to", directory, "--env-file", "/dev/null"];
	const args = ["start", "--", "--port", String(port), ...local];
	const server = spawn("npm", args, { cwd: root, detached: true, stdio: ["ignore", "ignore", "inherit"] });
	const stop = async () => {
		await endGroup(server);
		rmSync(directory, { recursive: true, force: true });
	};
	const url = `http://127.0.0.1:${port}`;
	const end = Date.now() + STARTING;
	while (server.exitCode === null && Date.now() < end) {
		const response = await fetch(`${url}/health`).catch(() => undefined);
		if (response?.ok) return { url, stop };
		await sleep(200);
	}
	await stop();
	throw new Error(`\`npm ${args.join(" ")}\` did not come up.`);
}

/** Ends a process and all that it started. */
export async function endGroup({ pid }: ChildProcess): Promise<void> {
	if (pid === undefined) return;
	const send = (signal: NodeJS.Signals | 0) => {
		try {
			return process.kill(-pid, signal);
		} catch {
			return false;
		}
	};
	send("SIGTERM");
	const end = Date.now() + ENDING;
	while (send(0) && Date.now() < end) await sleep(50);
	send("SIGKILL");
}
