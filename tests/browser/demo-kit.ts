// What the tests of the demo share: people in a room, and how to find things on their pages.
//   ROOMKEEP_URL      the server to test; without it the tests start one
//   CHROMIUM_PATH     the browser; without it the `chromium` on the path
//   SCREENSHOT_DIR    where to leave pictures, if anywhere

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	type Browser,
	type BrowserContext,
	type BrowserContextOptions,
	chromium,
	type Locator,
	type Page,
	type WebSocketRoute,
} from "playwright-core";
import { findChromium, startServer } from "./demo-server.ts";

// A room over HTTP is asked every two seconds, and a connection that failed is tried again after some.
const PATIENCE = 10_000;

export const DESKTOP = { width: 1120, height: 820 };
export const PHONE = { width: 390, height: 844 };
export const NARROW = { width: 320, height: 640 };

export const labels = ["Product type", "Condition", "Price", "Quantity", "Meeting location"];

export let url: string;
let browser: Browser;
let stopServer = async () => {};
/** What went wrong in any page, to be shown at the end. */
export const complaints: string[] = [];

export async function start(): Promise<void> {
	const executablePath = findChromium();
	const given = process.env.ROOMKEEP_URL;
	if (given !== undefined) url = given.replace(/\/$/, "");
	else ({ url, stop: stopServer } = await startServer());
	const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
	const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", ...quiet];
	browser = await chromium.launch({ executablePath, args });
}

export async function stop(): Promise<void> {
	await browser?.close();
	await stopServer();
}

export function newRoom(): string {
	return `browser-${randomBytes(4).toString("hex")}`;
}

// People and their pages.

/** A new person in the room, who has it live before them. */
export async function enter(room: string, name: string, options: BrowserContextOptions = {}): Promise<Page> {
	const page = await open(`/?room=${room}&name=${name}`, options);
	await live(page);
	for (const label of labels) await sees(input(page, label));
	return page;
}

export async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
	const page = await (await context(options)).newPage();
	await page.goto(url + path);
	return page;
}

export async function context(options: BrowserContextOptions = {}): Promise<BrowserContext> {
	const made = await browser.newContext({ viewport: DESKTOP, colorScheme: "light", ...options });
	made.setDefaultTimeout(PATIENCE);
	made.on("console", (message) => {
		// A browser complains of each request that fails, and some tests cut the line. It also does of a connection that
		// is given up before it stands, as a tab does that turns out to be the first of its person.
		if (/net::ERR_FAILED|closed before the connection is established/.test(message.text())) return;
		if (["error", "warning"].includes(message.type())) complaints.push(message.text());
	});
	made.on("weberror", (error) => complaints.push(String(error.error())));
	return made;
}

/** The line between a page and the rooms. The page's own files come through in any case. */
export interface Line {
	/** Whether nothing comes through. */
	isCut: boolean;
	/** Whether what the room says is lost on its way. */
	isDeaf: boolean;
	/** Whether WebSockets do not come through. */
	isBlocked: boolean;
	/** Cuts the line, and the connection that is there. */
	cut(): Promise<void>;
}

/** A page, or what is opened in a browser later, on a line that can be cut. */
export async function cuttable(target: Page | BrowserContext): Promise<Line> {
	let socket: WebSocketRoute | undefined;
	const line: Line = {
		isCut: false,
		isDeaf: false,
		isBlocked: false,
		async cut() {
			line.isCut = true;
			await socket?.close({ code: 1012 });
		},
	};
	await target.routeWebSocket(/\/parties\//, (opened) => {
		if (line.isCut || line.isBlocked) return opened.close({ code: 1013 });
		socket = opened;
		const server = opened.connectToServer();
		opened.onMessage((message) => {
			if (!line.isCut) server.send(message);
		});
		server.onMessage((message) => {
			if (!line.isCut && !line.isDeaf) opened.send(message);
		});
	});
	await target.route("**/parties/**", (route) => (line.isCut ? route.abort("failed") : route.continue()));
	return line;
}

// What is on a page.

export function input(page: Page, label: string): Locator {
	return page.getByLabel(label, { exact: true });
}

export function field(page: Page, label: string): Locator {
	return page.locator(".field").filter({ has: page.getByText(label, { exact: true }) });
}

/** The dialog about two values of a field. */
export function conflict(page: Page, label: string): Locator {
	return page.getByRole("dialog", { name: `${label}: two values` });
}

export function button(page: Page | Locator, name: string): Locator {
	return page.getByRole("button", { name });
}

export function offline(page: Page): Locator {
	return page.getByRole("switch", { name: "Work offline" });
}

