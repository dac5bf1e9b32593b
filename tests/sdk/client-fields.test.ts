// What becomes of a field's changes in a client before the room has them: what is sent when, what decides a conflict, and
// what is left when the page goes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage } from "../../packages/sdk/src/storage.ts";
import type { SelectOptions } from "../../packages/sdk/src/types.ts";
import { onVirtualTime, page, pass, Stage, watched } from "./scripted.ts";

onVirtualTime();

const values = (said: any[]) => said.map((one) => one.selection?.value ?? one.type);
const mine = (stage: Stage) => stage.client.getSnapshot().conflicts.map((one) => one.mine.value);

async function entered(): Promise<Stage> {
	const stage = new Stage();
	await stage.enter();
	return stage;
}

/** Bob has set a field; this client's own change of it came too late. */
async function held(stage: Stage, value: any = "Hello", theirs: any = "Bob's"): Promise<void> {
	const late = watched(stage.client.select("x", value));
	await pass();
	const [{ seq, id, baseVersion }] = stage.said();
	stage.version += 1;
	const { version, epoch } = stage;
	const current = { field: "x", value: theirs, userId: "bob", timestamp: null, version, updatedAt: 1 };
	const conflict = { type: "conflict", code: "E_CONFLICT", field: "x", clientVersion: baseVersion, current, seq, id };
	const change = { kind: "field", version, field: "x", selection: current, userId: "bob", updatedAt: 1 };
	await stage.network.last.say(
		{ type: "changes", from: version - 1, to: version, epoch, changes: [change] },
		{ ...conflict, serverVersion: version },
	);
	assert.equal(late.value?.outcome, "conflict");
}

test("S4 who types on in what the room has leaves what is held for a decision", async () => {
	const stage = await entered();
	await held(stage);
	const typed = watched(stage.client.select("x", "Bob's!", { debounceMs: 300 }));
	assert.deepEqual([stage.client.field("x").selection?.value, mine(stage)], ["Bob's!", ["Hello"]]);
	await pass(299);
	assert.deepEqual(stage.said(), [], "and waits for a pause, as typing does");
	await pass(1);
	const [sent] = stage.said();
	assert.deepEqual([sent.selection.value, sent.baseVersion], ["Bob's!", 1]);
	await stage.apply(sent);
	assert.deepEqual([typed.value?.outcome, mine(stage)], ["applied", ["Hello"]]);
	const kept = watched(stage.client.resolve("x", "mine"));
	await pass();
	const [again] = stage.said();
	assert.deepEqual([again.selection.value, again.baseVersion], ["Hello", 2]);
	await stage.apply(again);
	assert.deepEqual([kept.value?.outcome, mine(stage)], ["applied", []]);
});

test("S4 two texts that came too late one after the other are both there", async () => {
	const stage = await entered();
	await held(stage);
	const typed = watched(stage.client.select("x", "Bob's!", { debounceMs: 1 }));
	await pass(1);
	const [{ seq, id }] = stage.said();
	const current = { field: "x", value: "Bob", userId: "bob", timestamp: null, version: 2, updatedAt: 1 };
	const conflict = { type: "conflict", code: "E_CONFLICT", field: "x", clientVersion: 1, serverVersion: 2, current };
	await stage.network.last.say({ ...conflict, seq, id });
	assert.deepEqual([typed.value?.outcome, mine(stage)], ["conflict", ["Hello", "Bob's!"]]);
	await stage.client.resolve("x", "theirs");
	assert.deepEqual(mine(stage), ["Bob's!"]);
});

test("S4 a text that has grown by what somebody typed takes the place of the first half", async () => {
	const stage = await entered();
	await held(stage);
	void stage.client.select("x", "Hello, and Bob's", { debounceMs: 100 });
	assert.deepEqual(mine(stage), [], "all that was held is in it");
	await pass(100);
	assert.deepEqual(values(stage.said()), ["Hello, and Bob's"]);
});

test("S4 a value that was made of the room's decides nothing", async () => {
	const stage = await entered();
	await held(stage, 5, 1);
	void stage.client.select("x", (previous) => Number(previous) + 1);
	await pass();
	assert.deepEqual([values(stage.said()), mine(stage)], [[2], [5]]);
});

