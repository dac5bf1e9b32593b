// A client over virtual time, with a room that is played to it. What it does with a real room, worker.test.ts shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage } from "../../packages/sdk/src/storage.ts";
import { clock, onVirtualTime, page, pass, Stage, values, watched } from "./scripted.ts";

onVirtualTime();

test("Y4 it says hello and who is there, and is synced once everything has arrived", async () => {
	const stage = new Stage();
	stage.client.connect();
	await pass(1);
	assert.equal(stage.network.last.url, "wss://room.example/parties/collaboration/r");
	await stage.network.last.open();
	const [hello, join, ...more] = stage.network.last.said();
	assert.deepEqual([hello.protocol, hello.id, hello.since, more.length], [1, "hello", undefined, 0]);
	assert.deepEqual([join.userId, join.userName], ["ann", "Ann"]);
	await stage.network.last.say(stage.welcome({ time: Date.now() + 500 }), ...stage.sync());
	assert.deepEqual(stage.heard(), [["status", "connecting", undefined]]);
	await stage.network.last.say({ type: "ack", id: "hello", version: 0 });
	assert.deepEqual(stage.heard(), [["status", "synced", undefined], ["synced"]]);
	const { role, clockSkew, lastSyncedAt } = stage.client.getSnapshot();
	assert.deepEqual([role, clockSkew, lastSyncedAt], ["editor", 500, Date.now()]);
});

test("E1 E5 a change goes out with its number, and again with the same on the next connection", async () => {
	const stage = new Stage();
	await stage.enter();
	const outcome = watched(stage.client.select("x", 1));
	await pass();
	const [first] = stage.said();
	assert.deepEqual([first.seq, first.baseVersion, first.selection.value], [1, 0, 1]);
	await stage.network.last.end();
	await stage.network.next();
	await stage.letIn();
	await pass();
	const [again] = stage.said();
	assert.deepEqual(again, first);
	assert.equal(outcome.value, undefined);
	await stage.apply(again);
	assert.deepEqual(outcome.value, { outcome: "applied", version: 1 });
	assert.deepEqual([values(stage), stage.client.getSnapshot().pendingCount], [{ x: 1 }, 0]);
});

test("E5 what is not answered for 10 s is sent again on the same connection", async () => {
	const stage = new Stage();
	await stage.enter();
	void stage.client.select("x", 1);
	void stage.client.select("y", 1);
	await pass();
	const sent = stage.said();
	assert.equal(sent.length, 2);
	/** The connection lives. */
	const live = async () => {
		await pass(5_000);
		await stage.network.last.say("pong");
		await pass(4_990);
	};
	await live();
	assert.deepEqual(stage.said(), []);
	await pass(20);
	assert.deepEqual(stage.said(), sent);
	await stage.apply(sent[0]);
	await live();
	assert.deepEqual(stage.said(), [], "an answer begins the time anew");
	await pass(20);
	assert.deepEqual(stage.said(), [sent[1]]);
});

test("X1 a change that is too much right now goes out again after a second, and nothing else meanwhile", async () => {
	const stage = new Stage();
	await stage.enter();
	const outcome = watched(stage.client.select("x", 1));
	await pass();
	const [first] = stage.said();
	await stage.refuse(first, "limit_rate", { retry: true });
	void stage.client.select("y", 1);
	await pass(990);
	assert.deepEqual(stage.said(), []);
	await pass(20);
	assert.deepEqual(
		stage.said().map(({ seq }) => seq),
		[1, 2],
	);
	await stage.apply(first);
	assert.equal(outcome.value?.outcome, "applied");
});

test("X1 the room says how long to wait with a change that is too much right now", async () => {
	const stage = new Stage();
	await stage.enter();
	void stage.client.select("x", 1);
	await pass();
	const [first] = stage.said();
	await stage.refuse(first, "limit_rate", { retry: true, retryAfterMs: 4_000 });
	await pass(3_990);
	assert.deepEqual(stage.said(), []);
	await pass(20);
	assert.deepEqual(stage.said(), [first]);
	// Never so soon that it would count as sending on and on.
	await stage.refuse(first, "limit_rate", { retry: true, retryAfterMs: 1 });
	await pass(990);
	assert.deepEqual(stage.said(), []);
	await pass(20);
	assert.deepEqual(stage.said(), [first]);
});

