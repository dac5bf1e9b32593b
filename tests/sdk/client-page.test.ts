// What a page gives a client and does with it, and what becomes of the page: in virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomClient } from "../../packages/sdk/src/client.ts";
import { clock, onVirtualTime, page, pass, Stage } from "./scripted.ts";

onVirtualTime();

test("a network that is gone is noticed within 4 s, also while the page is hidden", async () => {
	const { window, document } = page();
	const stage = new Stage();
	await stage.enter();
	document.visibilityState = "hidden";
	window.dispatchEvent(new Event("offline"));
	await pass(3_999);
	assert.deepEqual([stage.network.last.said(), stage.heard()], [["ping"], []]);
	await pass(1);
	assert.deepEqual(stage.heard(), [["status", "connecting", "silent"]]);
	await pass(4_000);
	assert.deepEqual(stage.heard(), [["status", "offline", "unreachable"]]);
	stage.client.close();
});

test("an interface that goes while another one carries the connection is no loss", async () => {
	const { window } = page();
	const stage = new Stage();
	await stage.enter();
	window.dispatchEvent(new Event("offline"));
	await stage.network.last.say("pong");
	await pass(20_000);
	assert.deepEqual([stage.heard(), stage.network.sockets.length], [[], 1]);
	stage.client.close();
});

test("a token has 10 s, and a page that has none says so with null", async () => {
	let given: () => Promise<string | null> = () => new Promise(() => {});
	const stage = new Stage({ token: () => given() });
	stage.client.connect();
	await pass(9_999);
	assert.deepEqual(stage.heard(), [["status", "connecting", undefined]]);
	await pass(1);
	const error = { code: "token", message: "Error: No answer within 10000 ms." };
	assert.deepEqual(stage.heard(), [
		["error", error],
		["status", "offline", "no_token"],
	]);
	given = async () => "t";
	await pass(1_300);
	await stage.letIn();
	assert.equal(stage.status, "synced");
	given = async () => null;
	await stage.network.last.end();
	stage.heard();
	await pass(5_000);
	assert.deepEqual(stage.heard(), [["status", "closed", "no_token"]]);
	await pass(60_000);
	assert.deepEqual([stage.network.sockets.length, clock.countTimers()], [1, 0]);
	given = async () => "t";
	await stage.enter();
	assert.equal(stage.status, "synced");
	stage.client.close();
});

test("a page that is left and kept has no connection, and is there again when it comes back", async () => {
	const { window } = page();
	const stage = new Stage();
	await stage.enter();
	const shown = (type: string, persisted: boolean) => {
		window.dispatchEvent(Object.assign(new Event(type), { persisted }));
		return pass(1);
	};
	await shown("pagehide", true);
	assert.deepEqual([stage.network.live, stage.heard()], [0, [["status", "connecting", "suspended"]]]);
	void stage.client.select("x", 1);
	await pass(60_000);
	assert.equal(stage.network.live, 0);
	await shown("pageshow", true);
	await stage.letIn();
	await pass();
	assert.equal(stage.said()[0].selection.value, 1);
	stage.client.close();
	await shown("pageshow", true);
	assert.equal(stage.network.live, 0);
});

test("input that makes no sense is a TypeError that says what is wrong", () => {
	const options = { host: "h", room: "r", user: { id: "ann", name: "Ann" }, storage: "memory" as const };
	const wrong: any = [{ host: "" }, { room: "" }, { room: 5 }, { party: "" }, { user: { id: "", name: "A" } }];
	for (const one of [...wrong, { user: { id: "ann" } }])
		assert.throws(
			() => new RoomClient({ ...options, ...one }),
			/^TypeError: host, room, user.id, user.name/,
			JSON.stringify(one),
		);
	const client: any = new RoomClient(options);
	for (const call of [
		() => client.select("", 1),
		() => client.select("\ud800", 1),
		() => client.clear(5),
		() => client.rename(""),
	])
		assert.throws(call, /^TypeError: .* field names must be non-empty strings/);
	for (const call of [
		() => client.select("x"),
		() => client.select("x", () => {}),
		() => client.setPresence(undefined),
	])
		assert.throws(call, /^TypeError: A value must be JSON/);
	const circle: any = { a: 1 };
	circle.circle = circle;
	for (const [value, what] of [
		[Number.NaN, "has NaN."],
		[-Infinity, "has -Infinity."],
		[1n, "has 1."],
		[Symbol("s"), "has Symbol(s)."],
		[{ price: { amount: Number.NaN } }, "has NaN as member amount."],
		[[1, undefined], "has undefined as item 1."],
		[{ f: Math.max }, "has function max() { [native code] } as member f."],
		[new Map([[1, 2]]), "has [object Map]."],
		[{ all: new Set([1]) }, "has [object Set] as member all."],
		[new Uint8Array(2), "has 0,0."],
		[Promise.resolve(1), "has [object Promise]."],
	] as const) {
		assert.throws(() => client.select("x", value), { name: "TypeError", message: `A value must be JSON, and ${what}` });
		assert.throws(() => client.setPresence(value), TypeError);
		assert.throws(() => client.request("finish", value), TypeError);
		assert.throws(() => client.transaction((all: any) => all.select("x", value)), TypeError);
	}
	assert.throws(() => client.select("x", circle), TypeError);
	assert.throws(() => client.transaction(async () => {}), /^TypeError: A transaction must not be async/);
	assert.equal(client.getSnapshot().pendingCount, 0, "nothing came of it");
});

