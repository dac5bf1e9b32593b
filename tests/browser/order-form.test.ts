// examples/order-form: started as its README says, and filled in by two people.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { freePort } from "../ports.ts";
import { counts, cuttable, eventually, type Line, picture, sees, stored } from "./demo-kit.ts";
import { endGroup, findChromium } from "./demo-server.ts";

const root = join(import.meta.dirname, "../..");
// The first start may have to build the room.
const STARTING = 600_000;

interface Person {
	page: Page;
	line: Line;
}

describe("the order form", () => {
	const complaints: string[] = [];
	const folder = mkdtempSync(join(tmpdir(), "roomkeep-order-"));
	let browser: Browser;
	let server: ChildProcess;
	let url: string;
	let alice: Person;
	let bob: Person;

	before(async () => {
		const [port, rooms] = [await freePort(), await freePort()];
		const command = commandOf(readFileSync(join(root, "examples/order-form/README.md"), "utf8"));
		const args = [...command.slice(1), "--", "--port", `${port}`, "--rooms-port", `${rooms}`, "--persist-to", folder];
		assert.equal(command[0], "npm");
		server = spawn("npm", args, { cwd: root, detached: true, stdio: ["ignore", "ignore", "inherit"] });
		url = `http://127.0.0.1:${port}`;
		for (const address of [url, `http://127.0.0.1:${rooms}/health`]) await answers(address, server);
		const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];
		browser = await chromium.launch({ executablePath: findChromium(), args: flags });
		alice = await open(browser, `${url}/?order=1042&name=Alice`, complaints);
		bob = await open(browser, `${url}/?order=1042&name=Bob`, complaints);
	});
	after(async () => {
		await browser?.close();
		if (server !== undefined) await endGroup(server);
		rmSync(folder, { recursive: true, force: true });
	});

	test("has all twelve fields in both windows, whoever fills them in", async () => {
		for (const [label, text] of Object.entries({ Customer: "Ann Lee", Email: "ann@example.com", Quantity: "2" })) {
			await alice.page.getByLabel(label).pressSequentially(text);
		}
		await alice.page.getByLabel("Product").selectOption("Cargo bike");
		await alice.page.getByLabel("Green").check();
		await alice.page.getByRole("button", { name: "Card" }).click();
		await bob.page.getByLabel("Phone").pressSequentially("555 0100");
		await bob.page.getByLabel("Price of one").pressSequentially("12.50");
		await bob.page.getByLabel("Delivery date").fill("2026-12-24");
		await bob.page.getByLabel("Express").check();
		await bob.page.getByLabel("Notes").pressSequentially("Ring twice 🔔\nat the back");
		// At the same time, and neither tick is lost.
		await Promise.all([alice.page.getByLabel("lights").check(), bob.page.getByLabel("lock").check()]);
		await bob.page.getByLabel("Customer").focus();
		for (const { page } of [alice, bob]) await holds(page, FILLED);
		await sees(alice.page.locator("#customer-note").getByText("here: Bob"));
		await bob.page.getByLabel("Customer").blur();
		await sees(bob.page.locator("#customer-note").getByText("by Alice"));
		await picture(alice.page, "order-form");
	});

	test("is validated and submitted by react-hook-form, with what others entered", async () => {
		await bob.page.getByLabel("Quantity").fill("0");
		await sees(bob.page.getByText("by you").first());
		await eventually(async () => assert.equal(await alice.page.getByLabel("Quantity").inputValue(), "0"));
		await alice.page.getByRole("button", { name: "Place the order" }).click();
		await sees(alice.page.getByRole("alert").getByText("At least one."));
		await counts(alice.page.locator("output"), 0);
		await bob.page.getByLabel("Quantity").fill("2");
		await counts(alice.page.getByRole("alert"), 0);
		await alice.page.getByRole("button", { name: "Place the order" }).click();
		await sees(alice.page.locator("output"));
		assert.deepEqual(JSON.parse((await alice.page.locator("output").textContent()) ?? ""), {
			customer: "Ann Lee",
			email: "ann@example.com",
			phone: "555 0100",
			product: "Cargo bike",
			colour: "Green",
			quantity: 2,
			price: 12.5,
			deliveryDate: "2026-12-24",
			express: true,
			extras: ["lights", "lock"],
			payment: "Card",
			notes: "Ring twice 🔔\nat the back",
		});
	});

	test("keeps what was entered without a connection through a reload, and sends it after", async () => {
		await alice.line.cut();
		await sees(alice.page.getByText("Offline"));
		await alice.page.getByLabel("Phone").fill("555 0199");
		await alice.page.getByLabel("mudguards").check();
		await sees(alice.page.getByText("Offline · 2 waiting to be sent"));
		await stored(alice.page, 2);
		await alice.page.reload();
		await sees(alice.page.getByText("Offline · 2 waiting to be sent"));
		await eventually(async () => assert.equal(await alice.page.getByLabel("Phone").inputValue(), "555 0199"));
		alice.line.isCut = false;
		await sees(alice.page.getByText("Live", { exact: true }));
		const all = { ...FILLED, phone: "555 0199", mudguards: true };
		for (const { page } of [alice, bob]) await holds(page, all);
	});

	test("asks whoever was late which value stays, and loses neither", async () => {
		for (const [choice, mine] of [
			["keep mine", "Leave it"],
			["take theirs", "Leave it, please"],
		] as const) {
			await alice.line.cut();
			await sees(alice.page.getByText("Offline"));
			await alice.page.getByLabel("Notes").fill(mine);
			await bob.page.getByLabel("Notes").fill("Never ring");
			await bob.page.getByLabel("Notes").blur();
			await sees(bob.page.locator("#notes-note").getByText("by you"));
			alice.line.isCut = false;
			await sees(alice.page.locator("#notes-note").getByText("Your draft. Bob has “Never ring”."));
			assert.equal(await alice.page.locator("#notes").inputValue(), mine);
			await picture(alice.page, "order-form-conflict");
			await alice.page.getByRole("button", { name: `Notes: ${choice}` }).click();
			for (const { page } of [alice, bob]) {
				const kept = choice === "keep mine" ? mine : "Never ring";
				await eventually(async () => assert.equal(await page.locator("#notes").inputValue(), kept));
			}
			await counts(alice.page.getByRole("button", { name: /Notes:/ }), 0);
		}
	});

	test("has complained of nothing in any console", () => {
		assert.deepEqual(complaints, []);
	});
});

