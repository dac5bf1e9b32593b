// A client that knows its room's kind, over virtual time: what it says of its version, what it refuses by itself, and what
// it does about a room that is of another version.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem, Writer } from "../../packages/sdk/src/kind.ts";
import { kindOf } from "../../packages/sdk/src/kinds.ts";
import { defineRoom } from "../../packages/sdk/src/rooms.ts";
import { memoryStorage } from "../../packages/sdk/src/storage.ts";
import type { Refusal } from "../../packages/sdk/src/types.ts";
import { onVirtualTime, page, pass, Stage, values, watched } from "./scripted.ts";

onVirtualTime();

const old = defineRoom({
	fields: {
		cost: { schema: { type: "string", maxLength: 9 } },
		total: { schema: { type: "string" }, write: ["admin", "claim:service=pricing"] },
		"done/*": { schema: { type: "boolean" }, write: ["own"] },
		note: {},
	},
});
const trade = defineRoom({
	version: 2,
	fields: {
		price: { schema: { type: "string", maxLength: 9 } },
		size: { schema: { type: "object", properties: { width: { minimum: 1 } } } },
		note: {},
	},
	lenses: [{ to: 2, rename: { cost: "price" }, drop: ["total", "done/*"] }],
});

const first = { kind: kindOf(old) };
const second = { kind: kindOf(trade) };

/** What a room says when a field of an older page is somebody else's by now. */
function conflict({ seq, id, baseVersion }: any, value: string, version: number): object {
	const current = { field: "price", value, userId: "bob", timestamp: null, version, updatedAt: 1 };
	const rest = { clientVersion: baseVersion, serverVersion: version, current };
	return { type: "conflict", code: "E_CONFLICT", field: "price", ...rest, seq, id };
}

/** A page of the first version has made a change, and was closed with 4427 before the room could hear of it. */
async function outdated(storage = memoryStorage()): Promise<{ storage: typeof storage; key: string }> {
	const stage = new Stage({ ...first, storage });
	void stage.client.select("cost", "12 €");
	stage.client.connect();
	await pass(1);
	await stage.network.last.open();
	assert.equal(stage.network.last.said()[0].kind, 1);
	await stage.network.last.end(4427, "outdated");
	const { status, reason, pendingCount } = stage.client.getSnapshot();
	assert.deepEqual([status, reason, pendingCount], ["closed", "outdated", 1]);
	await pass(120_000);
	assert.equal(stage.network.sockets.length, 1, "it does not come back");
	assert.equal(stage.asked.length, 0, "nor over HTTP");
	return { storage, key: stage.client.pending()[0]?.key ?? "" };
}

test("K6 hello and each change say for which version they were made, and a change says the same each time", async () => {
	const stage = new Stage(second);
	stage.client.connect();
	await pass(1);
	assert.equal((await stage.letIn()).kind, 2);
	void stage.client.select("price", "1 €");
	void stage.client.transaction((all) => {
		all.select("price", "2 €");
		all.clear("note");
	});
	await pass();
	const sent = stage.said();
	assert.deepEqual(
		sent.map(({ type, kind, changes }) => [type, kind, changes?.map((one: any) => one.kind)]),
		[
			["field_selected", 2, undefined],
			["batch", 2, [undefined, undefined]],
		],
		"a transaction says it once",
	);
	await stage.network.last.end();
	await stage.network.next();
	await stage.letIn();
	assert.deepEqual(stage.said(), sent);
});

test("K6 what is about no field says nothing of versions", async () => {
	const stage = new Stage(second);
	await stage.enter();
	void stage.client.setReady(true);
	void stage.client.request("finish");
	await pass();
	assert.deepEqual(
		stage.said().map((one) => [one.type, "kind" in one]),
		[
			["user_ready", false],
			["permission_request", false],
		],
	);
});

