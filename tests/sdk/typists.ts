// People who type steadily into one field of a real room, and an account of what becomes of all that they typed.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RoomClient } from "../../packages/sdk/src/client.ts";
import { FieldBinding, type InputElement } from "../../packages/sdk/src/field.ts";
import type { Json } from "../../packages/sdk/src/types.ts";
import { newRoom, type Served, serve, sleep } from "../worker/harness.ts";
import { closeAll, enter, eventually, witness } from "./worker-client.ts";

const FIELD = "note";
const WORDS = ["so", "that", "nothing", "typed", "here", "is", "lost", "unseen"];

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function randomOf(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** Somebody at an input. */
abstract class Typist {
	readonly client: RoomClient;
	readonly random: () => number;
	/** What stands in the input. */
	text = "";
	/** Texts of this typist's that something else took the place of. */
	readonly replaced: string[] = [];
	/** Texts that this typist gave up when asked. */
	readonly given = new Set<Json | undefined>();
	/** All values that this typist was shown, in the input or beside it. */
	readonly shown = new Set<Json | undefined>([undefined]);
	/** Whether the text has letters of this typist's that came behind all else. */
	#isOwn = false;
	#words = 0;

	constructor(client: RoomClient, random: () => number) {
		this.client = client;
		this.random = random;
	}

	/** Hands what stands in the input to the client. */
	protected abstract typed(): void;
	/** Does something else than typing, as people do now and then. */
	abstract pause(): Promise<void>;
	/** What waits for a decision of this typist. */
	abstract waiting(): (Json | undefined)[];

	/** The client has this text put into the input. */
	protected put(text: string): void {
		if (text === this.text) return;
		if (this.#isOwn) this.replaced.push(this.text);
		this.#isOwn = false;
		this.text = text;
	}

	/** What was typed is given up on purpose. */
	protected give(...texts: (Json | undefined)[]): void {
		for (const text of texts) this.given.add(text);
		this.#isOwn = false;
	}

	async type(until: number): Promise<void> {
		while (Date.now() < until) {
			const word = `${WORDS[Math.floor(this.random() * WORDS.length)]}${this.client.user.id}${this.#words++} `;
			for (const letter of word) {
				// Whoever is given a long text begins anew.
				this.text = (this.text.length > 400 ? "" : this.text) + letter;
				this.#isOwn = this.text.length > 1;
				this.typed();
				await sleep(30 + this.random() * 90);
			}
			await this.pause();
		}
	}
}

/** With a binding, as `useField` has it. */
class BoundTypist extends Typist {
	readonly #field: FieldBinding<string>;
	readonly #element: InputElement = { value: "", type: "text" };

	constructor(client: RoomClient, random: () => number) {
		super(client, random);
		this.#field = new FieldBinding<string>(client, FIELD);
		this.#field.subscribe(() => this.#render());
		this.#render();
	}

	#render(): void {
		const { text, offer, conflict, value } = this.#field.getState();
		this.shown.add(value);
		if (offer) this.shown.add(offer.value);
		if (conflict) this.shown.add(conflict.theirs.value);
		this.put(text);
	}

	protected typed(): void {
		this.#element.value = this.text;
		this.#field.changed(this.#element);
	}

	async pause(): Promise<void> {
		const { conflict, offer } = this.#field.getState();
		const chance = this.random();
		if ((conflict || offer) && chance < 0.4) {
			this.give(this.text, conflict?.mine.value);
			this.#field.take();
		} else if ((conflict || offer) && chance < 0.6) this.#field.keep();
		else if (chance < 0.8) this.#field.leave();
		await sleep(this.random() * 700);
	}

	waiting(): (Json | undefined)[] {
		return [this.text, ...this.client.getSnapshot().conflicts.map(({ mine }) => mine.value)];
	}
}

/** With `select` and `debounceMs` alone, as a page without any binding does. */
class BareTypist extends Typist {
	constructor(client: RoomClient, random: () => number) {
		super(client, random);
		client.subscribe(() => this.#render());
	}

	#render(): void {
		const { selection, conflict } = this.client.field(FIELD);
		this.shown.add(selection?.value);
		if (conflict) this.shown.add(conflict.theirs.value);
		this.put(`${selection?.value ?? ""}`);
	}

	protected typed(): void {
		void this.client.select(FIELD, this.text, { debounceMs: 300 });
	}

	async pause(): Promise<void> {
		const { conflict } = this.client.field(FIELD);
		if (conflict && this.random() < 0.4) {
			const isMine = this.random() < 0.5;
			// Who takes the other's gives up what stands in the input too, as far as it was made of what is held.
			if (!isMine) this.give(this.text, conflict.mine.value);
			void this.client.resolve(FIELD, isMine ? "mine" : "theirs");
		}
		await sleep(this.random() * 700);
	}

	waiting(): (Json | undefined)[] {
		return [this.text, ...this.client.getSnapshot().conflicts.map(({ mine }) => mine.value)];
	}
}

/** Has two people type, and accounts for all that they typed. */
async function typeTogether(
	server: Served,
	Kind: new (client: RoomClient, random: () => number) => Typist,
	seed: number,
	milliseconds: number,
): Promise<{ values: number; replaced: number }> {
	const room = newRoom();
	const onlooker = await witness(server, room);
	const clients = await Promise.all(["ann", "bob"].map((id) => enter(server, room, id)));
	const people = clients.map((client, i) => new Kind(client, randomOf(seed + i)));
	const until = Date.now() + milliseconds;
	await Promise.all(people.map((one) => one.type(until)));
	await Promise.all(clients.map((client) => client.flush()));
	for (const client of clients)
		await eventually(() => client.getSnapshot().pendingCount === 0, "everything to be answered");

	const selected = onlooker.all("field_selected").map(({ selection }) => selection);
	const values = new Set<Json | undefined>(selected.map(({ value }) => value));
	for (const one of people) {
		// Whatever stood in the input and went was in the room, or waits for a decision, or was given up.
		const known = [...values, ...one.given, ...one.waiting()];
		const isKnown = (text: string) => known.some((other) => typeof other === "string" && other.includes(text));
		assert.deepEqual(
			one.replaced.filter((text) => !isKnown(text)),
			[],
			`${one.client.user.id} lost this unseen, with seed ${seed}`,
		);
	}
	// Nobody put a value in the place of another's without having been shown that.
	selected.forEach(({ userId }, i) => {
		const before = selected[i - 1];
		if (!before || before.userId === userId) return;
		const author = people.find(({ client }) => client.user.id === userId);
		assert.ok(author?.shown.has(before.value), `${userId} wrote over ${before.value} unseen, with seed ${seed}`);
	});
	return { values: values.size, replaced: people.reduce((sum, one) => sum + one.replaced.length, 0) };
}

/** Two people at a time in so many rooms, who type for so long, with the binding and without. At least so many values each. */
export function describeTyping(rooms: number, milliseconds: number, least: number): void {
	let server: Served;
	before(async () => {
		server = await serve();
	});
	after(async () => {
		closeAll();
		await server.close();
	});
	const seed = Number(process.env.SEED ?? 1);
	describe("two people type into one field", { concurrency: true }, () => {
		for (const Kind of [BoundTypist, BareTypist]) {
			test(`${Kind.name}: nothing is lost without having been shown to its author`, async (t) => {
				const seeds = Array.from({ length: rooms }, (_, run) => seed + run * 10);
				const runs = await Promise.all(seeds.map((one) => typeTogether(server, Kind, one, milliseconds)));
				t.diagnostic(JSON.stringify(runs));
				assert.ok(runs.every(({ values }) => values >= least));
			});
		}
	});
}
