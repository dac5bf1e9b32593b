// Snapshots: what is pending on top of what the room told, and the same objects for as long as nothing changed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type * as box from "../../packages/sdk/src/outbox.ts";
import { Replica } from "../../packages/sdk/src/replica.ts";
import type { Snapshot } from "../../packages/sdk/src/types.ts";
import { type Shown, View } from "../../packages/sdk/src/view.ts";

const set = (field: string, value: any, baseVersion = 0): box.FieldMessage => {
	return { type: "field_selected", selection: { field, value, userId: "ann", timestamp: 7 }, baseVersion };
};
const clear = (field: string, baseVersion = 0): box.FieldMessage => {
	return { type: "field_cleared", field, userId: "ann", baseVersion };
};
const stored = (field: string, value: any, version: number, userId = "bob"): any => {
	return { field, value, userId, timestamp: null, version, updatedAt: 1_000 + version };
};
const person = (id: string, joinedAt: number, more: object = {}): any => {
	return { id, name: id, isReady: false, online: true, connections: 1, joinedAt, lastSeen: 1, version: 1, ...more };
};
const request = (requestId: string, createdAt: number, more: object = {}): any => {
	const rest = { userId: "bob", action: "edit", detail: null, status: "pending", expiresAt: createdAt + 9 };
	return { requestId, createdAt, version: 1, ...rest, ...more };
};

/** A view, and what it is a view of. */
class Scene {
	readonly replica = new Replica();
	entries: box.Entry[] = [];
	link: Shown = { status: "synced", connectionId: "c", persistence: "memory", clockSkew: 0 } as Shown;
	readonly view: View;

	constructor(selections: any[] = [], lists: object = {}) {
		const byField = Object.fromEntries(selections.map((one) => [one.field, one]));
		const none = { participants: [], presence: [], requests: [], permissions: [] };
		const state = { version: 10, epoch: "e", time: 1, selections: byField, ...none, ...lists };
		this.replica.receive({ type: "sync_response", ...state } as any);
		this.view = new View(this.replica, this.outbox, this.link, "ann");
	}

	get outbox(): box.Outbox {
		const address = { host: "h", party: "p", room: "r", user: { id: "ann", name: "Ann" } };
		return { address, clientId: "c", lastSeq: 0, entries: this.entries };
	}

	get now(): Snapshot {
		return this.view.snapshot;
	}

	/** Whether anything is different. */
	update(): boolean {
		return this.view.update(this.replica, this.outbox, this.link, "ann");
	}

	add(message: box.Message, more: Partial<box.Entry> = {}): box.Entry {
		const entry = { key: `k${this.entries.length}`, at: 500, message, size: 1, ...more };
		this.entries = [...this.entries, entry];
		this.update();
		return entry;
	}

	/** The values of fields. */
	get values(): Record<string, unknown> {
		return Object.fromEntries(Object.entries(this.now.selections).map(([field, { value }]) => [field, value]));
	}
}

test("what is pending lies on top of what the room has, in its order", () => {
	const scene = new Scene([stored("a", 1, 3), stored("b", 1, 4)]);
	assert.deepEqual(scene.now.selections.a, { ...stored("a", 1, 3), pending: false });
	scene.add(set("a", 2, 3));
	const mine = { field: "a", value: 2, userId: "ann", timestamp: 7, version: 3, updatedAt: 500, pending: true };
	assert.deepEqual([scene.now.selections.a, scene.now.pendingCount, scene.now.version], [mine, 1, 10]);
	scene.add({ type: "batch", changes: [clear("b", 4), set("c", 1), set("a", 3, 3)] });
	assert.deepEqual([scene.values, scene.now.pendingCount], [{ a: 3, c: 1 }, 2]);
	scene.entries = scene.entries.slice(1);
	scene.update();
	assert.deepEqual(scene.values, { a: 3, c: 1 });
});

test("what is rolled back shows what the room has, the very object of before", () => {
	const scene = new Scene([stored("a", 1, 3)]);
	const { a } = scene.now.selections;
	scene.add(set("a", 2, 3));
	scene.entries = [];
	assert.equal(scene.update(), true);
	assert.equal(scene.now.selections.a, a);
	scene.add(clear("a", 3));
	assert.deepEqual(scene.values, {});
	scene.entries = [];
	scene.update();
	assert.equal(scene.now.selections.a, a);
});

