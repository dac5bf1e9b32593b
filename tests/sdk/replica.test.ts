// What the SDK's replica makes of frames, one by one. That it is what the room is in whole conversations, vectors.test.ts
// shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Replica } from "../../packages/sdk/src/replica.ts";

const selection = (field: string, value: unknown, version: number, userId = "ann") => {
	return { field, value, userId, timestamp: null, version, updatedAt: 1_000 + version } as any;
};
const field = (name: string, value: unknown, version: number) => {
	const now = value === undefined ? null : selection(name, value, version);
	return { kind: "field", version, field: name, selection: now, userId: "ann", updatedAt: 1_000 + version };
};
const person = (id: string, more: object = {}) => {
	const times = { joinedAt: 1, lastSeen: 2 };
	return { id, name: id.toUpperCase(), isReady: false, online: true, connections: 1, ...times, version: 1, ...more };
};
const request = (requestId: string, userId: string, more: object = {}) => {
	const times = { createdAt: 1, expiresAt: 2 };
	return { requestId, userId, action: "edit", detail: null, status: "pending", ...times, version: 1, ...more };
};
const grant = (userId: string, version: number) => {
	return { requestId: `r${version}`, userId, action: "edit", grantedBy: "mod", grantedAt: 1, version };
};

/** All that a room holds. */
function state(version: number, selections: object[] = [], more: object = {}): any {
	const byField = Object.fromEntries(selections.map((one: any) => [one.field, one]));
	const lists = { participants: [], presence: [], requests: [], permissions: [] };
	return { type: "sync_response", version, epoch: "e", time: 1, selections: byField, ...lists, ...more };
}

/** A frame of the row of changes. */
function changes(from: number, to: number, told: object[], more: object = {}): any {
	return { type: "changes", from, to, epoch: "e", changes: told, ...more };
}

/** An answer to `since`. */
const resumed = (from: number, to: number, told: object[], participants: object[] = [], presence: object[] = []) =>
	changes(from, to, told, { participants, presence });

/** A replica that has heard these. */
function hearing(...frames: any[]): Replica {
	const replica = new Replica();
	for (const frame of frames) assert.equal(replica.receive(frame), "taken", JSON.stringify(frame));
	return replica;
}

/** What is set in it. */
function values(replica: Replica): Record<string, unknown> {
	const set = [...replica.fields].filter(([, { selection }]) => selection);
	return Object.fromEntries(set.map(([name, { selection }]) => [name, selection?.value]));
}

test("Y7 frames that join up are taken, and what is known is passed over", () => {
	const replica = hearing(state(3, [selection("a", 1, 2)]), changes(3, 4, [field("a", 2, 4)]));
	assert.deepEqual([replica.version, values(replica)], [4, { a: 2 }]);
	assert.equal(replica.receive(changes(3, 4, [field("a", 2, 4)])), "known");
	assert.equal(replica.receive(changes(1, 2, [field("a", 1, 2)])), "known");
	assert.deepEqual([replica.version, values(replica)], [4, { a: 2 }]);
});

test("Y7 of a frame that overlaps what is known the newer part counts", () => {
	const replica = hearing(state(5, [selection("a", 5, 5)]), changes(3, 6, [field("a", 4, 4), field("b", 6, 6)]));
	assert.deepEqual([replica.version, values(replica)], [6, { a: 5, b: 6 }]);
});

test("Y7 nothing of a frame after a gap is taken, and the answer to a resume closes it", () => {
	const replica = hearing(state(3));
	assert.equal(replica.receive(changes(4, 5, [field("a", 5, 5)])), "gap");
	assert.deepEqual([replica.version, values(replica)], [3, {}]);
	assert.equal(replica.receive(resumed(3, 5, [field("b", 4, 4), field("a", 5, 5)])), "taken");
	assert.deepEqual([replica.version, values(replica)], [5, { a: 5, b: 4 }]);
});

test("U8 changes of another life of the room are a gap, also before anything is known", () => {
	assert.equal(new Replica().receive(changes(0, 1, [field("a", 1, 1)])), "gap");
	const replica = hearing(state(3, [selection("a", 1, 3)]));
	assert.equal(replica.receive(changes(3, 4, [field("a", 2, 4)], { epoch: "f" })), "gap");
	assert.deepEqual([replica.version, replica.epoch, values(replica)], [3, "e", { a: 1 }]);
});

test("Y3 a resume without changes is taken for the people in it, who were told newly", () => {
	const replica = hearing(state(3, [], { participants: [person("ann")], presence: [] }));
	const seen = { connectionId: "c", userId: "bob", data: 1 };
	assert.equal(replica.receive(resumed(3, 3, [], [person("bob")], [seen])), "taken");
	assert.deepEqual([...replica.participants.keys()], ["bob"]);
	assert.deepEqual([...replica.presence.values()], [seen]);
});