test("K4 what its user may no longer undo is in nobody's way", async () => {
	const stage = new Stage(second);
	await stage.enter();
	void stage.client.select("note", "one");
	await pass();
	await stage.apply(stage.said()[0]);
	await stage.network.last.end();
	await stage.network.next();
	await stage.letIn({ role: "viewer", lastSeq: 1 });
	assert.equal(stage.client.getSnapshot().canUndo, true);
	const { outcome, code } = await stage.client.undo();
	assert.deepEqual([outcome, code, stage.said()], ["rejected", "forbidden", []]);
	assert.equal(stage.client.getSnapshot().canUndo, false);
});

test("K6 without a kind a client says nothing of versions", async () => {
	const stage = new Stage();
	stage.client.connect();
	await pass(1);
	assert.equal("kind" in (await stage.letIn()), false);
	void stage.client.select("price", 1);
	await pass();
	assert.equal("kind" in stage.said()[0], false);
});

test("K2 K3 K4 what the room would refuse is not sent, and says why at its field until that is set again", async () => {
	const stage = new Stage(first);
	const told: Refusal[] = [];
	stage.client.on("refused", (refusal) => told.push(refusal));
	await stage.enter();
	const select = stage.client.select as (field: string, value: any) => ReturnType<typeof stage.client.clear>;
	const misfit = {
		code: "invalid_value",
		message: "`cost` cannot hold this value: it breaks `maxLength` of the field's schema.",
		field: "cost",
		path: "",
		keyword: "maxLength",
	};
	assert.deepEqual(await select("cost", "much too long"), { outcome: "rejected", ...misfit });
	const refusal = { ...misfit, value: "much too long", at: Date.now() };
	assert.deepEqual(stage.client.getSnapshot().refused, { cost: refusal });
	assert.deepEqual(stage.client.field("cost").refused, refusal);
	assert.deepEqual(await select("total", "1"), {
		...{ outcome: "rejected", code: "forbidden", message: "You may not write `total`.", field: "total" },
	});
	assert.deepEqual(await stage.client.clear("total" as never), {
		...{ outcome: "rejected", code: "forbidden", message: "You may not write `total`.", field: "total" },
	});
	assert.deepEqual(await select("prize", "1"), {
		...{ outcome: "rejected", code: "unknown_field", message: "Rooms of this kind have no field `prize`." },
		field: "prize",
	});
	assert.deepEqual(
		told.map(({ field, code, path }) => [field, code, path]),
		[
			["cost", "invalid_value", ""],
			["total", "forbidden", undefined],
			["total", "forbidden", undefined],
			["prize", "unknown_field", undefined],
		],
	);
	assert.deepEqual([stage.said(), stage.client.pending(), values(stage)], [[], [], {}]);
	void select("cost", "12 €");
	assert.equal(stage.client.field("cost").refused, undefined);
	await pass();
	assert.equal(stage.said()[0].seq, 1, "nor has it taken a number");
});

test("K3 of a transaction that does not fit nothing is sent, and each of its fields says why", async () => {
	const stage = new Stage(second);
	await stage.enter();
	const outcome = await stage.client.transaction((all) => {
		all.select("note", "fits");
		all.select("size", { width: 0 });
	});
	assert.deepEqual(
		[outcome.outcome, outcome.field, outcome.path, outcome.keyword],
		[...["rejected", "size", "/width", "minimum"]],
	);
	const { refused } = stage.client.getSnapshot();
	assert.deepEqual(
		[refused.size?.path, refused.size?.keyword, refused.size?.value],
		["/width", "minimum", { width: 0 }],
	);
	assert.deepEqual([refused.note?.code, refused.note?.message], ["invalid_value", refused.size?.message]);
	assert.equal("path" in (refused.note ?? {}), false, "the place is in the other's value");
	assert.deepEqual(stage.said(), []);
});

