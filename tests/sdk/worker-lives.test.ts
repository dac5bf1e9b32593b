// Rooms that forget, end or send somebody away; limits, roles and tokens.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RoomClient } from "../../packages/sdk/src/index.ts";
import type { Snapshot } from "../../packages/sdk/src/types.ts";
import { Client, newRoom, type Served, serve, sleep } from "../worker/harness.ts";
import { AUTH_KEYS, bearer, roomPath, seconds, token } from "../worker/tokens.ts";
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
/** With the limits that a room has by itself, a short message excepted. */
let slow: Served;
/** With keys. */
let closed: Served;
before(async () => {
	[server, slow, closed] = await Promise.all([
		serve(),
		serve({
			vars: { LIMIT_MESSAGES_PER_SECOND: "100", LIMIT_MESSAGES_BURST: "200", LIMIT_MESSAGE_BYTES: "2048" },
		}),
		serve({ vars: { AUTH_KEYS } }),
	]);
});
after(async () => {
	closeAll();
	await Promise.all([server.close(), slow.close(), closed.close()]);
});

const remove = async (room: string) =>
	assert.equal((await server.get(roomPath(room), { method: "DELETE" })).status, 204);

const isClosed = ({ status }: Snapshot) => status === "closed";
const ended = async (client: RoomClient) => {
	await until(client, isClosed, "to be closed");
	return client.getSnapshot().reason;
};

