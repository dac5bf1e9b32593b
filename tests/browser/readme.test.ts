// The README's page is run as it stands there: bundled, opened twice, reloaded.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { chromium, type Page } from "playwright-core";
import { serve } from "../worker/harness.ts";

const root = join(import.meta.dirname, "../..");

test("the page of the README shares a field and has it again after a reload", async () => {
	const executablePath = process.env.CHROMIUM_PATH;
	assert.ok(executablePath, "CHROMIUM_PATH names the browser; `npm test browser` sets it.");
	const code = readFileSync(join(root, "README.md"), "utf8").match(/```js\n([\s\S]*?)```/)?.[1] ?? "";
	assert.ok(code.includes("127.0.0.1:8787"), "the README has a page, for the address that npm start serves");
	const rooms = await serve();
	const script = await bundled(code.replace("127.0.0.1:8787", rooms.host));
	const pages = createServer((_request, response) => {
		response.setHeader("content-type", "text/html");
		response.end(`<!doctype html><title>Page</title><body><script>${script}</script>`);
	}).listen(0, "127.0.0.1");
	const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];
	const browser = await chromium.launch({ executablePath, args });
	try {
		const url = `http://127.0.0.1:${(pages.address() as AddressInfo).port}/`;
		const [one, two] = [await browser.newPage(), await browser.newPage()];
		await Promise.all([one.goto(url), two.goto(url)]);
		await settled(rooms, 2);
		await one.getByPlaceholder("Price").fill("45000");
		await one.getByPlaceholder("Price").blur();
		await shows(two, "45000");
		await two.reload();
		await shows(two, "45000");
	} finally {
		await browser.close();
		pages.close();
		await rooms.close();
	}
});

async function bundled(contents: string): Promise<string> {
	const result = await build({ stdin: { contents, resolveDir: root }, bundle: true, write: false, minify: true });
	const script = result.outputFiles[0]?.text;
	assert.ok(script);
	return script;
}

async function settled(rooms: { state(room: string): Promise<{ participants: unknown[] }> }, people: number) {
	const deadline = Date.now() + 10_000;
	while ((await rooms.state("my-first-room")).participants.length < people) assert.ok(Date.now() < deadline);
}

async function shows(page: Page, value: string): Promise<void> {
	await page.waitForFunction((value) => document.querySelector("input")?.value === value, value, { timeout: 10_000 });
}
