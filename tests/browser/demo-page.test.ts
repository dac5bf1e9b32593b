// The page itself: what it opens with, what it remembers, and that nothing on it gets in anybody's way.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import {
	button,
	complaints,
	conflict,
	counts,
	enter,
	eventually,
	field,
	fillIn,
	fits,
	holds,
	input,
	isFocused,
	keeps,
	live,
	logged,
	newRoom,
	offline,
	open,
	PHONE,
	pictures,
	queue,
	sees,
	start,
	stop,
	stored,
	told,
} from "./demo-kit.ts";

before(start);
after(stop);

describe("the guide", () => {
	const room = newRoom();
	let alice: Page;
	let bob: Page;

	test("says what the page is, already where it asks for a name", async () => {
		const page = await open(`/?room=${room}-name`);
		await sees(page.getByRole("dialog").getByText("A form that several people fill in together"));
		await pictures(page, "name");
		await page.context().close();
		alice = await enter(room, "Alice");
		await sees(alice.getByRole("heading", { name: "A form that several people fill in together" }));
		await counts(steps(alice), 4);
		await sees(alice.getByText("0 of 4 done"));
		await pictures(alice, "guide");
	});

	test("opens a second window for a second person", async () => {
		const opened = alice.context().waitForEvent("page");
		await alice.getByRole("link", { name: "Second window" }).click();
		bob = await opened;
		await input(bob, "Your name").fill("Bob");
		await button(bob, "Enter the room").click();
		await live(bob);
		await sees(done(alice, "Bring a second person"));
		await counts(done(alice), 1);
	});

	test("ticks a reload, work offline and a conflict when they were done, and keeps the ticks", async () => {
		await fillIn(bob, "Price", "240 €");
		await holds(alice, { Price: "240 €" });
		await button(alice, "Reload").click();
		await live(alice);
		await sees(done(alice, "Reload the page"));

		await button(alice, "Show the switch").click();
		await isFocused(offline(alice));
		await alice.keyboard.press("Space");
		await fillIn(alice, "Price", "230 €");
		await counts(queue(alice), 1);
		await stored(alice, 1);
		await alice.reload();
		await counts(queue(alice), 1);
		await fillIn(bob, "Price", "225 €");
		await keeps(room, { price: "225 €" });
		await offline(alice).uncheck();
		await sees(done(alice, "Go offline"));
		await counts(done(alice), 3);
		await button(conflict(alice, "Price"), "Keep theirs").click();
		await sees(alice.getByText("4 of 4 done"));
		await alice.context().close();
	});
});

describe("what happened", () => {
	const room = newRoom();

	test("is still there after a reload, with what others did meanwhile", async () => {
		const alice = await enter(room, "Alice");
		const bob = await enter(room, "Bob");
		await fillIn(alice, "Product type", "Road bike");
		await sees(logged(alice, "You set Product type to “Road bike”."));
		const before = await entries(alice);
		await alice.goto("about:blank");
		await fillIn(bob, "Price", "225 €");
		await keeps(room, { price: "225 €" });
		await bob.context().close();
		await alice.goBack();
		await live(alice);
		await sees(logged(alice, "Bob left."));
		await sees(logged(alice, "You are back. 2 fields are filled in, and nobody else is here."));
		const after = await entries(alice);
		assert.deepEqual(after.slice(0, before.length), before, "what was there stands as it was");
		assert.equal(after.filter((entry) => entry.includes("Bob set Price to “225 €”.")).length, 1);
		await alice.context().close();
	});

	test("is told from the room to whoever comes later, in its order", async () => {
		const carol = await enter(room, "Carol");
		await sees(logged(carol, "You are in the room. 2 fields are filled in, and nobody else is here."));
		const texts = await entries(carol);
		const places = ["Alice set Product type", "Bob set Price to “225 €”.", "You are in the room."].map((text) =>
			texts.findIndex((entry) => entry.includes(text)),
		);
		assert.ok(!places.includes(-1), `all of it is told: ${texts.join(" | ")}`);
		assert.deepEqual(
			places,
			places.toSorted((a, b) => a - b),
		);
		await carol.context().close();
	});
});