test("E2 a change that the room refuses is rolled back, and its outcome says why", async () => {
	const stage = new Stage();
	await stage.enter();
	const outcome = watched(stage.client.select("x", 1));
	assert.deepEqual(values(stage), { x: 1 });
	await pass();
	await stage.refuse(stage.said()[0], "limit_value");
	assert.deepEqual(outcome.value, { outcome: "rejected", code: "limit_value", message: "limit_value" });
	assert.deepEqual(values(stage), {});
});

test("E2 after a refusal that is not counted the later changes keep their order, also while something is stored", async () => {
	const kept = memoryStorage();
	const storage = {
		isDurable: false,
		async update(...args: Parameters<typeof kept.update>) {
			await kept.update(...args);
			await new Promise((stored) => setTimeout(stored, 20));
		},
	};
	const stage = new Stage({ storage });
	stage.client.connect();
	await pass(50);
	await stage.letIn();
	const ready = watched(stage.client.setReady(true));
	void stage.client.select("x", 1);
	await pass(100);
	const [first] = stage.said();
	assert.equal(first.seq, 1);
	void stage.client.select("x", 2);
	await pass(10);
	await stage.refuse(first, "forbidden", { retry: true });
	assert.equal(ready.value?.code, "forbidden");
	await pass(100);
	assert.deepEqual(
		stage.said().map(({ seq, selection }) => [seq, selection.value]),
		[
			[1, 1],
			[2, 2],
		],
	);
});

test("S4 what follows a change that has to go out again follows it, and does not conflict with it", async () => {
	for (const other of [undefined, "bob"]) {
		const stage = new Stage();
		await stage.enter();
		const outcomes = [1, 2].map((value) => watched(stage.client.select("x", value)));
		await pass();
		const [first, second] = stage.said();
		const conflict = { type: "conflict", code: "E_CONFLICT", field: "x", clientVersion: 0 };
		const stored = { ...first.selection, version: 5, updatedAt: 1 };
		const { seq, id } = first;
		await stage.network.last.say({ ...conflict, seq, id, serverVersion: 3, current: null });
		const [again] = stage.said();
		assert.deepEqual([again.seq, again.baseVersion, again.selection.value], [3, 3, 1]);
		// The room tells what it holds when it comes to tell: by then it has the first again, or somebody else's.
		const current = other ? { ...stored, value: 9, userId: other } : stored;
		const late = { ...conflict, seq: second.seq, id: second.id, serverVersion: 5, current };
		await stage.network.last.say(late);
		const [next] = stage.said();
		// That base is no conflict if version 5 is this client's, and one if it is another's.
		assert.deepEqual([next.seq, next.baseVersion, next.selection.value], [4, 3, 2]);
		if (other === undefined) {
			await stage.network.last.say({ type: "ack", seq: 3, id: again.id, version: 5 });
			await stage.network.last.say({ type: "ack", seq: 4, id: next.id, version: 6 });
		} else {
			const told = { ...conflict, clientVersion: 3, serverVersion: 5, current };
			for (const one of [again, next]) await stage.network.last.say({ ...told, seq: one.seq, id: one.id });
		}
		const outcome = other ? "conflict" : "applied";
		assert.deepEqual(
			outcomes.map(({ value }) => value?.outcome),
			[outcome, outcome],
		);
	}
});

