// Keeps what the room has told for the user's next page, which shows it before there is a connection.

import type { SyncResponseFrame } from "./generated/protocol.ts";
import { forget } from "./keeper.ts";
import { within } from "./patience.ts";
import { Replica } from "./replica.ts";
import { STORAGE_PATIENCE } from "./storage.ts";
import type { OutboxStorage } from "./types.ts";

/** The form of a record. What has another one is ignored. */
const FORMAT = 1;
/** The least time between two writes, in milliseconds, and the most of the time that writing may take. */
const EVERY = 200;
const SHARE = 1 / 50;

/** What is stored for a room. */
interface Saved {
	format: number;
	userId: string;
	/** When it was last known to be current, by this device's clock. */
	at: number | undefined;
	/** A whole state as the room sends it. As text, so that it is read whole or not at all. */
	text: string;
}

export class SavedReplica {
	readonly #storage: OutboxStorage;
	readonly #key: string;
	readonly #userId: string;
	readonly #replica: Replica;
	#timer: ReturnType<typeof setTimeout> | undefined;
	/** When it may be written again. */
	#next = 0;

	/** @param key Names the room. On a device there is one user at a time: what another one has left is removed. */
	constructor(storage: OutboxStorage, key: string, userId: string, replica: Replica) {
		this.#storage = storage;
		this.#key = key;
		this.#userId = userId;
		this.#replica = replica;
	}

	/** Takes what was saved last, if it can be read. Never rejects, and does not take long. */
	async load(): Promise<number | undefined> {
		let found: Partial<Saved> | undefined;
		const look = (record: unknown) => {
			found = record as typeof found;
			return found?.userId === this.#userId ? record : undefined;
		};
		try {
			await within(STORAGE_PATIENCE, this.#storage.update(this.#key, look));
			if (found?.format !== FORMAT || found.userId !== this.#userId) return undefined;
			const state: SyncResponseFrame = JSON.parse(`${found.text}`);
			// Whatever is not a state throws here, or leaves nothing behind.
			const trial = new Replica();
			trial.receive(state);
			// Meanwhile the room may have told something.
			if (!trial.epoch || this.#replica.epoch) return undefined;
			this.#replica.receive(state);
			return found.at;
		} catch {
			return undefined;
		}
	}

	/** Saves it soon, and so seldom that the page does not notice. */
	save(at: number | undefined): void {
		const write = () => {
			this.#timer = undefined;
			const began = Date.now();
			const saved: Saved = { format: FORMAT, userId: this.#userId, at, text: JSON.stringify(this.#replica.state) };
			this.#next = began + Math.max(EVERY, (Date.now() - began) / SHARE);
			this.#store(() => saved);
		};
		this.#timer ??= setTimeout(write, Math.max(0, this.#next - Date.now()));
	}

	/** Leaves nothing behind for the next page. */
	drop(): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		this.#store(() => undefined);
	}

	/** Removes all that is saved for the user, in other rooms too. */
	async forget(): Promise<void> {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		await forget(
			this.#storage,
			this.#key,
			(record) => (record as Partial<Saved> | null | undefined)?.userId === this.#userId,
		);
	}

	#store(change: () => unknown): void {
		const store = async () => this.#storage.update(this.#key, change);
		// If it fails, the next page has to wait for the room.
		store().catch(() => {});
	}
}
