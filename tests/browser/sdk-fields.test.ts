// Fields in a real browser: the component of the package's README as it stands there, and one on `useSelection` alone, with
// somebody else who changes the field meanwhile.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import type { RoomClient } from "../../packages/sdk/src/index.ts";
import { applied, closeAll, enter, eventually, values } from "../sdk/worker-client.ts";
import { newRoom, type Served, serve, sleep } from "../worker/harness.ts";

const root = join(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "packages/sdk/README.md"), "utf8").match(/```tsx\n([\s\S]*?)```/)?.[1] ?? "";

/** A field as pages have it that do without `useField`. */
const BARE = `
	import { RoomProvider, useConflicts, useSelection } from "roomkeep/react";

	function Price() {
		const [price = "", setPrice, { conflict }] = useSelection<string>("price");
		const [, resolve] = useConflicts();
		return (
			<p>
				<input value={price} onChange={(event) => setPrice(event.target.value, { debounceMs: 300 })} />
				{conflict && <button onClick={() => resolve("price", "mine")}>Keep {String(conflict.mine.value)}</button>}
				{conflict && <button onClick={() => resolve("price", "theirs")}>Take theirs</button>}
			</p>
		);
	}`;

let rooms: Served;
let browser: Browser;
let pages: Server;
before(async () => {
	const executablePath = process.env.CHROMIUM_PATH;
	assert.ok(executablePath, "CHROMIUM_PATH names the browser; `npm test browser` sets it.");
	assert.ok(readme.includes("useField"), "the README has a component with a field");
	rooms = await serve();
	const scripts = { "/readme": await bundled(readme), "/bare": await bundled(BARE) };
	pages = createServer(({ url }, response) => {
		const { pathname } = new URL(url ?? "/", "http://page");
		response.setHeader("content-type", "text/html");
		const script = scripts[pathname as keyof typeof scripts] ?? "";
		response.end(
			`<!doctype html><meta charset="utf-8"><title>Page</title><body><main></main><script>${script}</script>`,
		);
	}).listen(0, "127.0.0.1");
	const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];
	browser = await chromium.launch({ executablePath, args });
});
after(async () => {
	closeAll();
	await browser.close();
	pages.close();
	await rooms.close();
});

/** The page of a component `Price`, in the room that its address names. */
async function bundled(component: string): Promise<string> {
	const contents = `
		import { createRoot } from "react-dom/client";
		${component}
		const room = decodeURIComponent(location.search.slice(1));
		const user = { id: "alice", name: "Alice" };
		createRoot(document.querySelector("main")!).render(
			<RoomProvider host="${rooms.host}" room={room} user={user} storage="memory"><Price /></RoomProvider>
		);`;
	const { outputFiles } = await build({
		stdin: { contents, resolveDir: root, loader: "tsx" },
		alias: { "roomkeep/react": join(root, "packages/sdk/src/react.ts") },
		define: { "process.env.NODE_ENV": '"production"' },
		...({ bundle: true, write: false, format: "iife", target: "es2022", jsx: "automatic", minify: true } as const),
	});
	const script = outputFiles[0]?.text;
	assert.ok(script);
	return script.replaceAll("</script", "<\\/script");
}

/** Alice's page, and Bob, who is in the room without one. */
async function open(
	kind: "readme" | "bare",
): Promise<{ page: Page; bob: RoomClient; input: ReturnType<Page["locator"]> }> {
	const room = newRoom();
	const bob = await enter(rooms, room, "bob");
	const page = await browser.newPage();
	await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/${kind}?${encodeURIComponent(room)}`);
	await eventually(() => bob.getSnapshot().participants.some(({ id }) => id === "alice"), "Alice to be there");
	const input = page.locator("input");
	await input.click();
	return { page, bob, input };
}

const priceOf = (client: RoomClient) => values(client).price;

/** All that the page shows, in inputs too. */
const shown = (page: Page) =>
	page.evaluate(
		() =>
			`${document.querySelector("main")?.textContent} ${[...document.querySelectorAll("input")].map(({ value }) => value)}`,
	);

for (const kind of ["readme", "bare"] as const) {
	test(`S4 typing through a conflict destroys nothing (${kind})`, async () => {
		const { page, bob } = await open(kind);
		// Nothing of Bob's is heard in time.
		await page.evaluate(() => {
			const { send } = WebSocket.prototype;
			WebSocket.prototype.send = function (text) {
				setTimeout(() => send.call(this, text), 300);
			};
		});
		await page.keyboard.type("first half", { delay: 20 });
		applied(await bob.select("price", "Bob's"));
		await sleep(700);
		await page.keyboard.type(" and more", { delay: 20 });
		await sleep(1_500);
		const text = await shown(page);
		assert.match(text, /first half/, "what Alice typed is still there");
		assert.match(text, /Bob's|theirs/, "and so is what Bob set");
		if (kind === "bare") return;
		assert.equal(priceOf(bob), "Bob's", "nobody has decided");
		await page.getByText("Keep first half and more").click();
		await eventually(() => priceOf(bob) === "first half and more", "Alice's decision");
		await page.close();
	});
}

test("an input method composes undisturbed, and is heard when it has ended", async () => {
	const { page, bob, input } = await open("readme");
	const heard: unknown[] = [];
	bob.subscribeField("price", ({ selection }) => heard.push(selection?.value));
	const devtools = await page.context().newCDPSession(page);
	for (const text of ["k", "か", "かn"]) {
		await devtools.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
		await sleep(400);
	}
	assert.deepEqual(heard, [], "nobody has heard of half a word");
	applied(await bob.select("price", "Bob's"));
	await page.getByText("Take Bob's").waitFor();
	assert.equal(await input.inputValue(), "かn", "and nothing was put into it");
	await devtools.send("Input.insertText", { text: "漢" });
	assert.equal(await input.inputValue(), "漢");
	await page.getByText("Keep 漢").click();
	await eventually(() => priceOf(bob) === "漢", "the word that was composed");
	await page.close();
});

test("the caret stays where it was when somebody else changes the field", async () => {
	const { page, bob, input } = await open("readme");
	applied(await bob.select("price", "one two"));
	await page.waitForFunction(() => document.querySelector("input")?.value === "one two");
	await page.keyboard.press("Home");
	for (let i = 0; i < 4; i += 1) await page.keyboard.press("ArrowRight");
	applied(await bob.select("price", "zero one two"));
	await page.waitForFunction(() => document.querySelector("input")?.value === "zero one two");
	await page.keyboard.type("x");
	assert.equal(await input.inputValue(), "zero one xtwo");
	await page.close();
});

for (const how of ["goes elsewhere", "is closed"] as const) {
	test(`E1 what was typed last is sent when the page ${how}`, async () => {
		const { page, bob } = await open("readme");
		await page.keyboard.type("last words");
		if (how === "is closed") await page.close({ runBeforeUnload: true });
		else await page.goto("about:blank");
		await eventually(() => priceOf(bob) === "last words", "the last words");
	});
}
