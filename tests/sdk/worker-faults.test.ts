// The client when its connection breaks, and when frames are lost, repeated or old: each change once, states converge.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Client, type Frame, newRoom, type Served, serve, sleep } from "../worker/harness.ts";
import {
	applied,
	closeAll,
	converged,
	enter,
	eventually,
	isSynced,
	make,
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

/** Every field that was set to a value, as a plain client hears of it: one frame a change. */
const told = (witness: Client, value: unknown) =>
	witness.all("field_selected").filter(({ selection }) => selection.value === value);

describe("a client whose connection is bad", { concurrency: true }, () => {
	test("E5: a lost ack, somebody else's newer value, and the same change again: done once, and theirs stands", async () => {
		const room = newRoom();
		const net = new Net();
		const log = await witness(server, room);
		const ann = await enter(server, room, "ann", net.options);
		const bob = await enter(server, room, "bob");
		net.incoming = (frame) => {
			if (frame.type !== "ack" && frame.type !== "changes") return [frame];
			// Before the client hears of it the connection is gone, and there is no other yet.
			net.noSockets = true;
			net.cut();
			return [];
		};
		const chosen = ann.select("price", "mine");
		await until(bob, () => values(bob).price === "mine", "to see it");
		const { version } = bob.getSnapshot().selections.price ?? {};
		applied(await bob.select("price", "theirs"));
		net.heal();
		assert.equal(applied(await chosen), version);
		assert.equal(values(ann).price, "theirs");
		assert.deepEqual(await converged(server, room, ann, bob), { price: "theirs" });
		assert.equal(told(log, "mine").length, 1);
		const [first, again] = net.all("field_selected");
		assert.deepEqual([first.seq, first.selection], [again.seq, again.selection]);
		log.leave();
	});

	test("E2, E5: an ack that never comes on a connection that lives: it is asked for again", async () => {
		const room = newRoom();
		const net = new Net();
		const log = await witness(server, room);
		const ann = await enter(server, room, "ann", net.options);
		let lost = 0;
		net.incoming = (frame) => (frame.type === "ack" && frame.seq && lost++ === 0 ? [] : [frame]);
		applied(await ann.select("price", "once"));
		assert.equal(lost, 2);
		assert.equal(told(log, "once").length, 1);
		assert.equal(net.all("hello").length, 1);
		log.leave();
	});

	test("E2: a frame of the client's that is lost is sent again, and those after it too", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		let lost = 0;
		net.outgoing = (frame) => frame.type !== "field_selected" || lost++ > 0;
		const all = [1, 2, 3].map((value) => ann.select(`field ${value}`, value));
		for (const outcome of await Promise.all(all)) applied(outcome);
		assert.deepEqual(await converged(server, room, ann), { "field 1": 1, "field 2": 2, "field 3": 3 });
	});

	test("Y7: repeated and old frames are passed over", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		const bob = await enter(server, room, "bob");
		const old: Frame[] = [];
		net.incoming = (frame) => {
			old.push(frame);
			const kept = old.filter(({ type }) => ["changes", "ack", "sync_response", "conflict"].includes(type));
			return [frame, frame, ...kept.slice(0, 3)];
		};
		for (let i = 0; i < 5; i++) {
			applied(await ann.select("price", `ann ${i}`));
			applied(await bob.clear("price"));
			applied(await bob.select(`note ${i}`, i));
			applied(await ann.setReady(i % 2 === 0));
			await until(ann, () => values(ann)[`note ${i}`] === i, "to see the note");
			assert.equal(values(ann).price, undefined);
		}
		assert.equal(net.all("sync_request").length, 0);
		await converged(server, room, ann, bob);
	});

	test("Y7: a frame of changes that is missing is noticed and asked for", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		const bob = await enter(server, room, "bob");
		applied(await bob.select("a", 1));
		await until(ann, () => values(ann).a === 1, "to see a");
		let lost = 0;
		net.incoming = (frame) => (frame.type === "changes" && lost++ === 0 ? [] : [frame]);
		applied(await bob.select("b", 2));
		await eventually(() => lost === 1, "a frame to be lost");
		assert.equal(values(ann).b, undefined);
		applied(await bob.clear("a"));
		assert.deepEqual(await converged(server, room, ann, bob), { b: 2 });
		assert.ok(net.all("sync_request").length > 0);
		assert.equal(ann.getSnapshot().version, bob.getSnapshot().version);
	});

	test("Y7: its own changes missing too, the promise still settles with what the snapshot shows", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		let lost = 0;
		net.incoming = (frame) => (frame.type === "changes" && lost++ === 0 ? [] : [frame]);
		const version = applied(await ann.select("price", 1));
		assert.deepEqual([values(ann).price, ann.getSnapshot().selections.price?.version], [1, version]);
		applied(await ann.select("price", 2));
		assert.deepEqual(await converged(server, room, ann), { price: 2 });
	});

	for (const [what, type] of [
		["before the welcome", "welcome"],
		["between the welcome and the state", "sync_response"],
		["before the ack of the hello", "ack"],
	] as const)
		test(`cut off ${what}, it comes back and goes on`, async () => {
			const room = newRoom();
			const net = new Net();
			let cuts = 0;
			net.incoming = (frame) => {
				if (frame.type !== type || cuts++ > 1) return [frame];
				net.cut();
				return [];
			};
			const ann = make(server, room, "ann", net.options);
			ann.connect();
			const chosen = ann.select("price", 1);
			applied(await chosen);
			assert.ok(cuts > 1);
			assert.deepEqual(await converged(server, room, ann), { price: 1 });
			await until(ann, isSynced, "to be synced");
		});

	test("E1, E5: cut off again and again with many changes under way, each is done once and in order", async () => {
		const room = newRoom();
		const net = new Net();
		const log = await witness(server, room);
		const ann = await enter(server, room, "ann", net.options);
		let answers = 0;
		net.incoming = (frame) => {
			if (frame.type === "ack" && frame.seq && ++answers % 23 === 0) {
				net.cut();
				return [];
			}
			return [frame];
		};
		const all = Array.from({ length: 80 }, (_, i) => ann.select(`field ${i % 7}`, `value ${i}`));
		const versions = (await Promise.all(all)).map(applied);
		assert.deepEqual(
			versions,
			versions.toSorted((a, b) => a - b),
		);
		for (const [i, version] of versions.entries())
			assert.deepEqual(
				told(log, `value ${i}`).map((frame) => frame.version),
				[version],
			);
		await converged(server, room, ann);
		log.leave();
	});

	test("S9, E5: cut off during a transaction, it is made once and whole", async () => {
		const room = newRoom();
		const net = new Net();
		const log = await witness(server, room);
		const ann = await enter(server, room, "ann", net.options);
		for (const where of ["sent", "answered"]) {
			net.outgoing = (frame) => {
				if (frame.type === "batch" && where === "sent") {
					net.heal();
					net.cut();
					return false;
				}
				return true;
			};
			net.incoming = (frame) => {
				if (frame.type === "ack" && frame.seq) {
					net.heal();
					net.cut();
					return [];
				}
				return [frame];
			};
			const chosen = ann.transaction((all) => {
				all.select("a", `a ${where}`);
				all.select("b", `b ${where}`);
			});
			applied(await chosen);
			assert.deepEqual([told(log, `a ${where}`).length, told(log, `b ${where}`).length], [1, 1]);
		}
		log.leave();
	});

	test("Q1, E5: cut off while asking and while answering, there is one request and one answer", async () => {
		const room = newRoom();
		const nets = [new Net(), new Net()] as const;
		const ann = await enter(server, room, "ann", nets[0].options);
		const bob = await enter(server, room, "bob", nets[1].options);
		for (const net of nets)
			net.incoming = (frame) => {
				if (frame.type !== "ack" || !frame.seq) return [frame];
				net.heal();
				net.cut();
				return [];
			};
		const asked = await ann.request("finish");
		applied(asked);
		const request = await until(bob, ({ requests }) => requests[0], "to see the request");
		const answered = await bob.respond(request, "allow", { scope: "session" });
		applied(answered);
		await until(ann, ({ permissions }) => permissions.length === 1, "to have the permission");
		const { requests, permissions } = await server.state(room);
		assert.deepEqual([requests.length, requests[0].status, permissions.length], [1, "resolved", 1]);
	});

	test("an object that is evicted, asleep or with its sockets, loses nothing", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const bob = await enter(server, room, "bob");
		for (const how of ["hibernate", "close", "hibernate"] as const) {
			const before = ann.select(`before ${how}`, 1);
			await server.evict(room, how);
			applied(await before);
			applied(await bob.select(`after ${how}`, 1));
		}
		const all = await converged(server, room, ann, bob);
		assert.equal(Object.keys(all).length, 4);
	});

	test("through a port that is cut, slow, and black for a while, with the WebSocket of the platform", async () => {
		const port = await Port.before(server.host);
		const room = newRoom();
		const log = await witness(server, room);
		const ann = await enter(port, room, "ann");
		port.delay = 150;
		const slow = Array.from({ length: 10 }, (_, i) => ann.select("price", `slow ${i}`));
		await sleep(50);
		port.cut();
		for (const outcome of await Promise.all(slow)) applied(outcome);
		port.delay = 0;
		port.isBlack = true;
		const late = ann.select("price", "late");
		await sleep(500);
		// What has noticed nothing until now finds out when the network comes back.
		port.isBlack = false;
		port.cut();
		applied(await late);
		for (let i = 0; i < 10; i++) assert.equal(told(log, `slow ${i}`).length, 1);
		assert.deepEqual(await converged(server, room, ann), { price: "late" });
		port.close();
		log.leave();
	});

	test("a socket that opens and then says nothing is given up", async () => {
		const room = newRoom();
		const net = new Net();
		net.isSilent = true;
		const ann = make(server, room, "ann", { ...net.options, storage: "memory" });
		const reasons: (string | undefined)[] = [];
		ann.on("status", (_, reason) => reasons.push(reason));
		ann.connect();
		const chosen = ann.select("price", 1);
		await eventually(() => net.attempts > 1, "another attempt");
		assert.ok(reasons.includes("silent"));
		net.heal();
		applied(await chosen);
		await until(ann, isSynced, "to be synced");
	});
});
