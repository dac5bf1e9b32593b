// Pages in a real browser that have nothing but the client, and what a test does with them from outside.

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import {
	type Browser,
	type BrowserContext,
	chromium,
	type Frame,
	type LaunchOptions,
	type Page,
} from "playwright-core";
import type { RoomClient } from "../../packages/sdk/src/index.ts";
import { type Served, serve } from "../worker/harness.ts";

const root = join(import.meta.dirname, "../..");

/** What a page has as globals. */
export interface Globals {
	client: RoomClient;
	RoomClient: typeof RoomClient;
	/** What came of each change, by its value. */
	outcomes: Record<string, string>;
	/** Sets a field, and notes what comes of it. */
	set(value: string, field?: string): void;
}

export interface Site {
	rooms: Served;
	browser: Browser;
	/** Where its pages are: any path is the same page, and `/frame` one that has it in a sandbox. */
	url: string;
	close(): Promise<void>;
}

/** Starts a room server, a site and a browser. */
export async function site(options: LaunchOptions = {}): Promise<Site> {
	const executablePath = process.env.CHROMIUM_PATH;
	assert.ok(executablePath, "CHROMIUM_PATH names the browser; `npm test browser` sets it.");
	const rooms = await serve();
	const script = await bundled(rooms.host);
	const pages: Server = createServer(({ url }, response) => {
		response.setHeader("content-type", "text/html");
		const isFrame = url?.startsWith("/frame");
		const body = isFrame ? `<iframe sandbox="allow-scripts" src="/in-frame"></iframe>` : `<script>${script}</script>`;
		response.end(`<!doctype html><title>Page</title><body>${body}`);
	}).listen(0, "127.0.0.1");
	const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];
	const browser = await chromium.launch({ executablePath, args, ...options });
	return {
		rooms,
		browser,
		url: `http://127.0.0.1:${(pages.address() as AddressInfo).port}`,
		async close() {
			await browser.close();
			pages.close();
			await rooms.close();
		},
	};
}

/** A page whose client is made and connected; its options beyond the room are JSON. */
export async function open(site: Site, context: BrowserContext, room: string, options: object = {}): Promise<Page> {
	const page = await context.newPage();
	await page.goto(`${site.url}/?${encodeURIComponent(JSON.stringify({ room, ...options }))}`);
	return page;
}

/** Waits until a page's client shows something. */
export async function shows<T>(
	page: Page | Frame,
	check: (client: RoomClient, what: T) => unknown,
	what: T,
	timeout = 10_000,
): Promise<void> {
	await page.waitForFunction(`(${check})(client, ${JSON.stringify(what)})`, undefined, { timeout, polling: 50 });
}

export const isStatus = ({ getSnapshot }: RoomClient, status: string) => getSnapshot().status === status;
export const hasPrice = (client: RoomClient, value: string) => client.getSnapshot().selections.price?.value === value;

async function bundled(host: string): Promise<string> {
	const contents = `
		import { RoomClient } from "./packages/sdk/src/index.ts";
		const given = location.search ? JSON.parse(decodeURIComponent(location.search.slice(1))) : { room: "sandbox" };
		const user = { id: "ann", name: "Ann" };
		const client = new RoomClient({ host: "${host}", user, ...given });
		const outcomes = {};
		const set = (value: string, field = "price") => {
			outcomes[value] = "pending";
			client.select(field, value).then(({ outcome }) => (outcomes[value] = outcome));
		};
		Object.assign(globalThis, { client, RoomClient, outcomes, set });
		client.connect();`;
	const options = { bundle: true, write: false, format: "iife", target: "es2022" } as const;
	const result = await build({ stdin: { contents, resolveDir: root, loader: "ts" }, ...options });
	const script = result.outputFiles[0]?.text;
	assert.ok(script);
	return script;
}