for (const how of ["select", "clear"] as const) {
	test(`S9 ${how} on a field whose conflict holds a transaction makes all of it again, with that field as it is now`, async () => {
		const stage = new Stage();
		await stage.enter();
		const late = watched(
			stage.client.transaction((all) => {
				all.select("x", 1);
				all.select("y", 1);
			}),
		);
		await pass();
		const [{ seq, id }] = stage.said();
		const current = { field: "x", value: 9, userId: "bob", timestamp: null, version: 3, updatedAt: 1 };
		const conflict = { type: "conflict", code: "E_CONFLICT", field: "x", clientVersion: 0, serverVersion: 3, current };
		await stage.network.last.say({ ...conflict, seq, id });
		assert.equal(late.value?.outcome, "conflict");
		const decided = watched(how === "select" ? stage.client.select("x", 2) : stage.client.clear("x"));
		await pass();
		const [again, ...more] = stage.said();
		const chosen = again.changes.map((one: any) => [one.selection?.value ?? one.type, one.baseVersion]);
		assert.deepEqual([again.type, more], ["batch", []]);
		assert.deepEqual(chosen, [
			[how === "select" ? 2 : "field_cleared", 3],
			[1, 0],
		]);
		await stage.network.last.say({ type: "ack", seq: again.seq, id: again.id, version: 5 });
		assert.deepEqual(decided.value, { outcome: "applied", version: 5 });
		assert.deepEqual(stage.client.getSnapshot().conflicts, []);
	});
}

test("U8 E4 who comes back to another life of the room without having changed anything keeps its name", async () => {
	const stage = new Stage();
	await stage.enter();
	await stage.network.last.end();
	stage.epoch = "f";
	await stage.network.next();
	await stage.letIn({ lastSeq: null });
	await pass(100);
	assert.deepEqual([stage.status, stage.network.sockets.length], ["synced", 2]);
});

test("U8 E4 who had numbered something comes back under another name, and what is pending with it", async () => {
	const stage = new Stage();
	await stage.enter();
	void stage.client.select("x", 1);
	await pass();
	assert.equal(stage.said()[0].seq, 1);
	await stage.network.last.end();
	stage.epoch = "f";
	await stage.network.next();
	await stage.network.last.open();
	const [before] = stage.network.last.said();
	await stage.network.last.say(stage.welcome({ lastSeq: null }));
	await pass(10);
	const hello = await stage.letIn({ lastSeq: null });
	assert.notEqual(hello.clientId, before.clientId);
	await pass(10);
	assert.deepEqual(
		stage.said().map(({ seq, baseVersion }) => [seq, baseVersion]),
		[[1, 0]],
	);
	assert.deepEqual([stage.status, stage.network.live], ["synced", 1]);
});

test("P1 presence goes out every 50 ms at most, the newest only, and anew on the next connection", async () => {
	const stage = new Stage();
	stage.client.setPresence("before");
	await stage.enter();
	assert.deepEqual(stage.said(), [{ type: "presence", data: "before" }]);
	await pass(60);
	stage.said();
	for (let i = 0; i < 100; i += 1) {
		stage.client.setPresence({ i });
		await pass(5);
	}
	await pass(50);
	const sent = stage.said();
	assert.ok(sent.length >= 9 && sent.length <= 11, `${sent.length} in half a second`);
	assert.deepEqual(sent.at(-1), { type: "presence", data: { i: 99 } });
	await stage.network.last.end();
	await stage.network.next();
	await stage.letIn();
	assert.deepEqual(stage.said(), [{ type: "presence", data: { i: 99 } }]);
});

test("a connection that fell silent is told with its reason, and mended without an end", async () => {
	const stage = new Stage();
	await stage.enter();
	await pass(35_000);
	assert.deepEqual(stage.heard(), [["status", "connecting", "silent"]]);
	await pass(1);
	await stage.letIn();
	assert.deepEqual(stage.heard(), [["status", "synced", undefined], ["synced"]]);
});

test("it is tried again at once when the network is back, or the page is seen again", async () => {
	const { window, document } = page();
	const stage = new Stage();
	await stage.enter();
	const wake = async () => {
		for (let i = 0; i < 8; i += 1) {
			await stage.network.last.fail();
			await stage.network.next();
		}
		await stage.network.last.fail();
		return stage.network.sockets.length;
	};
	let before = await wake();
	window.dispatchEvent(new Event("online"));
	window.dispatchEvent(new Event("online"));
	await pass(1);
	window.dispatchEvent(new Event("online"));
	await pass(1);
	assert.equal(stage.network.sockets.length, before + 1, "an attempt that is on its way is left alone");
	before = await wake();
	document.visibilityState = "hidden";
	document.dispatchEvent(new Event("visibilitychange"));
	await pass(1);
	assert.equal(stage.network.sockets.length, before, "nobody looks");
	document.visibilityState = "visible";
	document.dispatchEvent(new Event("visibilitychange"));
	await pass(1);
	assert.equal(stage.network.sockets.length, before + 1);
	stage.client.close();
	window.dispatchEvent(new Event("online"));
	document.dispatchEvent(new Event("visibilitychange"));
	await pass(10_000);
	assert.deepEqual([stage.network.live, clock.countTimers()], [0, 0]);
});

