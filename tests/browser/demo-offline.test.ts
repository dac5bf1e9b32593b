// What becomes of what somebody changes while the room cannot be reached, in a real browser.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import {
	button,
	complaints,
	conflict,
	counts,
	cuttable,
	enter,
	eventually,
	field,
	fillIn,
	fits,
	here,
	holds,
	input,
	isFocused,
	keeps,
	live,
	logged,
	newRoom,
	offline,
	PHONE,
	picture,
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

describe("working offline", () => {
	const room = newRoom();
	let alice: Page;
	let bob: Page;

	test("collects changes in their order, and lets go of one that was not sent", async () => {
		alice = await enter(room, "Alice");
		bob = await enter(room, "Bob", { viewport: PHONE, hasTouch: true, isMobile: true });
		await fillIn(alice, "Product type", "Road bike, size 54");
		await fillIn(alice, "Price", "240 €");
		await holds(bob, { "Product type": "Road bike, size 54", Price: "240 €" });

		await offline(alice).check();
		await sees(alice.locator("#link").getByText("Offline"));
		await sees(alice.getByText("Unsent changes are kept on this device"));
		await fillIn(alice, "Price", "230 €");
		await fillIn(alice, "Quantity", "3");
		await fillIn(alice, "Meeting location", "Central station");
		await alice.getByLabel("I’m ready").check();
		await sees(field(alice, "Price").getByText("You chose this · not sent yet"));
		const inOrder = ["Price: “230 €”", "Quantity: “3”", "Meeting location: “Central station”", "Ready"];
		await eventually(async () => assert.deepEqual(await queue(alice).locator(".what").allTextContents(), inOrder));
		await pictures(alice, "offline");

		await button(queue(alice).nth(2), "Discard").click();
		await counts(queue(alice), 3);
		await holds(alice, { "Meeting location": "" });
		await isFocused(alice.getByRole("heading", { name: "Waiting to be sent" }));
		await sees(here(bob, "Alice").getByText("not ready yet").or(bob.getByText("last seen")));
	});

	test("keeps them when the page is loaded again", async () => {
		await stored(alice, 3);
		await alice.reload();
		await sees(alice.locator("#link").getByText("Offline"));
		assert.equal(await offline(alice).isChecked(), true);
		await counts(queue(alice), 3);
		await holds(alice, { Price: "230 €", Quantity: "3" });
		await sees(field(alice, "Product type").getByText("Unknown without a connection"));
	});

	test("asks which answer stays when somebody else was quicker, also after a reload", async () => {
		await fillIn(bob, "Price", "225 €");
		await fillIn(bob, "Quantity", "2");
		await keeps(room, { price: "225 €", quantity: "2" });
		await offline(alice).uncheck();
		await live(alice);
		await sees(conflict(alice, "Price"));
		await sees(told(alice, "came too late: Bob had already chosen"));
		await sees(conflict(alice, "Price").getByText("1 of 2"));
		await isFocused(conflict(alice, "Price"));
		await holds(alice, { Price: "225 €", Quantity: "2" });
		await sees(here(bob, "Alice").getByText("✓ ready"));
		await pictures(alice, "conflict");

		await alice.reload();
		await live(alice);
		await sees(conflict(alice, "Price").getByText("230 €"));
		await sees(conflict(alice, "Price").getByText("225 €"));
		await sees(conflict(alice, "Price").getByText("Bob, just now"));
	});

	test("goes on to the next conflict, and both see what was decided", async () => {
		await button(conflict(alice, "Price"), "Keep mine").click();
		await sees(conflict(alice, "Quantity"));
		await isFocused(conflict(alice, "Quantity"));
		await button(conflict(alice, "Quantity"), "Edit").click();
		await input(alice, "Your value").fill("4");
		await picture(alice, "conflict-edit");
		await input(alice, "Your value").press("Enter");
		await counts(alice.getByRole("dialog"), 0);
		for (const page of [alice, bob]) {
			await holds(page, { Price: "230 €", Quantity: "4" });
			await sees(field(page, "Price").getByText(page === alice ? "You chose this" : "Alice chose this"));
		}
		await keeps(room, { price: "230 €", quantity: "4" });
		await sees(alice.locator("#connection").getByText("Nothing."));
		await sees(logged(alice, "You decided on Price."));
	});

	test("lets somebody on a phone keep the other answer", async () => {
		await offline(bob).check();
		await fillIn(bob, "Price", "220 €");
		await fillIn(alice, "Price", "235 €");
		await keeps(room, { price: "235 €" });
		await offline(bob).uncheck();
		await sees(conflict(bob, "Price"));
		await fits(bob);
		await picture(bob, "conflict-phone", false);
		await bob.setViewportSize({ width: 320, height: 640 });
		await fits(bob);
		await picture(bob, "conflict-narrow", false);
		await button(conflict(bob, "Price"), "Keep theirs").click();
		await counts(bob.getByRole("dialog"), 0);
		for (const page of [alice, bob]) await holds(page, { Price: "235 €" });
		await keeps(room, { price: "235 €" });
	});

	test("can be done with the keyboard alone", async () => {
		await offline(alice).focus();
		await alice.keyboard.press("Space");
		await sees(alice.locator("#link").getByText("Offline"));
		await fillIn(alice, "Quantity", "6");
		await fillIn(bob, "Quantity", "5");
		await keeps(room, { quantity: "5" });
		await offline(alice).focus();
		await alice.keyboard.press("Space");
		await isFocused(conflict(alice, "Quantity"));
		await alice.keyboard.press("Escape");
		await isFocused(offline(alice));
		await button(field(alice, "Quantity"), "Decide on Quantity").focus();
		await alice.keyboard.press("Enter");
		await isFocused(conflict(alice, "Quantity"));
		await alice.keyboard.press("Tab");
		await isFocused(button(alice, "Keep mine"));
		await alice.keyboard.press("Enter");
		await counts(alice.getByRole("dialog"), 0);
		await isFocused(input(alice, "Quantity"));
		for (const page of [alice, bob]) await holds(page, { Quantity: "6" });
	});

	test("takes no focus and no letter away from somebody who types", async () => {
		const line = await cuttable(alice);
		await alice.reload();
		await live(alice);
		await line.cut();
		await fillIn(alice, "Price", "210 €");
		await input(alice, "Meeting location").pressSequentially("Market");
		await fillIn(bob, "Price", "215 €");
		await keeps(room, { price: "215 €" });
		line.isCut = false;
		await sees(conflict(alice, "Price"));
		await isFocused(input(alice, "Meeting location"));
		await input(alice, "Meeting location").pressSequentially(" square");
		await alice.keyboard.press("Tab");
		await holds(bob, { "Meeting location": "Market square" });
		await button(conflict(alice, "Price"), "Keep theirs").click();
		for (const page of [alice, bob]) await holds(page, { Price: "215 €", "Meeting location": "Market square" });
	});

	test("means what stands in the field when somebody typed on in it", async () => {
		const line = await cuttable(alice);
		await alice.reload();
		await live(alice);
		await line.cut();
		await input(alice, "Price").fill("200 €");
		await fillIn(bob, "Price", "205 €");
		await keeps(room, { price: "205 €" });
		line.isCut = false;
		await sees(conflict(alice, "Price"));
		await input(alice, "Price").press("Home");
		await input(alice, "Price").pressSequentially("1");
		await sees(conflict(alice, "Price").getByText("1200 €"));
		await holds(bob, { Price: "205 €" });
		await button(conflict(alice, "Price"), "Keep mine").click();
		for (const page of [alice, bob]) await holds(page, { Price: "1200 €" });
		await alice.context().close();
		await bob.context().close();
	});
});

test("has complained of nothing in any console", () => {
	assert.deepEqual(complaints, []);
});
