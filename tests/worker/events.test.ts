// Changes as Server-Sent Events: from the next one on, resumed, for a while, and with an end that tells why.

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { Client, type Frame, Mirror, newRoom, Page, type Served, serve, sleep } from "./harness.ts";

const SECONDS = 3;
const problemType = "application/problem+json";

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
	/** The first event, if it told of no change. */
	opening: Event | undefined;
	/** The reconnection time that the stream set, in milliseconds. */
	retry: number | undefined;
	lastId = "";
	isOver = false;
	/** Whether the connection broke instead of ending. */
	isBroken = false;
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
	static async open(room: string, lastId?: string, from: Served = server, query = ""): Promise<Reader> {
		const abort = new AbortController();
		const headers = lastId === undefined ? undefined : { "last-event-id": lastId };
		const target = path(room, `events${query}`);
		const response = await from.get(target, { signal: abort.signal, ...(headers && { headers }) });
		const reader = new Reader(response, abort);
		if (response.status !== 200) return reader;
		const first = await reader.next();
		if (first.data.changes?.length === 0) reader.opening = reader.events.shift();
		reader.#looked = 0;
		return reader;
	}

	/** The code of the problem that is all there is of this stream. */
	get refusal(): string | undefined {
		const [first] = this.events;
		return this.opening === undefined && first?.event === "problem" ? first.data.code : undefined;
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
			if (error instanceof assert.AssertionError) throw error;
			this.isBroken = !this.#abort.signal.aborted;
		}
	}
}

/** Tries until a stream opens. `change` happens before each attempt. */
async function openSoon(room: string, from: Served, within: number, change = async () => {}): Promise<Reader> {
	const start = performance.now();
	for (;;) {
		await change();
		const reader = await Reader.open(room, undefined, from);
		if (reader.refusal === undefined) return reader;
		assert.equal(reader.refusal, "limit_connections");
		assert.ok(performance.now() - start < within, `no stream opened within ${within} ms`);
		await sleep(50);
	}
}

test("H4 headers and where one is come at once in a quiet room, and then the next change", async () => {
	const room = newRoom();
	const watcher = await Client.greeted(server.host, room, "watcher");
	await put(room, "before", 0);
	const start = performance.now();
	const reader = await Reader.open(room);
	assert.ok(performance.now() - start < 1000);
	const { headers } = reader.response;
	assert.equal(headers.get("content-type"), "text/event-stream; charset=utf-8");
	assert.equal(headers.get("cache-control"), "no-cache, no-transform");
	assert.equal(headers.get("access-control-allow-origin"), "*");
	const done = await put(room, "f", "a\nb\r\u2028c");
	const event = await reader.next();
	const { epoch } = watcher.mirror;
	const nothing = { type: "changes", from: 1, to: 1, epoch, changes: [] };
	assert.deepEqual(reader.opening, { id: `1-${epoch}`, event: "message", data: nothing });
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
	await watcher.until(() => watcher.mirror.version === 4, "the same");
	assert.deepEqual(
		reader.events.map(({ data }) => data),
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
		if (i % 5 === 0 && room === rooms[1]) await server.evict(room);
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
	// The address of an EventSource stays the same while it goes on, so the header is the newer of the two.
	const query = `?lastEventId=${first.lastId}`;
	const byQuery = await Reader.open(room, undefined, server, query);
	assert.deepEqual([(await byQuery.next()).data.from, byQuery.lastId], [2, `7-${mirror.epoch}`]);
	const byHeader = await Reader.open(room, byQuery.lastId, server, query);
	assert.equal(byHeader.opening?.id, byQuery.lastId);
	assert.equal((await server.get(path(room, "events?lastEventId=x"))).status, 400);
	for (const reader of [again, current, byQuery, byHeader]) reader.leave();
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
		mirror.selections.stale = {};
		mirror.take(data);
		assert.deepEqual([mirror.known(), mirror.gaps], [Mirror.of(state), []]);
		reader.leave();
	}
	const reader = await Reader.open(room, `1-${epoch}`);
	await reader.next();
	alice.set(23, "kept", "live");
	assert.equal((await reader.next()).data.from, version, "and goes on from there");
	reader.leave();
	for (const rubbish of ["x", "1", "-1-x", "1.5-x", `${version}-`]) {
		const refused = await Reader.open(room, rubbish);
		assert.deepEqual([refused.response.status, refused.response.headers.get("content-type")], [400, problemType]);
	}
	alice.leave();
});

