// Brings a fresh machine with rustup, Node 20 and npm to where the project can be built. What is there is left alone.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ask, environment, fail, fingerprint, root, run, shared, step } from "./lib.mjs";

const TARGET = "wasm32-unknown-unknown";
/** The tool that stands in for wasm-bindgen's where that cannot be downloaded. */
export const BINDGEN_SOURCES = ["Cargo.toml", "Cargo.lock", "src"].map((name) => `scripts/bindgen/${name}`);
const LOCK_STAMP = "node_modules/.roomkeep-lock";

/** Where tools that had to be built are kept, for this clone and the next. */
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "roomkeep");

/** Packages of npm, as package-lock.json has them. */
export const packages = shared(async () => {
	const print = fingerprint([
		"package.json",
		"package-lock.json",
		"packages/sdk/package.json",
		"examples/order-form/package.json",
		"examples/user-state/package.json",
	]);
	if (existsSync(join(root, LOCK_STAMP)) && readFileSync(join(root, LOCK_STAMP), "utf8") === print) return;
	const done = step("installing the npm packages");
	// Should `npm pack --dry-run` have asked for them, they are needed all the same.
	await run("npm", ["ci", "--loglevel=error", "--dry-run=false"]);
	writeFileSync(join(root, LOCK_STAMP), print);
	done();
});

/** Rust's compiler in the version of rust-toolchain.toml, and the WebAssembly target. */
export const rust = shared(async () => {
	const version = readFileSync(join(root, "rust-toolchain.toml"), "utf8").match(/^channel = "(.+)"$/m)?.[1];
	const isThere = () => ask("rustc", ["--version"])?.startsWith(`rustc ${version} `);
	if (!isThere()) {
		if (ask("rustup", ["--version"]) === undefined) {
			fail(`Rust ${version} is missing. Install rustup (https://rustup.rs), then run this again.`);
		}
		// Under another name, as a machine has it that was set up with `stable` of that day.
		const names = ask("rustup", ["toolchain", "list", "--quiet"])?.split("\n") ?? [];
		const same = names.find((name) =>
			ask("rustup", ["run", name, "rustc", "--version"])?.startsWith(`rustc ${version} `),
		);
		if (same) {
			process.env.RUSTUP_TOOLCHAIN = same;
		} else {
			const done = step(`installing Rust ${version}`);
			const components = ["--component", "rustfmt", "--component", "clippy", "--target", TARGET];
			await run("rustup", ["toolchain", "install", version, "--profile", "minimal", ...components]);
			done();
		}
		if (!isThere()) fail(`\`rustc --version\` should say ${version}, as rust-toolchain.toml does.`);
	}
	const library = ask("rustc", ["--print", "target-libdir", "--target", TARGET]);
	if (library === undefined || !existsSync(library)) {
		const done = step(`adding the target ${TARGET}`);
		await run("rustup", ["target", "add", TARGET]);
		done();
	}
});

/** rustfmt and clippy. */
export async function linters() {
	for (const [command, component] of [
		["cargo-fmt", "rustfmt"],
		["cargo-clippy", "clippy"],
	]) {
		if (ask(command, ["--version"]) === undefined) await run("rustup", ["component", "add", component]);
	}
}

/** wasm-bindgen in the version that Cargo.lock has of its crate: how to have it make glue for a file, in a folder. */
export const bindgen = shared(async () => {
	const version = lockedVersion("wasm-bindgen");
	const ready = await readyMadeBindgen(version);
	if (ready) return { command: ready, args: (input, folder) => [input, "--out-dir", folder, ...BINDGEN_FLAGS] };
	return { command: await builtBindgen(version), args: (input, folder) => [input, folder] };
});

/** What scripts/bindgen asks of the library. */
const BINDGEN_FLAGS = [
	"--out-name=index",
	"--target=module",
	"--no-typescript",
	"--experimental-reset-state-function",
	"--force-enable-abort-handler",
];

/** The version of a crate in Cargo.lock. */
function lockedVersion(crate) {
	const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
	const found = lock.match(new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`));
	return found?.[1] ?? fail(`Cargo.lock has no ${crate}.`);
}

/** wasm-bindgen as its makers built it, where it can be downloaded. */
async function readyMadeBindgen(version) {
	const platforms = {
		"linux x64": "x86_64-unknown-linux-musl",
		"linux arm64": "aarch64-unknown-linux-musl",
		"darwin x64": "x86_64-apple-darwin",
		"darwin arm64": "aarch64-apple-darwin",
	};
	const platform = platforms[`${process.platform} ${process.arch}`];
	if (platform === undefined || existsSync(bindgenFolder(version))) return undefined;
	const folder = join(cache, `wasm-bindgen-cli-${version}`);
	const name = `wasm-bindgen-${version}-${platform}`;
	const tool = join(folder, name, "wasm-bindgen");
	if (existsSync(tool)) return tool;
	const url = `https://github.com/wasm-bindgen/wasm-bindgen/releases/download/${version}/${name}.tar.gz`;
	try {
		// Longer than that, and it is built sooner.
		const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
		if (!response.ok) return undefined;
		mkdirSync(folder, { recursive: true });
		const archive = join(folder, "download.tar.gz");
		writeFileSync(archive, Buffer.from(await response.arrayBuffer()));
		await run("tar", ["-xzf", archive, "-C", folder]);
		return existsSync(tool) ? tool : undefined;
	} catch {
		return undefined;
	}
}

/** The same from source, where it cannot be downloaded. */
async function builtBindgen(version) {
	const folder = bindgenFolder(version);
	const tool = join(folder, "roomkeep-bindgen");
	if (existsSync(tool)) return tool;
	const done = step(`building wasm-bindgen ${version}, once on this machine`);
	// Elsewhere first: another clone may do the same at this moment.
	const target = `${folder}-${process.pid}`;
	const args = ["build", "--quiet", "--locked", "--manifest-path", "scripts/bindgen/Cargo.toml"];
	await run("cargo", [...args, "--target-dir", target]);
	mkdirSync(folder, { recursive: true });
	renameSync(join(target, "debug/roomkeep-bindgen"), tool);
	rmSync(target, { recursive: true });
	done();
	return tool;
}

function bindgenFolder(version) {
	return join(cache, `bindgen-${version}-${fingerprint(BINDGEN_SOURCES).slice(0, 8)}`);
}

/** A Chromium for the browser tests: one that is there, else Playwright's, else Debian's. */
export async function chromium() {
	const there = () =>
		[process.env.CHROMIUM_PATH, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
			.filter(Boolean)
			.map((name) => ask("which", [name]))
			.find(Boolean);
	const { chromium: playwright } = await import("playwright-core");
	const found = () => there() ?? (existsSync(playwright.executablePath()) ? playwright.executablePath() : undefined);
	if (found()) return found();
	const done = step("installing a Chromium for the browser tests");
	const attempts = [() => run("playwright-core", ["install", "chromium-headless-shell", "chromium"], { quiet: true })];
	if (process.getuid?.() === 0 && ask("which", ["apt-get"])) {
		attempts.push(async () => {
			const env = { DEBIAN_FRONTEND: "noninteractive" };
			await run("apt-get", ["update", "-qq"], { env, quiet: true });
			await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "chromium"], { env, quiet: true });
		});
	}
	for (const attempt of attempts) {
		try {
			await attempt();
		} catch (error) {
			console.log(`  ${error.message.split("\n")[0]}`);
		}
		if (found()) break;
	}
	done();
	return found();
}

export { environment };