test("Y2 a whole state that was overtaken by changes is passed over, unless it is a reset", () => {
	const replica = hearing(state(3), changes(3, 5, [field("a", 5, 5)]));
	assert.equal(replica.receive(state(4, [selection("a", 4, 4)])), "known");
	assert.deepEqual([replica.version, values(replica)], [5, { a: 5 }]);
	assert.equal(replica.receive(state(4, [selection("a", 4, 4)], { reset: true })), "taken");
	assert.deepEqual([replica.version, values(replica)], [4, { a: 4 }]);
});

test("U8 Y3 a whole state of another life takes the place of all that was known", () => {
	const before = { participants: [person("ann")], requests: [request("r", "ann")], permissions: [grant("ann", 2)] };
	const presence = [{ connectionId: "c", userId: "ann", data: 1 }];
	const replica = hearing(state(9, [selection("a", 1, 9)], { ...before, presence }));
	assert.equal(replica.receive(state(1, [selection("b", 1, 1)], { epoch: "f", reset: true })), "taken");
	assert.deepEqual([replica.version, replica.epoch, values(replica)], [1, "f", { b: 1 }]);
	const { participants, requests, permissions } = replica;
	assert.deepEqual(
		[participants, requests, permissions, replica.presence].map(({ size }) => size),
		[0, 0, 0, 0],
	);
	assert.equal(replica.fieldVersion("a"), 0);
});

test("S5 a tombstone keeps its version, so that a later write is based on it", () => {
	const replica = hearing(state(1, [selection("a", 1, 1)]), changes(1, 2, [field("a", undefined, 2)]));
	assert.deepEqual([values(replica), replica.fieldVersion("a"), replica.fieldVersion("b")], [{}, 2, 0]);
});

test("S4 what a conflict tells of a field counts if it is newer, and so does that the room has forgotten it", () => {
	const replica = hearing(state(5, [selection("a", 1, 5)]));
	replica.takeField("a", 4, selection("a", 0, 4));
	assert.deepEqual(values(replica), { a: 1 }, "it was told of before");
	replica.takeField("a", 7, selection("a", 2, 7));
	assert.deepEqual([values(replica), replica.version], [{ a: 2 }, 5]);
	assert.equal(replica.receive(changes(5, 6, [field("a", 1.5, 6)])), "taken");
	assert.deepEqual(values(replica), { a: 2 }, "the row has not come to it yet");
	// A room that forgot the tombstone takes a write that is based on 0 and no other.
	replica.takeField("a", 8, null);
	replica.takeField("a", 0, null);
	assert.equal(replica.fieldVersion("a"), 0);
});

test("fields may have any name", () => {
	const names = ["__proto__", "constructor", "toString", "hasOwnProperty", ""];
	const told = JSON.parse(
		JSON.stringify(state(1)).replace(
			'"selections":{}',
			`"selections":{"__proto__":${JSON.stringify(selection("__proto__", 1, 1))}}`,
		),
	);
	const replica = hearing(told);
	assert.equal(replica.fieldVersion("__proto__"), 1);
	for (const [i, name] of names.entries()) replica.receive(changes(i + 1, i + 2, [field(name, i, i + 2)]));
	assert.deepEqual([...replica.fields.keys()], names);
	assert.deepEqual(
		names.map((name) => replica.fieldVersion(name)),
		[2, 3, 4, 5, 6],
	);
	assert.equal(replica.fieldVersion("valueOf"), 0);
	assert.equal(({} as any).value, undefined, "nothing got into the prototype");
});

test("J1 J4 people come and go, with what they brought along", () => {
	const replica = hearing(state(1, [], { participants: [person("ann", { color: "red", isReady: true })] }));
	replica.receive({ type: "user_left", userId: "ann", lastSeen: 50 });
	const left = replica.participants.get("ann");
	// How many connections somebody has is not told each time, so it is not shown.
	const { connections: _, ...gone } = person("ann", { color: "red", isReady: true, online: false, lastSeen: 50 });
	assert.deepEqual(left, gone);
	const joined: any = { type: "user_joined", userId: "ann", userName: "Ann B", joinedAt: 1, color: "blue", id: 7 };
	replica.receive(joined);
	const { id, name, online, isReady, color } = replica.participants.get("ann") as any;
	assert.deepEqual([id, name, online, isReady, color], ["ann", "Ann B", true, true, "blue"]);
	assert.notEqual(replica.participants.get("ann"), left, "what was given out is not changed");
	replica.receive({ type: "user_left", userId: "nobody", lastSeen: 1 });
	assert.equal(replica.participants.size, 1);
});

test("J10 a participant who is taken off the record is gone", () => {
	const replica = hearing(state(1, [], { participants: [person("ann"), person("bob")] }));
	replica.receive(changes(1, 2, [{ kind: "participant_removed", version: 2, userId: "bob" }]) as any);
	assert.deepEqual([...replica.participants.keys()], ["ann"]);
});

