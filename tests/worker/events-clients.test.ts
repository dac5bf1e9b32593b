// Streams of events as the clients read them that the README names, over the server's regular end.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { EventSource } from "undici";
import { type Frame, newRoom, type Served, serve, sleep } from "./harness.ts";

const root = join(import.meta.dirname, "../..");

let server: Served;
before(async () => {
	server = await serve({ vars: { EVENTS_MAX_SECONDS: "1", LIMIT_CONNECTIONS: "3" } });
});
after(() => server.close());

const address = (room: string) => `http://${server.host}/parties/collaboration/${encodeURIComponent(room)}`;

async function put(room: string, value: number): Promise<void> {
	const body = JSON.stringify({ value, userId: "ann" });
	assert.equal((await fetch(`${address(room)}/fields/f`, { method: "PUT", body })).status, 200);
}

/** What a reader was told, each version once and none left out. */
class Told {
	readonly values: number[] = [];
	readonly odd: string[] = [];

	take(data: string): void {
		if (data === "") this.odd.push("a message of nothing");
		else for (const change of (JSON.parse(data) as Frame).changes) this.values.push(change.selection.value);
	}
}

/** Changes while a stream is open, in the pause after its end, and when the next one is open. */
async function changes(room: string, told: Told): Promise<void> {
	for (let value = 1; value <= 12; value += 1) {
		await sleep(300);
		await put(room, value);
	}
	const deadline = Date.now() + 5000;
	while (told.values.at(-1) !== 12 && Date.now() < deadline) await sleep(50);
	assert.deepEqual(told.odd, []);
	assert.equal(told.values.at(-1), 12);
	// What changed twice in a pause is told once. What was told is never told again.
	assert.deepEqual(
		told.values,
		[...new Set(told.values)].sort((a, b) => a - b),
	);
	assert.ok(told.values.length > 6, String(told.values));
}

test("H4 an EventSource goes on over the end of a stream, and comes back after a refusal that passes", async () => {
	const [room, told] = [newRoom(), new Told()];
	const source = new EventSource(`${address(room)}/events`);
	source.onmessage = ({ data }) => told.take(String(data));
	await changes(room, told);
	source.close();

	const full = newRoom();
	const places = await Promise.all([1, 2, 3].map(() => fetch(`${address(full)}/events`)));
	const late = new EventSource(`${address(full)}/events`);
	const problems: string[] = [];
	late.addEventListener("problem", (event) => problems.push(JSON.parse(String((event as MessageEvent).data)).code));
	const opened = new Promise<void>((resolve) => late.addEventListener("message", () => resolve()));
	await Promise.all(places.map((place) => place.text()));
	await Promise.race([opened, sleep(12_000).then(() => assert.fail("the EventSource has given up"))]);
	assert.deepEqual(problems, ["limit_connections"]);
	late.close();
});

test("H4 fetch-event-source goes on by the README's lines, and makes no message of anything but events", async () => {
	const sample = readFileSync(join(root, "README.md"), "utf8").match(
		/```js\n(import { fetchEventSource }.*?)```/s,
	)?.[1];
	assert.ok(sample, "the README shows how to follow a room");
	// Beside the packages that it imports.
	const file = join(root, "build/readme-follow.mjs");
	mkdirSync(join(root, "build"), { recursive: true });
	writeFileSync(file, sample);
	const document = { hidden: false, addEventListener() {}, removeEventListener() {} };
	Object.assign(globalThis, { window: globalThis, document });
	const { follow } = await import(pathToFileURL(file).href);
	const [room, told, abort] = [newRoom(), new Told(), new AbortController()];
	let texts = 0;
	const take = (frame: Frame) => {
		texts += 1;
		told.take(JSON.stringify(frame));
	};
	const following = follow(address(room), "no token", take, abort.signal);
	await changes(room, told);
	assert.ok(texts > told.values.length, "each opening says where one is");
	abort.abort();
	await following;
	const final = follow(`http://${server.host}/parties/unknown/r`, "t", () => {}, new AbortController().signal);
	await assert.rejects(final, /404/);
});

/** A reader by the lines, as `httpx-sse` decodes them: after the first `id`, each empty line makes an event. */
class LineDecoder {
	#event = "";
	#data: string[] = [];
	#id = "";
	#retry: number | undefined;

	decode(line: string): { event: string; data: string; id: string } | undefined {
		if (line === "") {
			if (!this.#event && this.#data.length === 0 && !this.#id && this.#retry === undefined) return undefined;
			const event = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
			[this.#event, this.#data, this.#retry] = ["", [], undefined];
			return event;
		}
		if (line.startsWith(":")) return undefined;
		const [, name, value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
		if (name === "event") this.#event = value;
		else if (name === "data") this.#data.push(value);
		else if (name === "id" && !value.includes("\0")) this.#id = value;
		else if (name === "retry" && /^\d+$/.test(value)) this.#retry = Number(value);
		return undefined;
	}
}

test("H4 a reader like httpx-sse in a loop goes on, and makes no message of anything but events", async () => {
	const [room, told] = [newRoom(), new Told()];
	let isOver = false;
	const loop = async () => {
		let headers: Record<string, string> = {};
		while (!isOver) {
			const response = await fetch(`${address(room)}/events`, { headers });
			const decoder = new LineDecoder();
			for (const line of (await response.text()).split("\n").slice(0, -1)) {
				const event = decoder.decode(line);
				if (event === undefined) continue;
				headers = { "last-event-id": event.id };
				told.take(event.data);
			}
		}
	};
	const looping = loop();
	await changes(room, told);
	isOver = true;
	await looping;
});

test("H4 a change between a quiet end and the reopening is not lost", async () => {
	const room = newRoom();
	const read = async (headers: Record<string, string> = {}) =>
		(await fetch(`${address(room)}/events`, { headers })).text();
	await put(room, 1);
	const quiet = await read();
	const id = /^retry: 1000\nid: (.+)\ndata: \{.*"changes":\[\]\}\n\n(?::\n)*$/.exec(quiet)?.[1];
	assert.ok(id, quiet);
	await put(room, 2);
	const next = await read({ "last-event-id": id });
	assert.match(next, /^retry: 1000\nid: .+\ndata: .*"value":2.*\n\n(?::\n)*$/);
});

test("H4 a keep-alive is a line of its own, which nobody takes for a message", async () => {
	const slow = await serve({ vars: { EVENTS_MAX_SECONDS: "22" } });
	const text = await (await slow.get(`/parties/collaboration/${newRoom()}/events`)).text();
	assert.match(text, /^retry: 1000\nid: .+\ndata: .+\n\n(?::\n)+$/);
	const decoder = new LineDecoder();
	assert.equal(
		text
			.split("\n")
			.slice(0, -1)
			.filter((line) => decoder.decode(line)).length,
		1,
	);
	await slow.close();
});
