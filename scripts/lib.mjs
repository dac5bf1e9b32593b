// What the scripts share. Runs under Node 20, before anything is installed.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const bin = join(root, "node_modules", ".bin");

/** The environment of every command: the pinned Node and the project's own tools come first. */
export function environment(extra = {}) {
	return { ...process.env, PATH: [bin, process.env.PATH].join(delimiter), ...extra };
}

/** Says what a long step is doing, and for how long it did it. Beside the output, which may be for another program. */
export function step(title) {
	const start = Date.now();
	console.error(`\n> ${title}`);
	return () => console.error(`  ${title}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

/** Ends the script with a message for people. */
export function fail(message) {
	console.error(`\n${message}\n`);
	process.exit(1);
}

/** Runs a command in the project's folder with its output shown beside ours. Rejects when it fails. */
export function run(command, args, { env = {}, quiet = false } = {}) {
	return new Promise((resolve, reject) => {
		const stdio = quiet ? ["ignore", "pipe", "pipe"] : ["ignore", process.stderr, "inherit"];
		const child = spawn(command, args, { cwd: root, env: environment(env), stdio });
		let output = "";
		child.stdout?.on("data", (data) => (output += data));
		child.stderr?.on("data", (data) => (output += data));
		child.on("error", reject);
		child.on("exit", (code, signal) => {
			if (code === 0) resolve(output);
			else reject(new Error(`${command} ${args.join(" ")}: ${signal ?? `exit code ${code}`}\n${output}`));
		});
	});
}

/** What a command prints, or undefined when it is not there or fails. */
export function ask(command, args) {
	const options = { cwd: root, env: environment(), encoding: "utf8", maxBuffer: 2 ** 26 };
	const { status, stdout } = spawnSync(command, args, options);
	return status === 0 ? stdout.trim() : undefined;
}

/** A hash over files and all that folders hold. */
export function fingerprint(paths, salt = "") {
	const hash = createHash("sha256").update(salt);
	const visit = (path) => {
		if (!existsSync(path)) return;
		if (statSync(path).isDirectory()) {
			for (const name of readdirSync(path).sort()) visit(join(path, name));
		} else {
			hash.update(path).update("\0").update(readFileSync(path)).update("\0");
		}
	};
	for (const path of paths) visit(join(root, path));
	return hash.digest("hex");
}

/** Does `work` unless it was done for the same fingerprint before and left `result`. */
export async function once(name, result, print, work) {
	const stamp = join(root, "build", `${name}.stamp`);
	const done = existsSync(join(root, result)) && existsSync(stamp) && readFileSync(stamp, "utf8") === print;
	if (done) return;
	await work();
	mkdirSync(dirname(stamp), { recursive: true });
	writeFileSync(stamp, print);
}

/** The same promise for all who call: what several wait for is done once. */
export function shared(work) {
	let promise;
	return () => (promise ??= work());
}
