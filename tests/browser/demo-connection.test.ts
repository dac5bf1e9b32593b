// Connections that break, that do not come about and that end, and pages that go, in a real browser.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
	button,
	complaints,
	context,
	counts,
	cuttable,
	enter,
	field,
	fillIn,
	here,
	holds,
	input,
	keeps,
	live,
	newRoom,
	open,
	picture,
	queue,
	sees,
	start,
	stateOf,
	stop,
	stored,
	url,
} from "./demo-kit.ts";

before(start);
after(stop);

describe("a connection", () => {
	const room = newRoom();

	test("sends what was typed while the connection was cut", async () => {
		const page = await (await context()).newPage();
		const line = await cuttable(page);
		await page.goto(`${url}/?room=${room}-cut&name=Dora`);
		await live(page);
		await line.cut();
		await sees(page.locator("#link").getByText("Reconnecting…"));
		await input(page, "Price").fill("10 €");
		await sees(field(page, "Price").getByText("not sent yet"));
		await picture(page, "reconnecting");
		line.isCut = false;
		await live(page);
		await sees(field(page, "Price").getByText("just now"));
		await keeps(`${room}-cut`, { price: "10 €" });
		await page.context().close();
	});

	test("goes over to asking the room where WebSockets do not come through", async () => {
		const page = await (await context()).newPage();
		const line = await cuttable(page);
		line.isBlocked = true;
		await page.goto(`${url}/?room=${room}-cut&name=Dora`);
		await sees(page.locator("#link").getByText("Polling"));
		await holds(page, { Price: "10 €" });
		await sees(page.getByText("others do not see that you are here"));
		await fillIn(page, "Price", "11 €");
		await keeps(`${room}-cut`, { price: "11 €" });
		await sees(field(page, "Price").getByText("You chose this just now"));
		await picture(page, "polling");
		await page.context().close();
	});

	test("says so, and stops, when the room's name cannot be used", async () => {
		const page = await open("/?room=a%2Fb&name=Eve");
		await sees(page.locator("#link").getByText("Disconnected"));
		await sees(page.getByRole("alert").getByText("This room’s name is not valid."));
		await page.context().close();
	});

	test("says so, and stops, when the room is deleted", async () => {
		const page = await enter(`${room}-gone`, "Eve");
		const address = `${url}/parties/trade/${room}-gone`;
		assert.equal((await fetch(address, { method: "DELETE" })).status, 204);
		await sees(page.getByRole("alert").getByText("This room was deleted."));
		await sees(page.locator("#fields:disabled"));
		await page.reload();
		await live(page);
		await page.context().close();
	});
});

