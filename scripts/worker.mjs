// Builds the room: Rust to WebAssembly, glue to JavaScript, and both made small.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fingerprint, once, root, run, step } from "./lib.mjs";
import { BINDGEN_SOURCES, bindgen, packages, rust } from "./setup.mjs";

/** What the build is made of, for fingerprints. */
export const SOURCES = [
	...["Cargo.toml", "Cargo.lock", ".cargo", "src", "scripts/worker.mjs", ...BINDGEN_SOURCES],
	// The validator, which pages use too.
	...["packages/sdk/src/rooms", "packages/sdk/src/schema", "packages/sdk/src/schema.ts"],
];

// What rustc and wasm-bindgen use. Naming them keeps newer encodings out, which workerd may not know yet.
const FEATURES = [
	"mutable-globals",
	"sign-ext",
	"nontrapping-float-to-int",
	"bulk-memory",
	"multivalue",
	"reference-types",
	"exception-handling",
].map((name) => `--enable-${name}`);
const TARGET = "wasm32-unknown-unknown";

/** Leaves `index.js` and `index_bg.wasm` in build/worker, or in build/faults with faults to be tested. */
export async function worker({ faults = false } = {}) {
	const name = faults ? "faults" : "worker";
	const folder = `build/${name}`;
	await once(name, `${folder}/index_bg.wasm`, fingerprint(SOURCES, name), async () => {
		await rust();
		// None of them needs another. The first time, each takes longer than all that comes after them.
		const [compiled, bind] = await Promise.all([compile(faults), bindgen(), packages()]);
		const done = step(`${faults ? "binding" : "binding and optimising"} the WebAssembly`);
		const made = `${folder}/glue`;
		rmSync(join(root, folder), { recursive: true, force: true });
		mkdirSync(join(root, made), { recursive: true });
		await run(bind.command, bind.args(compiled, made));
		await Promise.all([optimise(`${made}/index_bg.wasm`, `${folder}/index_bg.wasm`), glue(made, `${folder}/index.js`)]);
		rmSync(join(root, made), { recursive: true });
		const size = gzipSync(readFileSync(join(root, folder, "index_bg.wasm"))).length;
		console.log(`  WebAssembly: ${(size / 1024).toFixed(1)} KiB gzipped`);
		done();
	});
}

/** Rust to WebAssembly. Gives the path of what cargo made. */
async function compile(faults) {
	const done = step(`compiling the room${faults ? " with faults to be tested" : ""}`);
	// Cargo gives both builds the same name, and would take the one that lies there for the one that is asked for.
	rmSync(join(root, "target", TARGET, "release/deps/roomkeep.wasm"), { force: true });
	const features = faults ? ["--features", "faults"] : [];
	await run("cargo", ["build", "--quiet", "--lib", "--release", "--locked", "--target", TARGET, ...features]);
	done();
	return `target/${TARGET}/release/roomkeep.wasm`;
}

/** The names of functions are a tenth of the size, but wasm-bindgen reads them, so that Cargo cannot strip them before. */
async function optimise(from, to) {
	await run("wasm-opt", [from, "-o", to, "--strip-debug", "--strip-producers", "-Os", ...FEATURES]);
}

/** One module of the glue, of what the crates bring along and of `src/instance.mjs`, which stands around them. */
async function glue(folder, to) {
	const path = join(root, folder, "index.js");
	// A proposal that esbuild does not read. Wrangler hands out modules of WebAssembly for plain imports.
	writeFileSync(path, readFileSync(path, "utf8").replace("import source ", "import "));
	const bundling = ["--bundle", "--minify", "--format=esm", "--external:*.wasm", "--external:cloudflare:*"];
	await run("esbuild", [
		"src/instance.mjs",
		...bundling,
		`--alias:roomkeep-glue=./${folder}/index.js`,
		// The kinds of rooms change without this; wrangler finds them.
		"--external:roomkeep-rooms",
		"--alias:roomkeep-validators=./packages/sdk/src/rooms/validators.ts",
		`--outfile=${to}`,
		"--log-level=warning",
	]);
}
