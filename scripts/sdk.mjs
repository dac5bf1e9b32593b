// Builds the npm package `roomkeep` into packages/sdk/dist. Does nothing that is done already. `npm pack -w roomkeep` and
// `npm publish -w roomkeep` run it first.

import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fingerprint, once, root, run, step } from "./lib.mjs";
import { packages } from "./setup.mjs";

/** The package as it is published: a module for each source, with its types. */
export async function sdk() {
	await packages();
	const sources = [
		"packages/sdk/src",
		"packages/sdk/tsconfig.json",
		"tsconfig.json",
		"scripts/sdk.mjs",
		"LICENSE",
		"package-lock.json",
	];
	await once("sdk", "packages/sdk/dist/index.js", fingerprint(sources), async () => {
		const done = step("building the SDK");
		// Elsewhere first, so that an error in a source leaves the last build where it is in use.
		const made = join(root, "build/sdk");
		rmSync(made, { recursive: true, force: true });
		await run("tsc", ["--project", "packages/sdk", "--outDir", made]);
		for (const name of readdirSync(made, { recursive: true })) {
			if (name.endsWith(".d.ts")) importJavaScript(join(made, name));
		}
		await commonJs(made);
		rmSync(join(root, "packages/sdk/dist"), { recursive: true, force: true });
		renameSync(made, join(root, "packages/sdk/dist"));
		copyFileSync(join(root, "LICENSE"), join(root, "packages/sdk/LICENSE"));
		done();
	});
}

/** The same modules once more for `require`, which older versions of Node and of test runners cannot give a module. */
async function commonJs(made) {
	const names = readdirSync(made, { recursive: true });
	const folder = join(made, "cjs");
	const { build } = await import("esbuild");
	await build({
		entryPoints: names.filter((name) => name.endsWith(".js")).map((name) => join(made, name)),
		outdir: folder,
		outbase: made,
		format: "cjs",
		platform: "neutral",
		target: "es2022",
	});
	for (const name of names) if (name.endsWith(".d.ts")) copyFileSync(join(made, name), join(folder, name));
	writeFileSync(join(folder, "package.json"), '{ "type": "commonjs" }\n');
}

/** The compiler has modules import `.js` where the sources import `.ts`, but leaves declarations as they are. */
function importJavaScript(path) {
	const declarations = readFileSync(path, "utf8");
	writeFileSync(path, declarations.replace(/(\b(?:from|import) ?\(?")(\.{1,2}\/[^"]+)\.tsx?"/g, '$1$2.js"'));
}

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith("scripts/sdk.mjs")) {
	await sdk();
}