test("J9 several people come and go in one frame", () => {
	const replica = hearing(state(1, [], { participants: [person("ann"), person("bob")] }));
	const cid: any = { userId: "cid", userName: "Cid", joinedAt: 5, color: "blue" };
	const ann = { userId: "ann", userName: "Ann B", joinedAt: 1 };
	const left = [
		{ userId: "bob", lastSeen: 50 },
		{ userId: "nobody", lastSeen: 1 },
	];
	assert.equal(replica.receive({ type: "people", joined: [cid, ann], left }), "taken");
	const people = [...replica.participants.values()] as any[];
	assert.deepEqual(
		people.map(({ id, name, online, lastSeen, color }) => [id, name, online, lastSeen, color]),
		[
			["ann", "Ann B", true, person("ann").lastSeen, undefined],
			["bob", person("bob").name, false, 50, undefined],
			["cid", "Cid", true, 5, "blue"],
		],
	);
	// What pages say to one another under this name is none of it.
	assert.equal(replica.receive({ type: "people", count: 2 } as any), "other");
	assert.equal(replica.version, 1);
});

test("J1 Y5 somebody new is told of by coming and by a change, in either order", () => {
	const joined: any = { type: "user_joined", userId: "bob", userName: "Bob", joinedAt: 5 };
	const participant = { id: "bob", name: "Bob", isReady: true, joinedAt: 5 };
	const change = changes(1, 2, [{ kind: "participant", version: 2, participant }]);
	for (const frames of [
		[joined, change],
		[change, joined],
	]) {
		const replica = hearing(state(1), ...frames);
		const bob = replica.participants.get("bob");
		assert.deepEqual(bob, { ...participant, online: true, lastSeen: 5, version: 2 });
	}
	const absent = hearing(state(1), change).participants.get("bob");
	assert.equal(absent?.online, false, "a change of somebody does not say that they are here");
});

test("J10 who is taken off the record is no longer known, and is new when coming back", () => {
	const participant = { id: "bob", name: "Bob", isReady: true, joinedAt: 5 };
	const came = changes(1, 2, [{ kind: "participant", version: 2, participant }]);
	const removed = (version: number, userId: string) =>
		changes(version - 1, version, [{ kind: "participant_removed", version, userId }]);
	assert.equal(hearing(state(1), came, removed(3, "bob")).participants.size, 0);
	const joined = { type: "user_joined", userId: "bob", userName: "Bob", joinedAt: 9 };
	const replica = hearing(state(1), came, removed(3, "bob"), removed(4, "nobody"), joined);
	const { isReady, joinedAt } = replica.participants.get("bob") ?? {};
	assert.deepEqual([replica.version, isReady, joinedAt], [4, false, 9]);
});

test("P1 presence is what is new, and null is gone", () => {
	const seen = (connectionId: string, data: unknown): any => ({ connectionId, userId: "ann", data });
	const replica = hearing(state(1, [], { presence: [seen("a", 1), seen("b", 2)] }));
	replica.receive({ type: "presence", presence: [seen("b", { x: 1 }), seen("c", 0), seen("a", null)] });
	assert.deepEqual([...replica.presence.values()], [seen("b", { x: 1 }), seen("c", 0)]);
	replica.receive({ type: "presence", presence: [seen("a", null)] });
	assert.equal(replica.presence.size, 2);
});

test("Q1 two users may use the same id for a request, whatever is in the names", () => {
	const replica = hearing(state(1, [], { requests: [request("a b", "c"), request("a", "b c")] }));
	assert.equal(replica.requests.size, 2);
	replica.receive(
		changes(1, 2, [{ kind: "request", version: 2, request: request("a", "b c", { status: "expired" }) }]),
	);
	assert.deepEqual(
		[...replica.requests.values()].map(({ status }) => status),
		["pending", "expired"],
	);
});

test("Q4 a permission stands for its user and action, until it is ended", () => {
	const replica = hearing(state(1, [], { permissions: [grant("ann", 1)] }));
	const told = (version: number, more: object) => changes(version - 1, version, [{ kind: "grant", version, ...more }]);
	replica.receive(told(2, { grant: grant("bob", 2) }));
	replica.receive(told(3, { grant: grant("ann", 3) }));
	assert.deepEqual(
		[...replica.permissions.values()].map(({ version }) => version),
		[3, 2],
		"the newer in its place",
	);
	replica.receive(told(4, { grant: grant("ann", 3), ended: true }));
	assert.deepEqual(
		[...replica.permissions.values()].map(({ userId }) => userId),
		["bob"],
	);
});

test("P2 F3 what is the page's own, or somebody else's shape, is left to it", () => {
	const replica = hearing(state(1));
	for (const frame of [{ type: "dance", data: 1 }, { type: "typing" }, { type: "hello" }] as any[])
		assert.equal(replica.receive(frame), "other");
	assert.equal(replica.version, 1);
});

test("H1 the body of an answer over HTTP is a state, with lists that an older one may lack", () => {
	const { requests: _, permissions: __, ...body } = state(3, [selection("a", 1, 3)]);
	const replica = hearing(body);
	assert.deepEqual([replica.version, values(replica)], [3, { a: 1 }]);
});