describe("on a phone", () => {
	test("a request that waits is in view wherever the page stands, and can be put off", async () => {
		const room = newRoom();
		const alice = await enter(room, "Alice");
		const bob = await enter(room, "Bob", { viewport: PHONE, hasTouch: true, isMobile: true });
		await bob.evaluate(() => scrollTo(0, 0));
		await button(alice, "Ask to finish the trade").click();
		const question = bob.getByRole("group", { name: "Alice asks to finish the trade" });
		const allow = button(question, "Allow once");
		await sees(allow);
		for (const place of [0, 1, 0.5]) {
			await bob.evaluate((place) => scrollTo(0, place * document.documentElement.scrollHeight), place);
			await inView(bob, "Alice asks to finish the trade");
			await eventually(async () => assert.ok(await allow.evaluate(isOnTop), "its button can be pressed"));
		}
		await pictures(bob, "request-phone");
		await button(bob, "Later").click();
		await counts(question, 0);
		await button(bob, "1 waits for you").click();
		await sees(question);
		await allow.click();
		await counts(question, 0);
		await counts(button(bob, "waits for you"), 0);
		await fits(bob);
		for (const page of [alice, bob]) await page.context().close();
	});
});

describe("nothing gets in the way", () => {
	const room = newRoom();
	let alice: Page;
	let bob: Page;

	test("of the buttons: what just happened has a place of its own", async () => {
		for (const viewport of [PHONE, { width: 1120, height: 820 }]) {
			const page = await enter(`${room}-${viewport.width}`, "Alice", { viewport });
			await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
			await button(page, "Copy link").click();
			await sees(told(page, "Link copied."));
			for (const place of [0, 0.5, 1]) {
				await page.evaluate((place) => scrollTo(0, place * document.documentElement.scrollHeight), place);
				assert.deepEqual(await page.evaluate(coveredBy, "#status"), []);
			}
			await page.context().close();
		}
	});

	test("of a pointer: no control moves, whatever others do and whatever happens", async () => {
		alice = await enter(room, "Alice");
		await fillIn(alice, "Price", "240 €");
		await keeps(room, { price: "240 €" });
		await alice.evaluate(remember);
		const stands = async (what: string) => assert.deepEqual(await alice.evaluate(moved), [], `after ${what}`);

		bob = await enter(room, "Bob");
		await sees(told(alice, "Bob is here."));
		await stands("somebody came");
		await input(alice, "Product type").fill("Road bike");
		await holds(bob, { "Product type": "Road bike" });
		await fillIn(bob, "Product type", "Road bike, and a helmet, a lock, two lights and a pump besides");
		await sees(button(field(alice, "Product type"), "Use it"));
		await stands("an offer");
		await button(bob, "Ask to finish the trade").click();
		await sees(alice.getByRole("group", { name: "Bob asks to finish the trade" }));
		await stands("a request");
		await button(alice, "Allow for the session").click();
		await sees(alice.getByRole("list", { name: "Permissions in force" }));
		await stands("a permission");
		await offline(alice).check();
		await fillIn(alice, "Price", "210 €");
		await fillIn(alice, "Quantity", "3");
		await fillIn(alice, "Meeting location", "Central station");
		await counts(queue(alice), 3);
		await stands("changes that wait");
		await fillIn(bob, "Price", "215 €");
		await keeps(room, { price: "215 €" });
		await offline(alice).uncheck();
		await sees(conflict(alice, "Price"));
		await stands("a conflict");
		await button(conflict(alice, "Price"), "Keep theirs").click();
		await counts(alice.getByRole("dialog"), 0);
		await stands("a decision");
	});

	test("of a pointer: what goes from a list that somebody points at keeps its place", async () => {
		await offline(alice).check();
		await fillIn(alice, "Quantity", "4");
		await fillIn(alice, "Meeting location", "Market square");
		await counts(queue(alice), 2);
		const discard = alice.locator("#queue button").last();
		await discard.hover();
		const place = await discard.boundingBox();
		await offline(alice).focus();
		await alice.keyboard.press("Space");
		await keeps(room, { quantity: "4", meetingLocation: "Market square" });
		await counts(queue(alice), 0);
		assert.deepEqual(await discard.boundingBox(), place);
		assert.equal(await discard.isDisabled(), true);
		await alice.mouse.move(0, 0);
		await sees(alice.locator("#connection").getByText("Nothing."));
	});

	test("of what is whose: each draft says so", async () => {
		await input(alice, "Price").fill("220 €");
		await holds(bob, { Price: "220 €" });
		await sees(field(alice, "Price").getByText("You chose this"));
		await sees(field(bob, "Price").getByText("Alice chose this"));
		await fillIn(bob, "Price", "205 €");
		await sees(field(alice, "Price").getByText("Your draft. Bob chose “205 €”."));
		await button(field(alice, "Price"), "Use it").click();
		await sees(field(alice, "Price").getByText("Bob chose this"));
		for (const page of [alice, bob]) await page.context().close();
	});
});

