// Builds the demo, with the SDK that it uses, and the Worker's WebAssembly. Does nothing that is done already.
//   --faults    the build with which the tests break rooms, in build/faults
//   --dry-run   what `npm run build` does: what a deploy would upload, in dist/
//   --rooms FILE    the module that declares the kinds of rooms

import { copyFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fingerprint, once, root, run, step } from "./lib.mjs";
import { choice, chosen, rooms } from "./rooms.mjs";
import { sdk } from "./sdk.mjs";
import { SOURCES, worker } from "./worker.mjs";

const DEMO_SOURCES = ["examples/demo/src", "rooms", "packages/sdk/src", "package-lock.json"];

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

/**
 * What a deploy would upload, from one of the builds of the room, with the kinds of rooms that a module declares. Left out,
 * `out` is `dist`, or `build/dist-faults` with faults to be tested.
 */
export async function bundle({
	faults = false,
	file = choice([]).file,
	out = faults ? "build/dist-faults" : "dist",
} = {}) {
	const kinds = await rooms({ file });
	await Promise.all([demo(), worker({ faults })]);
	const { args, env } = chosen(file);
	const wasm = faults ? ["--alias", "roomkeep-wasm:./build/faults/index.js"] : [];
	const print = fingerprint([...SOURCES, ...DEMO_SOURCES, kinds, "wrangler.toml"], out);
	await once(basename(out), `${out}/entry.js`, print, async () => {
		const done = step(`bundling into ${out}`);
		rmSync(join(root, out), { recursive: true, force: true });
		await run("wrangler", ["deploy", "--dry-run", "--outdir", out, ...args, ...wasm], { quiet: true, env });
		done();
	});
}

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith("scripts/build.mjs")) {
	const { file, given } = choice(process.argv.slice(2));
	if (given.includes("--dry-run")) {
		await bundle({ file });
		console.log("dist/ holds what a deploy would upload.");
	} else {
		await rooms({ file });
		await Promise.all([demo(), worker({ faults: given.includes("--faults") })]);
	}
}