test("nothing new is the same snapshot, and of something new the rest is the same", () => {
	const lists = { participants: [person("ann", 1)], requests: [request("r", 1)], permissions: [{ action: "x" }] };
	const presence = [{ connectionId: "c", userId: "ann", data: 1 }];
	const scene = new Scene([stored("a", 1, 3), stored("b", 1, 4)], { ...lists, presence });
	scene.add(set("p", 1));
	scene.add({ type: "user_ready", userId: "ann", isReady: true });
	scene.add({ type: "permission_request", requestId: "m", action: "edit" });
	scene.add(set("a", 9, 2), { conflict: { field: "a", version: 3, current: null } });
	const before = scene.now;
	for (let i = 0; i < 3; i += 1) assert.equal(scene.update(), false);
	assert.equal(scene.now, before);
	scene.replica.takeField("b", 11, stored("b", 2, 11));
	assert.equal(scene.update(), true);
	const { selections, ...rest } = scene.now;
	for (const [part, value] of Object.entries(rest)) assert.equal(value, before[part as keyof Snapshot], part);
	assert.deepEqual(Object.keys(selections), Object.keys(before.selections));
	for (const [field, one] of Object.entries(selections))
		assert.equal(one === before.selections[field], field !== "b", field);
	scene.link = { ...scene.link, lastSyncedAt: 5 };
	scene.update();
	assert.equal(scene.now.selections, selections);
	assert.equal(scene.now.lastSyncedAt, 5);
});

test("an entry in another form, and with the same message, shows the same selection", () => {
	const scene = new Scene();
	const entry = scene.add(set("a", 1));
	const { a } = scene.now.selections;
	scene.entries = [{ ...entry, seq: 4 }];
	assert.equal(scene.update(), false);
	assert.equal(scene.now.selections.a, a);
});

test("a snapshot is frozen, and its lists and what is in them", () => {
	const lists = { participants: [person("ann", 1)], requests: [request("r", 1)], permissions: [{ action: "x" }] };
	const scene = new Scene([stored("a", 1, 3)], { ...lists, presence: [{ connectionId: "c", userId: "u", data: 1 }] });
	scene.add(set("b", 2));
	scene.add(set("a", 2, 2), { conflict: { field: "a", version: 3, current: null } });
	assert.throws(() => Object.assign(scene.now, { version: 0 }), TypeError);
	const { selections, participants, presence, conflicts, requests, permissions } = scene.now;
	for (const list of [selections, participants, presence, conflicts, requests, permissions] as any[]) {
		assert.ok(Object.isFrozen(list));
		assert.ok(Object.keys(list).length > 0);
	}
	for (const one of [selections.a, selections.b, presence[0], conflicts[0], requests[0]])
		assert.ok(Object.isFrozen(one));
});

test("fields may have any name", () => {
	const scene = new Scene();
	for (const name of ["__proto__", "constructor", "toString"]) {
		scene.replica.takeField(name, 11, stored(name, 1, 11));
		assert.equal(scene.update(), true);
		assert.equal(scene.update(), false);
	}
	scene.add(set("__proto__", 2, 11));
	assert.deepEqual(Object.keys(scene.now.selections), ["__proto__", "constructor", "toString"]);
	const proto = Object.getOwnPropertyDescriptor(scene.now.selections, "__proto__")?.value;
	assert.deepEqual([proto.value, proto.pending], [2, true]);
	assert.equal(Object.getPrototypeOf(scene.now.selections), Object.prototype);
});

test("people are in the order in which they joined, and one's own ready flag is shown at once", () => {
	const scene = new Scene([], { participants: [person("bob", 2), person("ann", 1)] });
	const [ann, bob] = scene.now.participants;
	assert.deepEqual([ann?.id, bob?.id], ["ann", "bob"]);
	scene.add({ type: "user_ready", userId: "ann", isReady: true });
	assert.deepEqual(scene.now.participants, [{ ...ann, isReady: true }, bob]);
	assert.equal(scene.now.participants[1], bob);
	scene.add({ type: "user_ready", userId: "ann", isReady: false });
	assert.equal(scene.now.participants[0], ann, "the last word counts, and is what the room has");
});

test("P1 a presence is one's own by its connection", () => {
	const presence = ["c", "d"].map((connectionId) => ({ connectionId, userId: "ann", data: 1 }));
	const scene = new Scene([], { presence });
	assert.deepEqual(
		scene.now.presence.map(({ isMine }) => isMine),
		[true, false],
	);
	scene.link = { ...scene.link, connectionId: "d" };
	scene.update();
	assert.deepEqual(
		scene.now.presence.map(({ isMine }) => isMine),
		[false, true],
	);
	assert.ok(!("connectionId" in scene.now));
});