test("K3 K4 a refusal of the room's has the same members, is final, and takes its number", async () => {
	// Without a kind: the room alone knows.
	const stage = new Stage();
	await stage.enter();
	const problem: Problem = {
		code: "invalid_value",
		message: "Words.",
		field: "size",
		path: "/width",
		keyword: "minimum",
	};
	const late = watched(stage.client.select("size", { width: 0 }));
	const none = watched(stage.client.select("total", 1));
	const cell = watched(stage.client.select("items/1/x", 1));
	await pass();
	const [one, two, three] = stage.said();
	await stage.network.last.say(
		{ type: "error", ...problem, seq: one.seq, id: one.id },
		{ type: "error", code: "forbidden", message: "No.", field: "total", seq: two.seq, id: two.id },
		{ type: "error", code: "unknown_list", message: "None.", list: "items", seq: three.seq, id: three.id },
	);
	assert.deepEqual(late.value, { outcome: "rejected", ...problem });
	assert.deepEqual(none.value, { outcome: "rejected", code: "forbidden", message: "No.", field: "total" });
	assert.deepEqual(cell.value, { outcome: "rejected", code: "unknown_list", message: "None.", list: "items" });
	const { size, total } = stage.client.getSnapshot().refused;
	assert.deepEqual([size?.path, size?.keyword, total?.code], ["/width", "minimum", "forbidden"]);
	assert.equal(stage.client.getSnapshot().pendingCount, 0);
	void stage.client.select("size", { width: 1 });
	await pass();
	assert.equal(stage.said()[0].seq, 4);
});

test("K4 a field says before anyone tries whether it can be written: by role, claim and owner", async () => {
	const signed = (claims: object) => `e30.${btoa(JSON.stringify(claims))}.c2ln`;
	const may = (stage: Stage, ...fields: string[]) => fields.map((field) => stage.client.field(field).canWrite);
	const stage = new Stage({ ...first, token: () => signed({ service: "billing" }) });
	const fields = ["cost", "total", "done/ann", "done/bob", "prize"];
	assert.deepEqual(may(stage, ...fields), [true, true, true, false, false], "what is not known yet counts as allowed");
	const seen: boolean[] = [];
	stage.client.subscribeField("total", ({ canWrite }) => seen.push(canWrite));
	await stage.enter();
	assert.deepEqual(may(stage, ...fields), [true, false, true, false, false]);
	assert.deepEqual(seen, [false], "and says so when it is known");
	await stage.network.last.end();
	await stage.network.next();
	await stage.letIn({ role: "viewer" });
	assert.deepEqual(may(stage, ...fields), [false, false, true, false, false]);

	const pricing = new Stage({ ...first, token: () => signed({ service: ["pricing"] }) });
	await pricing.enter({ role: "viewer" });
	assert.deepEqual(may(pricing, ...fields), [false, true, true, false, false]);
	const opaque = new Stage({ ...first, token: () => "opaque" });
	await opaque.enter();
	assert.deepEqual(may(opaque, "total"), [true], "the room can read what this page cannot");
	const anyone = new Stage(first);
	await anyone.enter({ role: "moderator" });
	assert.deepEqual(may(anyone, ...fields), [true, false, true, false, false], "without tokens no claim holds");
	const open = new Stage();
	assert.deepEqual(may(open, "cost"), [true]);
	await open.enter({ role: "viewer" });
	assert.deepEqual(may(open, "cost"), [false], "without a kind the role decides");
});

test("K4 a client asks its kind with what it knows, and of a clearing without a value", async () => {
	const asked: [string, unknown, Writer][] = [];
	const check = (field: string, value: unknown, writer: Writer) => void asked.push([field, value, writer]);
	const stage = new Stage({ kind: { version: 1, check }, token: () => "t" });
	stage.client.field("x");
	assert.deepEqual(asked.splice(0), [["x", undefined, { userId: "ann", role: undefined, token: undefined }]]);
	await stage.enter({ role: "admin" });
	stage.client.transaction((all) => {
		all.select("x", 1);
		all.clear("y");
	});
	const me = { userId: "ann", role: "admin", token: "t" };
	const [set, cleared] = asked.slice(-2);
	assert.deepEqual(
		[set, cleared],
		[
			["x", 1, me],
			["y", undefined, me],
		],
	);
});