test("a network that is back is no reason to give up a connection that lives: it is asked for a sign of life", async () => {
	const { window } = page();
	const stage = new Stage();
	await stage.enter();
	window.dispatchEvent(new Event("online"));
	await pass(1);
	assert.deepEqual([stage.network.last.said(), stage.network.sockets.length, stage.heard()], [["ping"], 1, []]);
	stage.client.close();
});

test("E5 a change without a reply leads to a look at the connection after 3 s, and to another one 7 s later", async () => {
	const stage = new Stage();
	await stage.enter();
	const outcome = stage.client.select("x", 1);
	await pass();
	const [sent] = stage.said();
	await pass(9_998);
	assert.deepEqual([stage.network.last.said(), stage.heard()], [["ping"], []]);
	await pass(2);
	assert.deepEqual(stage.heard(), [["status", "connecting", "silent"]]);
	await stage.letIn({ lastSeq: 1 });
	const [again] = stage.said();
	assert.deepEqual([again.seq, again.id], [1, sent.id]);
	await stage.apply(again);
	assert.equal((await outcome).outcome, "applied");
	stage.client.close();
});

test("X2 a refusal for good ends it with the room's reason, until it is connected again", async () => {
	const stage = new Stage();
	await stage.enter();
	await stage.network.last.end(4409, "deleted");
	await pass(60_000);
	assert.deepEqual(stage.heard(), [["status", "closed", "deleted"]]);
	assert.deepEqual([stage.network.sockets.length, clock.countTimers()], [1, 0]);
	await stage.enter();
	assert.equal(stage.status, "synced");
});

for (const thrown of [new Error("no session"), "no session", undefined]) {
	test(`a token that cannot be had (${thrown}) is an error that is told, and asked for again`, async () => {
		let isOut = true;
		const token = async () => {
			if (isOut) throw thrown;
			return "t";
		};
		const stage = new Stage({ token });
		stage.client.connect();
		await pass(1);
		const [, error, status] = stage.heard();
		assert.deepEqual(error, ["error", { code: "token", message: `${thrown}` }]);
		assert.deepEqual(status, ["status", "offline", "no_token"]);
		await pass(30_000);
		const statuses = stage.heard().filter(([event]) => event === "status");
		assert.ok(statuses.length <= 2, `it does not flap: ${JSON.stringify(statuses)}`);
		isOut = false;
		await stage.network.next();
		const hello = await stage.letIn();
		assert.deepEqual([hello.token, stage.status], ["t", "synced"]);
	});
}

test("X2 a token that is refused is asked for once more", async () => {
	let asked = 0;
	const token = () => {
		asked += 1;
		return `t${asked}`;
	};
	const stage = new Stage({ token });
	stage.client.connect();
	await pass(1);
	for (let i = 1; i <= 2; i += 1) {
		await stage.network.last.open();
		assert.equal(stage.network.last.said()[0].token, `t${i}`);
		await stage.network.last.end(4401, "unauthorized");
		await pass(1_300);
	}
	await pass(30_000);
	const { status, reason } = stage.client.getSnapshot();
	assert.deepEqual([status, reason, asked, clock.countTimers()], ["closed", "unauthorized", 2, 0]);
});