describe("rooms that forget and end", { concurrency: true }, () => {
	test("E4: a client that was forgotten takes another name, and makes what is pending once", async () => {
		const room = newRoom();
		const log = await witness(server, room);
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		applied(await ann.select("old", "before"));
		net.incoming = (frame) => {
			if (frame.type !== "ack" || !frame.seq) return [frame];
			net.block();
			return [];
		};
		// The room has these, and the client does not know it.
		const late = [ann.select("a", "a1"), ann.select("b", "b1")];
		await eventually(() => told(log, "b1") === 1, "the room to have them");
		const more = [ann.select("a", "a2"), ann.select("a", "a3"), ann.clear("old")];
		await server.sql(room, "DELETE FROM client");
		await server.evict(room);
		net.heal();
		for (const outcome of await Promise.all([...late, ...more])) applied(outcome);
		const [first, ...others] = new Set(net.all("hello").map(({ clientId }) => clientId));
		assert.ok(first !== undefined && others.length === 1);
		assert.deepEqual(await converged(server, room, ann), { a: "a3", b: "b1" });
		assert.equal(told(log, "b1"), 1);
		log.leave();
	});

	test("U8: a room that was deleted in the meantime has what was pending, once, whatever it had before", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		const bob = await enter(server, room, "bob");
		for (const value of [1, 2, 3]) applied(await bob.select("price", value));
		await until(ann, () => values(ann).price === 3, "to see the price");
		net.block();
		const late = ann.select("price", "mine");
		const made = ann.transaction((all) => {
			all.select("a", 1);
			all.clear("price");
		});
		const held = ann.select("held", "mine");
		bob.close();
		await remove(room);
		const eve = await enter(server, room, "eve");
		applied(await eve.select("held", "theirs"));
		const log = await witness(server, room);
		net.heal();
		applied(await late);
		applied(await made);
		assert.equal((await held).current?.value, "theirs");
		assert.equal(told(log, "mine"), 1);
		applied(await ann.resolve("held", "mine"));
		assert.deepEqual(await converged(server, room, ann, eve), { a: 1, held: "mine" });
		log.leave();
	});

	test("U8: a conflict that was not decided when its room ended can be decided in the next", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		const bob = await enter(server, room, "bob");
		net.block();
		const late = ann.select("price", "mine");
		applied(await bob.select("price", "theirs"));
		net.heal();
		assert.equal((await late).outcome, "conflict");
		net.block();
		bob.close();
		await remove(room);
		net.heal();
		await until(ann, isSynced, "to be synced");
		await until(ann, ({ conflicts }) => conflicts[0]?.theirs.value === undefined, "to show that nothing is there");
		applied(await ann.resolve("price", "mine"));
		assert.deepEqual(await converged(server, room, ann), { price: "mine" });
	});

	test("X2: a room that is deleted and a kick end it for good, each with its reason", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const plain = new Client(server.host, room, "moderator");
		await plain.open();
		plain.send({ type: "user_joined", userId: "moderator", userName: "M" });
		plain.send({ type: "kick", userId: "ann" });
		assert.equal(await ended(ann), "kicked");
		// Who is sent away may come again when its user says so.
		ann.connect();
		await until(ann, isSynced, "to be synced");
		const pending = ann.select("price", 1);
		applied(await pending);
		await remove(room);
		assert.equal(await ended(ann), "deleted");
		const late = ann.select("price", 2);
		ann.connect();
		applied(await late);
	});

	test("E6: a client whose name somebody else uses goes on under another, and makes its changes once", async () => {
		const room = newRoom();
		const log = await witness(server, room);
		const net = new Net();
		const bob = await enter(server, room, "bob", net.options);
		applied(await bob.select("price", 1));
		// What is under way when it is replaced was done under the old name, and its ack is lost.
		net.incoming = (frame) => (frame.type === "ack" ? [] : [frame]);
		const late = bob.select("price", 2);
		await eventually(() => told(log, 2) === 1, "the room to have it");
		const [{ clientId }] = net.all("hello");
		const other = await Client.greeted(server.host, room, "bob", { clientId });
		net.heal();
		applied(await late);
		const names = () => net.all("hello").map((hello) => hello.clientId);
		assert.notEqual(names().at(-1), clientId);
		applied(await bob.select("price", 3));
		assert.deepEqual([told(log, 1), told(log, 2), told(log, 3)], [1, 1, 1]);
		assert.deepEqual(await converged(server, room, bob), { price: 3 });
		assert.equal(names().length, 2);
		assert.deepEqual(bob.getSnapshot().conflicts, []);
		other.leave();
		log.leave();
	});

	test("U3, U2: what has no such party or room is told at once and not tried again", async () => {
		for (const options of [{ party: "unknown" }, { room: "r".repeat(257) }]) {
			const net = new Net();
			const user = { id: "ann", name: "Ann" };
			const ann = new RoomClient({ host: server.host, room: "some", user, ...options, ...net.options });
			ann.connect();
			assert.equal(await ended(ann), options.party ? "unknown_party" : "bad_room");
			assert.equal(net.attempts, 1);
		}
	});

	test("X1: a burst above the rate is done in order, each change once", async () => {
		const room = newRoom();
		const watch = new Client(slow.host, room, "witness");
		await watch.open();
		const ann = await enter(slow, room, "ann");
		const all = Array.from({ length: 500 }, (_, i) => ann.select(`field ${i % 10}`, i));
		const versions = (await Promise.all(all)).map(applied);
		assert.deepEqual(
			versions,
			versions.toSorted((a, b) => a - b),
		);
		await watch.sync();
		const values = watch.all("field_selected").map(({ selection }) => selection.value);
		assert.deepEqual(
			values,
			Array.from({ length: 500 }, (_, i) => i),
		);
		assert.equal(ann.getSnapshot().status, "synced");
		watch.leave();
	});

	test("X1: what is longer than the room reads is refused at once, and what it refuses later is told", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(slow, room, "ann", net.options);
		const before = net.sent.length;
		for (const value of ["x".repeat(2_048), "é".repeat(1_000)]) {
			const long = await ann.select("price", value);
			assert.deepEqual([long.outcome, long.code], ["rejected", "limit_message"]);
		}
		assert.equal(net.sent.length, before);
		assert.equal(values(ann).price, undefined);
		applied(await ann.select("price", "x".repeat(1_800)));
		// One who does not know the room's limit yet learns of it.
		const bob = make(slow, room, "bob");
		const [long, short] = [bob.select("note", "y".repeat(3_000)), bob.select("more", "y")];
		bob.connect();
		assert.deepEqual([(await long).outcome, (await long).code], ["rejected", "limit_message"]);
		applied(await short);
	});
});

