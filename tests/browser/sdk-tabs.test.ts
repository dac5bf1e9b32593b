// Tabs of one person in a real browser, of which one is stopped: the others go on, and each change is made once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { told, witness } from "../sdk/worker-client.ts";
import { newRoom, sleep } from "../worker/harness.ts";
import { type Globals, hasPrice, isStatus, open, type Site, shows, site } from "./sdk-page.ts";

declare const window: Globals;

let all: Site;
before(async () => {
	all = await site();
});
after(() => all.close());

const set = (page: Page, value: string) => page.evaluate((value) => window.set(value), value);
const isApplied = (_: unknown, value: string) => window.outcomes[value] === "applied";

/** Two tabs, of which the first leads. */
async function tabs(room: string) {
	const context = await all.browser.newContext();
	const first = await open(all, context, room);
	await shows(first, isStatus, "synced");
	const second = await open(all, context, room);
	const sent: string[] = [];
	second.on("websocket", (socket) => socket.on("framesent", ({ payload }) => sent.push(`${payload}`)));
	await shows(second, isStatus, "synced");
	await set(second, "0");
	for (const page of [first, second]) await shows(page, hasPrice, "0");
	await shows(second, isApplied, "0");
	assert.ok(!sent.some((frame) => frame.includes('"seq"')), "the first one leads");
	return { context, first, second, sent };
}

test("E1, E5: while the tab that leads shows an alert the other one sends, and afterwards both do", async () => {
	const room = newRoom();
	const log = await witness(all.rooms, room);
	const { context, first, second } = await tabs(room);
	const stopped = first.waitForEvent("dialog");
	await first.evaluate(() => {
		// It has something under way, and is stopped before it hears of it.
		window.set("first", "note");
		setTimeout(() => alert("Stop"));
	});
	const dialog = await stopped;
	await set(second, "second");
	await shows(second, isApplied, "second", 8_000);
	await set(second, "third");
	await shows(second, isApplied, "third", 2_000);
	await dialog.accept();
	await shows(first, isApplied, "first");
	await set(first, "fourth");
	for (const page of [first, second]) await shows(page, hasPrice, "fourth");
	await shows(first, isApplied, "fourth");
	await set(second, "fifth");
	await shows(second, isApplied, "fifth");
	assert.deepEqual(
		["0", "first", "second", "third", "fourth", "fifth"].map((value) => told(log, value)),
		[1, 1, 1, 1, 1, 1],
	);
	for (const page of [first, second])
		assert.equal(await page.evaluate(() => window.client.getSnapshot().status), "synced");
	log.leave();
	await context.close();
});

test("E1, E5: a tab whose process is stopped is taken over, and when it goes on it sends nothing twice", async () => {
	const room = newRoom();
	const log = await witness(all.rooms, room);
	const { context, first, second } = await tabs(room);
	const renderer = await rendererOf(first);
	process.kill(renderer, "SIGSTOP");
	try {
		await set(second, "second");
		await shows(second, isApplied, "second", 8_000);
	} finally {
		process.kill(renderer, "SIGCONT");
	}
	await shows(first, hasPrice, "second");
	await set(first, "third");
	await shows(first, isApplied, "third");
	await shows(second, hasPrice, "third");
	assert.deepEqual(
		["second", "third"].map((value) => told(log, value)),
		[1, 1],
	);
	log.leave();
	await context.close();
});

test("when the tab that leads is left, the next one leads at once, also with nothing to send", async () => {
	const room = newRoom();
	const { context, first, second, sent } = await tabs(room);
	const greetings = () => sent.filter((frame) => frame.includes('"hello"')).length;
	assert.equal(greetings(), 1);
	await first.goto("about:blank");
	const deadline = Date.now() + 10_000;
	while (greetings() < 2) {
		assert.ok(Date.now() < deadline, "it goes on under the outbox's name");
		await sleep(20);
	}
	await set(second, "1");
	await shows(second, isApplied, "1");
	await context.close();
});

/** The process that a page runs in: the one that works when the page does. */
async function rendererOf(page: Page): Promise<number> {
	const cdp = await all.browser.newBrowserCDPSession();
	const times = async () => {
		const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
		return new Map(processInfo.filter(({ type }) => type === "renderer").map(({ id, cpuTime }) => [id, cpuTime]));
	};
	const before = await times();
	await page.evaluate(() => {
		const end = performance.now() + 500;
		while (performance.now() < end);
	});
	const used = [...(await times())].map(([id, time]) => ({ id, time: time - (before.get(id) ?? 0) }));
	const [most] = used.sort((a, b) => b.time - a.time);
	assert.ok(most);
	return most.id;
}