describe("a page that goes", () => {
	test("loses nothing when it is loaded again while the line is cut", async () => {
		const room = newRoom();
		const page = await (await context()).newPage();
		const line = await cuttable(page);
		await page.goto(`${url}/?room=${room}&name=Alice`);
		await live(page);
		await line.cut();
		await fillIn(page, "Price", "10 €");
		await fillIn(page, "Quantity", "2");
		await stored(page, 2);
		await page.reload();
		await sees(field(page, "Price").getByText("You chose this · not sent yet"));
		await counts(queue(page), 2);
		line.isCut = false;
		await live(page);
		await keeps(room, { price: "10 €", quantity: "2" });
		await page.context().close();
	});

	test("sends the next time what it was about to send when it was closed", async () => {
		const room = newRoom();
		const browser = await context();
		const line = await cuttable(browser);
		const page = await browser.newPage();
		await page.goto(`${url}/?room=${room}&name=Alice`);
		await live(page);
		await line.cut();
		await fillIn(page, "Price", "10 €");
		await sees(field(page, "Price").getByText("not sent yet"));
		await stored(page, 1);
		await page.close();
		line.isCut = false;
		// The same person as before, since nobody else at this browser is.
		const next = await browser.newPage();
		await next.goto(`${url}/?room=${room}`);
		await live(next);
		await sees(here(next, "Alice (you)"));
		await keeps(room, { price: "10 €" });
		assert.equal((await stateOf(room)).participants.length, 1);
		await browser.close();
	});

	test("does nothing twice when it is closed before it has heard the answer", async () => {
		const room = newRoom();
		const browser = await context();
		const line = await cuttable(browser);
		const page = await browser.newPage();
		await page.goto(`${url}/?room=${room}&name=Alice`);
		await live(page);
		line.isDeaf = true;
		await fillIn(page, "Price", "10 €");
		await keeps(room, { price: "10 €" });
		await page.close();
		line.isDeaf = false;
		const bob = await enter(room, "Bob");
		await fillIn(bob, "Price", "12 €");
		await keeps(room, { price: "12 €" });

		const next = await browser.newPage();
		await next.goto(`${url}/?room=${room}`);
		await live(next);
		await holds(next, { Price: "12 €" });
		await sees(next.locator("#connection").getByText("Nothing."));
		await counts(next.getByRole("dialog"), 0);
		await keeps(room, { price: "12 €" });
		await browser.close();
		await bob.context().close();
	});

	test("sends what was typed in the last moment", async () => {
		const room = newRoom();
		const alice = await enter(room, "Alice");
		await input(alice, "Price").fill("10 €");
		// Sooner than typing counts as over, and no sooner than a hand gets from one key to another.
		await sleep(50);
		await alice.reload();
		await live(alice);
		await keeps(room, { price: "10 €" });
		await holds(alice, { Price: "10 €" });
		await alice.context().close();
	});

	test("is another person in another tab that is open at the same time", async () => {
		const room = newRoom();
		const alice = await enter(room, "Alice");
		const other = await alice.context().newPage();
		await other.goto(`${url}/?room=${room}`);
		await input(other, "Your name").fill("Bob");
		await button(other, "Enter the room").click();
		await live(other);
		await sees(here(alice, "Bob"));
		await alice.context().close();
	});

	test("leaves the room to another tab of the same person", async () => {
		const room = newRoom();
		const alice = await enter(room, "Alice");
		const bob = await enter(room, "Bob");
		// Unlike a tab that somebody opens, one that a page opens is the same person.
		const opened = alice.context().waitForEvent("page");
		await alice.evaluate(() => void window.open(location.href));
		const other = await opened;
		await live(other);
		await fillIn(other, "Price", "10 €");
		for (const page of [alice, bob]) await holds(page, { Price: "10 €" });
		await input(other, "Quantity").focus();
		await sees(field(alice, "Quantity").getByText("You, elsewhere, are here"));
		await alice.close();
		await fillIn(other, "Price", "11 €");
		await holds(bob, { Price: "11 €" });
		await counts(here(bob, "Alice"), 1);
		await other.context().close();
		await bob.context().close();
	});

	test("says when nothing can be kept", async () => {
		const browser = await context();
		await browser.addInitScript(() => Object.defineProperty(window, "indexedDB", { value: undefined }));
		const page = await browser.newPage();
		await page.goto(`${url}/?room=${newRoom()}&name=Alice`);
		await live(page);
		await sees(page.getByText("Unsent changes are only in this page’s memory"));
		await browser.close();
	});

	test("works where the browser lets it keep nothing, and takes nobody called You for the reader", async () => {
		const browser = await context();
		await browser.addInitScript(() => {
			const get = () => {
				throw new DOMException("Access is denied.", "SecurityError");
			};
			for (const store of ["sessionStorage", "localStorage"]) Object.defineProperty(window, store, { get });
		});
		const room = newRoom();
		const page = await browser.newPage();
		await page.goto(`${url}/?room=${room}&name=Alice`);
		await live(page);
		const other = await enter(room, "You");
		await input(other, "Price").fill("240 €");
		await sees(field(page, "Price").getByText("“You” chose this"));
		await sees(field(other, "Price").getByText("You chose this"));
		await browser.close();
		await other.context().close();
	});
});

test("has complained of nothing in any console", () => {
	assert.deepEqual(complaints, []);
});