/** What waits to be sent, in its order. */
export function queue(page: Page): Locator {
	return page.getByRole("list", { name: "Waiting to be sent" }).getByRole("listitem");
}

export function here(page: Page, name: string): Locator {
	return page.getByRole("list", { name: "Here now" }).getByRole("listitem").filter({ hasText: name });
}

export function away(page: Page, name: string): Locator {
	return page.getByRole("list", { name: "Was here" }).getByRole("listitem").filter({ hasText: name });
}

/** The line that tells of what just happened. */
export function told(page: Page, text: string): Locator {
	return page.locator("#status").getByText(text);
}

/** An entry of the log. */
export function logged(page: Page, text: string): Locator {
	return page.getByRole("log", { name: "What happened" }).getByRole("listitem").filter({ hasText: text }).first();
}

// What is done and expected.

/** Fills a field in and leaves it. Whoever stays in it is still typing, and keeps what stands there. */
export async function fillIn(page: Page, label: string, value: string): Promise<void> {
	await input(page, label).fill(value);
	await input(page, label).press("Tab");
}

export async function live(page: Page): Promise<void> {
	await sees(page.locator("#link").getByText("Live", { exact: true }));
	await sees(page.locator("#fields:enabled"));
}

/** Waits until a page's changes are on disk, so that closing it leaves them there however slow the machine is. */
export async function stored(page: Page, changes: number): Promise<void> {
	await eventually(async () => assert.equal(await page.evaluate(mostStored), changes, "changes on disk"));
}

/** How many changes the fullest outbox of this browser holds. Runs in the page. */
async function mostStored(): Promise<number> {
	const done = <T>(request: IDBRequest<T>) =>
		new Promise<T>((resolve, reject) => {
			request.onsuccess = () => resolve(request.result);
			request.onerror = () => reject(request.error);
		});
	const db = await done(indexedDB.open("roomkeep"));
	const outboxes: { entries?: unknown[] }[] = await done(db.transaction("outboxes").objectStore("outboxes").getAll());
	db.close();
	return Math.max(0, ...outboxes.map(({ entries = [] }) => entries.length));
}

export async function sees(locator: Locator): Promise<void> {
	await locator.waitFor({ timeout: PATIENCE });
}

export async function counts(locator: Locator, count: number): Promise<void> {
	await eventually(async () => assert.equal(await locator.count(), count));
}

export async function holds(page: Page, values: Record<string, string>): Promise<void> {
	await eventually(async () => {
		for (const [label, value] of Object.entries(values)) {
			assert.equal(await input(page, label).inputValue(), value, label);
		}
	});
}

/** The same for the room itself, by the names that it has for the fields. */
export async function keeps(room: string, values: Record<string, unknown>): Promise<void> {
	await eventually(async () => {
		const { selections } = await stateOf(room);
		for (const [name, value] of Object.entries(values)) assert.equal(selections[name]?.value, value, name);
	});
}

export async function isFocused(locator: Locator): Promise<void> {
	await eventually(async () => {
		assert.ok(await locator.evaluate((element) => element === document.activeElement), "it has the focus");
	});
}

interface State {
	version: number;
	selections: Record<string, { value: unknown; version: number } | undefined>;
	participants: { name: string; isReady: boolean }[];
}

export async function stateOf(name: string): Promise<State> {
	const response = await fetch(`${url}/parties/trade/${name}/state`);
	assert.equal(response.status, 200);
	return (await response.json()) as State;
}

/** Tries until it goes well. The last failure counts. */
export async function eventually(check: () => Promise<void>, patience = PATIENCE): Promise<void> {
	const end = Date.now() + patience;
	for (;;) {
		try {
			return await check();
		} catch (error) {
			if (Date.now() > end) throw error;
			await sleep(50);
		}
	}
}

/** Whether the page fits the screen, in its width. */
export async function fits(page: Page): Promise<void> {
	const [width, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
	assert.ok(Number(width) <= Number(screen), `the page is ${width} wide on a screen of ${screen}`);
}

export async function pictures(page: Page, name: string): Promise<void> {
	await picture(page, `${name}-light`);
	await page.emulateMedia({ colorScheme: "dark" });
	await picture(page, `${name}-dark`);
	await page.emulateMedia({ colorScheme: "light" });
}

export async function picture(page: Page, name: string, fullPage = true): Promise<void> {
	const directory = process.env.SCREENSHOT_DIR;
	if (directory === undefined) return;
	mkdirSync(directory, { recursive: true });
	await page.screenshot({ path: join(directory, `${name}.png`), fullPage, animations: "disabled" });
}
