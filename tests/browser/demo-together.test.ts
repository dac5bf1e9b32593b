// Who is where in the form, and permissions that somebody asks for and others give, in a real browser.

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
	here,
	holds,
	input,
	isFocused,
	keeps,
	live,
	logged,
	NARROW,
	newRoom,
	PHONE,
	pictures,
	sees,
	start,
	stop,
	told,
} from "./demo-kit.ts";

before(start);
after(stop);

describe("people in a form", () => {
	const room = newRoom();
	let alice: Page;
	let bob: Page;

	test("see who is at which field", async () => {
		alice = await enter(room, "Alice");
		bob = await enter(room, "Bob", { viewport: PHONE, hasTouch: true, isMobile: true });
		await input(bob, "Price").focus();
		await sees(field(alice, "Price").getByText("Bob is here"));
		await sees(here(alice, "Bob").getByText("at Price"));
		const described = await input(alice, "Price").getAttribute("aria-describedby");
		const texts = await Promise.all(
			(described ?? "").split(" ").map((id) => alice.locator(`#${id}`).allTextContents()),
		);
		assert.ok(texts.flat().includes("Bob is here"), "it is read out to whoever comes to the field");
		await pictures(alice, "presence");

		await bob.keyboard.press("Tab");
		await sees(field(alice, "Quantity").getByText("Bob is here"));
		await counts(field(alice, "Price").getByText("Bob is here"), 0);
		await input(bob, "Quantity").blur();
		await counts(alice.getByText("Bob is here", { exact: true }), 0);
	});

	test("see nobody at a field whose page is closed", async () => {
		const carol = await enter(room, "Carol");
		await input(carol, "Condition").focus();
		await sees(field(alice, "Condition").getByText("Carol is here"));
		await carol.context().close();
		await counts(alice.getByText("Carol is here", { exact: true }), 0);
	});

	test("are seen at their field again when their connection comes back", async () => {
		await input(bob, "Price").focus();
		await sees(field(alice, "Price").getByText("Bob is here"));
		await alice.reload();
		await live(alice);
		await sees(field(alice, "Price").getByText("Bob is here"));
	});
});

describe("a permission", () => {
	const room = newRoom();
	let alice: Page;
	let bob: Page;

	test("is asked for, given for the session with a reason, and stands", async () => {
		alice = await enter(room, "Alice");
		bob = await enter(room, "Bob", { viewport: PHONE, hasTouch: true, isMobile: true });
		await fillIn(alice, "Product type", "Road bike");
		await fillIn(alice, "Price", "240 €");
		await button(alice, "Ask to finish the trade").click();
		await sees(requests(alice).getByText("waiting for a response."));
		await sees(told(bob, "Alice asks to finish the trade."));
		const question = bob.getByRole("group", { name: "Alice asks to finish the trade" });
		await sees(question.getByText("Road bike, for 240 €"));
		await fits(bob);
		await pictures(bob, "asked");
		await bob.setViewportSize(NARROW);
		await fits(bob);
		await question.getByLabel("Reason").fill("Fine with me");
		await button(question, "Allow for the session").click();
		await counts(question, 0);
		await sees(told(alice, "allowed for the session by Bob: “Fine with me”"));
		await sees(requests(alice).getByText("allowed for the session by Bob: “Fine with me”"));
		for (const page of [alice, bob]) await counts(standing(page).getByRole("listitem"), 1);
		await pictures(alice, "allowed");
		assert.equal(await button(alice, "Ask to finish the trade").isDisabled(), true);
	});

	test("still stands after a reload, until it is revoked", async () => {
		await alice.reload();
		await live(alice);
		await sees(standing(alice).getByText("You may finish the trade", { exact: true }));
		await button(standing(bob), "Revoke").click();
		for (const page of [alice, bob]) await counts(standing(page), 0);
		await sees(told(alice, "Your permission to finish the trade was revoked."));
	});

	test("is taken back by who asked for it", async () => {
		await button(alice, "Ask to finish the trade").click();
		const question = bob.getByRole("group", { name: "Alice asks to finish the trade" });
		await sees(question);
		await button(requests(alice), "Cancel").click();
		await counts(question, 0);
		await sees(requests(alice).getByText("withdrawn."));
	});

	test("is denied, or given once, with the keyboard alone", async () => {
		const question = bob.getByRole("group", { name: "Alice asks to finish the trade" });
		for (const [name, answer] of [
			["Deny", "denied by Bob."],
			["Allow once", "allowed once by Bob."],
		] as const) {
			await button(alice, "Ask to finish the trade").focus();
			await alice.keyboard.press("Enter");
			await sees(question);
			await question.getByLabel("Reason").focus();
			await bob.keyboard.press("Tab");
			await isFocused(button(question, "Allow once"));
			if (name === "Deny") {
				await bob.keyboard.press("Tab");
				await bob.keyboard.press("Tab");
			}
			await bob.keyboard.press("Space");
			await isFocused(bob.getByRole("heading", { name: "Finish the trade" }));
			await sees(requests(alice).getByText(answer));
			await counts(standing(alice), 0);
			await sees(logged(bob, name === "Deny" ? "denied by you." : "allowed once by you."));
		}
	});

	test("is asked for by somebody offline, and answered when they are back", async () => {
		await alice.getByRole("switch", { name: "Work offline" }).check();
		await button(alice, "Ask to finish the trade").click();
		await sees(requests(alice).getByText("waiting for a response."));
		await sees(alice.getByText("Your permission request", { exact: true }));
		await alice.getByRole("switch", { name: "Work offline" }).uncheck();
		const question = bob.getByRole("group", { name: "Alice asks to finish the trade" });
		await button(question, "Allow once").click();
		await sees(requests(alice).getByRole("listitem").first().getByText("allowed once by Bob."));
	});
});

