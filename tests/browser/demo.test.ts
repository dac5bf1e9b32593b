// The demo in a real browser, with several people in one room.
//   ROOMKEEP_URL      the server to test; without it the test starts one
//   CHROMIUM_PATH     the browser; without it the `chromium` on the path
//   SCREENSHOT_DIR    where to leave pictures, if anywhere

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";

const PATIENCE = 5_000;
// The first start may have to build the room.
const STARTING = 600_000;

const DESKTOP = { width: 1120, height: 820 };
const PHONE = { width: 390, height: 844 };
const NARROW = { width: 320, height: 640 };

const root = join(import.meta.dirname, "../..");
const labels = ["Product type", "Condition", "Price", "Quantity", "Meeting location"];
const room = `browser-${randomBytes(4).toString("hex")}`;

let url: string;
let browser: Browser;
let stopServer = async () => {};
/** What went wrong in any page, to be shown at the end. */
const complaints: string[] = [];

before(async () => {
	const executablePath = findChromium();
	const given = process.env.ROOMKEEP_URL;
	url = given === undefined ? await startServer() : given.replace(/\/$/, "");
	const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
	const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", ...quiet];
	browser = await chromium.launch({ executablePath, args });
});

after(async () => {
	await browser?.close();
	await stopServer();
});

describe("the demo", () => {
	let alice: Page;
	let bob: Page;
	let carol: Page;

	test("asks for a name, makes up a room, and leaves the name out of the address", async () => {
		const page = await open("/");
		await page.getByRole("dialog").waitFor();
		await page.getByLabel("Your name").fill("Nora");
		await picture(page, "name");
		await page.getByRole("button", { name: "Enter the room" }).click();
		await live(page);
		assert.match(page.url(), /\?room=[a-z]+-[a-z]+-\d+$/);
		await sees(here(page, "Nora (you)"));
		await page.reload();
		await live(page);
		await sees(here(page, "Nora (you)"));
		await page.context().close();
	});

	test("shows Bob what Alice fills in, with her name and the time", async () => {
		alice = await enter("Alice");
		bob = await enter("Bob");
		await sees(here(alice, "Bob"));
		await sees(here(bob, "Alice"));

		await fillIn(alice, "Product type", "Road bike, size 54");
		await alice.getByLabel("Condition").selectOption("Like New");
		await fillIn(alice, "Price", "240 €");
		await holds(bob, { "Product type": "Road bike, size 54", Condition: "Like New", Price: "240 €" });
		for (const label of ["Product type", "Condition", "Price"]) {
			await sees(field(bob, label).getByText("Alice chose this"));
			await sees(field(alice, label).getByText("You chose this"));
			const time = await field(bob, label).locator("time").getAttribute("datetime");
			assert.ok(Math.abs(Date.now() - Date.parse(time ?? "")) < 60_000, `${label} was chosen at ${time}`);
		}
	});

	test("has all of it again after a reload", async () => {
		await fillIn(bob, "Quantity", "1");
		await holds(alice, { Quantity: "1" });
		await alice.reload();
		await live(alice);
		const all = { "Product type": "Road bike, size 54", Condition: "Like New", Price: "240 €", Quantity: "1" };
		await holds(alice, all);
		await sees(field(alice, "Quantity").getByText("Bob chose this"));
		await sees(field(alice, "Meeting location").getByText("Nobody has chosen yet"));
		await sees(here(alice, "Alice (you)"));
	});

	test("takes a field that is filled in with the keyboard alone", async () => {
		await bob.getByLabel("Quantity").focus();
		await bob.keyboard.press("Tab");
		await bob.keyboard.type("Central station");
		await bob.keyboard.press("Tab");
		await eventually(async () => {
			const { selections } = await stateOf(room);
			assert.equal(selections.meetingLocation?.value, "Central station");
		});
		await sees(field(alice, "Meeting location").getByText("Bob chose this"));
	});

	test("shows all of it to Carol, who comes late with a phone", async () => {
		carol = await enter("Carol", { viewport: PHONE, hasTouch: true, isMobile: true });
		await holds(carol, {
			"Product type": "Road bike, size 54",
			Condition: "Like New",
			Price: "240 €",
			Quantity: "1",
			"Meeting location": "Central station",
		});
		for (const label of labels) {
			const who = ["Quantity", "Meeting location"].includes(label) ? "Bob" : "Alice";
			await sees(field(carol, label).getByText(`${who} chose this`));
		}
		for (const page of [alice, bob, carol]) {
			await sees(page.getByText("3 people are here"));
			await counts(page.locator("#here li"), 3);
		}
		await picture(carol, "phone");
	});

	test("tells everyone that Bob is ready", async () => {
		await bob.getByLabel("I’m ready").check();
		for (const page of [alice, carol]) await sees(here(page, "Bob").getByText("✓ ready"));
		await sees(alice.getByText("3 people are here, 1 of them ready."));
		await eventually(async () => {
			const { participants } = await stateOf(room);
			assert.equal(participants.find(({ name }) => name === "Bob")?.isReady, true);
		});
		await pictures(alice, "desktop");
	});

	test("does not overwrite what Alice is typing, and offers it to her instead", async () => {
		const price = alice.getByLabel("Price");
		await price.fill("230 €");
		await holds(bob, { Price: "230 €" });
		await fillIn(bob, "Price", "225 €");
		await sees(field(alice, "Price").getByText("Bob chose “225 €”."));
		assert.equal(await price.inputValue(), "230 €");
		await picture(alice, "offer");
		await field(alice, "Price").getByRole("button", { name: "Use it" }).click();
		await holds(alice, { Price: "225 €" });
		await sees(field(alice, "Price").getByText("Bob chose this"));
		assert.equal(await field(alice, "Price").getByRole("button").count(), 0);
	});

	test("lets Alice keep hers instead", async () => {
		await alice.getByLabel("Price").fill("228 €");
		await holds(bob, { Price: "228 €" });
		await fillIn(bob, "Price", "226 €");
		await field(alice, "Price").getByRole("button", { name: "Keep mine" }).press("Enter");
		await sees(field(alice, "Price").getByText("You chose this"));
		assert.equal(await alice.getByLabel("Price").inputValue(), "228 €");
		await eventually(async () => {
			const { selections } = await stateOf(room);
			assert.equal(selections.price?.value, "228 €");
		});
	});

	test("agrees with the room when two people choose at the same time", async () => {
		for (const [first, second] of [
			["Good", "Fair"],
			["New", "Good"],
			["Fair", "Like New"],
		] as const) {
			await Promise.all([
				alice.getByLabel("Condition").selectOption(first),
				bob.getByLabel("Condition").selectOption(second),
			]);
			await eventually(async () => {
				const { selections } = await stateOf(room);
				const seen = await Promise.all([alice, bob, carol].map((page) => page.getByLabel("Condition").inputValue()));
				const kept = selections.condition?.value;
				assert.ok(kept === first || kept === second, `the room has ${kept}`);
				assert.deepEqual(seen, [kept, kept, kept]);
			});
		}
	});

	test("shows a new name to everyone", async () => {
		await carol.getByRole("button", { name: "Change my name" }).click();
		await carol.getByLabel("Your name").fill("Caroline");
		await carol.getByLabel("Your name").press("Enter");
		await sees(here(carol, "Caroline (you)"));
		await sees(here(alice, "Caroline"));
		await sees(alice.getByText("Carol is now called Caroline."));
	});

	test("tells who emptied a field", async () => {
		await fillIn(alice, "Quantity", "");
		await holds(carol, { Quantity: "" });
		await sees(field(carol, "Quantity").getByText("Alice cleared this"));
		await fillIn(carol, "Quantity", "2");
		await holds(alice, { Quantity: "2" });
	});

	test("shows Bob as gone, with the time, as soon as he closes his page", async () => {
		await bob.context().close();
		for (const page of [alice, carol]) {
			await sees(away(page, "Bob").getByText("last seen"));
			const time = await away(page, "Bob").locator("time").getAttribute("datetime");
			assert.ok(Math.abs(Date.now() - Date.parse(time ?? "")) < 60_000, `Bob was last seen at ${time}`);
			await counts(page.locator("#here li"), 2);
		}
	});

	test("keeps Carol one person when she reloads", async () => {
		await carol.reload();
		await live(carol);
		await sees(away(carol, "Bob").getByText("last seen"));
		await counts(carol.locator("#here li"), 2);
		await counts(carol.locator("#away li"), 1);
		await counts(alice.locator("#here li"), 2);
		await holds(carol, { Price: "228 €", Quantity: "2" });
	});

	test("copies a link with the room and without the name", async () => {
		await alice.context().grantPermissions(["clipboard-read", "clipboard-write"]);
		await alice.getByRole("button", { name: "Copy link" }).click();
		await sees(alice.getByText("The link is copied."));
		assert.equal(await alice.evaluate(() => navigator.clipboard.readText()), `${url}/?room=${room}`);
	});

	test("sends what was typed while the connection was cut", async () => {
		const page = await (await context()).newPage();
		let isCut = false;
		let cut = async () => {};
		await page.routeWebSocket(/\/parties\//, async (socket) => {
			if (isCut) return socket.close({ code: 1013 });
			socket.connectToServer();
			cut = () => socket.close({ code: 1012 });
		});
		await page.goto(`${url}/?room=${room}-cut&name=Dora`);
		await live(page);
		isCut = true;
		await cut();
		await sees(page.getByText("Reconnecting…"));
		await page.getByLabel("Price").fill("10 €");
		await sees(field(page, "Price").getByText("not sent yet"));
		await picture(page, "reconnecting");
		isCut = false;
		await live(page);
		await sees(field(page, "Price").getByText("just now"));
		const { selections } = await stateOf(`${room}-cut`);
		assert.equal(selections.price?.value, "10 €");
		await page.context().close();
	});

	test("says so, and stops, when the room's name cannot be used", async () => {
		const page = await open("/?room=a%2Fb&name=Eve");
		await sees(page.getByText("Disconnected"));
		await sees(page.getByText("The name of this room cannot be used."));
		await page.context().close();
	});

	test("fits on narrow screens, in light and dark", async () => {
		for (const [name, viewport] of Object.entries({ phone: PHONE, narrow: NARROW })) {
			await carol.setViewportSize(viewport);
			const width = await carol.evaluate(() => document.documentElement.scrollWidth);
			assert.ok(width <= viewport.width, `the page is ${width} wide on a screen of ${viewport.width}`);
			await pictures(carol, name);
		}
	});

	test("keeps other pages from framing it and other scripts from running in it", async () => {
		const { headers } = await fetch(url);
		const policy = headers.get("content-security-policy") ?? "";
		for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
			assert.ok(policy.includes(part), policy);
		}
		assert.equal(headers.get("x-content-type-options"), "nosniff");
		assert.equal(headers.get("referrer-policy"), "no-referrer");
	});

	test("has complained of nothing in any console", () => {
		assert.deepEqual(complaints, []);
	});
});