test("H4 X1 a stream ends by itself after its time, and until then it has a place among the connections", async () => {
	const small = await serve({ vars: { EVENTS_MAX_SECONDS: String(SECONDS), LIMIT_CONNECTIONS: "1" } });
	const room = newRoom();
	const start = performance.now();
	const first = await Reader.open(room, undefined, small);
	await put(room, "f", 1, small);
	const refused = await Reader.open(room, undefined, small);
	await refused.ended;
	assert.deepEqual([refused.response.status, refused.retry, refused.events.length], [200, 5000, 1]);
	const [{ event, id, data }] = refused.events as [Event];
	assert.deepEqual([event, id, data.status, data.code], ["problem", "", 503, "limit_connections"]);
	await first.ended;
	const lasted = (performance.now() - start) / 1000;
	assert.ok(lasted > SECONDS - 0.5 && lasted < SECONDS + 1.5, `${lasted} s`);
	assert.deepEqual(
		first.events.map(({ event }) => event),
		["message"],
		"an end in good order",
	);
	assert.equal(first.isBroken, false);
	const second = await openSoon(room, small, 1000);
	await put(room, "f", 2, small);
	assert.equal((await second.next()).data.from, 1);
	second.leave();
	await small.close();
});

test("H4 X1 a reader that goes away frees its place with the next change, also one that never saw the headers", async () => {
	const small = await serve({ vars: { EVENTS_MAX_SECONDS: "60", LIMIT_CONNECTIONS: "1" } });
	const room = newRoom();
	let n = 0;
	const change = async () => {
		n += 1;
		await put(room, "f", n, small);
	};
	for (let round = 0; round < 3; round += 1) {
		const reader = await openSoon(room, small, 3000, change);
		await change();
		assert.equal((await reader.next()).data.to, n);
		reader.leave();
	}
	(await openSoon(room, small, 3000, change)).leave();
	for (let i = 0; i < 20; i += 1) {
		const hasty = request(`http://${small.host}${path(room, "events")}`);
		hasty.on("error", () => {});
		hasty.on("response", (response) => response.on("error", () => {}));
		hasty.end();
		await sleep(i / 2);
		hasty.destroy();
		if (i % 3 === 0) await change();
	}
	(await openSoon(room, small, 3000, change)).leave();
	await small.close();
});

test("H4 X1 a reader that went away from a quiet room frees its place after 20 s", async () => {
	const small = await serve({ vars: { EVENTS_MAX_SECONDS: "60", LIMIT_CONNECTIONS: "1" } });
	const room = newRoom();
	(await openSoon(room, small, 0)).leave();
	(await openSoon(room, small, 25_000)).leave();
	await small.close();
});

test("H4 X1 a HEAD leaves no stream behind", async () => {
	const small = await serve({ vars: { EVENTS_MAX_SECONDS: "60", LIMIT_CONNECTIONS: "1" } });
	const room = newRoom();
	assert.equal(await (await small.get(path(room, "events"), { method: "HEAD" })).text(), "");
	const reader = await openSoon(room, small, 3000, async () => void (await put(room, "f", 1, small)));
	reader.leave();
	await small.close();
});

test("H4 X1 a reader that does not read is given up, and the room goes on", async () => {
	const brief = await serve({ vars: { EVENTS_MAX_SECONDS: "60", LIMIT_CONNECTIONS: "2" } });
	const room = newRoom();
	const alice = await Client.greeted(brief.host, room, "alice");
	const text: string = await new Promise((resolve, reject) => {
		const get = request(`http://${brief.host}${path(room, "events")}`, (response) => {
			// The kernel's buffers take some megabytes before any is left unread.
			const flood = async () => {
				for (let seq = 1; seq <= 600; seq += 1) {
					alice.set(seq, `f${seq % 100}`, "x".repeat(30_000));
					const isAcked = () => alice.all("ack").at(-1)?.seq === seq;
					if (seq % 50 === 0) await alice.until(isAcked, "the ack", 20_000);
				}
				let all = "";
				response.setEncoding("utf8");
				response.on("data", (data) => (all += data));
				response.on("close", () => resolve(all));
			};
			flood().catch(reject);
		});
		get.on("error", reject);
		get.end();
	});
	const last = text.slice(text.lastIndexOf("event: problem"));
	assert.equal(JSON.parse(last.split("data: ")[1] ?? "").code, "slow_reader");
	const reader = await openSoon(room, brief, 3000);
	alice.set(601, "f", "on");
	assert.equal((await reader.next()).data.changes[0].selection.value, "on");
	reader.leave();
	alice.leave();
	await brief.close();
});

test("H4 X2 a room that loses its sockets ends the stream with a problem, and the next one has what was missed", async () => {
	const room = newRoom();
	const reader = await Reader.open(room);
	await put(room, "f", 1);
	await reader.next();
	await server.evict(room, "close");
	await reader.ended;
	const last = reader.events.at(-1);
	assert.deepEqual([last?.event, last?.data.code, last?.data.status], ["problem", "unavailable", 503]);
	assert.equal(last?.id, reader.events[0]?.id, "a problem does not move the reader on");
	await put(room, "f", 2);
	const again = await Reader.open(room, reader.lastId);
	assert.deepEqual((await again.next()).data.changes[0].selection.value, 2);
	again.leave();
});

