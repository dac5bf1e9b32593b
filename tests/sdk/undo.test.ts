// Undoing and redoing: what is sent, what becomes of what others have done since, and what is left after a reload.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage } from "../../packages/sdk/src/storage.ts";
import type { RoomClientOptions } from "../../packages/sdk/src/types.ts";
import { applied } from "../../packages/sdk/src/undo.ts";
import { entry, outbox, set } from "./outboxes.ts";
import { onVirtualTime, pass, Stage } from "./scripted.ts";

onVirtualTime();

/** A room with some sense: it does what is said to it, and knows versions of fields as PROTOCOL.md has them. */
class Room extends Stage {
	readonly fields = new Map<string, { value: any; version: number; isOwn: boolean }>();
	/** What was sent, in short. */
	readonly sent: string[] = [];

	static async open(options: Partial<RoomClientOptions> = {}): Promise<Room> {
		const room = new Room(options);
		await room.enter();
		return room;
	}

	/** Answers all that was said. */
	async settle(): Promise<void> {
		await pass();
		for (const message of this.said()) {
			const changes = message.type === "batch" ? message.changes : [message];
			this.sent.push(changes.map((one: any) => this.#short(one)).join(" "));
			const late = changes.find((one: any) => !this.#isCurrent(one));
			if (late) await this.#refuseLate(message, late);
			else await this.#do(message, changes);
		}
	}

	/** Does something, and answers. */
	async after<T>(happens: Promise<T>): Promise<T> {
		for (let i = 0; i < 5; i += 1) await this.settle();
		return happens;
	}

	set(field: string, value: any) {
		return this.after(this.client.select(field, value));
	}

	async bob(field: string, value: any): Promise<void> {
		await this.#tell([{ field, value, isOwn: false }]);
	}

	/** The values that are shown. */
	get shown() {
		const { selections } = this.client.getSnapshot();
		return Object.fromEntries(Object.entries(selections).map(([field, { value }]) => [field, value]));
	}

	get can() {
		const { canUndo, canRedo } = this.client.getSnapshot();
		return [canUndo, canRedo];
	}

	#name(one: any): string {
		return one.selection?.field ?? one.field;
	}

	#short(one: any): string {
		return `${this.#name(one)}=${one.selection?.value ?? ""}@${one.baseVersion}${one.exact ? "!" : ""}`;
	}

	#isCurrent(one: any): boolean {
		const known = this.fields.get(this.#name(one));
		return (known?.isOwn && !one.exact) || (known?.version ?? 0) === one.baseVersion;
	}

	#current(field: string) {
		const { value, version = 0, isOwn } = this.fields.get(field) ?? {};
		const selection = { field, value, userId: isOwn ? "ann" : "bob", timestamp: null, version, updatedAt: 1 };
		return value === undefined ? null : selection;
	}

	async #refuseLate({ seq, id }: any, late: any): Promise<void> {
		const field = this.#name(late);
		const current = this.#current(field);
		const conflict = { type: "conflict", code: "E_CONFLICT", field, clientVersion: late.baseVersion, current, seq, id };
		await this.network.last.say({ ...conflict, serverVersion: this.fields.get(field)?.version ?? 0 });
	}

	async #do({ seq, id }: any, changes: any[]): Promise<void> {
		await this.#tell(changes.map((one) => ({ field: this.#name(one), value: one.selection?.value, isOwn: true })));
		await this.network.last.say({ type: "ack", seq, id, version: this.version });
	}

	async #tell(changes: { field: string; value: any; isOwn: boolean }[]): Promise<void> {
		const from = this.version;
		for (const { field, value, isOwn } of changes) {
			if (value === undefined && this.fields.get(field)?.value === undefined) continue;
			this.version += 1;
			this.fields.set(field, { value, version: this.version, isOwn });
		}
		const told = changes.map(({ field }) => {
			const selection = this.#current(field);
			return {
				kind: "field",
				version: this.fields.get(field)?.version ?? 0,
				field,
				selection,
				userId: "x",
				updatedAt: 1,
			};
		});
		const { version: to, epoch } = this;
		await this.network.last.say({
			type: "changes",
			from,
			to,
			epoch,
			changes: told.sort((a, b) => a.version - b.version),
		});
	}
}

test("V6 undo takes the last change back, and redo makes it again", async () => {
	const room = await Room.open();
	assert.deepEqual(room.can, [false, false]);
	assert.equal((await room.client.undo()).code, "nothing_to_undo");
	await room.set("x", "a");
	await room.set("x", "b");
	await room.set("y", 1);
	assert.deepEqual(room.can, [true, false]);
	assert.deepEqual(await room.after(room.client.undo()), { outcome: "applied", version: 4 });
	assert.deepEqual([room.shown, room.can], [{ x: "b" }, [true, true]]);
	await room.after(room.client.undo());
	await room.after(room.client.undo());
	assert.deepEqual([room.shown, room.can], [{}, [false, true]]);
	for (let i = 0; i < 3; i += 1) assert.equal((await room.after(room.client.redo())).outcome, "applied");
	assert.deepEqual([room.shown, room.can], [{ x: "b", y: 1 }, [true, false]]);
	await room.after(room.client.undo());
	await room.after(room.client.undo());
	assert.deepEqual(room.shown, { x: "a" });
	await room.set("z", 1);
	assert.deepEqual(room.can, [true, false], "another change ends what could be redone");
	assert.deepEqual(room.sent.slice(3, 6), ["y=@3!", "x=a@2!", "x=@5!"], "each names the version that its change made");
});