/** Fills a field in and leaves it. Whoever stays in it is still typing, and keeps what stands there. */
async function fillIn(page: Page, label: string, value: string): Promise<void> {
	await page.getByLabel(label).fill(value);
	await page.getByLabel(label).press("Tab");
}

/** A new person in the room, who has it live before them. */
async function enter(name: string, options: BrowserContextOptions = {}): Promise<Page> {
	const page = await open(`/?room=${room}&name=${name}`, options);
	await live(page);
	for (const label of labels) await sees(page.getByLabel(label, { exact: true }));
	return page;
}

async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
	const page = await (await context(options)).newPage();
	await page.goto(url + path);
	return page;
}

async function context(options: BrowserContextOptions = {}) {
	const made = await browser.newContext({ viewport: DESKTOP, colorScheme: "light", ...options });
	made.setDefaultTimeout(PATIENCE);
	made.on("console", (message) => {
		if (["error", "warning"].includes(message.type())) complaints.push(message.text());
	});
	made.on("weberror", (error) => complaints.push(String(error.error())));
	return made;
}

async function live(page: Page): Promise<void> {
	await sees(page.getByText("Live", { exact: true }));
	await sees(page.locator("#fields:enabled"));
}

async function sees(locator: Locator): Promise<void> {
	await locator.waitFor({ timeout: PATIENCE });
}

