// Changes as Server-Sent Events: from the next one on, resumed, for a while, and with an end that tells why.

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { Client, type Frame, Mirror, newRoom, Page, type Served, serve, sleep } from "./harness.ts";

const SECONDS = 3;

let server: Served;
before(async () => {
	server = await serve({ vars: { EVENTS_MAX_SECONDS: String(SECONDS) } });
});
after(() => server.close());

const path = (room: string, rest: string) => `/parties/collaboration/${encodeURIComponent(room)}/${rest}`;

async function put(room: string, field: string, value: unknown, to: Served = server): Promise<Frame> {
	const body = JSON.stringify({ value, userId: "ann" });
	const response = await to.get(path(room, `fields/${field}`), { method: "PUT", body });
	const answer = (await response.json()) as Frame;
	assert.equal(response.status, 200, JSON.stringify(answer));
	return answer;
}

interface Event {
	id: string;
	event: string;
	data: Frame;
}

/** A reader of a stream, as the HTML standard has it, that tells of its end. */
class Reader {
	readonly response: Response;
	readonly events: Event[] = [];
	/** The reconnection time that the stream set, in milliseconds. */
	retry: number | undefined;
	lastId = "";
	isOver = false;
	readonly ended: Promise<void>;
	readonly #abort: AbortController;
	#looked = 0;
	#wake = () => {};

	private constructor(response: Response, abort: AbortController) {
		this.response = response;
		this.#abort = abort;
		this.ended = this.#read().finally(() => {
			this.isOver = true;
			this.#wake();
		});
	}

	/** Opens a stream, whatever the answer is. */
	static async open(room: string, lastId?: string, from: Served = server): Promise<Reader> {
		const abort = new AbortController();
		const headers = lastId === undefined ? undefined : { "last-event-id": lastId };
		const response = await from.get(path(room, "events"), { signal: abort.signal, ...(headers && { headers }) });
		return new Reader(response, abort);
	}

	/** The next event. */
	async next(): Promise<Event> {
		const deadline = Date.now() + 5000;
		while (this.events.length <= this.#looked) {
			assert.ok(!this.isOver, "the stream ended before the next event");
			assert.ok(Date.now() < deadline, `waited in vain for an event after ${JSON.stringify(this.events.at(-1))}`);
			await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), sleep(200)]);
		}
		this.#looked += 1;
		return this.events[this.#looked - 1] as Event;
	}

	/** Goes away without a word. */
	leave(): void {
		this.#abort.abort();
	}

	async #read(): Promise<void> {
		let rest = "";
		let event = { id: "", event: "message", data: [] as string[] };
		const decoder = new TextDecoder();
		try {
			for await (const chunk of this.response.body ?? []) {
				const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
				rest = lines.pop() ?? "";
				for (const line of lines) {
					const [, name, value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
					if (line === "") {
						if (event.data.length > 0) this.events.push({ ...event, data: JSON.parse(event.data.join("\n")) });
						event = { id: this.lastId, event: "message", data: [] };
						this.#wake();
					} else if (name === "data") event.data.push(value);
					else if (name === "event") event.event = value;
					else if (name === "id") this.lastId = event.id = value;
					else if (name === "retry") this.retry = Number(value);
					else assert.equal(name, "", `a field of another name: ${line}`);
				}
			}
		} catch (error) {
			if (!this.#abort.signal.aborted) throw error;
		}
	}
}

/** Tries until a stream opens, and returns how long that took. */
async function openSoon(room: string, from: Served, within: number): Promise<{ reader: Reader; took: number }> {
	const start = performance.now();
	for (;;) {
		const reader = await Reader.open(room, undefined, from);
		const took = performance.now() - start;
		if (reader.response.status === 200) return { reader, took };
		await reader.ended;
		assert.ok(took < within, `no stream opened within ${within} ms`);
		await sleep(20);
	}
}

test("H4 headers come at once in a quiet room, and the first event is the next change", async () => {
	const room = newRoom();
	const watcher = await Client.greeted(server.host, room, "watcher");
	await put(room, "before", 0);
	const start = performance.now();
	const reader = await Reader.open(room);
	assert.ok(performance.now() - start < 1000);
	const { headers } = reader.response;
	assert.equal(headers.get("content-type"), "text/event-stream; charset=utf-8");
	assert.deepEqual([headers.get("cache-control"), headers.get("access-control-allow-origin")], ["no-cache", "*"]);
	const done = await put(room, "f", "a\nb\r\u2028c");
	const event = await reader.next();
	const { epoch } = watcher.mirror;
	assert.deepEqual([event.id, event.event, reader.retry], [`2-${epoch}`, "message", 1000]);
	assert.deepEqual(event.data, {
		type: "changes",
		from: 1,
		to: 2,
		epoch,
		changes: [
			{
				kind: "field",
				version: 2,
				field: "f",
				selection: done.selection,
				userId: "ann",
				updatedAt: done.selection.updatedAt,
			},
		],
	});
	// What is no change is no event: presence, joining again, messages that are passed on.
	watcher.send({ type: "user_joined", userId: "watcher", userName: "W" });
	watcher.send({ type: "presence", data: 1 });
	watcher.send({ type: "chat" });
	watcher.send({ type: "field_cleared", field: "f", userId: "watcher" });
	const [joined, cleared] = [await reader.next(), await reader.next()];
	assert.deepEqual([joined.data.changes[0].kind, joined.id], ["participant", `3-${epoch}`]);
	assert.deepEqual([cleared.data.changes[0].selection, cleared.id], [null, `4-${epoch}`]);
	assert.deepEqual(
		reader.events.map((e) => e.data),
		watcher.all("changes").slice(1),
	);
	const participants = (await server.state(room)).participants.map((p: Frame) => p.id);
	assert.deepEqual(participants, ["watcher"], "a stream is no participant");
	reader.leave();
	watcher.leave();
});

