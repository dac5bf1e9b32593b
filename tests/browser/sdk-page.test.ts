// What real pages do to a client: they lose the network, are left and come back, and stand in a sandbox.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { newRoom } from "../worker/harness.ts";
import { eventually } from "./demo-kit.ts";
import { type Globals, hasPrice, isStatus, open, type Site, shows, site } from "./sdk-page.ts";

declare const window: Globals & { isKept?: boolean };

let all: Site;
before(async () => {
	// Playwright turns the back/forward cache off.
	all = await site({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
});
after(() => all.close());

const isApplied = (_: unknown, value: string) => window.outcomes[value] === "applied";

test("a page that is left is kept by the browser as it is, and connects again when its user goes back", async () => {
	const context = await all.browser.newContext();
	const room = newRoom();
	const page = await open(all, context, room);
	await shows(page, isStatus, "synced");
	await page.evaluate(() => {
		window.isKept = true;
		window.set("1");
	});
	await shows(page, isApplied, "1");
	await page.goto(`${all.url}/elsewhere`.replace("127.0.0.1", "localhost"));
	const other = await open(all, context, room);
	await shows(other, hasPrice, "1");
	await other.evaluate(() => window.set("2"));
	await shows(other, isApplied, "2");
	// It is not loaded, so there is no such event.
	await page.goBack({ waitUntil: "commit" });
	assert.equal(await page.evaluate(() => window.isKept), true, "it was loaded anew");
	await shows(page, isStatus, "synced");
	await shows(page, hasPrice, "2");
	await page.evaluate(() => window.set("3"));
	await shows(page, isApplied, "3");
	await context.close();
});

test("a page whose network is gone says so within seconds, and is back as soon as the network is", async () => {
	const context = await all.browser.newContext();
	const page = await open(all, context, newRoom());
	await shows(page, isStatus, "synced");
	await context.setOffline(true);
	await page.evaluate(() => window.set("1"));
	await shows(page, ({ getSnapshot }) => getSnapshot().status !== "synced", undefined, 6_000);
	await context.setOffline(false);
	await shows(page, isStatus, "synced", 5_000);
	await shows(page, isApplied, "1", 5_000);
	await context.close();
});

test("after a reload without a network the room is there as it was, with what is pending on top", async () => {
	const context = await all.browser.newContext();
	const room = newRoom();
	const page = await open(all, context, room, { replica: "indexeddb" });
	await shows(page, isStatus, "synced");
	await page.evaluate(() => window.set("1"));
	await shows(page, isApplied, "1");
	await eventually(async () => assert.match(JSON.stringify(await kept(page)), /\\"value\\":\\"1\\"/));
	let isCut = true;
	await context.routeWebSocket(/parties/, (socket) => (isCut ? socket.close() : void socket.connectToServer()));
	await context.route("**/parties/**", (route) => (isCut ? route.abort() : route.continue()));
	await page.reload();
	await shows(page, hasPrice, "1", 2_000);
	assert.equal(await page.evaluate(() => window.client.getSnapshot().version > 0), true);
	await page.evaluate(() => window.set("2"));
	await shows(page, ({ pending }) => pending().length === 1, undefined);
	await page.reload();
	await shows(page, hasPrice, "2", 2_000);
	isCut = false;
	await shows(page, isStatus, "synced");
	await shows(page, ({ getSnapshot }) => getSnapshot().pendingCount === 0, undefined);
	await page.evaluate(() => window.client.forget());
	const left = await kept(page);
	assert.deepEqual(left, { roomkeep: [], "roomkeep-replicas": [] });
	await context.close();
});

test("in a sandboxed frame, where nearly everything throws, it works in memory", async () => {
	const context = await all.browser.newContext();
	const page = await context.newPage();
	const errors: string[] = [];
	page.on("pageerror", (error) => errors.push(`${error}`));
	await page.goto(`${all.url}/frame`);
	const frame = page.frames().find((one) => one.url().endsWith("/in-frame"));
	assert.ok(frame);
	assert.equal(
		await frame.evaluate(() => {
			try {
				return typeof navigator.serviceWorker;
			} catch {
				return "throws";
			}
		}),
		"throws",
	);
	await frame.evaluate(() => window.set("1"));
	await shows(frame, isApplied, "1");
	assert.deepEqual(await frame.evaluate(() => window.client.getSnapshot().persistence), "memory");
	assert.deepEqual(errors, []);
	await context.close();
});

/** All that a page's site has in IndexedDB, by database. */
function kept(page: Page): Promise<Record<string, unknown[]>> {
	return page.evaluate(async () => {
		const all = (await indexedDB.databases()).map(async ({ name = "" }) => {
			const opening = indexedDB.open(name);
			await new Promise((resolve) => {
				opening.onsuccess = resolve;
			});
			const reading = opening.result.transaction("outboxes").objectStore("outboxes").getAll();
			await new Promise((resolve) => {
				reading.onsuccess = resolve;
			});
			opening.result.close();
			return [name, reading.result];
		});
		return Object.fromEntries(await Promise.all(all));
	});
}