test("closing and connecting again and again leaves one connection, and then none, and no timers", async () => {
	const stage = new Stage();
	for (const wait of [0, 0, 1, 2, 20, 500]) {
		stage.client.connect();
		stage.client.connect();
		await pass(wait);
		stage.client.close();
		stage.client.close();
		assert.equal(stage.status, "closed");
		stage.client.connect();
		await pass(wait);
	}
	await pass(1_000);
	assert.equal(stage.network.live, 1);
	await stage.letIn();
	void stage.client.select("x", 1);
	void stage.client.select("y", 1, { debounceMs: 500 });
	stage.client.setPresence(1);
	await pass(10);
	stage.client.close();
	await pass(6_000);
	assert.deepEqual([stage.network.live, clock.countTimers(), stage.asked.length], [0, 0, 0]);
	assert.equal(stage.client.getSnapshot().pendingCount, 2, "what is pending is kept");
});

test("nothing comes of a socket that was closed while its token was fetched", async () => {
	let give = (_token: string) => {};
	const stage = new Stage({ token: () => new Promise<string>((resolve) => (give = resolve)) });
	stage.client.connect();
	await pass(1);
	stage.client.close();
	give("t");
	await pass(10_000);
	assert.deepEqual([stage.network.sockets.length, stage.status, clock.countTimers()], [0, "closed", 0]);
	assert.deepEqual(
		stage.heard().map(([, status]) => status),
		["connecting", "closed"],
	);
});

for (const word of ["connecting", "synced", "silent", "dance"]) {
	test(`who closes it on hearing "${word}" has closed it`, async () => {
		const stage = new Stage();
		const close = (...words: unknown[]) => JSON.stringify(words).includes(word) && stage.client.close();
		stage.client.on("status", close);
		stage.client.on("message", close);
		stage.client.connect();
		await pass(1);
		if (word !== "connecting") await stage.letIn();
		await stage.network.sockets[0]?.say({ type: "dance" });
		await pass(60_000);
		assert.deepEqual([stage.status, stage.network.live, clock.countTimers()], ["closed", 0, 0]);
		assert.deepEqual(stage.heard().at(-1)?.slice(0, 2), ["status", "closed"], "nothing comes after the end");
	});
}

test("nobody has to look at an outcome", async () => {
	const stage = new Stage();
	await stage.enter();
	stage.client.select("x", 1);
	stage.client.clear("y");
	stage.client.transaction(({ select, clear: _ }) => void select);
	stage.client.resolve("none", "mine");
	stage.client.select("big", "x".repeat(70_000));
	await pass();
	for (const frame of stage.said()) await stage.refuse(frame, "limit_room");
	stage.client.close();
	stage.client.setReady(true);
	await pass(1_000);
});

test("listeners that throw keep nobody from anything", async (t) => {
	const { mock } = t.mock.method(console, "error", () => {});
	const stage = new Stage();
	const fault = new Error("the page's own");
	const fail = () => {
		throw fault;
	};
	for (const event of ["status", "synced", "error", "message", "conflict"] as const) stage.client.on(event, fail);
	stage.client.subscribe(fail);
	await stage.enter();
	const outcome = watched(stage.client.select("x", 1));
	await pass();
	await stage.apply(stage.said()[0]);
	assert.equal(outcome.value?.outcome, "applied");
	assert.ok(mock.callCount() > 3);
	for (const { arguments: words } of mock.calls) assert.deepEqual(words, [fault]);
});

test("a change is withdrawn by its signal before it was sent, and not after; the signal is let go then", async () => {
	const stage = new Stage();
	const aborting = new AbortController();
	let listeners = 0;
	const { signal } = aborting;
	const [on, off] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
	signal.addEventListener = (...args: [any, any, any]) => {
		listeners += 1;
		on(...args);
	};
	signal.removeEventListener = (...args: [any, any]) => {
		listeners -= 1;
		off(...args);
	};
	await stage.enter();
	const sent = watched(stage.client.select("x", 1, { signal }));
	await pass();
	const [frame] = stage.said();
	await stage.apply(frame);
	assert.deepEqual([sent.value?.outcome, listeners], ["applied", 0]);
	stage.client.close();
	const kept = watched(stage.client.select("y", 1, { signal }));
	aborting.abort();
	const late = watched(stage.client.select("z", 1, { signal }));
	await pass();
	assert.deepEqual([kept.value?.outcome, late.value?.outcome], ["withdrawn", "withdrawn"]);
	assert.deepEqual(values(stage), { x: 1 });
});
