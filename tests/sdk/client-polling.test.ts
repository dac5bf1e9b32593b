// A client over virtual time where WebSockets do not get through. What it does with a real room, worker.test.ts shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage } from "../../packages/sdk/src/storage.ts";
import { clock, onVirtualTime, page, pass, Stage } from "./scripted.ts";

onVirtualTime();

/** Answers as a room that nobody else changes. */
function room(stage: Stage): Stage["answer"] {
	return (path, method, body) => {
		const { version, epoch } = stage;
		if (method === "GET") {
			const [told] = stage.sync(path.includes(`epoch=${epoch}`) ? epoch : undefined) as any[];
			return { status: 200, body: { ...told, version, epoch } };
		}
		stage.version += 1;
		const { value, userId } = body;
		const field = decodeURIComponent(path.replace("/fields/", ""));
		const rest = { userId, timestamp: null, version: stage.version, updatedAt: Date.now() };
		return {
			status: 200,
			body: { version: stage.version, selection: method === "PUT" ? { field, value, ...rest } : null },
		};
	};
}

/** A client that cannot open a WebSocket, up to its first answer over HTTP. */
async function polling(stage: Stage): Promise<void> {
	stage.client.connect();
	await pass(1);
	for (let i = 0; i < 2; i += 1) {
		assert.equal(stage.asked.length, 0);
		await stage.network.last.fail();
		if (i === 0) await stage.network.next();
	}
	await pass();
}

/** Lets time go by while no WebSocket gets through. */
async function blocked(stage: Stage, milliseconds: number): Promise<void> {
	const end = Date.now() + milliseconds;
	while (Date.now() < end) {
		if (stage.network.last.readyState === 0) await stage.network.last.fail();
		await pass(100);
	}
}

test("after two attempts it asks over HTTP every two seconds, and says so once", async () => {
	const stage = new Stage();
	stage.answer = room(stage);
	await polling(stage);
	assert.deepEqual(stage.heard(), [
		["status", "connecting", undefined],
		["status", "offline", "unreachable"],
		["status", "polling", "unreachable"],
		["synced"],
	]);
	assert.deepEqual(
		stage.asked.map(({ path }) => path),
		["/state"],
	);
	await blocked(stage, 20_000);
	assert.deepEqual([stage.asked.length, stage.heard()], [11, []], "it does not flap with the attempts");
	assert.equal(stage.asked.at(-1)?.path, "/changes?since=0&epoch=e");
	stage.client.close();
	await pass(10_000);
	assert.deepEqual([stage.asked.length, stage.network.live, clock.countTimers()], [11, 0, 0]);
});

test("while nobody looks it asks every 30 seconds", async () => {
	const { document } = page();
	const stage = new Stage();
	stage.answer = room(stage);
	document.visibilityState = "hidden";
	await polling(stage);
	await blocked(stage, 95_000);
	assert.equal(stage.asked.length, 4);
	document.visibilityState = "visible";
	await blocked(stage, 30_000);
	const { length } = stage.asked;
	await blocked(stage, 10_000);
	assert.equal(stage.asked.length, length + 5);
	stage.client.close();
});

test("H3 E1 changes go out one by one with their numbers, and what they become is shown", async () => {
	const stage = new Stage();
	stage.answer = room(stage);
	await polling(stage);
	const outcomes = [stage.client.select("a/b", 1), stage.client.select("y", 2), stage.client.clear("y")];
	await pass();
	const sent = stage.asked.filter(({ method }) => method !== "GET");
	assert.deepEqual(
		sent.map(({ method, path, body }) => [method, path, body.seq, body.value, body.baseVersion]),
		[
			["PUT", "/fields/a%2Fb", 1, 1, 0],
			["PUT", "/fields/y", 2, 2, 0],
			["DELETE", "/fields/y", 3, undefined, 0],
		],
	);
	assert.equal(new Set(sent.map(({ body }) => body.clientId)).size, 1);
	assert.deepEqual(
		(await Promise.all(outcomes)).map(({ outcome }) => outcome),
		Array(3).fill("applied"),
	);
	const { selections, pendingCount } = stage.client.getSnapshot();
	assert.deepEqual([Object.keys(selections), pendingCount], [["a/b"], 0]);
	stage.client.close();
});

