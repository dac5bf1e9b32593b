// Where a run took place, and with which versions of what.

import { existsSync, readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { ask, root } from "../scripts/lib.mjs";

const BYTES_PER_GIB = 2 ** 30;
/** Packages whose version says what was measured, in the project or in bench/. */
const PACKAGES = ["workerd", "miniflare", "partyserver", "@tldraw/sync-core"];

export function machine() {
	const versions = PACKAGES.map((name) => [name, versionOf(name)]).filter(([, version]) => version !== undefined);
	return {
		cpu: cpus()[0]?.model ?? "unknown",
		cores: cpus().length,
		memoryGib: Math.round(totalmem() / BYTES_PER_GIB),
		kernel: release(),
		node: process.version,
		commit: commit(),
		versions: Object.fromEntries(versions),
	};
}

/** @param {string} name */
function versionOf(name) {
	const files = ["bench/node_modules", "node_modules"].map((folder) => join(root, folder, name, "package.json"));
	const file = files.find((file) => existsSync(file));
	return file && JSON.parse(readFileSync(file, "utf8")).version;
}

/** What was checked out, and whether something in it was changed. */
function commit() {
	const hash = ask("git", ["rev-parse", "--short", "HEAD"]);
	return hash && ask("git", ["status", "--porcelain", "--", ":!docs"]) ? `${hash} with changes` : hash;
}