test("V6 two at once are done one after the other", async () => {
	const room = await Room.open();
	await room.set("x", "a");
	await room.set("x", "b");
	const both = [room.client.undo(), room.client.undo()];
	for (const one of both) assert.equal((await room.after(one)).outcome, "applied");
	assert.deepEqual([room.shown, room.sent.slice(2)], [{}, ["x=a@2!", "x=@3!"]]);
});

test("V6 somebody else's later change is a conflict, and is never lost", async () => {
	const room = await Room.open();
	await room.set("x", "a");
	await room.set("x", "b");
	await room.bob("x", "theirs");
	const { outcome, current } = await room.after(room.client.undo());
	assert.deepEqual([outcome, current?.value, room.shown], ["conflict", "theirs", { x: "theirs" }]);
	const [conflict] = room.client.getSnapshot().conflicts;
	assert.deepEqual([conflict?.mine.value, conflict?.theirs.value], ["a", "theirs"]);
	await room.after(room.client.resolve("x", "mine"));
	assert.deepEqual([room.shown, room.sent.at(-1)], [{ x: "a" }, "x=a@3"]);
	await room.after(room.client.undo());
	assert.deepEqual([room.shown, room.sent.at(-1)], [{ x: "theirs" }, "x=theirs@4!"], "the decision is one to undo");
	await room.after(room.client.undo());
	assert.deepEqual(room.shown, { x: "theirs" }, "what lies below was not made again by that");
	await room.after(room.client.resolve("x", "theirs"));
	assert.deepEqual(room.client.getSnapshot().conflicts, []);
});

test("V6 an undo does not vouch for what somebody else wrote below the change that it takes back", async () => {
	const room = await Room.open();
	await room.set("x", "a");
	await room.bob("x", "theirs");
	await room.set("x", "c");
	await room.after(room.client.undo());
	assert.deepEqual(room.shown, { x: "theirs" });
	assert.equal((await room.after(room.client.undo())).outcome, "conflict");
	assert.deepEqual([room.shown, room.sent.at(-1)], [{ x: "theirs" }, "x=@1!"]);
});

test("V6 a transaction is undone as one, and a quick second edit by itself", async () => {
	const room = await Room.open();
	await room.set("x", 1);
	await room.after(
		room.client.transaction((all) => {
			all.select("x", 2);
			all.select("y", 2);
			all.select("x", 3);
			all.clear("nothing");
		}),
	);
	const quick = room.client.select("x", 4);
	await pass();
	const second = room.client.select("x", 5);
	await room.after(quick);
	await room.after(second);
	await room.after(room.client.undo());
	assert.deepEqual(room.shown, { x: 4, y: 2 });
	await room.after(room.client.undo());
	assert.deepEqual(room.shown, { x: 3, y: 2 });
	await room.after(room.client.undo());
	assert.deepEqual([room.shown, room.can], [{ x: 1 }, [true, true]]);
	await room.after(room.client.redo());
	assert.deepEqual(room.shown, { x: 3, y: 2 });
	assert.ok(room.sent.every((one) => !one.includes("undefined")));
});

test("V6 what has not been sent is withdrawn, and can be made again", async () => {
	const room = await Room.open();
	await room.set("x", "a");
	const waits = room.client.select("x", "ab", { debounceMs: 500 });
	assert.equal((await room.client.undo()).outcome, "withdrawn");
	assert.equal((await waits).outcome, "withdrawn");
	assert.deepEqual([room.shown, room.can], [{ x: "a" }, [true, true]]);
	await room.after(room.client.redo());
	assert.deepEqual([room.shown, room.sent.at(-1)], [{ x: "ab" }, "x=ab@1!"]);
	await room.network.last.end();
	const undone = room.client.undo();
	assert.equal(room.shown.x, "a", "it shows at once, connected or not");
	const [pending] = room.client.pending();
	assert.ok(pending && (await room.client.drop(pending.key)));
	assert.equal((await undone).outcome, "withdrawn");
	assert.deepEqual([room.shown, room.can], [{ x: "ab" }, [true, false]], "and can be undone still");
});

test("V6 a hundred changes are known, after a reload too, and none of another life of the room", async () => {
	const storage = memoryStorage();
	const room = await Room.open({ storage });
	for (let i = 1; i <= 103; i += 1) await room.set("x", i);
	room.client.close();
	await pass();
	const again = new Room({ storage });
	again.version = room.version;
	for (const [field, known] of room.fields) again.fields.set(field, known);
	again.client.connect();
	await pass(1);
	await again.letIn({ lastSeq: 103 });
	for (let i = 0; i < 100; i += 1) assert.equal((await again.after(again.client.undo())).outcome, "applied");
	assert.deepEqual([again.fields.get("x")?.value, again.can], [3, [false, true]]);
	assert.equal((await again.client.undo()).code, "nothing_to_undo");

	again.epoch = "another";
	again.version = 0;
	again.fields.clear();
	await again.network.last.end();
	await again.network.next();
	await again.letIn({ lastSeq: null });
	await pass(1);
	await again.letIn();
	assert.deepEqual(again.can, [false, false]);
});

test("V6 what was pending from before there was anything to undo is done, and cannot be undone", () => {
	const after = applied("a", 4)(outbox([entry("a", set("x", 1, 3), { seq: 1 })]));
	assert.deepEqual([after.entries, after.undo], [[], undefined]);
	const known = applied("a", 4)(outbox([entry("a", set("x", 1, 3), { seq: 1, before: [{ value: 0 }] })]));
	assert.deepEqual(known.undo, [[{ field: "x", before: 0, from: 3, version: 4 }]]);
});