for (const how of ["select", "clear", "transaction"] as const) {
	test(`S4 ${how} by what somebody saw before another's change is no decision about it`, async () => {
		const stage = await entered();
		await held(stage);
		const options: SelectOptions = { baseVersion: 0 };
		const { client } = stage;
		if (how === "transaction") {
			void client.transaction((all) => {
				all.select("x", "unseen", options);
				all.select("y", 1);
			});
			await pass();
			const [batch] = stage.said();
			assert.deepEqual(
				batch.changes.map((one: any) => one.baseVersion),
				[0, 0],
				"the room will find the conflict",
			);
			assert.deepEqual(mine(stage), ["Hello"]);
			return;
		}
		const { outcome, current } = await (how === "select"
			? client.select("x", "unseen", options)
			: client.clear("x", options));
		assert.deepEqual([outcome, current?.value, stage.said()], ["conflict", "Bob's", []]);
		assert.deepEqual(mine(stage), [how === "select" ? "unseen" : undefined], "it is what waits for the decision now");
		assert.equal(client.field("x").selection?.value, "Bob's");
	});
}

test("S4 a choice decides what its user has seen, after a pause if it says so, and is withdrawn to undecided", async () => {
	const stage = await entered();
	await held(stage);
	const stop = new AbortController();
	const choice = watched(stage.client.select("x", "Hello!", { debounceMs: 300, signal: stop.signal }));
	assert.deepEqual(mine(stage), []);
	await pass(200);
	stop.abort();
	await pass();
	assert.deepEqual([choice.value?.outcome, mine(stage), stage.said()], ["withdrawn", ["Hello"], []]);
	void stage.client.select("x", "else");
	assert.deepEqual(mine(stage), []);
	await pass();
	assert.deepEqual(values(stage.said()), ["else"]);
});

test("unsent changes of a field are one, and all have its outcome", async () => {
	const stage = await entered();
	await stage.network.last.end();
	const outcomes = [];
	for (let i = 0; i < 3_000; i += 1) outcomes.push(watched(stage.client.select(i % 2 ? "x" : "y", i)));
	assert.equal(stage.client.getSnapshot().pendingCount, 2);
	await stage.network.next();
	await stage.letIn();
	await pass();
	const said = stage.said();
	assert.deepEqual(values(said), [2_998, 2_999]);
	for (const one of said) await stage.apply(one);
	assert.ok(outcomes.every(({ value }) => value?.outcome === "applied"));
});

test("no change moves across a transaction, or anything else whose order counts", async () => {
	const stage = await entered();
	await stage.network.last.end();
	const { client } = stage;
	void client.select("x", 1);
	void client.transaction((all) => {
		all.select("x", 2);
		all.select("y", 2);
	});
	void client.select("x", 3);
	void client.select("x", 4);
	void client.setReady(true);
	void client.select("x", 5);
	void client.clear("x");
	const types = client.pending().map(({ type }) => type);
	assert.deepEqual(types, ["field_selected", "batch", "field_selected", "user_ready", "field_cleared"]);
	const [first] = client.pending();
	assert.ok(first);
	assert.deepEqual(first.fields, ["x"]);
});

test("somebody who types on and on is heard now and then, and at once by flush", async () => {
	const stage = await entered();
	for (let i = 1; i <= 40; i += 1) {
		void stage.client.select("x", i, { debounceMs: 300 });
		await pass(100);
	}
	assert.deepEqual(values(stage.said()), [15, 30], "every one and a half seconds");
	await stage.client.flush();
	await pass();
	assert.deepEqual(values(stage.said()), [40]);
	for (let i = 1; i <= 10; i += 1) {
		void stage.client.select("y", i, { debounceMs: 300, maxWaitMs: 400 });
		await pass(100);
	}
	assert.deepEqual(values(stage.said()), [4, 8]);
});