async function counts(locator: Locator, count: number): Promise<void> {
	await eventually(async () => assert.equal(await locator.count(), count));
}

async function holds(page: Page, values: Record<string, string>): Promise<void> {
	await eventually(async () => {
		for (const [label, value] of Object.entries(values)) {
			assert.equal(await page.getByLabel(label, { exact: true }).inputValue(), value, label);
		}
	});
}

function field(page: Page, label: string): Locator {
	return page.locator(".field").filter({ has: page.getByText(label, { exact: true }) });
}

function here(page: Page, name: string): Locator {
	return page.getByRole("list", { name: "Here now" }).getByRole("listitem").filter({ hasText: name });
}

function away(page: Page, name: string): Locator {
	return page.getByRole("list", { name: "Was here" }).getByRole("listitem").filter({ hasText: name });
}

interface State {
	selections: Record<string, { value: unknown } | undefined>;
	participants: { name: string; isReady: boolean }[];
}

async function stateOf(name: string): Promise<State> {
	const response = await fetch(`${url}/parties/collaboration/conflict-resolution%3A${name}/state`);
	assert.equal(response.status, 200);
	return (await response.json()) as State;
}

/** Tries until it goes well. The last failure counts. */
async function eventually(check: () => Promise<void>, patience = PATIENCE): Promise<void> {
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

async function pictures(page: Page, name: string): Promise<void> {
	await picture(page, `${name}-light`);
	await page.emulateMedia({ colorScheme: "dark" });
	await picture(page, `${name}-dark`);
	await page.emulateMedia({ colorScheme: "light" });
}

async function picture(page: Page, name: string): Promise<void> {
	const directory = process.env.SCREENSHOT_DIR;
	if (directory === undefined) return;
	mkdirSync(directory, { recursive: true });
	await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true, animations: "disabled" });
}