/** What both windows show when all is filled in, by the elements' ids or the labels of ticks. */
const FILLED = {
	customer: "Ann Lee",
	email: "ann@example.com",
	phone: "555 0100",
	product: "Cargo bike",
	quantity: "2",
	deliveryDate: "2026-12-24",
	notes: "Ring twice 🔔\nat the back",
	Green: true,
	Express: true,
	lights: true,
	lock: true,
	mudguards: false,
	Card: true,
};

async function holds(page: Page, values: Record<string, string | boolean>): Promise<void> {
	await eventually(async () => {
		for (const [name, value] of Object.entries(values)) {
			const shown =
				name === "Card"
					? (await page.getByRole("button", { name }).getAttribute("aria-pressed")) === "true"
					: typeof value === "boolean"
						? await page.getByLabel(name, { exact: true }).isChecked()
						: await page.locator(`#${name}`).inputValue();
			assert.equal(shown, value, name);
		}
		// Whether it ends in 0 is for whoever typed it.
		assert.equal(Number(await page.locator("#price").inputValue()), 12.5);
	});
}

/** The command by which the README starts it. */
function commandOf(readme: string): string[] {
	const command = readme.match(/```\n(npm start [^\n]+)\n```/)?.[1];
	assert.ok(command, "the README has a command that starts it");
	return command.split(" ");
}

async function answers(address: string, server: ChildProcess): Promise<void> {
	const end = Date.now() + STARTING;
	while (server.exitCode === null && Date.now() < end) {
		if ((await fetch(address).catch(() => undefined))?.ok) return;
		await sleep(200);
	}
	assert.fail(`${address} does not answer`);
}

/** A page in a profile of its own, on a line that can be cut. */
async function open(browser: Browser, address: string, complaints: string[]): Promise<Person> {
	const context: BrowserContext = await browser.newContext({ viewport: { width: 900, height: 900 } });
	context.setDefaultTimeout(10_000);
	const page = await context.newPage();
	const line = await cuttable(page);
	page.on("pageerror", (error) => complaints.push(String(error)));
	page.on("console", (message) => {
		// A browser complains of each request that fails, and some tests cut the line.
		if (/net::ERR_FAILED|closed before the connection is established/.test(message.text())) return;
		if (["error", "warning"].includes(message.type())) complaints.push(message.text());
	});
	await page.goto(address);
	await sees(page.getByText("Live", { exact: true }));
	return { page, line };
}
