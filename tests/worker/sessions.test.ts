// The conversations of tests/vectors/sessions.json with the built room, over bare sockets.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Client, type Frame, newRoom, type Served, serve } from "./harness.ts";

/** `tests/vectors/README.md` says what the members mean. */
interface Step {
	connect?: string;
	leave?: string;
	cut?: string;
	from?: string;
	say?: Frame;
	hear?: Record<string, Frame[]>;
	closed?: Record<string, number>;
}

/** What the names that begin with `$` stand for. */
type Names = Map<string, unknown>;

let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

const sessions: { name: string; steps: Step[] }[] = JSON.parse(
	readFileSync(new URL("../vectors/sessions.json", import.meta.url), "utf8"),
);

for (const { name, steps } of sessions) {
	test(name, async () => {
		const players = new Players(newRoom());
		for (const [at, step] of steps.entries()) await players.play(step, `step ${at + 1}`);
		players.leave();
	});
}

class Players {
	readonly #room: string;
	readonly #open = new Map<string, Client>();
	readonly #names: Names = new Map();
	#barriers = 0;

	constructor(room: string) {
		this.#room = room;
	}

	async play(step: Step, title: string): Promise<void> {
		const seen = new Map([...this.#open].map(([name, client]) => [name, client.frames.length]));
		await this.#act(step);
		const listeners = new Map(this.#open);
		for (const [name, code] of Object.entries(step.closed ?? {})) {
			assert.equal((await this.#player(name).closed()).code, code, `${title}: ${name}`);
			this.#open.delete(name);
		}
		const hear = step.hear ?? {};
		for (const [name, frames] of Object.entries(hear)) {
			const [client, before] = [this.#player(name, listeners), seen.get(name) ?? 0];
			await client.until(() => client.frames.length >= before + frames.length, `${title}: ${name}`);
		}
		// The speaker's barrier comes first: once it is through, the room has done the step.
		const order = [...this.#open].sort(([a], [b]) => Number(b === step.from) - Number(a === step.from));
		for (const [, client] of order) await this.#barrier(client);
		for (const [name, client] of listeners) {
			const heard = client.frames.slice(seen.get(name) ?? 0).filter((frame) => !isBarrier(frame));
			const expected = hear[name] ?? [];
			const told = `${title}: ${name} heard ${JSON.stringify(heard)}`;
			assert.ok(isAs(expected, heard, this.#names), `${told} instead of ${JSON.stringify(expected)}`);
		}
		assert.deepEqual(
			[...this.#open.values()].flatMap((client) => client.closes),
			[],
			title,
		);
	}

	leave(): void {
		for (const client of this.#open.values()) client.leave();
	}

	async #act(step: Step): Promise<void> {
		const { connect, leave, cut, from, say } = step;
		if (connect !== undefined) {
			const client = new Client(server.host, this.#room, connect);
			await client.open();
			this.#open.set(connect, client);
		} else if (leave !== undefined) {
			this.#player(leave).leave();
			await this.#player(leave).closed();
			this.#open.delete(leave);
		} else if (cut !== undefined) {
			this.#player(cut).cut();
			this.#open.delete(cut);
		} else if (from !== undefined) {
			this.#player(from).send(filled(say, this.#names));
		}
	}

	#player(name: string, among = this.#open): Client {
		const client = among.get(name);
		assert.ok(client !== undefined, `${name} is not connected`);
		return client;
	}

	/** Whatever the room had to tell this connection has come. */
	async #barrier(client: Client): Promise<void> {
		this.#barriers += 1;
		const id = `barrier ${this.#barriers}`;
		// A `since` of the future makes the answer one that no session asks for in these words.
		client.send({ type: "sync_request", since: FUTURE, id });
		const through = () => client.frames.find((frame) => frame.type === "ack" && frame.id === id);
		await client.until(through, "the barrier");
		const answer = client.frames.findLastIndex((frame) => frame.type === "sync_response");
		client.frames[answer] = { type: "ack", id };
	}
}

const FUTURE = Number.MAX_SAFE_INTEGER;

function isBarrier(frame: Frame): boolean {
	return frame.type === "ack" && String(frame.id).startsWith("barrier ");
}

/** The frame with its names replaced by what they stand for. */
function filled(said: Frame, names: Names): Frame {
	if (typeof said === "string" && said.startsWith("$")) return names.get(said);
	if (Array.isArray(said)) return said.map((item) => filled(item, names));
	if (typeof said !== "object" || said === null) return said;
	return Object.fromEntries(Object.entries(said).map(([key, value]) => [key, filled(value, names)]));
}

/** Whether this is what was expected. A name stands from its first time on for what it met then. */
function isAs(expected: Frame, heard: Frame, names: Names): boolean {
	if (expected === "*") return true;
	if (typeof expected === "string" && expected.startsWith("$")) {
		if (!names.has(expected)) names.set(expected, heard);
		return isDeepStrictEqual(names.get(expected), heard);
	}
	if (typeof expected !== "object" || expected === null) return expected === heard;
	if (typeof heard !== "object" || heard === null || Array.isArray(expected) !== Array.isArray(heard)) return false;
	const keys = Object.keys(expected);
	return (
		keys.length === Object.keys(heard).length &&
		keys.every((key) => Object.hasOwn(heard, key) && isAs(expected[key], heard[key], names))
	);
}
