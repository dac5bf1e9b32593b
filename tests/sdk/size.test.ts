// What a page has to load stays small.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "./packed.ts";

/** The most bytes of each entry, gzipped, with all that it depends on but React. */
const LIMITS = {
	roomkeep: 16 * 1024,
	// These come with the client, or the types of it alone.
	"roomkeep/field": 3 * 1024,
	"roomkeep/react": 20 * 1024,
	// With the validator. A page has it only if it asks for it.
	"roomkeep/kinds": 5 * 1024,
	// With the check of definitions, which a page that shares one does not load.
	"roomkeep/rooms": 10 * 1024,
};

for (const [entry, limit] of Object.entries(LIMITS)) {
	test(`${entry} has at most ${limit / 1024} KiB gzipped, with all that it depends on`, async (t) => {
		const bytes = await size(entry);
		t.diagnostic(`${entry}: ${bytes} bytes of ${limit}`);
		assert.ok(bytes <= limit, `${bytes} bytes`);
	});
}

/** How many bytes a page loads for an entry of the package. React is the page's own. */
async function size(entry: string): Promise<number> {
	const { outputFiles } = await build({
		stdin: { contents: `export * from "${entry}";`, resolveDir: root },
		bundle: true,
		format: "esm",
		platform: "browser",
		target: "es2022",
		minify: true,
		external: ["react"],
		write: false,
	});
	const script = outputFiles[0]?.contents;
	assert.ok(script);
	return gzipSync(script).length;
}