describe("undo", () => {
	const room = newRoom();
	let alice: Page;
	let bob: Page;

	test("takes back what its user changed, and brings it again, with buttons and with the usual keys", async () => {
		alice = await enter(room, "Alice");
		bob = await enter(room, "Bob");
		await counts(alice.getByRole("button", { name: "Undo", disabled: true }), 1);
		await fillIn(alice, "Price", "240 €");
		await keeps(room, { price: "240 €" });
		await fillIn(alice, "Price", "230 €");
		await keeps(room, { price: "230 €" });
		await button(alice, "Undo").click();
		for (const page of [alice, bob]) await holds(page, { Price: "240 €" });
		await sees(told(alice, "Undone."));
		await button(alice, "Redo").click();
		for (const page of [alice, bob]) await holds(page, { Price: "230 €" });

		await input(alice, "Condition").selectOption("Good");
		await keeps(room, { condition: "Good" });
		await input(alice, "Condition").press("Control+z");
		for (const page of [alice, bob]) await holds(page, { Condition: "", Price: "230 €" });
		await input(alice, "Condition").press("Control+Shift+z");
		for (const page of [alice, bob]) await holds(page, { Condition: "Good" });
	});

	test("leaves these keys to a text that somebody types", async () => {
		await input(alice, "Meeting location").pressSequentially("Station");
		await input(alice, "Meeting location").press("Control+z");
		await eventually(async () => assert.notEqual(await input(alice, "Meeting location").inputValue(), "Station"));
		await holds(alice, { Condition: "Good", Price: "230 €" });
		await input(alice, "Meeting location").press("Tab");
	});

	test("survives a reload, and asks about what somebody else has changed since", async () => {
		await fillIn(alice, "Quantity", "1");
		await keeps(room, { quantity: "1" });
		await fillIn(alice, "Quantity", "2");
		await keeps(room, { quantity: "2" });
		await alice.reload();
		await live(alice);
		await fillIn(bob, "Quantity", "3");
		await holds(alice, { Quantity: "3" });
		await button(alice, "Undo").click();
		await sees(conflict(alice, "Quantity"));
		await keeps(room, { quantity: "3" });
		await button(conflict(alice, "Quantity"), "Keep mine").click();
		for (const page of [alice, bob]) await holds(page, { Quantity: "1" });
		for (const page of [alice, bob]) await page.context().close();
	});
});

test("has complained of nothing in any console", () => {
	assert.deepEqual(complaints, []);
});

function requests(page: Page) {
	return page.getByRole("list", { name: "Requests" });
}

function standing(page: Page) {
	return page.getByRole("list", { name: "Permissions in force" });
}
