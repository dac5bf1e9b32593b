// examples/user-state: started as its README says, and used on two devices of one user.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { freePort } from "../ports.ts";
import { run } from "../sdk/packed.ts";
import { counts, cuttable, eventually, type Line, PHONE, pictures, sees, stored } from "./demo-kit.ts";
import { endGroup, findChromium } from "./demo-server.ts";

const root = join(import.meta.dirname, "../..");
const example = join(root, "examples/user-state");
const readme = readFileSync(join(example, "README.md"), "utf8");
// The first start may have to build the room.
const STARTING = 600_000;

interface Device {
	page: Page;
	line: Line;
}

describe("a user's state", () => {
	const complaints: string[] = [];
	const folder = mkdtempSync(join(tmpdir(), "roomkeep-user-state-"));
	let browser: Browser;
	let server: ChildProcess;
	let url: string;
	let rooms: string;
	let laptop: Device;
	let phone: Device;

	before(async () => {
		const [port, roomsPort] = [await freePort(), await freePort()];
		[url, rooms] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${roomsPort}`];
		assert.ok(readme.includes("```\nnpm start\n```"), "the README has the command that starts it");
		const args = ["start", "--", "--port", `${port}`, "--rooms-port", `${roomsPort}`, "--persist-to", folder];
		server = spawn("npm", args, { cwd: example, detached: true, stdio: ["ignore", "ignore", "inherit"] });
		for (const address of [url, `${rooms}/health`]) await answers(address, server);
		const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];
		browser = await chromium.launch({ executablePath: findChromium(), args: flags });
		laptop = await open({ viewport: { width: 1000, height: 900 } });
		phone = await open({ viewport: PHONE, hasTouch: true, isMobile: true });
	});
	after(async () => {
		await browser?.close();
		if (server !== undefined) await endGroup(server);
		rmSync(folder, { recursive: true, force: true });
	});

	test("is the same on all of them: texts, ticks, choices", async () => {
		await laptop.page.getByLabel("What defines me").pressSequentially("Coffee first");
		await phone.page.getByLabel("Roast me").check();
		await phone.page.getByLabel("Intensity").fill("4");
		await phone.page.getByLabel("strict").check();
		for (const { page } of [laptop, phone]) {
			await holds(page, "What defines me", "Coffee first");
			await holds(page, "Intensity", "4");
			await eventually(async () => assert.ok(await page.getByLabel("Roast me").isChecked()));
			await eventually(async () => assert.ok(await page.getByLabel("strict").isChecked()));
		}
		await pictures(laptop.page, "user-state");
		await pictures(phone.page, "user-state-phone");
	});

	test("stays on the device as far as it is about the page, also after a reload", async () => {
		await phone.page.getByLabel("Theme").selectOption("dark");
		await phone.page.getByLabel("Language of dates").selectOption("es");
		await phone.page.getByRole("button", { name: "Hide" }).click();
		await phone.page.reload();
		const scheme = ({ page }: Device) => page.evaluate(() => document.documentElement.style.colorScheme);
		await eventually(async () => assert.equal(await scheme(phone), "dark"));
		assert.equal(await scheme(laptop), "light dark");
		await phone.page.getByRole("button", { name: "Show" }).click();
		assert.equal(await phone.page.getByLabel("Language of dates").inputValue(), "es");
		assert.equal(await laptop.page.getByLabel("Language of dates").inputValue(), "en");
		const { selections } = (await (await asked("state")).json()) as { selections: object };
		assert.deepEqual(Object.keys(selections).sort(), [
			"persona/identity",
			"roasting/enabled",
			"roasting/intensity",
			"roasting/shield",
		]);
	});

	test("says at its field what does not fit, and sends none of it", async () => {
		await laptop.page.getByLabel("Intensity").fill("9");
		const words = "`roasting/intensity` cannot hold this value: it breaks `maximum` of the field's schema.";
		await sees(laptop.page.getByRole("alert").getByText(words));
		await holds(phone.page, "Intensity", "4");
		await laptop.page.getByLabel("Intensity").fill("5");
		await holds(phone.page, "Intensity", "5");
		await counts(laptop.page.getByRole("alert"), 0);
	});

	test("loses nothing that two devices wrote at the same time", async () => {
		for (const [choice, mine, theirs, kept] of [
			["Use mine", "Tea first", "Coffee, please", "Tea first"],
			["Use that", "No tea", "Coffee, black", "Coffee, black"],
			["Use both", "Green tea", "Coffee, white", "Coffee, white\nGreen tea"],
		] as const) {
			await laptop.line.cut();
			await sees(laptop.page.getByText("Offline"));
			await laptop.page.getByLabel("What defines me").fill(mine);
			await stored(laptop.page, 1);
			await phone.page.getByLabel("What defines me").fill(theirs);
			await phone.page.getByLabel("What defines me").blur();
			await eventually(async () => assert.equal(await inRoom("persona/identity"), theirs));
			laptop.line.isCut = false;
			await sees(laptop.page.getByText(`Another device has “${theirs}”.`));
			await pictures(laptop.page, "user-state-conflict");
			await laptop.page.getByRole("button", { name: choice }).click();
			for (const { page } of [laptop, phone]) await holds(page, "What defines me", kept);
			await counts(laptop.page.getByText("Another device has"), 0);
			await laptop.page.getByLabel("What defines me").blur();
		}
	});

	test("has a part that only the back end writes, as the README does it", async () => {
		for (const { page } of [laptop, phone]) {
			await eventually(async () => assert.equal(await page.getByLabel("Plan").getAttribute("readonly"), ""));
			await holds(page, "Plan", "free");
		}
		await shell("curl -X POST");
		for (const { page } of [laptop, phone]) {
			await holds(page, "Plan", "pro");
			await sees(page.getByText("active, changed:"));
		}
		const body = JSON.stringify({ value: { plan: "plus", status: "active" } });
		const answer = await asked("fields/subscription", { method: "PUT", body });
		assert.equal(answer.status, 403, "the user's own token is not enough");
		assert.equal(((await answer.json()) as { field: string }).field, "subscription");
	});

	test("can be polled for what has changed since a time, as the README does it", async () => {
		const told = JSON.parse(await shell("curl -H"));
		const fields = told.changes.map(({ field }: { field: string }) => field);
		assert.ok(fields.includes("subscription") && fields.includes("roasting/enabled"), fields.join());
		const later = await asked(`changes?since=${new Date(Date.now() + 60_000).toISOString()}`);
		assert.deepEqual(((await later.json()) as { changes: object[] }).changes, []);
	});

	test("is nobody else's", async () => {
		const token = await (await fetch(`${url}/api/token?user=mallory`)).text();
		const headers = { authorization: `Bearer ${token.trim()}` };
		assert.equal((await fetch(`${rooms}/parties/user/alice/state`, { headers })).status, 403);
		const page = await (await browser.newContext()).newPage();
		await page.goto(`${url}/?user=bob`);
		await sees(page.getByText("Live", { exact: true }));
		await holds(page, "What defines me", "");
		await page.context().close();
	});

	test("has complained of nothing in any console", () => {
		assert.deepEqual(complaints, []);
	});

	/** One of the README's commands, at the ports of this test. Gives what it printed. */
	async function shell(beginning: string): Promise<string> {
		const commands = [...readme.matchAll(/^ *```\n([\s\S]*?)```/gm)].map(([, text]) => text ?? "");
		const command = commands.find((text) => text.includes(beginning));
		assert.ok(command, `the README has a command with ${beginning}`);
		const here = command.replaceAll("http://127.0.0.1:5174", url).replaceAll("http://127.0.0.1:8788", rooms);
		return run("bash", ["-c", here], root);
	}

	/** What the room answers Alice. */
	async function asked(path: string, init: RequestInit = {}): Promise<Response> {
		const token = await (await fetch(`${url}/api/token?user=alice`)).text();
		const headers = { authorization: `Bearer ${token.trim()}` };
		return fetch(`${rooms}/parties/user/alice/${path}`, { ...init, headers });
	}

	async function inRoom(field: string): Promise<unknown> {
		const { selections } = (await (await asked("state")).json()) as { selections: Record<string, { value: unknown }> };
		return selections[field]?.value;
	}

	/** A device of Alice's: a browser with storage of its own, on a line that can be cut. */
	async function open(options: BrowserContextOptions): Promise<Device> {
		const context = await browser.newContext({ colorScheme: "light", ...options });
		context.setDefaultTimeout(10_000);
		const page = await context.newPage();
		const line = await cuttable(page);
		page.on("pageerror", (error) => complaints.push(String(error)));
		page.on("console", (message) => {
			// A browser complains of each request that fails, and some tests cut the line.
			if (/net::ERR_FAILED|closed before the connection is established/.test(message.text())) return;
			if (["error", "warning"].includes(message.type())) complaints.push(message.text());
		});
		await page.goto(url);
		await sees(page.getByText("Live", { exact: true }));
		return { page, line };
	}
});

async function holds(page: Page, label: string, value: string): Promise<void> {
	await eventually(async () => assert.equal(await page.getByLabel(label).inputValue(), value, label));
}

async function answers(address: string, server: ChildProcess): Promise<void> {
	const end = Date.now() + STARTING;
	while (server.exitCode === null && Date.now() < end) {
		if ((await fetch(address).catch(() => undefined))?.ok) return;
		await sleep(200);
	}
	assert.fail(`${address} does not answer`);
}