test("a field by itself: the same object until something of it changes", async () => {
	const stage = await entered();
	const heard: unknown[] = [];
	const stop = stage.client.subscribeField("x", ({ selection, pending }) => heard.push([selection?.value, pending]));
	void stage.client.select("y", 1);
	const before = stage.client.field("x");
	assert.equal(before, stage.client.field("x"));
	assert.deepEqual(before, {
		selection: undefined,
		version: 0,
		pending: false,
		conflict: undefined,
		refused: undefined,
		canWrite: true,
	});
	void stage.client.select("x", 1);
	await pass();
	for (const one of stage.said()) await stage.apply(one);
	assert.deepEqual(heard, [
		[1, true],
		[1, false],
	]);
	void stage.client.clear("x");
	assert.deepEqual([heard.at(-1), stage.client.field("x").version], [[undefined, true], 2]);
	stop();
	await pass();
	await stage.apply(stage.said()[0]);
	assert.equal(heard.length, 3);
	assert.equal(stage.client.field("constructor").selection, undefined, "a field may have any name");
});

test("what was refused is kept with its reason until the field is changed again, or it is dismissed", async () => {
	const stage = await entered();
	const refused: unknown[] = [];
	stage.client.on("refused", ({ field, value, code }) => refused.push([field, value, code]));
	void stage.client.transaction((all) => {
		all.select("x", "long");
		all.clear("y");
	});
	await pass();
	await stage.refuse(stage.said()[0], "limit_value");
	const known = () =>
		Object.values(stage.client.getSnapshot().refused).map(({ field, value, code }) => [field, value, code]);
	const both = [
		["x", "long", "limit_value"],
		["y", undefined, "limit_value"],
	];
	assert.deepEqual([known(), refused], [both, both]);
	void stage.client.select("x", "short");
	assert.deepEqual(known(), both.slice(1));
	stage.client.dismiss("y");
	assert.deepEqual(known(), []);
});

test("E1 a page that is left sends what waits: on its socket, and by a request with the same number", async () => {
	const { window } = page();
	const registered: string[] = [];
	const sync = { register: async (tag: string) => void registered.push(tag) };
	const navigator = { serviceWorker: { ready: Promise.resolve({ sync }) } };
	Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
	const stage = new Stage({ token: () => "secret" });
	await stage.enter();
	void stage.client.select("x", "last words", { debounceMs: 5_000 });
	void stage.client.clear("y");
	void stage.client.select("z", 1, { debounceMs: 5_000 });
	assert.deepEqual(registered, [], "while it is connected nobody else has to");
	window.dispatchEvent(new Event("pagehide"));
	const said = stage.said();
	assert.deepEqual(
		said.map(({ type, seq }) => [type, seq]),
		[
			["field_selected", 1],
			["field_cleared", 2],
			["field_selected", 3],
		],
	);
	assert.deepEqual(
		stage.asked.map(({ method, path, body }) => [method, path, body.seq, body.value]),
		[
			["PUT", "/fields/x", 1, "last words"],
			["DELETE", "/fields/y", 2, undefined],
			["PUT", "/fields/z", 3, 1],
		],
	);
	const [first] = stage.asked;
	assert.deepEqual([first?.headers.Authorization, first?.body.userId], ["Bearer secret", "ann"]);
	await pass();
	assert.deepEqual(registered, ["roomkeep"]);
	// A page that comes back after all has its numbers.
	await pass(10_000);
	assert.ok(stage.said().every(({ seq }) => seq <= 3));
	Reflect.deleteProperty(globalThis, "navigator");
	stage.client.close();
});

test("a page that is hidden sends what waits for a pause, since it may not come back", async () => {
	const { document } = page();
	const stage = await entered();
	void stage.client.select("x", "last words", { debounceMs: 5_000 });
	document.visibilityState = "hidden";
	document.dispatchEvent(new Event("visibilitychange"));
	await pass();
	assert.deepEqual(values(stage.said()), ["last words"]);
	stage.client.close();
});

test("E1 closing sends what waits for a pause, and whoever connects next has its number", async () => {
	const storage = memoryStorage();
	const stage = new Stage({ storage });
	await stage.enter();
	void stage.client.select("x", "last words", { debounceMs: 5_000 });
	stage.client.close();
	const [sent] = stage.said();
	assert.deepEqual([sent.selection.value, sent.seq], ["last words", 1]);
	await pass();
	const next = new Stage({ storage });
	next.client.connect();
	await pass(1);
	await next.letIn({ lastSeq: 1 });
	await pass();
	assert.deepEqual(next.said(), [sent], "the room knows the number, and does it once");
});