test("has complained of nothing in any console", () => {
	assert.deepEqual(complaints, []);
});

function steps(page: Page) {
	return page.getByRole("region", { name: "A form that several people fill in together" }).getByRole("listitem");
}

function done(page: Page, title = "") {
	return steps(page).filter({ hasText: `${title} (done)` });
}

async function entries(page: Page): Promise<string[]> {
	return page.getByRole("log", { name: "What happened" }).getByRole("listitem").allInnerTexts();
}

async function inView(page: Page, text: string): Promise<void> {
	await eventually(async () => {
		const all = await page.getByText(text).evaluateAll((found) =>
			found.some((element) => {
				const { top, bottom } = element.getBoundingClientRect();
				return bottom > top && top >= 0 && bottom <= innerHeight;
			}),
		);
		assert.ok(all, `“${text}” is in view`);
	});
}

// What runs in the page.

function isOnTop(element: Element): boolean {
	const { left, top, width, height } = element.getBoundingClientRect();
	const found = document.elementFromPoint(left + width / 2, top + height / 2);
	return found !== null && element.contains(found);
}

/** The controls that something lies over, other than those that are scrolled to where the header is. */
function coveredBy(selector: string): string[] {
	const line = document.querySelector(selector)?.getBoundingClientRect();
	const header = document.querySelector("header");
	if (line === undefined || header === null || line.height === 0) throw new Error(`${selector} is not shown`);
	const { bottom } = header.getBoundingClientRect();
	return [...document.querySelectorAll("button, a, input, select, summary")]
		.filter((control) => header.contains(control) || control.getBoundingClientRect().top >= bottom)
		.filter((control) => {
			const { left, right, top, bottom } = control.getBoundingClientRect();
			return left < line.right && right > line.left && top < line.bottom && bottom > line.top;
		})
		.map((control) => control.outerHTML);
}

/** Notes where each control is on the page. */
function remember(): void {
	const places = new Map<Element, number[]>();
	for (const control of document.querySelectorAll("button, a, input, select, summary")) {
		const { left, top, width } = control.getBoundingClientRect();
		if (width > 0) places.set(control, [left, control.closest("header") ? top : top + scrollY]);
	}
	Object.assign(window, { places });
}

/** Which of these are elsewhere now. */
function moved(): string[] {
	const { places } = window as unknown as { places: Map<Element, number[]> };
	return [...places].flatMap(([control, [left = 0, top = 0]]) => {
		if (!control.isConnected) return [];
		const now = control.getBoundingClientRect();
		const y = control.closest("header") ? now.top : now.top + scrollY;
		const isSame = Math.abs(now.left - left) < 1 && Math.abs(y - top) < 1;
		return isSame ? [] : [`${control.id || control.textContent}: ${left},${top} -> ${now.left},${y}`];
	});
}