test("Q1 one's own request is shown at once, by the room's clock, until the room has it; the newest is last", () => {
	const scene = new Scene([], { requests: [request("late", 2_000), request("early", 100)] });
	scene.link = { ...scene.link, clockSkew: 1_000 };
	scene.add({ type: "permission_request", requestId: "mine", action: "edit", ttlMs: 60 });
	const mine = { ...request("mine", 1_500, { expiresAt: 1_560, userId: "ann", version: 0 }), pending: true };
	assert.deepEqual(
		scene.now.requests.map(({ requestId }) => requestId),
		["early", "mine", "late"],
	);
	assert.deepEqual(scene.now.requests[1], mine);
	const told = request("mine", 1_501, { userId: "ann", version: 11 });
	scene.replica.receive({
		...{ type: "changes", from: 10, to: 11, epoch: "e" },
		changes: [{ kind: "request", version: 11, request: told }],
	} as any);
	scene.update();
	assert.deepEqual(scene.now.requests[1], { ...told, pending: false });
	const twins = new Scene([], { requests: [request("x", 1)] });
	twins.add({ type: "permission_request", requestId: "x", action: "edit" });
	assert.deepEqual(
		twins.now.requests.map(({ userId }) => userId),
		["bob", "ann"],
		"another's may have the same id",
	);
});

const conflict = { field: "a", version: 3, current: stored("a", "theirs", 3) };

test("S4 a conflict has both sides, is not among what is pending, and leaves the room's value shown", () => {
	const scene = new Scene([stored("a", "theirs", 3)]);
	scene.add({ type: "batch", changes: [set("a", "mine", 2), set("b", 1), clear("c")] }, { conflict });
	const mine = { value: "mine", userId: "ann", at: 500, version: 2 };
	const theirs = { value: "theirs", userId: "bob", at: 1_003, version: 3 };
	const others = [
		{ field: "b", value: 1 },
		{ field: "c", value: undefined },
	];
	assert.deepEqual(scene.now.conflicts, [{ field: "a", mine, theirs, others }]);
	assert.deepEqual([scene.now.pendingCount, scene.values], [0, { a: "theirs" }]);
});

test("S4 a conflict follows the room, and only then is another object", () => {
	const scene = new Scene([stored("a", "theirs", 3)]);
	scene.add(set("a", "mine", 2), { conflict });
	const theirs = () => [scene.now.conflicts[0]?.theirs.value, scene.now.conflicts[0]?.theirs.version];
	const [first] = scene.now.conflicts;
	scene.replica.takeField("b", 11, stored("b", 1, 11));
	scene.update();
	assert.equal(scene.now.conflicts[0], first);
	scene.replica.takeField("a", 12, stored("a", "newer", 12));
	scene.update();
	assert.deepEqual(theirs(), ["newer", 12]);
	scene.replica.takeField("a", 13, null);
	scene.update();
	assert.deepEqual(theirs(), [undefined, 13]);
});

test("S4 what a conflict tells is newer than a state that has not come to it", () => {
	const scene = new Scene([stored("a", "old", 3)]);
	scene.add(set("a", "mine", 2), { conflict: { field: "a", version: 12, current: stored("a", "theirs", 12) } });
	assert.equal(scene.now.conflicts[0]?.theirs.value, "theirs");
});

test("S4 S5 a whole state without the field says that it was cleared meanwhile", () => {
	const scene = new Scene();
	scene.add(set("a", "mine", 2), { conflict });
	assert.equal(scene.now.conflicts[0]?.theirs.value, undefined);
	const unknown = new Scene();
	unknown.replica.version = 0;
	unknown.add(set("a", "mine", 2), { conflict });
	assert.equal(unknown.now.conflicts[0]?.theirs.value, "theirs", "before the room is known, what it last said");
});

test("S4 two transactions that wait for the same field are two conflicts, which stay what they are", () => {
	const scene = new Scene([stored("a", "theirs", 3)]);
	scene.add({ type: "batch", changes: [set("a", 1, 2), set("b", 1)] }, { conflict });
	scene.add({ type: "batch", changes: [set("a", 2, 2), set("c", 1)] }, { conflict });
	const before = scene.now;
	assert.deepEqual(
		before.conflicts.map(({ mine }) => mine.value),
		[1, 2],
	);
	assert.equal(scene.update(), false);
	assert.equal(scene.now, before);
});
