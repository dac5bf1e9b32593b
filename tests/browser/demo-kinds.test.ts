// The demo's rooms are of the kind `trade`: what does not fit is said at its field, and what nobody here may write is shown
// as such.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import {
	button,
	complaints,
	counts,
	enter,
	field,
	fillIn,
	fits,
	holds,
	input,
	keeps,
	logged,
	newRoom,
	PHONE,
	pictures,
	sees,
	start,
	stateOf,
	stop,
	told,
	url,
} from "./demo-kit.ts";

before(start);
after(stop);

describe("a trade", () => {
	const room = newRoom();
	let alice: Page;
	let bob: Page;

	test("K3 says at its field why a value is refused, in the room's words, and sends nothing of it", async () => {
		alice = await enter(room, "Alice");
		bob = await enter(room, "Bob", { viewport: PHONE, hasTouch: true, isMobile: true });
		await fillIn(bob, "Price", "240 €");
		await holds(alice, { Price: "240 €" });
		const { version } = await stateOf(room);
		await input(alice, "Price").fill("cheap");
		await input(alice, "Price").press("End");
		await input(alice, "Price").pressSequentially(", for a friend");
		await input(alice, "Price").press("Tab");
		const words = "`price` cannot hold this value: it breaks `pattern` of the field's schema.";
		await sees(field(alice, "Price").getByText(`Your draft. The room refuses it: ${words}`));
		await sees(told(alice, "The room refuses your change of Price (invalid_value)"));
		await counts(logged(alice, "The room refuses your change of Price"), 1);
		assert.equal(await input(alice, "Price").inputValue(), "cheap, for a friend");
		await holds(bob, { Price: "240 €" });
		await pictures(alice, "misfit");
		await fits(alice);
		await button(field(alice, "Price"), "Drop it").click();
		await holds(alice, { Price: "240 €" });
		assert.equal((await stateOf(room)).version, version);
	});

	test("K3 takes what was mended", async () => {
		await fillIn(bob, "Quantity", "many");
		await sees(field(bob, "Quantity").getByText("Your draft. The room refuses it"));
		await pictures(bob, "misfit-phone");
		await fits(bob);
		await fillIn(bob, "Quantity", "3");
		await holds(alice, { Quantity: "3" });
		await counts(field(bob, "Quantity").getByText("Your draft."), 0);
		await keeps(room, { quantity: "3" });
	});

	test("K4 shows what nobody on the page may write as read-only, and the README has the command that writes it", async () => {
		for (const page of [alice, bob]) {
			assert.equal(await input(page, "Price in shops").getAttribute("readonly"), "");
			await sees(field(page, "Price in shops").getByText("Only the shop itself writes this, over HTTP."));
		}
		await input(alice, "Price in shops").focus();
		await alice.keyboard.type("1");
		assert.equal(await input(alice, "Price in shops").inputValue(), "");
		const [, path, body] = curl();
		const address = `${url}/parties/trade/${room}/${path}`;
		assert.equal((await fetch(address, { method: "PUT", body: body ?? "" })).status, 200);
		for (const page of [alice, bob]) await holds(page, { "Price in shops": "€259.90" });
		await sees(logged(alice, "set Price in shops to “€259.90”."));
		await sees(field(bob, "Price in shops").getByText("Last just now."));
		await pictures(bob, "quote-phone");
		// Whoever is somebody else may not, whatever their page.
		const forged = (body ?? "").replace('"userId":"shop"', '"userId":"somebody"');
		const answer = await fetch(address, { method: "PUT", body: forged });
		assert.equal(answer.status, 403);
		const { code, field: name, detail } = (await answer.json()) as Record<string, unknown>;
		assert.deepEqual([code, name, detail], ["forbidden", "quotes/shop", "You may not write `quotes/shop`."]);
	});

	test("K6 a page that is out of date says so, and what is pending is sent by the next one", async () => {
		const page = await enter(`${room}-old`, "Eve");
		// The room of a newer kind is played: it closes whoever comes.
		let isNewer = true;
		await page.routeWebSocket(/\/parties\//, (opened) => {
			if (!isNewer) return void opened.connectToServer();
			opened.onMessage(() => opened.close({ code: 4427, reason: "outdated" }));
		});
		await page.reload();
		await sees(page.getByRole("alert").getByText("This page is out of date."));
		isNewer = false;
		await page.reload();
		await fillIn(page, "Price", "10 €");
		await keeps(`${room}-old`, { price: "10 €" });
		await page.context().close();
	});

	test("has complained of nothing in any console", () => {
		assert.deepEqual(complaints, []);
	});
});

/** The command of the README that writes a quote: its path below the room, and its body. */
function curl(): RegExpMatchArray {
	const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
	const command = readme.match(/parties\/trade\/[^/ ]+\/(fields\/\S+) -d '([^']+)'/);
	assert.ok(command, "the README has the command");
	return command;
}
