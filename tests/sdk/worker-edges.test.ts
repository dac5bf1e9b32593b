// Where several things come together: a client that is forgotten while its connection breaks, listeners that act, a
// room that is full, a rate that is used up.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Outcome, Status } from "../../packages/sdk/src/types.ts";
import { newRoom, type Served, serve, sleep } from "../worker/harness.ts";
import { AUTH_KEYS, token } from "../worker/tokens.ts";
import {
	applied,
	closeAll,
	converged,
	enter,
	eventually,
	isPolling,
	isSynced,
	make,
	told,
	until,
	values,
	witness,
} from "./worker-client.ts";
import { Net } from "./worker-net.ts";

let server: Served;
/** With few fields, and the rate that a room has by itself. */
let small: Served;
/** With keys. */
let closed: Served;
before(async () => {
	const rate = { LIMIT_MESSAGES_PER_SECOND: "100", LIMIT_MESSAGES_BURST: "200" };
	[server, small, closed] = await Promise.all([
		serve(),
		serve({ vars: { ...rate, LIMIT_FIELDS: "3" } }),
		serve({ vars: { AUTH_KEYS } }),
	]);
});
after(async () => {
	closeAll();
	await Promise.all([server.close(), small.close(), closed.close()]);
});

const forget = async (room: string) => {
	await server.sql(room, "DELETE FROM client");
	await server.evict(room);
};

/** A client that polls from its beginning. */
async function poller(server: Served, room: string, id: string, options = {}) {
	const net = new Net();
	net.noSockets = true;
	const client = make(server, room, id, { ...net.options, ...options });
	client.connect();
	await until(client, isPolling, "to poll");
	return { client, net };
}