test("what JSON writes in another way is what is shown at once, and what it leaves out is not there", () => {
	class Point {
		x = 1;
		y = undefined;
	}
	const { client } = new Stage();
	const given: any = { day: new Date(0), point: new Point(), zero: -0, none: null, nothing: undefined };
	void client.select("x", given);
	const { value } = client.getSnapshot().selections.x ?? {};
	assert.deepEqual(value, { day: "1970-01-01T00:00:00.000Z", point: { x: 1 }, zero: 0, none: null });
});

test("nothing of a snapshot can be changed by the page that has it, wherever it comes from", async () => {
	const isFrozen = (value: unknown): boolean =>
		typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));
	const initial = { version: 1, epoch: "e", selections: { z: { field: "z", value: { a: [1] }, version: 1 } } };
	const stage = new Stage({ initial });
	assert.ok(isFrozen(stage.client.getSnapshot()));
	assert.equal(Object.isFrozen(initial.selections.z.value), false, "it is the page's own");
	void stage.client.select("x", { deep: [{ er: 1 }] });
	stage.client.setPresence({ at: [1] });
	await stage.enter();
	await pass();
	const sent = stage.said().find(({ seq }) => seq === 1);
	assert.ok(isFrozen(stage.client.getSnapshot()));
	const current = { field: "x", value: { theirs: [1] }, userId: "bob", timestamp: null, version: 5, updatedAt: 1 };
	await stage.network.last.say({ type: "user_joined", userId: "bob", userName: "Bob", joinedAt: 1, more: { a: [1] } });
	await stage.network.last.say({
		type: "presence",
		presence: [{ connectionId: "b", userId: "bob", data: { a: [1] } }],
	});
	const conflict = { type: "conflict", code: "E_CONFLICT", field: "x", clientVersion: 0, serverVersion: 5, current };
	await stage.network.last.say({ ...conflict, seq: sent.seq, id: sent.id });
	void stage.client.request("finish", { why: ["late"] });
	await stage.refuse({ seq: 9, id: "none" }, "limit_fields");
	const snapshot = stage.client.getSnapshot();
	const { conflicts, presence, participants, requests } = snapshot;
	assert.deepEqual([conflicts.length, presence.length > 0, participants.length, requests.length], [1, true, 1, 1]);
	assert.ok(isFrozen(snapshot), JSON.stringify(snapshot));
	assert.throws(() => ((snapshot.selections.z as any).value.a[0] = 2), TypeError);
	stage.client.close();
});

test("the presence of several owners is told as one, and what one of them had goes with it", async () => {
	const stage = new Stage();
	const { client } = stage;
	await stage.enter();
	const told = async () => {
		await pass(60);
		return stage.said().map(({ data }) => data);
	};
	client.setPresence({ field: "x" }, "form");
	client.setPresence({ cursor: [1, 2] }, "canvas");
	assert.deepEqual(await told(), [{ field: "x", cursor: [1, 2] }]);
	client.setPresence({ field: "y" }, "form");
	assert.deepEqual(await told(), [{ cursor: [1, 2], field: "y" }]);
	client.setPresence(null, "canvas");
	client.setPresence(null, "nobody");
	client.setFocus("z");
	assert.deepEqual(await told(), [{ field: "z" }]);
	client.setPresence([1]);
	assert.deepEqual(await told(), [[1]], "what is no object stands alone");
	client.setPresence(null);
	client.setFocus(undefined);
	client.setPresence(null, "form");
	assert.deepEqual(await told(), [null]);
	client.close();
});

test("a client behind a proxy, and methods on their own, work", () => {
	const { client } = new Stage();
	const proxy = new Proxy(client, {});
	void proxy.select("x", 1);
	proxy.setFocus("x");
	assert.deepEqual([proxy.getSnapshot().pendingCount, proxy.focus, proxy.user.id], [1, "x", "ann"]);
	const { select, getSnapshot, clear } = client;
	void select("y", 1);
	void clear("x");
	assert.deepEqual(Object.keys(getSnapshot().selections), ["y"]);
	// What Vue looks for before it makes a proxy of its own.
	assert.equal(client.__v_skip, true);
});

test("what a page gives is taken as it is then", async () => {
	const stage = new Stage();
	const value = { a: [1] };
	const detail = { b: [1] };
	void stage.client.select("x", value);
	void stage.client.request("edit", detail);
	value.a.push(2);
	detail.b.push(2);
	await stage.enter();
	await pass();
	assert.deepEqual(
		stage.said().map((one) => one.selection?.value ?? one.detail),
		[{ a: [1] }, { b: [1] }],
	);
});
