// The client where WebSockets do not get through: over HTTP, and back, with one outbox and one row of numbers (H3).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { newRoom, type Served, serve } from "../worker/harness.ts";
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
import { Net, Port } from "./worker-net.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(async () => {
	closeAll();
	await server.close();
});

/** A client that polls from its beginning. */
async function poller(room: string, id: string): Promise<[ReturnType<typeof make>, Net]> {
	const net = new Net();
	net.noSockets = true;
	const client = make(server, room, id, net.options);
	client.connect();
	await until(client, isPolling, "to poll");
	return [client, net];
}

describe("a client without WebSockets", { concurrency: true }, () => {
	test("H2, H3: it asks every two seconds, changes fields at once, and is synced again soon after", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		applied(await bob.select("price", 1));
		const [ann, net] = await poller(room, "ann");
		assert.equal(values(ann).price, 1);
		assert.equal(ann.getSnapshot().reason, "unreachable");
		applied(await ann.select("price", 2));
		applied(await ann.select("note/ä %", ["x"]));
		applied(await ann.clear("price"));
		applied(await ann.clear("price"));
		applied(await ann.select("price", 3));
		assert.deepEqual(values(ann), { "note/ä %": ["x"], price: 3 });
		applied(await bob.select("other", 1));
		await until(ann, () => values(ann).other === 1, "to be told", 6_000);
		const polls = net.asked.filter(({ method }) => method === "GET").map(({ at }) => at);
		await eventually(() => net.asked.filter(({ method }) => method === "GET").length >= polls.length + 2, "two more");
		const times = net.asked.filter(({ method }) => method === "GET").map(({ at }) => at);
		for (const [i, at] of times.entries())
			if (i > 0) assert.ok(at - (times[i - 1] ?? 0) >= 1_900, "not more often than every two seconds");
		assert.ok(!net.asked.slice(1).some(({ path }) => path.endsWith("/state")), "the whole state was asked for once");
		const healed = Date.now();
		net.heal();
		await until(ann, isSynced, "to be synced", 15_000);
		assert.ok(Date.now() - healed < 15_000);
		const count = net.asked.length;
		applied(await ann.select("last", 1));
		await converged(server, room, ann, bob);
		assert.ok(net.asked.length - count <= 1, "it polls no more");
	});

	test("E1, H3: each change once from WebSocket to HTTP and back, with answers lost at both switches", async () => {
		const room = newRoom();
		const log = await witness(server, room);
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		net.incoming = (frame) => {
			if (frame.type !== "ack" || !frame.seq) return [frame];
			net.heal();
			net.noSockets = true;
			net.cut();
			return [];
		};
		const first = Array.from({ length: 5 }, (_, i) => ann.select(`field ${i}`, `socket ${i}`));
		for (const outcome of await Promise.all(first)) applied(outcome);
		assert.ok(isPolling(ann.getSnapshot()));
		const { clientId } = net.all("hello")[0];
		const puts = net.asked.filter(({ method }) => method === "PUT");
		assert.deepEqual(
			puts.map(({ body }) => [body.clientId, body.seq]),
			[1, 2, 3, 4, 5].map((seq) => [clientId, seq]),
		);
		// The room has done it, and WebSockets come back before its answer is here.
		net.answered = ({ method }) => {
			if (method !== "PUT") return;
			net.heal();
			throw new TypeError("The network is down.");
		};
		const second = Array.from({ length: 5 }, (_, i) => ann.select(`field ${i}`, `request ${i}`));
		for (const outcome of await Promise.all(second)) applied(outcome);
		await until(ann, isSynced, "to be synced", 15_000);
		for (let i = 0; i < 5; i++)
			assert.deepEqual([told(log, `socket ${i}`), told(log, `request ${i}`)], [1, 1], `field ${i}`);
		assert.ok(net.all("hello").every((hello) => hello.clientId === clientId));
		await converged(server, room, ann);
		log.leave();
	});

	test("S4, H3: a conflict over HTTP is a conflict, and is decided over HTTP", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		applied(await bob.select("price", 1));
		applied(await bob.select("gone", 1));
		applied(await bob.clear("gone"));
		const [ann, net] = await poller(room, "ann");
		applied(await ann.select("gone", 2));
		net.noHttp = true;
		const late = ann.select("price", "mine");
		const same = ann.select("same", "x");
		applied(await bob.select("price", "theirs"));
		applied(await bob.select("same", "x"));
		net.noHttp = false;
		const outcome = await late;
		assert.deepEqual([outcome.outcome, outcome.current?.value], ["conflict", "theirs"]);
		applied(await same);
		assert.equal(values(ann).price, "theirs");
		assert.equal(ann.getSnapshot().conflicts[0]?.theirs.value, "theirs");
		applied(await ann.resolve("price", "mine"));
		assert.deepEqual(await converged(server, room, ann, bob), { price: "mine", gone: 2, same: "x" });
	});

	test("what HTTP has no way for waits, and what is chosen after it does not overtake it", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		applied(await bob.select("a", 0));
		const [ann, net] = await poller(room, "ann");
		const made = ann.transaction((all) => {
			all.select("a", 1);
			all.select("b", 1);
		});
		const asked = ann.request("finish");
		const ready = ann.setReady(true);
		const after = ann.select("a", 2);
		applied(await ann.select("c", 3));
		assert.deepEqual(
			ann.pending().map(({ type }) => type),
			["batch", "permission_request", "user_ready", "field_selected"],
		);
		assert.ok(ann.getSnapshot().requests[0]?.pending);
		net.heal();
		for (const outcome of await Promise.all([made, asked, ready, after])) applied(outcome);
		assert.deepEqual(await converged(server, room, ann, bob), { a: 2, b: 1, c: 3 });
		await until(bob, ({ requests }) => requests.length === 1, "to see the request");
	});

	test("a room without a network at all: offline, then polling, then synced, and nothing is lost", async () => {
		const room = newRoom();
		const net = new Net();
		net.block();
		const ann = make(server, room, "ann", net.options);
		const seen: string[] = [];
		ann.on("status", (status) => seen.push(status));
		ann.connect();
		const chosen = ann.select("price", 1);
		await eventually(() => net.asked.length > 1, "it to try over HTTP too");
		assert.equal(ann.getSnapshot().status, "offline");
		assert.equal(ann.getSnapshot().reason, "unreachable");
		net.noHttp = false;
		applied(await chosen);
		assert.ok(isPolling(ann.getSnapshot()));
		net.block();
		await until(ann, ({ status }) => status === "offline", "to notice");
		const later = ann.select("price", 2);
		net.heal();
		applied(await later);
		await until(ann, isSynced, "to be synced", 15_000);
		assert.deepEqual(
			seen,
			["connecting", "offline", "polling", "offline", "polling", "synced"].slice(0, seen.length - 1).concat("synced"),
		);
		assert.deepEqual(await converged(server, room, ann), { price: 2 });
	});

	test("a WebSocket that cannot even be made is as good as one that fails", async () => {
		const room = newRoom();
		class Forbidden {
			constructor() {
				throw new DOMException("The operation is insecure.", "SecurityError");
			}
		}
		const ann = make(server, room, "ann", { WebSocket: Forbidden });
		ann.connect();
		await until(ann, isPolling, "to poll");
		applied(await ann.select("price", 1));
	});

	test("what stands in between and answers in the room's place is not believed", async () => {
		const room = newRoom();
		const net = new Net();
		net.noSockets = true;
		let answer: (() => Response) | undefined;
		const ann = make(server, room, "ann", {
			...net.options,
			fetch: async (...args) => answer?.() ?? net.fetch(...args),
		});
		ann.connect();
		await until(ann, isPolling, "to poll");
		for (const portal of [
			() => new Response("<h1>Log in</h1>", { status: 200, headers: { "Content-Type": "text/html" } }),
			() => Response.json({ login: true }),
			() => new Response("Not here", { status: 404 }),
			() => Response.json({ error: "no" }, { status: 403 }),
		]) {
			answer = portal;
			const chosen = ann.select("price", String(portal));
			await until(ann, ({ status }) => status === "offline", "to notice");
			answer = undefined;
			applied(await chosen);
			await until(ann, isPolling, "to poll again");
		}
		assert.deepEqual(await converged(server, room, ann), values(ann));
	});

	test("with the platform's own WebSocket and fetch, through a port that lets no WebSocket pass", async () => {
		const port = await Port.before(server.host);
		port.noSockets = true;
		const room = newRoom();
		const ann = make(port, room, "ann");
		ann.connect();
		await until(ann, isPolling, "to poll");
		applied(await ann.select("price", 1));
		port.noSockets = false;
		await until(ann, isSynced, "to be synced", 15_000);
		applied(await ann.select("price", 2));
		assert.deepEqual(await converged(server, room, ann), { price: 2 });
		port.close();
	});

	test("U8: a room that was deleted while one polls begins anew, and what is pending is made in it once", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		for (let i = 0; i < 5; i++) applied(await bob.select("price", i));
		const [ann, net] = await poller(room, "ann");
		applied(await ann.select("price", "before"));
		net.noHttp = true;
		const late = ann.select("price", "late");
		const note = ann.select("note", "x");
		bob.close();
		assert.equal(
			(await server.get(`/parties/collaboration/${encodeURIComponent(room)}`, { method: "DELETE" })).status,
			204,
		);
		net.noHttp = false;
		applied(await late);
		applied(await note);
		assert.deepEqual(values(ann), { price: "late", note: "x" });
		net.heal();
		await until(ann, isSynced, "to be synced", 15_000);
		assert.deepEqual(await converged(server, room, ann), { price: "late", note: "x" });
	});
});