test("H4 X2 a room whose storage cannot be read opens no stream, and the open ones go on once it can be", async () => {
	const room = newRoom();
	const reader = await Reader.open(room);
	await put(room, "f", 1);
	await reader.next();
	await server.sql(room, "UPDATE room SET schema = schema + 90");
	await server.evict(room);
	const refused = await Reader.open(room);
	assert.deepEqual([refused.response.status, refused.refusal], [200, "storage"]);
	const write = { method: "PUT", body: '{"value":2,"userId":"ann"}' };
	assert.equal((await server.get(path(room, "fields/f"), write)).status, 503);
	await server.sql(room, "UPDATE room SET schema = schema - 90");
	await put(room, "f", 3);
	const event = await reader.next();
	assert.deepEqual([event.data.from, event.data.changes[0].selection.value], [1, 3]);
	reader.leave();
});

test("S6 H4 after a panic a stream ends, with a problem or without, and the next one goes on where it stopped", async () => {
	const faulty = await serve({ faults: true, vars: { EVENTS_MAX_SECONDS: String(SECONDS) } });
	const room = newRoom();
	const alice = await Page.joined(faulty.host, room, "alice");
	const reader = await Reader.open(room, undefined, faulty);
	alice.select("f", 1, "alice");
	const { id } = await reader.next();
	alice.send({ fault: "panic" });
	await alice.next("error");
	alice.select("f", 2, "alice");
	await alice.sync();
	const start = performance.now();
	await Promise.race([reader.ended, sleep((SECONDS + 2) * 1000)]);
	assert.ok(reader.isOver, `no end after ${performance.now() - start} ms`);
	const again = await Reader.open(room, reader.lastId || id, faulty);
	if (reader.events.at(-1)?.data.changes?.[0]?.selection.value !== 2) {
		assert.equal((await again.next()).data.changes[0].selection.value, 2);
	}
	alice.select("f", 3, "alice");
	assert.equal((await again.next()).data.changes[0].selection.value, 3);
	again.leave();
	alice.leave();
	await faulty.close();
});

test("H4 H2 Y6 a reader of events, a socket and a poller all see the same", async () => {
	const brief = await serve({ vars: { EVENTS_MAX_SECONDS: "1" } });
	const room = newRoom();
	const socket = await Client.greeted(brief.host, room, "socket");
	socket.set(1, "f", 0);
	await socket.next("ack");
	const first = await brief.state(room);
	const [streamed, polled] = [new Mirror(), new Mirror()];
	for (const mirror of [streamed, polled]) mirror.take(first);
	let isOver = false;
	let streams = 0;
	/** Opens the stream again whenever it ends, as an `EventSource` does. */
	const stream = async () => {
		let lastId = `${first.version}-${first.epoch}`;
		while (!isOver || streamed.version < socket.mirror.version) {
			const reader = await Reader.open(room, lastId, brief);
			assert.equal(reader.response.status, 200);
			streams += 1;
			await Promise.race([reader.ended, finished]);
			if (!reader.isOver) await sleep(50);
			reader.leave();
			await reader.ended;
			for (const { event, data } of reader.events) {
				assert.equal(event, "message");
				streamed.take(data);
			}
			lastId = reader.lastId || lastId;
		}
	};
	const poll = async () => {
		while (!isOver || polled.version < socket.mirror.version) {
			const { since, epoch } = polled.since;
			const response = await brief.get(path(room, `changes?since=${since}&epoch=${epoch}`));
			polled.take(await response.json());
		}
	};
	let finish = () => {};
	const finished = new Promise<void>((resolve) => (finish = resolve));
	const write = async () => {
		const end = performance.now() + 2500;
		for (let seq = 2; performance.now() < end; seq += 1) {
			const isSocket = seq % 2 === 0;
			if (isSocket) socket.set(seq / 2 + 1, `f${seq % 7}`, seq);
			else await put(room, `f${seq % 7}`, seq, brief);
			if (seq % 40 === 0) await brief.evict(room);
			if (seq % 10 === 0) await socket.sync();
		}
		await socket.sync();
		isOver = true;
		finish();
	};
	await Promise.all([stream(), poll(), write()]);
	const state = await brief.state(room);
	assert.ok(streams >= 3, `${streams} streams`);
	for (const mirror of [streamed, polled, socket.mirror]) {
		assert.deepEqual([mirror.known(), mirror.gaps], [Mirror.of(state), []]);
	}
	socket.leave();
	await brief.close();
});
