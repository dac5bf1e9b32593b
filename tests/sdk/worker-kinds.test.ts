// Clients that know their room's kind, with the built room: both refuse the same in the same words, and what an outdated
// page has left comes through. The kinds are those of rooms/index.ts.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { kindOf } from "../../packages/sdk/src/kinds.ts";
import { memoryStorage } from "../../packages/sdk/src/storage.ts";
import type { Json } from "../../packages/sdk/src/types.ts";
import rooms from "../../rooms/index.ts";
import { newRoom, type Served, serve } from "../worker/harness.ts";
import { closeAll, enter, isPolling, make, until } from "./worker-client.ts";

let server: Served;
before(async () => {
	server = await serve();
});
afterEach(closeAll);
after(() => server.close());

const trade = { party: "trade", kind: kindOf(rooms.trade) };
const user = { party: "user", kind: kindOf(rooms.user) };
/** A page of the version before. */
const older = { party: "user", kind: { version: 1, check: () => undefined } };

/** Changes of a trade that its kind refuses. Undefined clears. */
const REFUSED: [field: string, value: Json | undefined][] = [
	["price", 240],
	["price", "a lot"],
	["price", `1${"0".repeat(40)}`],
	["condition", "broken"],
	["quantity", "0"],
	["productType", null],
	["quotes/ann", { amount: -1, currency: "EUR" }],
	["quotes/ann", { amount: 0.001, currency: "EUR" }],
	["quotes/ann", { amount: 1, currency: "PHP" }],
	["quotes/ann", { amount: 1 }],
	["quotes/ann", { amount: 1, currency: "EUR", more: true }],
	["quotes/shop", { amount: 1, currency: "EUR" }],
	["quotes/shop", undefined],
	["quotes", 1],
	["quotes/ann/x", 1],
	["prize", "1"],
	["prize", undefined],
];

test("K2 K3 K4 a page refuses what the room refuses, with the same members, over a socket and over HTTP", async () => {
	const room = newRoom();
	const knowing = await enter(server, room, "ann", trade);
	const plain = await enter(server, room, "ann", { party: "trade" });
	for (const [field, value] of REFUSED) {
		const [here, there] = await Promise.all(
			[knowing, plain].map((client) => (value === undefined ? client.clear(field) : client.select(field, value))),
		);
		assert.deepEqual(here, there, `${field} ${JSON.stringify(value)}`);
		assert.equal(here?.outcome, "rejected");
		const { refused } = plain.getSnapshot();
		assert.deepEqual(knowing.getSnapshot().refused[field], { ...refused[field], at: knowing.field(field).refused?.at });
		const init = { method: value === undefined ? "DELETE" : "PUT", body: JSON.stringify({ value, userId: "ann" }) };
		const path = `/parties/trade/${room}/fields/${encodeURIComponent(field)}`;
		const { status, detail, code, title: _, ...members } = (await (await server.get(path, init)).json()) as any;
		assert.deepEqual({ outcome: "rejected", code, message: detail, ...members }, here);
		assert.equal(status, code === "forbidden" ? 403 : 422);
	}
	assert.deepEqual(
		await knowing.transaction((all) => {
			all.select("price", "1 €");
			all.select("quantity", "none");
		}),
		await plain.transaction((all) => {
			all.select("price", "1 €");
			all.select("quantity", "none");
		}),
	);
	assert.deepEqual(plain.getSnapshot().selections, {});
	for (const client of [knowing, plain]) {
		const one = await client.select("price", "1 €");
		assert.equal(one.outcome, "applied", "and goes on with its numbers");
	}
});