test("E5 a change whose answer was lost goes out again with its number", async () => {
	const stage = new Stage();
	stage.answer = room(stage);
	await polling(stage);
	const answers = room(stage);
	stage.answer = (...asked) => (asked[1] === "PUT" ? undefined : answers(...asked));
	const outcome = stage.client.select("x", 1);
	await pass();
	stage.answer = answers;
	await blocked(stage, 2_100);
	const sent = stage.asked.filter(({ method }) => method === "PUT");
	assert.deepEqual(
		sent.map(({ body }) => body.seq),
		[1, 1],
	);
	assert.equal((await outcome).outcome, "applied");
	stage.client.close();
});

test("E1 what is closed while a number is being stored sends nothing under it: whoever leads next may not have seen it", async () => {
	const kept = memoryStorage();
	let delay = 0;
	const storage = {
		isDurable: false,
		async update(...args: Parameters<typeof kept.update>) {
			if (delay) await new Promise((begun) => setTimeout(begun, delay));
			await kept.update(...args);
		},
	};
	const stage = new Stage({ storage });
	stage.answer = room(stage);
	await polling(stage);
	delay = 20;
	void stage.client.select("x", 1);
	// Stored by 20 ms, and then its number by 40.
	await pass(30);
	stage.client.close();
	await pass(1_000);
	assert.deepEqual(
		stage.asked.filter(({ method }) => method === "PUT"),
		[],
	);
});

test("it goes back to a WebSocket as soon as one gets through, with what is pending", async () => {
	const stage = new Stage();
	stage.answer = room(stage);
	await polling(stage);
	await blocked(stage, 5_000);
	stage.answer = () => undefined;
	void stage.client.setReady(true);
	if (stage.network.last.readyState !== 0) await stage.network.next();
	stage.heard();
	await stage.letIn();
	await pass();
	const sent = stage.said();
	assert.deepEqual(
		sent.map(({ type, seq }) => [type, seq]),
		[["user_ready", 1]],
	);
	assert.deepEqual(stage.heard(), [["status", "synced", undefined], ["synced"]]);
	await stage.network.last.say({ type: "ack", seq: 1, id: sent[0].id, version: 1 });
	const { length } = stage.asked;
	await pass(20_000);

	assert.equal(stage.asked.length, length, "nobody polls any more");
	stage.client.close();
});

test("where HTTP does not get through either it is offline, and goes on trying both", async () => {
	const stage = new Stage();
	await polling(stage);
	await blocked(stage, 10_000);
	assert.deepEqual(stage.heard(), [
		["status", "connecting", undefined],
		["status", "offline", "unreachable"],
	]);
	assert.ok(stage.asked.length >= 5);
	stage.answer = room(stage);
	await blocked(stage, 2_100);
	assert.deepEqual(stage.heard(), [["status", "polling", "unreachable"], ["synced"]]);
	stage.client.close();
});

test("what answers and is no room is as if nobody did", async () => {
	const stage = new Stage();
	stage.answer = () => ({ status: 200, body: { portal: "Log in to this network" } });
	await polling(stage);
	assert.equal(stage.status, "offline");
	stage.client.close();
});

test("A1 a token that is refused over HTTP is asked for once more, and then it is the end", async () => {
	let asked = 0;
	const token = () => {
		asked += 1;
		return `t${asked}`;
	};
	const stage = new Stage({ token });
	stage.answer = () => ({ status: 401, body: { code: "unauthorized", detail: "" } });
	await polling(stage);
	const [first, second, ...more] = stage.asked.map(({ headers }) => headers.Authorization);
	assert.notEqual(first, second);
	assert.equal(more.length, 0);
	const { status, reason } = stage.client.getSnapshot();
	assert.deepEqual([status, reason], ["closed", "unauthorized"]);
	await pass(10_000);
	assert.deepEqual([stage.network.live, clock.countTimers()], [0, 0]);
});

test("U8 a room that begins another life while it is polled is shown as it is then, and changed on top of that", async () => {
	const stage = new Stage();
	stage.version = 7;
	stage.answer = room(stage);
	await polling(stage);
	const answers = room(stage);
	stage.answer = (...asked) => (asked[1] === "PUT" ? undefined : answers(...asked));
	void stage.client.select("x", 1);
	await pass();
	Object.assign(stage, { version: 1, epoch: "f", answer: answers });
	await blocked(stage, 4_100);
	const last = stage.asked.findLast(({ method }) => method === "PUT");
	assert.equal(last?.body.baseVersion, 0);
	assert.deepEqual([stage.client.getSnapshot().version >= 1, stage.client.getSnapshot().pendingCount], [true, 0]);
	stage.client.close();
});