describe("roles and tokens", { concurrency: true }, () => {
	test("A4: what a viewer may not do is refused, each change by itself, and goes on once the role is another", async () => {
		const room = newRoom();
		let role = "viewer";
		const net = new Net();
		const ann = make(closed, room, "ann", { ...net.options, token: () => token({ claims: { sub: "ann", role } }) });
		const first = Array.from({ length: 40 }, (_, i) => ann.select(`field ${i}`, i));
		ann.connect();
		for (const outcome of await Promise.all(first))
			assert.deepEqual([outcome.outcome, outcome.code], ["rejected", "forbidden"]);
		assert.equal(ann.getSnapshot().role, "viewer");
		assert.deepEqual(values(ann), {});
		role = "editor";
		net.cut();
		await until(ann, (now) => now.role === "editor", "to be an editor");
		for (const outcome of await Promise.all([ann.select("a", 1), ann.select("b", 2)])) applied(outcome);
		const asked = await ann.respond({ requestId: "none", userId: "bob" }, "allow");
		assert.deepEqual([asked.outcome, asked.code], ["rejected", "forbidden"]);
		applied(await ann.select("c", 3));
		assert.deepEqual(values(ann), { a: 1, b: 2, c: 3 });
	});

	test("A5: a token is asked for at each connection, and once more when it ends", async () => {
		const room = newRoom();
		let asked = 0;
		const ann = await enter(closed, room, "ann", {
			// The first ends 30 s ago, so that it holds for some seconds more.
			token: () => token({ claims: { sub: "ann", exp: ++asked === 1 ? seconds() - 27 : seconds() + 600 } }),
		});
		const seen: string[] = [];
		ann.on("status", (status) => seen.push(status));
		assert.equal(asked, 1);
		await eventually(() => asked === 2, "another token to be asked for");
		await until(ann, isSynced, "to be synced");
		applied(await ann.select("price", 1));
		assert.equal(asked, 2);
		assert.deepEqual(seen, ["connecting", "synced"]);
	});

	test("X2: a token that is refused is asked for once more, and then it is over", async () => {
		const room = newRoom();
		let asked = 0;
		const ann = make(closed, room, "ann", { token: () => `not one ${++asked}` });
		ann.connect();
		assert.equal(await ended(ann), "unauthorized");
		assert.equal(asked, 2);
		const bob = make(closed, room, "bob");
		bob.connect();
		assert.equal(await ended(bob), "unauthorized");
	});

	test("A3: a token of another user ends it", async () => {
		const room = newRoom();
		const ann = make(closed, room, "ann", { token: () => token({ claims: { sub: "bob" } }) });
		const codes: string[] = [];
		ann.on("error", ({ code }) => codes.push(code));
		const late = ann.select("price", 1);
		ann.connect();
		assert.equal(await ended(ann), "identity_mismatch");
		assert.deepEqual(codes, ["identity_mismatch"]);
		assert.equal(ann.getSnapshot().pendingCount, 1);
		assert.equal(await Promise.race([late, sleep(100)]), undefined);
	});

	test("a token that cannot be had is told and asked for again", async () => {
		const room = newRoom();
		let asked = 0;
		const codes: string[] = [];
		const ann = make(closed, room, "ann", {
			token: async () => {
				asked += 1;
				if (asked < 4) throw new Error("The login is down.");
				return token({ claims: { sub: "ann" } });
			},
		});
		ann.on("error", ({ code }) => codes.push(code));
		ann.connect();
		await until(ann, ({ status, reason }) => status === "offline" && reason === "no_token", "to be offline");
		await until(ann, isSynced, "to be synced");
		assert.ok(codes.length >= 3 && codes.every((code) => code === "token"));
	});

	test("A1, H3: over HTTP the token goes along, another is had when it has ended, and a refused one ends it", async () => {
		const room = newRoom();
		const net = new Net();
		net.noSockets = true;
		let asked = 0;
		let sub = "ann";
		const ann = make(closed, room, "ann", {
			...net.options,
			token: () => token({ claims: { sub, exp: ++asked <= 3 ? seconds() - 27 : seconds() + 600 } }),
		});
		ann.connect();
		await until(ann, isPolling, "to poll");
		applied(await ann.select("price", 1));
		const before = asked;
		await sleep(4_000);
		assert.ok(isPolling(ann.getSnapshot()));
		applied(await ann.select("price", 2));
		assert.ok(asked > before);
		const state: any = await (await closed.get(roomPath(room, "/state"), { headers: bearer(await token()) })).json();
		assert.equal(state.selections.price.value, 2);
		sub = "nobody";
		const bob = make(closed, room, "bob", { ...net.options, token: () => "none" });
		bob.connect();
		assert.equal(await ended(bob), "unauthorized");
	});
});