test("K3 K4 while polling, a refusal of the room's has the same members, and its number is not used again", async () => {
	const room = newRoom();
	class Blocked extends EventTarget {
		readyState = 3;
		close() {}
		constructor() {
			super();
			queueMicrotask(() => this.dispatchEvent(Object.assign(new Event("close"), { code: 1006 })));
		}
	}
	const client = make(server, room, "ann", { party: "trade", WebSocket: Blocked });
	client.connect();
	await until(client, isPolling, "to poll");
	const misfit = await client.select("price", "a lot");
	assert.deepEqual([misfit.code, misfit.field, misfit.path, misfit.keyword], ["invalid_value", "price", "", "pattern"]);
	const foreign = await client.select("quotes/shop", 1);
	assert.deepEqual(
		[foreign.code, foreign.field, foreign.message],
		[...["forbidden", "quotes/shop", "You may not write `quotes/shop`."]],
	);
	assert.equal((await client.select("price", "1 €")).outcome, "applied");
});

test("K4 own fields are one's own, and a page knows it", async () => {
	const room = newRoom();
	const ann = await enter(server, room, "ann", trade);
	assert.deepEqual(
		["price", "quotes/ann", "quotes/shop", "prize"].map((field) => ann.field(field).canWrite),
		[true, true, false, false],
	);
	assert.equal((await ann.select("quotes/ann", { amount: 1.5, currency: "EUR" })).outcome, "applied");
});

test("K6 an outdated page is closed, and what it had pending comes through with the newer one", async () => {
	const room = newRoom();
	const bob = await enter(server, room, "bob", user);
	const storage = memoryStorage();
	const page = make(server, room, "ann", { ...older, storage });
	void page.select("roasting/level", 3);
	void page.select("roasting/shield", "estricto");
	void page.transaction((all) => {
		all.select("ui/theme", "dark");
		all.select("ui/notifications", true);
	});
	page.connect();
	await until(page, ({ status }) => status === "closed", "to be closed");
	assert.deepEqual([page.getSnapshot().reason, page.getSnapshot().pendingCount], ["outdated", 3]);

	const next = await enter(server, room, "ann", { ...user, storage });
	await until(next, ({ pendingCount }) => pendingCount === 0, "to have sent all of it");
	const expected = { "preferences/notifications": true, "roasting/intensity": 3, "roasting/shield": "strict" };
	for (const client of [next, bob]) {
		await until(client, ({ selections }) => selections["preferences/notifications"], "to have all of it");
		const { selections, refused, conflicts } = client.getSnapshot();
		const values = Object.fromEntries(Object.entries(selections).map(([field, { value }]) => [field, value]));
		assert.deepEqual([values, refused, conflicts], [expected, {}, []]);
	}
});

test("K6 what an outdated page was too late with is decided on under today's name", async () => {
	const room = newRoom();
	const storage = memoryStorage();
	const page = make(server, room, "ann", { ...older, storage });
	void page.select("roasting/level", 3);
	page.connect();
	await until(page, ({ status }) => status === "closed", "to be closed");
	const bob = await enter(server, room, "bob", user);
	await bob.select("roasting/intensity", 5);
	const next = await enter(server, room, "ann", { ...user, storage });
	const [conflict] = await until(next, ({ conflicts }) => conflicts.length > 0 && conflicts, "to have a conflict");
	assert.deepEqual([conflict?.field, conflict?.mine.value, conflict?.theirs.value], ["roasting/intensity", 3, 5]);
	assert.equal((await next.resolve("roasting/intensity", "mine")).outcome, "applied");
	await until(bob, ({ selections }) => selections["roasting/intensity"]?.value === 3, "to see the decision");
	assert.deepEqual(next.getSnapshot().conflicts, []);
});

test("K6 a page that is newer than the room waits, and loses nothing", async () => {
	const room = newRoom();
	const newer = { ...user, kind: { ...user.kind, version: 3 } };
	const storage = memoryStorage();
	const page = make(server, room, "ann", { ...newer, storage });
	void page.select("roasting/intensity", 2);
	page.connect();
	await until(page, ({ reason }) => reason === "bad_message", "to be told that it is early");
	await until(page, isPolling, "to read over HTTP meanwhile");
	await new Promise((resolve) => setTimeout(resolve, 2_500));
	const { pendingCount, refused, selections } = page.getSnapshot();
	assert.deepEqual([pendingCount, refused, selections["roasting/intensity"]?.value], [1, {}, 2]);
});