describe("several things at once", { concurrency: true }, () => {
	test("E4: cut off while it takes another name, it still makes what is pending once", async () => {
		const room = newRoom();
		const log = await witness(server, room);
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		applied(await ann.select("price", 0));
		let cuts = 0;
		const first = net.all("hello")[0].clientId;
		net.incoming = (frame) => {
			if (frame.type === "ack" && frame.seq && cuts === 0) {
				net.block();
				return [];
			}
			const isNew = net.all("hello").at(-1).clientId !== first;
			if (!isNew || cuts > 2 || !["welcome", "sync_response", "ack"].includes(frame.type)) return [frame];
			cuts += 1;
			net.cut();
			return [];
		};
		const late = [ann.select("price", 1), ann.select("note", "x")];
		await eventually(() => told(log, "x") === 1, "the room to have it");
		await forget(room);
		cuts = 1;
		net.noSockets = false;
		net.noHttp = false;
		for (const outcome of await Promise.all(late)) applied(outcome);
		assert.ok(cuts > 2);
		assert.deepEqual(await converged(server, room, ann), { price: 1, note: "x" });
		assert.deepEqual([told(log, 1), told(log, "x")], [1, 1]);
		log.leave();
	});

	test("E4, H3: forgotten while it polls, it takes another name and goes on", async () => {
		const room = newRoom();
		const log = await witness(server, room);
		const { client: ann, net } = await poller(server, room, "ann");
		applied(await ann.select("price", 1));
		applied(await ann.select("price", 2));
		await forget(room);
		applied(await ann.select("price", 3));
		applied(await ann.select("note", "x"));
		const clients = new Set(net.asked.filter(({ method }) => method === "PUT").map(({ body }) => body.clientId));
		assert.equal(clients.size, 2);
		await log.sync();
		for (const value of [1, 2, 3, "x"]) assert.equal(told(log, value), 1);
		log.leave();
	});

	test("what a listener does from within is done: it decides a conflict, chooses on, closes and comes back", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = make(server, room, "ann", net.options);
		const decided: Promise<Outcome>[] = [];
		ann.on("conflict", ({ field }) => decided.push(ann.resolve(field, "mine")));
		ann.on("synced", () => decided.push(ann.select("synced", net.attempts)));
		let closes = 0;
		ann.on("status", (status) => {
			if (status === "synced" && closes++ < 2) {
				ann.close();
				ann.connect();
			}
		});
		const bob = await enter(server, room, "bob");
		applied(await bob.select("price", "theirs"));
		const late = ann.select("price", "mine");
		ann.connect();
		assert.equal((await late).outcome, "conflict");
		assert.equal(closes, 3);
		for (const outcome of await Promise.all(decided)) applied(outcome);
		assert.equal((await converged(server, room, ann, bob)).price, "mine");
		const { participants } = await server.state(room);
		assert.equal(participants.find(({ id }: { id: string }) => id === "ann").connections, 1);
	});

	test("closed by a listener when it loses its connection, it stays closed", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		const seen: Status[] = [];
		ann.on("status", (status) => {
			seen.push(status);
			if (status === "connecting") ann.close();
		});
		net.cut();
		await until(ann, ({ status }) => status === "closed", "to be closed");
		const { attempts } = net;
		await sleep(3_000);
		assert.equal(net.attempts, attempts);
		assert.deepEqual(seen, ["connecting", "closed"]);
	});

	test("X1: what a full room refuses is told over HTTP too, and is not in the way of the rest", async () => {
		const room = newRoom();
		const { client: ann, net } = await poller(small, room, "ann");
		for (const field of ["a", "b", "c"]) applied(await ann.select(field, 1));
		const refused = ann.select("d", 1);
		const next = ann.select("a", 2);
		assert.deepEqual([(await refused).outcome, (await refused).code], ["rejected", "limit_fields"]);
		applied(await next);
		assert.deepEqual(values(ann), { a: 2, b: 1, c: 1 });
		net.heal();
		await until(ann, isSynced, "to be synced", 15_000);
		assert.equal((await ann.select("e", 1)).code, "limit_fields");
		applied(await ann.clear("b"));
		applied(await ann.select("e", 1));
		assert.deepEqual(await converged(small, room, ann), { a: 2, c: 1, e: 1 });
	});

	test("X1: a rate that is used up over HTTP is waited for", async () => {
		const room = newRoom();
		const { client: ann } = await poller(small, room, "ann");
		const all = Array.from({ length: 260 }, (_, i) => ann.select("a", i));
		for (const outcome of await Promise.all(all)) applied(outcome);
		assert.equal(values(ann).a, 259);
	});

	test("X1: another device of a user whose rate is used up comes in, and is seen", async () => {
		const room = newRoom();
		const ann = await enter(small, room, "ann");
		const all = Array.from({ length: 700 }, (_, i) => ann.select("a", i));
		const bob = await enter(small, room, "bob");
		await sleep(500);
		const other = await enter(small, room, "ann");
		applied(await other.setReady(true));
		for (const outcome of await Promise.all(all)) applied(outcome);
		await until(bob, ({ participants }) => participants.find(({ id }) => id === "ann")?.isReady, "to see it ready");
		const { participants } = await small.state(room);
		assert.equal(participants.find(({ id }: { id: string }) => id === "ann").connections, 2);
	});

	test("a thousand changes without a network are kept, one more is not, and all are made in order", async () => {
		const room = newRoom();
		const ann = make(server, room, "ann");
		const all = Array.from({ length: 1_000 }, (_, i) => ann.select(`field ${i}`, i));
		const full = await ann.select("more", 1);
		assert.deepEqual([full.outcome, full.code], ["rejected", "outbox_full"]);
		assert.equal(values(ann)["field 999"], 999);
		ann.connect();
		const versions = (await Promise.all(all)).map(applied);
		assert.deepEqual(
			versions,
			versions.toSorted((a, b) => a - b),
		);
		assert.equal(Object.keys(await converged(server, room, ann)).length, 1_000);
	});

	test("S9: a transaction of more than the room takes is refused whole, and one of just as many is made", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const make = (count: number) =>
			ann.transaction((all) => {
				for (let i = 0; i < count; i++) all.select(`field ${i}`, count);
			});
		const [many, most] = await Promise.all([make(101), make(100)]);
		assert.deepEqual([many.outcome, many.code], ["rejected", "limit_batch"]);
		applied(most);
		assert.equal(Object.keys(await converged(server, room, ann)).length, 100);
	});

	test("what waits for its time outlives the connection, and goes out with the next one", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		net.block();
		const typed = ["1", "12", "123"].map((value) => ann.select("price", value, { debounceMs: 200 }));
		await sleep(400);
		const more = ann.select("price", "1234", { debounceMs: 200 });
		net.heal();
		for (const outcome of await Promise.all([...typed, more])) applied(outcome);
		assert.deepEqual(await converged(server, room, ann), { price: "1234" });
	});

	test("A4, H3: a viewer that polls is refused each change, and an editor makes them", async () => {
		const room = newRoom();
		let role = "viewer";
		const { client: ann, net } = await poller(closed, room, "ann", {
			token: () => token({ claims: { sub: "ann", role } }),
		});
		const all = Array.from({ length: 4 }, (_, i) => ann.select(`field ${i}`, i));
		for (const outcome of await Promise.all(all))
			assert.deepEqual([outcome.outcome, outcome.code], ["rejected", "forbidden"]);
		assert.deepEqual(values(ann), {});
		role = "editor";
		net.heal();
		await until(ann, (now) => isSynced(now) && now.role === "editor", "to be an editor", 15_000);
		applied(await ann.select("a", 1));
	});

	test("a user who only looks is not there, and still sees and changes", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		const ann = make(server, room, "ann", { join: false });
		ann.connect();
		applied(await ann.select("price", 1));
		await until(bob, () => values(bob).price === 1, "to see the price");
		assert.deepEqual(
			bob.getSnapshot().participants.map(({ id }) => id),
			["bob"],
		);
		const ready = await ann.setReady(true);
		assert.deepEqual([ready.outcome, ready.code], ["rejected", "not_joined"]);
	});
});