test("K6 what an outdated page leaves pending is sent by the newer one, as what it was made for", async () => {
	const { storage, key } = await outdated();
	const stage = new Stage({ ...second, storage });
	stage.version = 1;
	await stage.enter();
	const [sent] = stage.said();
	assert.deepEqual([sent.type, sent.kind, sent.selection.field, sent.id], ["field_selected", 1, "cost", key]);
	// The room tells it under the name of today, and then acknowledges it.
	await stage.apply({ ...sent, selection: { ...sent.selection, field: "price" } });
	assert.deepEqual(values(stage), { price: "12 €" });
	assert.equal(stage.client.getSnapshot().pendingCount, 0);
	assert.equal(stage.client.getSnapshot().canUndo, false, "nor can it be undone under a name that is gone");
	void stage.client.select("price", "13 €");
	await pass();
	assert.equal(stage.said()[0].kind, 2);
});

test("K6 another tab's older change that is done shows nothing by itself", async () => {
	const { storage } = await outdated();
	const stage = new Stage({ ...second, storage });
	await stage.enter();
	const [{ seq, id }] = stage.said();
	// It was done before, and what became of it the room tells in its changes.
	await stage.network.last.say({ type: "ack", seq, id, version: 1 });
	assert.deepEqual(values(stage), {});
});

test("K6 an older change that came too late is decided on under the name that its field has now", async () => {
	const cases = [
		["mine", { type: "field_selected", kind: 1, field: "cost", value: "12 €", baseVersion: 7 }],
		["14 €", { type: "field_selected", kind: 2, field: "price", value: "14 €", baseVersion: 7 }],
		["theirs", undefined],
	] as const;
	for (const [choice, expected] of cases) {
		const { storage } = await outdated();
		const stage = new Stage({ ...second, storage });
		await stage.enter();
		stage.version = 7;
		await stage.network.last.say(conflict(stage.said()[0], "9 €", 7));
		const [held] = stage.client.getSnapshot().conflicts;
		assert.deepEqual([held?.field, held?.mine.value, held?.theirs.value], ["price", "12 €", "9 €"]);
		void stage.client.resolve("price", choice);
		await pass();
		const [again] = stage.said();
		const said = again && {
			...{ type: again.type, kind: again.kind, field: again.selection.field, value: again.selection.value },
			baseVersion: again.baseVersion,
		};
		assert.deepEqual(said, expected, choice);
		assert.deepEqual(stage.client.getSnapshot().conflicts, []);
	}
});

test("K6 what could be undone in an older version of the kind cannot be in a newer one", async () => {
	const storage = memoryStorage();
	const before = new Stage({ ...first, storage });
	await before.enter();
	void before.client.select("note", "one");
	await pass();
	await before.apply(before.said()[0]);
	assert.equal(before.client.getSnapshot().canUndo, true);
	before.client.close();
	await pass();
	// A page without a kind, such as a service worker, and one of the same version change nothing about it.
	for (const options of [{}, first]) {
		const between = new Stage({ ...options, storage });
		await between.enter({ lastSeq: 1 });
		assert.equal(between.client.getSnapshot().canUndo, true);
		between.client.close();
		await pass();
	}
	const after = new Stage({ ...second, storage });
	await after.enter({ lastSeq: 1 });
	assert.equal(after.client.getSnapshot().canUndo, false);
});

test("K6 a service worker sends what any page has left, as what it was made for", async () => {
	const { storage } = await outdated();
	const stage = new Stage({ storage });
	await stage.enter();
	const [sent] = stage.said();
	assert.deepEqual([sent.kind, sent.selection.field], [1, "cost"]);
});