function findChromium(): string {
	const path = process.env.CHROMIUM_PATH || spawnSync("which", ["chromium"], { encoding: "utf8" }).stdout?.trim();
	if (path) return path;
	throw new Error("There is no Chromium to test with. Install the package `chromium`, or set CHROMIUM_PATH.");
}

/** Starts the server on a free port, with storage of its own. Returns its address. */
async function startServer(): Promise<string> {
	const port = await freePort();
	const directory = mkdtempSync(join(tmpdir(), "roomkeep-browser-"));
	// A key of the developer's own in .dev.vars would keep the demo out.
	const local = ["--persist-to", directory, "--env-file", "/dev/null"];
	const args = ["start", "--", "--port", String(port), ...local];
	const server = spawn("npm", args, { cwd: root, detached: true, stdio: ["ignore", "ignore", "inherit"] });
	stopServer = async () => {
		await endGroup(server);
		rmSync(directory, { recursive: true, force: true });
	};
	const address = `http://127.0.0.1:${port}`;
	const end = Date.now() + STARTING;
	while (server.exitCode === null && Date.now() < end) {
		const response = await fetch(`${address}/health`).catch(() => undefined);
		if (response?.ok) return address;
		await sleep(200);
	}
	throw new Error(`\`npm ${args.join(" ")}\` did not come up.`);
}

/** Ends a process and all that it started. */
async function endGroup({ pid }: ChildProcess): Promise<void> {
	if (pid === undefined) return;
	const send = (signal: NodeJS.Signals | 0) => {
		try {
			return process.kill(-pid, signal);
		} catch {
			return false;
		}
	};
	send("SIGTERM");
	await eventually(async () => assert.ok(!send(0))).catch(() => send("SIGKILL"));
}

function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.on("error", reject);
		server.listen(0, "127.0.0.1", () => {
			const address = server.address();
			server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
		});
	});
}
