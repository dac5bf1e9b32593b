// The demo in a real browser, with several people in one room.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import {
	away,
	button,
	complaints,
	conflict,
	counts,
	enter,
	eventually,
	field,
	fillIn,
	fits,
	here,
	holds,
	input,
	keeps,
	labels,
	live,
	logged,
	NARROW,
	newRoom,
	open,
	PHONE,
	picture,
	pictures,
	sees,
	start,
	stateOf,
	stop,
	told,
	url,
} from "./demo-kit.ts";

const room = newRoom();

before(start);
after(stop);

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
		alice = await enter(room, "Alice");
		bob = await enter(room, "Bob");
		await sees(here(alice, "Bob"));
		await sees(here(bob, "Alice"));

		await fillIn(alice, "Product type", "Road bike, size 54");
		await input(alice, "Condition").selectOption("Like New");
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
		await input(bob, "Quantity").focus();
		await bob.keyboard.press("Tab");
		await bob.keyboard.type("Central station");
		await bob.keyboard.press("Tab");
		await keeps(room, { meetingLocation: "Central station" });
		await sees(field(alice, "Meeting location").getByText("Bob chose this"));
	});

	test("shows all of it to Carol, who comes late with a phone", async () => {
		carol = await enter(room, "Carol", { viewport: PHONE, hasTouch: true, isMobile: true });
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
		const price = input(alice, "Price");
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
		await input(alice, "Price").fill("228 €");
		await holds(bob, { Price: "228 €" });
		await fillIn(bob, "Price", "226 €");
		await field(alice, "Price").getByRole("button", { name: "Keep mine" }).press("Enter");
		await sees(field(alice, "Price").getByText("You chose this"));
		assert.equal(await input(alice, "Price").inputValue(), "228 €");
		await keeps(room, { price: "228 €" });
	});

	test("asks whoever was slower when two people choose at the same time, and agrees with the room", async () => {
		for (const [first, second] of [
			["Good", "Fair"],
			["New", "Good"],
			["Fair", "Like New"],
		] as const) {
			await Promise.all([input(alice, "Condition").selectOption(first), input(bob, "Condition").selectOption(second)]);
			const dialogs = [alice, bob].map((page) => conflict(page, "Condition"));
			let slower = -1;
			// Somebody may have seen the other's choice in time, and chosen then.
			await eventually(async () => {
				const { selections } = await stateOf(room);
				const shown = await Promise.all(dialogs.map((dialog) => dialog.isVisible()));
				const seen = await Promise.all([alice, bob, carol].map((page) => input(page, "Condition").inputValue()));
				const kept = selections.condition?.value;
				assert.ok(kept === first || kept === second, `the room has ${kept}`);
				assert.deepEqual(seen, [kept, kept, kept]);
				assert.ok(shown.filter(Boolean).length < 2, "both were too slow");
				assert.ok(shown.some(Boolean) || (await settled([alice, bob])));
				slower = shown.indexOf(true);
			});
			if (slower < 0) continue;
			const page = [alice, bob][slower] ?? alice;
			const own = [first, second][slower] ?? first;
			await button(page, "Keep mine").click();
			for (const page of [alice, bob, carol]) await holds(page, { Condition: own });
			await keeps(room, { condition: own });
			await counts(conflict(page, "Condition"), 0);
		}
	});

	test("shows a new name to everyone", async () => {
		await carol.getByRole("button", { name: "Change my name" }).click();
		await carol.getByLabel("Your name").fill("Caroline");
		await carol.getByLabel("Your name").press("Enter");
		await sees(here(carol, "Caroline (you)"));
		await sees(here(alice, "Caroline"));
		await sees(told(alice, "Carol is now called Caroline."));
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
		await sees(told(alice, "Link copied."));
		assert.equal(await alice.evaluate(() => navigator.clipboard.readText()), `${url}/?room=${room}`);
	});

	test("logs what happened, and forgets the oldest of it", async () => {
		for (const text of [
			"Bob set Price to “225 €”.",
			"You set Price to “228 €”.",
			"Bob is ready.",
			"Carol is now called Caroline.",
			"Bob left.",
		]) {
			await sees(logged(alice, text));
		}
		const page = await enter(`${room}-log`, "Eve");
		await sees(logged(page, "You are in the room. Nothing is filled in yet, and nobody else is here."));
		await page.locator("#ready").evaluate((box: HTMLInputElement) => {
			for (let i = 0; i < 230; i++) box.click();
		});
		await counts(page.getByRole("log").getByRole("listitem"), 200);
		await page.context().close();
	});

	test("fits on narrow screens, in light and dark", async () => {
		for (const [name, viewport] of Object.entries({ phone: PHONE, narrow: NARROW })) {
			await carol.setViewportSize(viewport);
			await fits(carol);
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

/** Whether nothing waits for the room. */
async function settled(pages: Page[]): Promise<boolean> {
	const waiting = await Promise.all(pages.map((page) => page.locator("[data-pending]").count()));
	return waiting.every((count) => count === 0);
}
