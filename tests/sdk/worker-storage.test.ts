// Tabs that share an outbox whose storage goes away for one of them, or for all.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { indexedDbStorage } from "../../packages/sdk/src/index.ts";
import type { OutboxStorage } from "../../packages/sdk/src/types.ts";
import { newRoom, type Served, serve } from "../worker/harness.ts";
import {
	applied,
	closeAll,
	converged,
	enter,
	eventually,
	make,
	told,
	until,
	values,
	witness,
} from "./worker-client.ts";
import { Net } from "./worker-net.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(async () => {
	closeAll();
	await server.close();
});

const numbered = (net: Net) => net.sent.filter(({ seq }) => seq !== undefined);
const isDurable = ({ persistence }: { persistence: string }) => persistence === "durable";

/** Resolves to whether the database could be deleted; the page that asks is kept waiting otherwise. */
function deleted(database: string): Promise<string> {
	const request = indexedDB.deleteDatabase(database);
	return new Promise((resolve) => {
		request.onsuccess = () => resolve("deleted");
		request.onblocked = () => resolve("blocked");
	});
}

/** What is stored in a database. */
function stored(database: string): Promise<any[]> {
	return new Promise((resolve, reject) => {
		const opening = indexedDB.open(database);
		opening.onupgradeneeded = () => opening.result.createObjectStore("outboxes");
		opening.onsuccess = () => {
			const all = opening.result.transaction("outboxes").objectStore("outboxes").getAll();
			all.onsuccess = () => {
				opening.result.close();
				resolve(all.result);
			};
		};
		opening.onerror = reject;
	});
}

/** Two tabs of ann's, of which the first leads and has a storage that can be broken, and bob. */
async function tabs() {
	const room = newRoom();
	const database = `storage of ${room}`;
	const fault = { isBroken: false };
	const home = indexedDbStorage(database);
	const breakable: OutboxStorage = {
		isDurable: true,
		update: (...args) => (fault.isBroken ? Promise.reject(new Error("The disk is full.")) : home.update(...args)),
	};
	const nets = [new Net(), new Net()] as const;
	const first = await enter(server, room, "ann", { ...nets[0].options, storage: breakable });
	const second = await enter(server, room, "ann", { ...nets[1].options, storage: home });
	const bob = await enter(server, room, "bob");
	return { room, database, fault, nets, first, second, bob };
}

describe("storage that goes away", { concurrency: true }, () => {
	test("E1, E5: the leading tab's storage dies: the other one sends what is stored, and each change is made once", async () => {
		const { room, fault, nets, first, second, bob } = await tabs();
		const log = await witness(server, room);
		applied(await first.select("price", 0));
		nets[0].block();
		const waiting = second.select("note", "stored before");
		await eventually(() => first.pending().length === 1, "the first one to have it");
		fault.isBroken = true;
		const own = first.select("own", "in memory");
		await until(first, (now) => !isDurable(now), "to be in memory");
		const late = second.select("late", "stored after");
		applied(await waiting);
		applied(await late);
		assert.ok(numbered(nets[1]).length > 0, "the second one leads");
		nets[0].heal();
		applied(await own);
		const expected = { price: 0, note: "stored before", own: "in memory", late: "stored after" };
		assert.deepEqual(await converged(server, room, first, second, bob), expected);
		assert.deepEqual(
			Object.values(expected).map((value) => told(log, value)),
			[1, 1, 1, 1],
		);
		// Both go on, and each is told when the storage works again.
		fault.isBroken = false;
		await until(first, isDurable, "to be durable");
		applied(await first.select("price", 1));
		applied(await second.select("price", 2));
		assert.deepEqual(await converged(server, room, first, second, bob), { ...expected, price: 2 });
		assert.deepEqual(
			[first, second].flatMap((tab) => tab.getSnapshot().conflicts),
			[],
		);
		log.leave();
	});

	test("while the leading tab is offline the other one sends for it", async () => {
		const { room, nets, first, second, bob } = await tabs();
		nets[0].block();
		applied(await second.select("price", 1));
		applied(await first.select("price", 2));
		nets[0].heal();
		assert.deepEqual(await converged(server, room, first, second, bob), { price: 2 });
		assert.equal(numbered(nets[0]).length, 0);
	});

	test("a page can delete the database at once, and the tabs go on", async () => {
		const { room, database, first, second, bob } = await tabs();
		applied(await second.select("price", 1));
		assert.equal(await deleted(database), "deleted");
		applied(await second.select("price", 2));
		applied(await first.select("price", 3));
		assert.equal(await deleted(database), "deleted");
		// A tab that was not there finds nothing, and begins a new outbox.
		const net = new Net();
		const third = await enter(server, room, "ann", { ...net.options, storage: indexedDbStorage(database) });
		for (const [value, tab] of [first, second, third, first].entries()) applied(await tab.select("price", value));
		assert.deepEqual(await converged(server, room, first, second, third, bob), { price: 3 });
		for (const tab of [first, second, third]) assert.equal(tab.getSnapshot().persistence, "durable");
	});

	test("forget() ends all tabs of the user and leaves nothing of theirs, in other rooms neither", async () => {
		const { room, database, nets, first, second, bob } = await tabs();
		const elsewhere = make(server, newRoom(), "ann", { storage: indexedDbStorage(database) });
		void elsewhere.select("secret", 1);
		const other = make(server, room, "bob", { storage: indexedDbStorage(database) });
		void other.select("other", 1);
		await eventually(async () => (await stored(database)).length === 3, "three outboxes");
		for (const net of nets) net.block();
		const lost = first.select("price", 1);
		await eventually(() => second.pending().length === 1, "the second one to have it");
		await second.forget();
		assert.deepEqual(await lost, { outcome: "withdrawn" });
		await until(first, ({ status, reason }) => status === "closed" && reason === "forgotten", "to be closed");
		await eventually(async () => {
			const left = await stored(database);
			return left.length === 1 && left[0].address.user.id === "bob";
		}, "nothing to be left");
		for (const tab of [first, second]) assert.deepEqual([values(tab), tab.pending()], [{}, []]);
		for (const net of nets) net.heal();
		second.connect();
		applied(await second.select("price", 2));
		assert.deepEqual(await converged(server, room, second, bob), { price: 2 });
	});

	for (const locks of ["refused", "missing"])
		test(`tabs share an outbox and send where Web Locks are ${locks}`, async () => {
			const { locks: before } = navigator;
			const refuse = () => Promise.reject(new DOMException("Access is denied.", "SecurityError"));
			const value = locks === "missing" ? undefined : { request: refuse, query: refuse };
			Object.defineProperty(navigator, "locks", { value, configurable: true });
			try {
				const { room, nets, first, second, bob } = await tabs();
				applied(await first.select("price", 1));
				applied(await second.select("price", 2));
				assert.deepEqual([numbered(nets[0]).length, numbered(nets[1]).length], [2, 0]);
				first.close();
				applied(await second.select("price", 3));
				assert.deepEqual(await converged(server, room, second, bob), { price: 3 });
			} finally {
				Object.defineProperty(navigator, "locks", { value: before, configurable: true });
			}
		});
});
