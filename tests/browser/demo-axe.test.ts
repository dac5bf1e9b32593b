// axe looks at each state of the demo, in light and in dark: nothing on it shuts anybody out, as far as a program can tell.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import axe, { type AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import {
	button,
	conflict,
	counts,
	cuttable,
	enter,
	field,
	fillIn,
	holds,
	input,
	keeps,
	live,
	newRoom,
	offline,
	open,
	PHONE,
	picture,
	queue,
	sees,
	start,
	stop,
	told,
	url,
} from "./demo-kit.ts";

before(start);
after(stop);

describe("axe finds nothing", () => {
	const room = newRoom();
	let alice: Page;
	let bob: Page;

	test("where the page asks for a name, nor on a form that nobody has filled in", async () => {
		const page = await open(`/?room=${room}`);
		await sees(page.getByRole("dialog"));
		await isFine(page, "name");
		await page.context().close();
		alice = await enter(room, "Alice");
		bob = await enter(room, "Bob", { viewport: PHONE, hasTouch: true, isMobile: true });
		await sees(told(alice, "Bob is here."));
		for (const page of [alice, bob]) await isFine(page, "empty");
	});

	test("with somebody at a field, and with an offer", async () => {
		await fillIn(alice, "Product type", "Road bike");
		await input(alice, "Price").fill("230 €");
		await holds(bob, { Price: "230 €" });
		await input(bob, "Price").fill("225 €");
		await sees(button(field(alice, "Price"), "Use it"));
		await sees(field(alice, "Price").getByText("Bob is here"));
		for (const page of [alice, bob]) await isFine(page, "offer");
		await button(field(alice, "Price"), "Use it").click();
		await bob.keyboard.press("Tab");
	});

	test("with a request that waits, with a permission, and with one that was denied", async () => {
		await button(alice, "Ask to finish the trade").click();
		await sees(button(bob, "Allow once"));
		for (const page of [alice, bob]) await isFine(page, "asked");
		await button(bob, "Allow for the session").click();
		await sees(button(alice, "Revoke"));
		await isFine(alice, "allowed");
		await button(bob, "Ask to finish the trade").click();
		await button(alice, "Deny").click();
		await sees(told(bob, "denied by Alice."));
		await isFine(bob, "denied");
	});

	test("offline, and with a conflict in each of its forms", async () => {
		await offline(alice).check();
		await fillIn(alice, "Price", "210 €");
		await counts(queue(alice), 1);
		await isFine(alice, "offline");
		await fillIn(bob, "Price", "215 €");
		await keeps(room, { price: "215 €" });
		await offline(alice).uncheck();
		await sees(conflict(alice, "Price"));
		await isFine(alice, "conflict");
		await button(alice, "Edit").click();
		await isFine(alice, "conflict-edit");
		await button(alice, "Later").click();
		await sees(button(field(alice, "Price"), "Decide on Price"));
		await isFine(alice, "conflict-later");
	});

	test("with what the room refused, which stays until it is mended or dropped", async () => {
		// The form itself lets nobody type that much.
		await input(bob, "Meeting location").evaluate((element) => element.removeAttribute("maxlength"));
		await fillIn(bob, "Meeting location", "x".repeat(100_000));
		await sees(field(bob, "Meeting location").getByText("Your draft. The room refuses it"));
		await sees(told(bob, "The room refuses your change of Meeting location"));
		await isFine(bob, "refused");
		await picture(bob, "refused");
		await button(field(bob, "Meeting location"), "Drop it").click();
		await holds(bob, { "Meeting location": "" });
	});

	test("while the connection is lost, for somebody who has left, and when the room is gone", async () => {
		const line = await cuttable(bob);
		await bob.reload();
		await live(bob);
		await alice.context().close();
		await sees(bob.getByRole("list", { name: "Was here" }));
		await isFine(bob, "left");
		await line.cut();
		await sees(bob.locator("#link").getByText("Reconnecting…"));
		await isFine(bob, "lost");
		line.isCut = false;
		await live(bob);
		const address = `${url}/parties/trade/${room}`;
		assert.equal((await fetch(address, { method: "DELETE" })).status, 204);
		await sees(bob.getByRole("alert").getByText("This room was deleted."));
		await isFine(bob, "deleted");
	});
});

/** Lets axe look at the page as it is, in both schemes. Its source goes past the page's policy, as a browser's tools do. */
async function isFine(page: Page, state: string): Promise<void> {
	await page.evaluate(axe.source);
	for (const colorScheme of ["light", "dark"] as const) {
		await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
		const { passes, violations } = (await page.evaluate("axe.run()")) as AxeResults;
		assert.ok(
			passes.some(({ id }) => id === "color-contrast"),
			"it has looked at the page",
		);
		const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
		assert.deepEqual(found, [], `${state}, in ${colorScheme}`);
	}
	await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
}
