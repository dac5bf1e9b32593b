// What a deploy uploads stays small: it is loaded at every cold start.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const dist = join(import.meta.dirname, "../../dist");

test("the WebAssembly has at most 484 KiB gzipped, and the faults are not in it", () => {
	const name = readdirSync(dist).find((file) => file.endsWith(".wasm"));
	assert.ok(name, "npm run build leaves the WebAssembly in dist/");
	const wasm = readFileSync(join(dist, name));
	const size = gzipSync(wasm).length / 1024;
	assert.ok(size <= 484, `${size.toFixed(1)} KiB`);
	assert.ok(!wasm.includes("a test asked for it"));
});
