// Storage that refuses, panics, and connections that break at any moment: numbered writes are done once all the same.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, type Frame, Mirror, newRoom, Page, type Served, serve, sleep } from "./harness.ts";

let server: Served;
// The build that can be broken on purpose.
let faulty: Served;
before(async () => {
	[server, faulty] = await Promise.all([serve(), serve({ faults: true })]);
});
after(() => Promise.all([server.close(), faulty.close()]));

const greeted = (room: string, userId: string, hello: object = {}, mirror?: Mirror) =>
	Client.greeted(server.host, room, userId, hello, mirror);

test("S7 E2 a numbered write that storage refused keeps its number and is done once when it is sent again", async () => {
	const room = newRoom();
	const alice = await Client.greeted(faulty.host, room, "alice");
	const bob = await Client.greeted(faulty.host, room, "bob");
	alice.set(1, "f", 1);
	assert.equal((await alice.next("ack")).seq, 1);
	alice.send({ fault: "fail_commit" });
	await alice.next("armed");
	alice.set(2, "f", 2);
	const error = await alice.next("error");
	assert.deepEqual([error.code, error.seq, error.retry], ["storage", 2, true]);
	assert.equal((await faulty.state(room)).version, 1);
	alice.set(3, "f", 3);
	const early = await alice.next("error");
	assert.deepEqual([early.code, early.expected], ["out_of_order", 2]);
	for (const seq of [2, 3]) alice.set(seq, "f", seq);
	await alice.until(() => alice.all("ack").at(-1)?.seq === 3, "the acks");
	await bob.until(() => bob.mirror.version === 3, "all three");
	assert.ok(alice.all("ack").every((ack) => !ack.duplicate));
	// The write and its number are in one transaction, so a batch with a field too much to store has neither.
	alice.send({ fault: "fail_commit" });
	await alice.next("armed");
	const changes = ["g", "h"].map((field) => ({
		type: "field_selected",
		selection: { field, value: 4, userId: "alice" },
	}));
	alice.send({ type: "batch", seq: 4, changes });
	assert.equal((await alice.next("error")).seq, 4);
	assert.deepEqual(await faulty.sql(room, "SELECT name FROM field"), [{ name: "f" }]);
	const again = await Client.greeted(faulty.host, room, "alice", alice.mirror.since, alice.mirror);
	assert.equal((await again.next("welcome")).lastSeq, 3);
	again.send({ type: "batch", seq: 4, changes });
	assert.deepEqual(await again.next("ack"), { type: "ack", seq: 4, version: 5 });
	await bob.until(() => bob.mirror.version === 5, "the batch");
	for (const client of [again, bob]) {
		assert.deepEqual([client.mirror.known(), client.mirror.gaps], [Mirror.of(await faulty.state(room)), []]);
		client.leave();
	}
});

test("S6 E1 over panics: what was not answered is sent again, and nothing is done twice", async () => {
	const room = newRoom();
	const alice = await Client.greeted(faulty.host, room, "alice");
	const bob = await Client.greeted(faulty.host, room, "bob");
	const plain = await Page.joined(faulty.host, room, "plain");
	bob.send({ type: "presence", data: "here" });
	let sent = 0;
	for (let round = 0; round < 5; round += 1) {
		for (let i = 0; i < 10; i += 1) {
			sent += 1;
			alice.set(sent, "f", sent);
			if (i === round * 2) alice.send({ fault: "panic" });
		}
		await alice.until(() => alice.all("error").filter((e) => e.code === "internal").length > round, "the panic");
		// The socket outlived it, so all that is unanswered goes out again over the same one.
		await alice.sync();
		const answered = Math.max(0, ...alice.all("ack").map((ack) => ack.seq));
		for (let seq = answered + 1; seq <= sent; seq += 1) alice.set(seq, "f", seq);
		await alice.until(() => alice.all("ack").some((ack) => ack.seq === sent), "all acks");
	}
	await plain.sync();
	assert.deepEqual(
		plain.all("field_selected").map((frame) => frame.selection.value),
		Array.from({ length: sent }, (_, i) => i + 1),
	);
	const state = await faulty.state(room);
	assert.deepEqual([state.version, state.selections.f.value], [sent + 1, sent]);
	assert.equal(state.presence[0].data, "here");
	await bob.until(() => bob.mirror.version === state.version, "all");
	for (const client of [alice, bob]) {
		assert.deepEqual([client.mirror.known(), client.mirror.gaps, client.closes], [Mirror.of(state), [], []]);
	}
	for (const peer of [alice, bob, plain]) peer.leave();
});

/** The same numbers for the same seed. */
function random(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
	};
}

/** A client with an outbox, on a network that breaks off at any time. */
class Writer {
	readonly id: string;
	readonly mirror = new Mirror();
	readonly outbox: { message: Frame; values: string[] }[] = [];
	/** By number: `done`, `E_CONFLICT` or the code of an error. */
	readonly outcomes: (string | undefined)[] = [];
	readonly #room: string;
	readonly #random: (below: number) => number;
	drops = 0;
	duplicates = 0;

	constructor(id: string, room: string, seed: number) {
		this.id = id;
		this.#room = room;
		this.#random = random(seed);
	}