test("K6 changes wait for a room that is older than the page, and are sent again until it has caught up", async () => {
	const stage = new Stage(second);
	await stage.enter();
	const late = watched(stage.client.select("price", "1 €"));
	void stage.client.select("note", "two");
	await pass();
	const sent = stage.said();
	assert.deepEqual(
		sent.map(({ seq }) => seq),
		[1, 2],
	);
	await stage.refuse(sent[0], "bad_message", { retry: true });
	await stage.refuse(sent[1], "out_of_order", { retry: true, expected: 1 });
	await pass(26_000);
	await stage.network.last.say("pong");
	await pass(3_000);
	assert.deepEqual(stage.said(), [], "not at once: a deploy takes its time");
	assert.deepEqual(values(stage), { price: "1 €", note: "two" });
	await pass(1_000);
	assert.deepEqual(stage.said(), sent);
	await stage.apply(sent[0]);
	await stage.apply(sent[1]);
	assert.deepEqual(late.value, { outcome: "applied", version: 1 });
	assert.deepEqual(stage.client.getSnapshot().refused, {});
});

test("K6 a hello that an older room refuses is said again after a while, and nothing is dropped", async () => {
	page();
	const stage = new Stage(second);
	void stage.client.select("price", "1 €");
	stage.client.connect();
	await pass(1);
	await stage.network.last.open();
	await stage.network.last.say({ type: "error", code: "bad_message", message: "Later.", id: "hello", retry: true });
	assert.deepEqual([stage.status, stage.client.getSnapshot().reason], ["offline", "bad_message"]);
	assert.equal(stage.network.live, 0);
	assert.ok((await stage.network.next()) >= 400);
	await stage.letIn();
	assert.deepEqual(
		stage.said().map(({ kind, seq }) => [kind, seq]),
		[[2, 1]],
	);
});

test("K3 K6 over HTTP a change says its version, and what is refused has the same members", async () => {
	const stage = new Stage(first);
	const problem = { code: "invalid_value", field: "cost", path: "", keyword: "enum" };
	let answer: { status: number; body: object } = {
		status: 400,
		body: { code: "bad_message", detail: "The room is older." },
	};
	stage.answer = (path, method) => {
		if (method !== "GET") return answer;
		return { status: 200, body: stage.sync(path.includes("epoch=e") ? "e" : undefined)[0] as object };
	};
	const late = watched(stage.client.select("cost", "1 €"));
	stage.client.connect();
	await pass(1);
	for (const _ of [1, 2]) {
		await stage.network.last.fail();
		await stage.network.next();
	}
	await pass(3_000);
	assert.equal(stage.status, "polling");
	const writes = () => stage.asked.filter(({ method }) => method === "PUT");
	const [sent] = writes();
	assert.deepEqual([sent?.path, sent?.body.kind, sent?.body.seq], ["/fields/cost", 1, 1]);
	assert.ok(writes().length > 1, "it is sent again while the room is older than the page");
	assert.equal(late.value, undefined);
	answer = { status: 422, body: { ...problem, detail: "Words." } };
	await pass(3_000);
	assert.deepEqual(late.value, { outcome: "rejected", message: "Words.", ...problem });
	for (const write of writes()) assert.deepEqual(write.body, sent?.body);

	answer = { status: 403, body: { code: "forbidden", field: "note", detail: "No." } };
	const none = watched(stage.client.select("note", 1));
	await pass(3_000);
	assert.deepEqual(none.value, { outcome: "rejected", code: "forbidden", message: "No.", field: "note" });
	assert.equal(writes().at(-1)?.body.seq, 2);
	// What is done under another name is shown under that.
	const selection = { field: "cost", value: "3", userId: "ann", timestamp: null, version: 9, updatedAt: 1 };
	answer = { status: 200, body: { version: 9, selection } };
	void stage.client.select("note", 2);
	await pass(3_000);
	assert.equal(writes().at(-1)?.body.seq, 3, "a final refusal has taken its number");
	assert.equal(values(stage).cost, "3");
});
