// `npm run deps`: whether every dependency has a licence that is allowed, comes from a registry and not from a repository,
// and has no known vulnerability. `npm run lint` checks all but the last, which changes without a commit.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ask, environment, fail, root, step } from "./lib.mjs";
import { ALLOWED, ALLOWED_TOOLS, meets } from "./licences.mjs";
import { packages, rust } from "./setup.mjs";

const MANIFESTS = ["Cargo.toml", "bench/Cargo.toml", "fuzz/Cargo.toml", "scripts/bindgen/Cargo.toml"];
const NPM_LOCKS = ["package-lock.json", "bench/package-lock.json"];
/** By name, with why. */
const EXCEPTIONS = new Map([
	[
		"@tldraw/sync-core",
		"a contender of the benchmark, never passed on: its own licence allows to run it for development",
	],
]);

/** Licences and sources, from the lock files and from what cargo has downloaded. */
export async function dependencies() {
	await packages();
	await rust();
	const done = step("licences and sources of dependencies");
	const found = [...MANIFESTS.flatMap(crates), ...NPM_LOCKS.flatMap(npmPackages), ...bindgenVersions()];
	if (found.length > 0) fail(found.join("\n"));
	done();
}

function crates(manifest) {
	const host = ask("rustc", ["-vV"])?.match(/^host: (.+)$/m)?.[1];
	const platforms = [host, "wasm32-unknown-unknown"].flatMap((name) => ["--filter-platform", name]);
	const args = ["metadata", "--locked", "--format-version=1", "--manifest-path", manifest, ...platforms];
	const metadata = JSON.parse(ask("cargo", args) ?? fail(`cargo cannot read ${manifest} with its lock file.`));
	const others = metadata.packages.filter(({ source }) => source !== null);
	const unlicensed = others.filter(({ license }) => !meets(license ?? "", ALLOWED));
	// All of the lock file, whatever platform it is for.
	const sources = [...text(manifest.replace("Cargo.toml", "Cargo.lock")).matchAll(/^source = "(.+)"$/gm)];
	const odd = [...new Set(sources.map((match) => match[1]).filter((source) => !source.startsWith("registry+")))];
	return [
		...unlicensed.map(({ name, license }) => `${manifest}: ${name} has the licence ${license ?? "nobody knows"}`),
		...odd.map((source) => `${manifest}: a crate comes from ${source}`),
	];
}

function npmPackages(lock) {
	const installed = Object.entries(JSON.parse(text(lock)).packages).filter(([path]) => path.includes("node_modules/"));
	return installed.flatMap(([path, { license, dev, link, resolved, version }]) => {
		if (link) return [];
		const name = path.replace(/^.*node_modules\//, "");
		const isAllowed = EXCEPTIONS.has(name) || meets(license ?? "", dev ? ALLOWED_TOOLS : ALLOWED);
		return [
			...(isAllowed ? [] : [`${lock}: ${name} has the licence ${license ?? "nobody knows"}`]),
			...(resolved ? [`${lock}: ${name} names the address ${resolved}; .npmrc leaves addresses out`] : []),
			...(version?.includes(":") ? [`${lock}: ${name} comes from ${version}`] : []),
		];
	});
}

/** Glue of one version for a crate of another does not fit. */
function bindgenVersions() {
	const [crate, library] = [
		["Cargo.lock", "wasm-bindgen"],
		["scripts/bindgen/Cargo.lock", "wasm-bindgen-cli-support"],
	].map(([lock, name]) => text(lock).match(new RegExp(`name = "${name}"\nversion = "([^"]+)"`))?.[1]);
	if (crate === library) return [];
	return [`scripts/bindgen has wasm-bindgen ${library} and Cargo.lock ${crate}: they must be the same`];
}

function text(path) {
	return readFileSync(join(root, path), "utf8");
}

/** Known vulnerabilities, as far as those who list them can be asked. Says what could not be asked. */
function advisories() {
	const manifests = ask("cargo", ["deny", "--version"]) === undefined ? [] : MANIFESTS;
	if (manifests.length === 0) {
		console.log("\nCrates were not checked against advisories: that needs cargo-deny (`cargo install cargo-deny`).");
	}
	return [...manifests.map(crateAdvisories), ...NPM_LOCKS.map(npmAdvisories)].every((isFine) => isFine);
}

function crateAdvisories(manifest) {
	const { status, stderr } = call("cargo", ["deny", "--manifest-path", manifest, "check", "advisories"]);
	if (/failed to (fetch|open|load)/.test(stderr)) {
		console.log(`\nThe crates of ${manifest} were not checked against advisories: the list could not be fetched.`);
		return true;
	}
	if (status !== 0) console.error(stderr);
	return status === 0;
}

function npmAdvisories(lock) {
	const { stdout } = call("npm", ["audit", "--json", "--package-lock-only", "--prefix", dirname(lock)]);
	const counts = parsed(stdout)?.metadata?.vulnerabilities;
	if (counts === undefined) {
		console.log(`\nThe packages of ${lock} were not checked against advisories: the registry did not respond.`);
		return true;
	}
	const isFine = counts.high + counts.critical === 0;
	if (!isFine) console.error(`\n${lock}: ${JSON.stringify(counts)}. \`npm audit\` says which.`);
	return isFine;
}

function call(command, args) {
	return spawnSync(command, args, { cwd: root, env: environment(), encoding: "utf8" });
}

function parsed(json) {
	try {
		return JSON.parse(json);
	} catch {
		return undefined;
	}
}

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith("scripts/deps.mjs")) {
	await dependencies();
	if (!advisories()) process.exit(1);
}