	/** Writes this many messages and does not rest before each has an answer. */
	async run(count: number): Promise<void> {
		while (this.outbox.length < count || this.#open().length > 0) {
			const client = await greeted(this.#room, this.id, this.mirror.since, this.mirror).catch(() => undefined);
			if (client === undefined) continue;
			const { lastSeq } = await client.next("welcome");
			assert.ok(lastSeq <= this.outbox.length);
			client.send({ type: "user_joined", userId: this.id, userName: this.id });
			for (const write of this.#open()) client.send(write.message);
			let life = 1 + this.#random(12);
			while (life > 0 && this.outbox.length < count && client.closes.length === 0) {
				life -= 1;
				for (let burst = this.#random(4); burst > 0 && this.outbox.length < count; burst -= 1) {
					client.send(this.#write().message);
				}
				await sleep(this.#random(6));
				this.#read(client);
			}
			if (this.outbox.length === count) {
				// A write that was lost before anyone saw it is never answered, so it is not waited for without end.
				const isOver = () => this.#read(client) || client.closes.length > 0;
				await client.until(isOver, "the answers", 500).catch(() => {});
			} else if (this.#random(2) === 0) {
				// Some lives end with a burst that nobody waits for.
				client.send(this.#write().message);
			}
			client.cut();
			this.drops += 1;
			await client.closed();
			this.#read(client);
		}
	}

	#open(): { message: Frame; values: string[] }[] {
		return this.outbox.filter((_, i) => this.outcomes[i + 1] === undefined);
	}

	/** Takes the answers that came so far. Returns whether all are there. */
	#read(client: Client): boolean {
		for (const frame of client.frames.splice(0)) {
			if (frame.duplicate) this.duplicates += 1;
			if (frame.type === "ack" && "seq" in frame) {
				for (let seq = frame.seq; seq > 0; seq -= 1) this.outcomes[seq] ??= "done";
			} else if ("seq" in frame && !frame.retry) {
				const before = this.outcomes[frame.seq];
				assert.ok(before === undefined || before === frame.code, `${before}, then ${frame.code}`);
				this.outcomes[frame.seq] = frame.code;
			}
		}
		return this.#open().length === 0;
	}

	#write(): { message: Frame; values: string[] } {
		const seq = this.outbox.length + 1;
		const values: string[] = [];
		const change = (): Frame => {
			const isShared = this.#random(2) === 0;
			const field = isShared ? `shared-${this.#random(3)}` : `own-${this.id}`;
			const baseVersion = this.#random(2) === 0 ? { baseVersion: this.mirror.versions[field] ?? 0 } : {};
			if (isShared && this.#random(8) === 0) {
				return { type: "field_cleared", field, userId: this.id, ...baseVersion };
			}
			const value = `${this.id}/${seq}/${values.length}`;
			values.push(value);
			return { type: "field_selected", selection: { field, value, userId: this.id }, ...baseVersion };
		};
		const message =
			this.#random(6) === 0
				? { type: "batch", seq, changes: Array.from({ length: 1 + this.#random(4) }, change) }
				: { ...change(), seq };
		const write = { message, values };
		this.outbox.push(write);
		return write;
	}
}

test("E1 E2 E3 six writers whose connections break at any moment converge, and each write is done once", async (t) => {
	const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
	t.diagnostic(`SEED=${seed}`);
	const room = newRoom();
	const watcher = await Page.joined(server.host, room, "watcher");
	const writers = Array.from({ length: 6 }, (_, i) => new Writer(`w${i}`, room, seed + i));
	let isOver = false;
	const pick = random(seed + 6);
	const evictions = async () => {
		let count = 0;
		for (; !isOver; count += 1) {
			await sleep(20 + pick(150));
			// It may be out of memory already, when nothing has come since the last time.
			await server.evict(room).catch((error) => assert.match(String(error), /not currently running/));
		}
		return count;
	};
	const evicting = evictions();
	await Promise.all(writers.map((writer) => writer.run(80))).finally(() => {
		isOver = true;
	});
	const evicted = await evicting;
	const drops = writers.reduce((sum, writer) => sum + writer.drops, 0);
	const duplicates = writers.reduce((sum, writer) => sum + writer.duplicates, 0);
	t.diagnostic(`${drops} drops, ${evicted} evictions, ${duplicates} answers given again`);

	await watcher.sync();
	const changes = watcher.frames.filter((frame) => frame.type.startsWith("field_"));
	const times = new Map<string, number>();
	for (const { selection } of changes.filter((frame) => frame.type === "field_selected")) {
		times.set(selection.value, (times.get(selection.value) ?? 0) + 1);
	}
	const verdicts = new Set<string | undefined>();
	for (const writer of writers) {
		for (const [i, { message, values }] of writer.outbox.entries()) {
			const outcome = writer.outcomes[i + 1];
			verdicts.add(outcome);
			for (const value of values)
				assert.equal(times.get(value) ?? 0, outcome === "done" ? 1 : 0, `${value}: ${outcome}`);
			const fields = (message.changes ?? [message]).map((c: Frame) => c.field ?? c.selection.field);
			const isOwn = fields.every((field: string) => field === `own-${writer.id}`);
			if (isOwn) assert.equal(outcome, "done", "a client's own quick second edit is no conflict");
		}
	}
	assert.deepEqual(verdicts, new Set(["done", "E_CONFLICT"]));
	const state = await server.state(room);
	// Seven people were recorded, and no other change went unseen by the page.
	assert.equal(state.version, changes.length + 7);
	assert.equal(new Set(changes.map((frame) => frame.version)).size, changes.length);
	for (const writer of writers) {
		const back = await greeted(room, writer.id, writer.mirror.since, writer.mirror);
		assert.equal((await back.next("welcome")).lastSeq, 80);
		assert.deepEqual([back.mirror.known(), back.mirror.gaps], [Mirror.of(state), []], writer.id);
		back.leave();
	}
	watcher.leave();
});
