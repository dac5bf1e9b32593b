// The client with the built room: what it shows, and what becomes of what its user does.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import WS from "ws";
import type { ClientError, Message, Outcome } from "../../packages/sdk/src/types.ts";
import { newRoom, type Served, serve, sleep } from "../worker/harness.ts";
import {
	applied,
	closeAll,
	converged,
	counter,
	enter,
	eventually,
	isSynced,
	make,
	until,
	values,
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

describe("the client with a room", { concurrency: true }, () => {
	test("S2, S5, Y6: what one chooses the other sees, with the WebSocket of the platform and with ws", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const bob = await enter(server, room, "bob", { WebSocket: WS });
		const version = applied(await ann.select("price", { euros: 12 }));
		const { selections } = ann.getSnapshot();
		assert.equal(selections.price?.version, version);
		assert.equal(selections.price?.pending, false);
		await until(bob, () => values(bob).price !== undefined, "to see the price");
		assert.deepEqual(bob.getSnapshot().selections.price, selections.price);
		applied(await bob.clear("price"));
		await until(ann, () => values(ann).price === undefined, "to see it cleared");
		assert.deepEqual(await converged(server, room, ann, bob), {});
	});

	test("a change is shown at once, and its promise settles after the snapshot shows the room's word", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const chosen = ann.select("price", 1);
		assert.deepEqual([values(ann).price, ann.getSnapshot().selections.price?.pending], [1, true]);
		assert.equal(ann.getSnapshot().pendingCount, 1);
		await chosen.then((outcome) => {
			const { selections, pendingCount } = ann.getSnapshot();
			assert.deepEqual([selections.price?.version, selections.price?.pending], [outcome.version, false]);
			assert.equal(pendingCount, 0);
		});
		await ann.setReady(true).then(() => assert.equal(ann.getSnapshot().participants[0]?.isReady, true));
		await ann.request("finish").then(({ requestId }) => {
			const [request] = ann.getSnapshot().requests;
			assert.deepEqual([request?.requestId, request?.pending], [requestId, false]);
		});
	});

	test("clearing what is not set is done and leaves nothing that could be in the way (S1, S4)", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		applied(await ann.select("other", 1));
		applied(await ann.clear("price"));
		applied(await ann.select("price", 2));
		applied(
			await ann.transaction((all) => {
				all.select("a", 1);
				all.clear("b");
			}),
		);
		applied(await ann.select("b", 3));
		// Another client too, which has no quick second edits of its own to be excused with.
		const bob = await enter(server, room, "bob");
		applied(await bob.clear("c"));
		applied(await ann.select("d", 1));
		applied(await bob.select("c", 4));
		assert.deepEqual(await converged(server, room, ann, bob), { other: 1, price: 2, a: 1, b: 3, c: 4, d: 1 });
	});

	test("the snapshot is the same object until something changes, its parts too, and listeners hear of changes only", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const bob = await enter(server, room, "bob");
		applied(await ann.select("price", 1));
		const before = await until(ann, (now) => now.participants.length === 2 && now, "to see both");
		const calls = counter();
		const snapshots = new Set<unknown>();
		ann.subscribe(() => {
			calls.add();
			snapshots.add(ann.getSnapshot());
		});
		const stop = ann.subscribe(calls.add);
		stop();
		assert.equal(ann.getSnapshot(), before);
		assert.equal(ann.getSnapshot(), ann.getSnapshot());
		applied(await bob.select("note", "x"));
		const now = await until(ann, (now) => now.selections.note && now, "to see the note");
		assert.equal(now.selections.price, before.selections.price);
		for (const part of ["participants", "presence", "conflicts", "requests", "permissions"] as const)
			assert.equal(now[part], before[part], part);
		assert.equal(calls.count, snapshots.size, "each call had a snapshot of its own");
		assert.ok(Object.isFrozen(now) && Object.isFrozen(now.selections));
	});

	test("S9: a transaction is all or none, one that is empty needs no room, and it is not async", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const version = applied(
			await ann.transaction((all) => {
				all.select("a", 1);
				all.select("b", 2);
			}),
		);
		assert.equal(ann.getSnapshot().selections.b?.version, version);
		assert.equal(ann.getSnapshot().selections.a?.version, version - 1);
		applied(await ann.transaction(() => {}));
		assert.throws(() => ann.transaction(async () => {}), /not be async/);
		assert.throws(() =>
			ann.transaction((all) => {
				all.select("a", 9);
				throw new RangeError("no");
			}),
		);
		applied(await ann.select("c", 3));
		assert.deepEqual(await converged(server, room, ann), { a: 1, b: 2, c: 3 });
	});

	test("a signal takes back what was not sent, before and after, and nothing else", async () => {
		const room = newRoom();
		const ann = make(server, room, "ann");
		const abort = new AbortController();
		const late = ann.select("a", 1, { signal: abort.signal });
		assert.deepEqual(await ann.select("b", 1, { signal: AbortSignal.abort() }), { outcome: "withdrawn" });
		abort.abort();
		assert.deepEqual(await late, { outcome: "withdrawn" });
		assert.deepEqual(ann.pending(), []);
		ann.connect();
		await until(ann, isSynced, "to be synced");
		const sent = new AbortController();
		const kept = ann.select("c", 1, { signal: sent.signal });
		applied(await kept);
		sent.abort();
		assert.deepEqual(await converged(server, room, ann), { c: 1 });
	});

	test("what waits for more of the same field is sent once, and at once when something else follows", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		const typed = ["4", "45", "450"].map((value) => ann.select("price", value, { debounceMs: 300 }));
		assert.equal(values(ann).price, "450");
		assert.equal(ann.pending().length, 1);
		const [first, ...more] = await Promise.all(typed);
		applied(first as Outcome);
		for (const outcome of more) assert.deepEqual(outcome, first);
		assert.deepEqual(
			net.all("field_selected").map(({ selection }) => selection.value),
			["450"],
		);
		const began = Date.now();
		const slow = ann.select("price", "451", { debounceMs: 60_000 });
		applied(await ann.select("note", "x"));
		applied(await slow);
		assert.ok(Date.now() - began < 30_000, "it did not wait for its time");
		assert.deepEqual(await converged(server, room, ann), { price: "451", note: "x" });
	});

	test("what was not sent can be dropped, what was sent not", async () => {
		const room = newRoom();
		const ann = make(server, room, "ann");
		const dropped = ann.select("a", 1);
		const kept = ann.select("b", 2);
		const [first, second] = ann.pending();
		assert.deepEqual([first?.fields, first?.isSent, second?.fields], [["a"], false, ["b"]]);
		assert.equal(await ann.drop(first?.key as string), true);
		assert.deepEqual(await dropped, { outcome: "withdrawn" });
		assert.equal(await ann.drop(first?.key as string), false);
		ann.connect();
		applied(await kept);
		assert.equal(await ann.drop(second?.key as string), false);
		assert.deepEqual(await converged(server, room, ann), { b: 2 });
	});

	test("P1: others see what one looks at, the newest only, and again after another connection", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		const bob = await enter(server, room, "bob");
		for (const at of [1, 2, 3]) ann.setPresence({ at });
		const seen = (at: number) => () =>
			bob.getSnapshot().presence.find(({ userId, data }) => userId === "ann" && (data as any).at === at);
		const first = await until(bob, seen(3), "to see the presence");
		assert.equal(first.isMine, false);
		await until(ann, ({ presence }) => presence.some(({ isMine }) => isMine), "to see its own");
		assert.equal(net.all("presence").length, 1);
		net.cut();
		const again = await until(
			bob,
			({ presence }) => presence.find((one) => one.userId === "ann" && one.connectionId !== first.connectionId),
			"to see it again",
		);
		assert.deepEqual(again.data, { at: 3 });
		ann.setPresence(null);
		await until(bob, ({ presence }) => presence.length === 0, "to see it gone");
		assert.throws(() => ann.setPresence(undefined as never), /JSON/);
	});

	test("P2: messages of the page's own reach others and need a connection", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const bob = await enter(server, room, "bob");
		const messages: Message[] = [];
		bob.on("message", (message) => messages.push(message));
		bob.on("message", () => {
			throw new Error("a listener that throws keeps nobody from hearing");
		});
		const { error } = console;
		console.error = () => {};
		assert.equal(ann.send("chat", { text: "hi" }), true);
		await eventually(() => messages.length > 0, "the message");
		console.error = error;
		assert.deepEqual(messages, [{ type: "chat", data: { text: "hi" } }]);
		// What is the room's own it does not pass on.
		const refused: string[] = [];
		ann.on("error", ({ code }) => refused.push(code));
		for (const type of ["ack", "field_selected"]) ann.send(type);
		await eventually(() => refused.length === 2, "to be refused");
		assert.deepEqual(refused, ["reserved_type", "bad_message"]);
		ann.close();
		assert.equal(ann.send("chat"), false);
	});

	test("J1: a user who takes another name keeps it over connections", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", net.options);
		const bob = await enter(server, room, "bob");
		const named = (name: string) => () =>
			bob.getSnapshot().participants.some((one) => one.id === "ann" && one.name === name && one.online);
		ann.rename("Anna");
		await until(bob, named("Anna"), "to see the new name");
		await until(ann, ({ participants }) => participants.some(({ name }) => name === "Anna"), "to see it itself");
		net.cut();
		ann.rename("Anne");
		await until(bob, named("Anne"), "to see the newest name");
		assert.equal(ann.user.name, "Anne");
		assert.throws(() => ann.rename(""), TypeError);
	});

	test("Q1 to Q4: a request, its answer, one that came too late, and what is taken back", async () => {
		const room = newRoom();
		const [ann, bob, eve] = [
			await enter(server, room, "ann"),
			await enter(server, room, "bob"),
			await enter(server, room, "eve"),
		];
		const asked = await ann.request("finish", { why: "done" }, { ttlMs: 60_000 });
		applied(asked);
		const { requestId } = asked as { requestId: string };
		const request = await until(bob, ({ requests }) => requests[0], "to see the request");
		assert.deepEqual([request.requestId, request.userId, request.detail], [requestId, "ann", { why: "done" }]);
		applied(await bob.respond(request, "allow", { scope: "session", reason: "yes" }));
		assert.equal(bob.getSnapshot().requests[0]?.status, "resolved");
		const late = await eve.respond(request, "deny");
		applied(late);
		assert.deepEqual(late.settled, {
			status: "resolved",
			decision: "allow",
			scope: "session",
			reason: "yes",
			resolvedBy: "bob",
		});
		const [grant] = await until(ann, ({ permissions }) => permissions.length > 0 && permissions, "to have it");
		assert.deepEqual([grant?.action, grant?.userId, grant?.grantedBy], ["finish", "ann", "bob"]);
		applied(await bob.revoke({ action: "finish", userId: "ann" }));
		await until(ann, ({ permissions }) => permissions.length === 0, "to have it no more");
		const second = (await ann.request("print")) as { requestId: string };
		applied(await ann.cancelRequest(second.requestId));
		const { settled } = await bob.respond({ requestId: second.requestId, userId: "ann" }, "allow");
		assert.equal(settled?.status, "cancelled");
		const none = await bob.respond({ requestId: "none", userId: "ann" }, "allow");
		assert.deepEqual([none.outcome, none.code], ["rejected", "request_not_found"]);
		const short = (await ann.request("fly", null, { ttlMs: 50 })) as { requestId: string };
		await until(
			bob,
			({ requests }) => requests.find((one) => one.requestId === short.requestId)?.status === "expired",
			"to see it expire",
		);
	});

	test("J4, J5: who leaves is away, and says so again when it comes back", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const bob = await enter(server, room, "bob");
		const isThere = (online: boolean) => () =>
			ann.getSnapshot().participants.some((one) => one.id === "bob" && one.online === online);
		await until(ann, isThere(true), "to see bob");
		applied(await bob.setReady(true));
		bob.close();
		assert.deepEqual([bob.getSnapshot().status, bob.getSnapshot().reason], ["closed", "closed"]);
		await until(ann, isThere(false), "to see bob leave");
		bob.connect();
		await until(ann, isThere(true), "to see bob again");
		assert.equal(ann.getSnapshot().participants.find(({ id }) => id === "bob")?.isReady, true);
		assert.equal(ann.getSnapshot().participants.find(({ id }) => id === "bob")?.name, "BOB");
	});

	test("Y4: what a server has fetched is shown at once, and only what is newer is asked for", async () => {
		const room = newRoom();
		const bob = await enter(server, room, "bob");
		applied(await bob.select("price", 1));
		const initial = await server.state(room);
		const net = new Net();
		const ann = make(server, room, "ann", { ...net.options, initial });
		assert.equal(values(ann).price, 1);
		assert.equal(ann.getSnapshot().version, initial.version);
		const version = applied(await bob.select("price", 2));
		ann.connect();
		// What the user changes is based on what is shown: bob was quicker.
		const late = ann.select("price", 3);
		await until(ann, isSynced, "to be synced");
		assert.equal((await late).outcome, "conflict");
		assert.equal(ann.getSnapshot().selections.price?.version, version);
		const [hello] = net.all("hello");
		assert.deepEqual([hello.since, hello.epoch], [initial.version, initial.epoch]);
		assert.ok(!net.received.some(({ type }) => type === "sync_response"));
		assert.deepEqual(net.asked, []);
	});

	test("what breaks the shape of a message is told, and what is no JSON never leaves", async () => {
		const room = newRoom();
		const ann = await enter(server, room, "ann");
		const errors: ClientError[] = [];
		ann.on("error", (error) => errors.push(error));
		assert.throws(() => ann.select("price", undefined as never), /JSON/);
		assert.throws(() => ann.select("", 1), TypeError);
		assert.throws(() => make(server, "", "ann"), TypeError);
		const cyclic: Record<string, unknown> = {};
		cyclic.self = cyclic;
		assert.throws(() => ann.select("price", cyclic as never), TypeError);
		const value = { list: [1] };
		const chosen = ann.select("price", value);
		value.list.push(2);
		applied(await chosen);
		assert.deepEqual(await converged(server, room, ann), { price: { list: [1] } });
		// A name of a field that an object has of its own.
		applied(await ann.select("__proto__", { polluted: true }));
		assert.deepEqual(Object.keys(ann.getSnapshot().selections).sort(), ["__proto__", "price"]);
		assert.equal(({} as any).polluted, undefined);
		const long = await ann.select("n".repeat(129), 1);
		assert.deepEqual([long.outcome, long.code], ["rejected", "limit_name"]);
		applied(await ann.select("after", 1));
		assert.deepEqual(errors, []);
	});

	test("connecting and closing many times in a row ends in one connection", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = make(server, room, "ann", net.options);
		for (let i = 0; i < 5; i++) {
			ann.connect();
			ann.close();
		}
		ann.connect();
		await until(ann, isSynced, "to be synced");
		applied(await ann.select("price", 1));
		await sleep(300);
		const people = (await server.state(room)).participants;
		assert.deepEqual([people.length, people[0].connections], [1, 1]);
		ann.close();
		await eventually(async () => (await server.state(room)).participants[0].connections === 0, "it to leave");
	});
});
