// What a page has to load stays small.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { root } from "./packed.ts";

const LIMIT = 12 * 1024;

test("the client has at most 12 KiB gzipped, with all that it depends on", async (t) => {
	const client = await size("roomkeep");
	t.diagnostic(`roomkeep: ${client} bytes of ${LIMIT}`);
	t.diagnostic(`roomkeep/react, with the client and without React: ${await size("roomkeep/react")} bytes`);
	assert.ok(client <= LIMIT, `${client} bytes`);
});

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
