// Builds the demo, with the SDK that it uses, and the Worker's WebAssembly. Does nothing that is done already.
//   --faults    the build with which the tests break rooms, in build/faults
//   --dry-run   what `npm run build` does: what a deploy would upload, in dist/

import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fingerprint, once, root, run, step } from "./lib.mjs";
import { sdk } from "./sdk.mjs";
import { buildTools, packages, rust } from "./setup.mjs";

// What rustc and wasm-bindgen use. Naming them keeps newer encodings out, which workerd may not know yet.
const WASM_FEATURES = [
	"mutable-globals",
	"sign-ext",
	"nontrapping-float-to-int",
	"bulk-memory",
	"multivalue",
	"reference-types",
	"exception-handling",
];
const SOURCES = ["Cargo.toml", "Cargo.lock", ".cargo", "src"];
const DEMO_SOURCES = ["examples/demo/src", "packages/sdk/src", "package-lock.json"];

/** The page at `/`. */
export async function demo() {
	await sdk();
	await once("demo", "examples/demo/dist/index.html", fingerprint(DEMO_SOURCES), async () => {
		const done = step("building the demo");
		rmSync(join(root, "examples/demo/dist"), { recursive: true, force: true });
		const sources = ["main.tsx", "style.css", "index.html", "icon.svg"].map((name) => `examples/demo/src/${name}`);
		const output = ["--bundle", "--minify", "--sourcemap", "--target=es2022", "--format=esm"];
		// React asks which of its two builds is wanted.
		const react = ["--jsx=automatic", '--define:process.env.NODE_ENV="production"'];
		const copied = ["--loader:.html=copy", "--loader:.svg=copy", "--log-level=warning"];
		await run("esbuild", [...sources, ...output, "--outdir=examples/demo/dist", ...react, ...copied]);
		// With which headers the platform serves it.
		copyFileSync(join(root, "examples/demo/src/_headers"), join(root, "examples/demo/dist/_headers"));
		done();
	});
}

/** The room, optimised. */
export async function worker({ faults = false } = {}) {
	const name = faults ? "faults" : "worker";
	await once(name, `build/${name}/index_bg.wasm`, fingerprint(SOURCES, name), async () => {
		await rust();
		const { WORKER_BUILD, ...env } = await buildTools();
		const done = step(`building the room${faults ? " with faults to be tested" : ""}`);
		const features = faults ? ["--features", "faults"] : [];
		await run(WORKER_BUILD, ["--release", "--out-dir", `build/${name}`, ...features], { env });
		// The names of functions are a tenth of the size. Cargo's `strip` would take along what wasm-bindgen reads.
		const wasm = `build/${name}/index_bg.wasm`;
		await run("wasm-opt", [
			wasm,
			"-o",
			wasm,
			"-Os",
			"--strip-debug",
			...WASM_FEATURES.map((name) => `--enable-${name}`),
		]);
		const size = gzipSync(readFileSync(join(root, wasm))).length;
		console.log(`  WebAssembly: ${(size / 1024).toFixed(1)} KiB gzipped`);
		done();
	});
}

/** What a deploy would upload, from one of the builds of the room. */
export async function bundle({ faults = false } = {}) {
	await demo();
	await worker({ faults });
	const [out, alias] = faults
		? ["build/dist-faults", ["--alias", "roomkeep-wasm:./build/faults/index.js"]]
		: ["dist", []];
	const print = fingerprint([...SOURCES, ...DEMO_SOURCES, "wrangler.toml"], out);
	await once(faults ? "dist-faults" : "dist", `${out}/entry.js`, print, async () => {
		const done = step(`bundling into ${out}`);
		rmSync(join(root, out), { recursive: true, force: true });
		await run("wrangler", ["deploy", "--dry-run", "--outdir", out, ...alias], { quiet: true });
		done();
	});
}

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith("scripts/build.mjs")) {
	await packages();
	if (process.argv.includes("--dry-run")) {
		await bundle();
		console.log("dist/ holds what a deploy would upload.");
	} else {
		await demo();
		await worker({ faults: process.argv.includes("--faults") });
	}
}