test("H4 no change is lost between the headers and the first event, in a room asleep, awake or new", async () => {
	const rooms = [newRoom(), newRoom()];
	for (let i = 1; i <= 20; i += 1) {
		const room = i % 4 === 0 ? newRoom() : (rooms[i % 2] as string);
		if (i % 5 === 0) await server.evict(room);
		const reader = await Reader.open(room);
		const done = await put(room, "f", i);
		const event = await reader.next();
		assert.deepEqual([event.data.changes[0].selection, event.data.to], [done.selection, done.version]);
		// Not every reader waits for the end of the stream.
		reader.leave();
	}
});

test("H4 Y3 Last-Event-ID resumes with what was missed, over absence and over sleep", async () => {
	const room = newRoom();
	const mirror = new Mirror();
	const known = await server.state(room);
	// A room that was only looked at has no life yet, so its first change is the start.
	assert.equal(known.version, 0);
	const first = await Reader.open(room);
	await put(room, "kept", 1);
	mirror.epoch = (await first.next()).data.epoch;
	mirror.take(first.events[0]?.data);
	// The room sleeps while the stream is open, and the stream goes on.
	await server.evict(room);
	await put(room, "cleared", 2);
	mirror.take((await first.next()).data);
	first.leave();
	await put(room, "many", 3);
	await put(room, "many", 4);
	await server.evict(room);
	await server.get(path(room, "fields/cleared?userId=ann"), { method: "DELETE" });
	const again = await Reader.open(room, first.lastId);
	const missed = await again.next();
	assert.deepEqual([missed.data.from, missed.data.to, missed.id], [2, 5, `5-${mirror.epoch}`]);
	assert.deepEqual(
		missed.data.changes.map((c: Frame) => [c.field, c.selection?.value ?? null]),
		[
			["many", 4],
			["cleared", null],
		],
	);
	mirror.take(missed.data);
	await put(room, "live", 6);
	const live = await again.next();
	assert.deepEqual([live.data.from, live.data.to], [5, 6]);
	mirror.take(live.data);
	assert.deepEqual([mirror.known(), mirror.gaps], [Mirror.of(await server.state(room)), []]);
	// One that has missed nothing is told nothing until the next change.
	const current = await Reader.open(room, again.lastId);
	await put(room, "live", 7);
	assert.equal((await current.next()).data.from, 6);
	for (const reader of [again, current]) reader.leave();
});

test("H4 U8 what is not known any more comes as everything, with reset", async () => {
	const room = newRoom();
	const alice = await Client.greeted(server.host, room, "alice");
	alice.send({ type: "user_joined", userId: "alice", userName: "Alice" });
	// More fields are cleared than the room remembers.
	const half = Array.from({ length: 50 }, (_, i) => i);
	for (let seq = 1; seq <= 21; seq += 1) {
		const set = half.map((i) => ({
			type: "field_selected",
			selection: { field: `${seq}-${i}`, value: i, userId: "alice" },
		}));
		const clear = half.map((i) => ({ type: "field_cleared", field: `${seq}-${i}`, userId: "alice" }));
		alice.send({ type: "batch", seq, changes: [...set, ...clear] });
	}
	alice.set(22, "kept", "here");
	await alice.until(() => alice.all("ack").at(-1)?.seq === 22, "the ack");
	const state = await server.state(room);
	const { epoch, version } = state;
	for (const lastId of [`2-${epoch}`, `${version}-${"0".repeat(32)}`, `${version + 1}-${epoch}`]) {
		const reader = await Reader.open(room, lastId);
		const { data, id } = await reader.next();
		assert.deepEqual([data.reset, data.from, data.to, id], [true, 0, version, `${version}-${epoch}`], lastId);
		const mirror = new Mirror();
		// It had something else before.
		mirror.selections.stale = {};
		mirror.take(data);
		assert.deepEqual(mirror.known(), Mirror.of(state));
		alice.send({ type: "user_ready", userId: "alice", isReady: true });
		reader.leave();
		assert.ok((await alice.sync()).version >= version);
		alice.send({ type: "user_ready", userId: "alice", isReady: false });
		await alice.sync();
		Object.assign(state, await server.state(room));
		break;
	}
	alice.leave();
});
