// Keeps an outbox: shown at once, stored a moment later, and shared with other tabs.

import { fieldMessages, fieldOf, type Outbox, type Step } from "./outbox.ts";
import { memoryStorage } from "./storage.ts";
import type { OutboxStorage } from "./types.ts";

/**
 * An outbox and where it is kept. What is shown includes all steps; what is stored, those that will survive a crash.
 */
export class Keeper {
	stored: Outbox;
	shown: Outbox;
	/** Where it is kept. */
	storage: OutboxStorage;
	readonly #key: string;
	readonly #onStored: (isChanged: boolean) => void;
	readonly #onFailed: (error: unknown) => void;
	#steps: Step[] = [];
	/** Whether somebody waits for a fresh read of the storage. */
	#isAsked = false;
	#work: Promise<void> | undefined;

	/**
	 * @param onStored Called whenever storage has been read, with whether this tab changed it.
	 * @param onFailed Called if it cannot be stored; from then on it is kept in memory.
	 */
	constructor(
		storage: OutboxStorage,
		key: string,
		empty: Outbox,
		onStored: (isChanged: boolean) => void,
		onFailed: (error: unknown) => void,
	) {
		this.storage = storage;
		this.#key = key;
		this.#onStored = onStored;
		this.#onFailed = onFailed;
		this.stored = this.shown = empty;
	}

	/** Applies steps at once, and resolves when they are stored. Without any, it reads what is stored. */
	do(...steps: Step[]): Promise<void> {
		this.#isAsked = true;
		this.#steps.push(...steps);
		this.shown = steps.reduce((outbox, step) => step(outbox), this.shown);
		this.#work ??= this.#store();
		return this.#work;
	}

	async #store(): Promise<void> {
		// Steps that are taken together are stored together.
		await undefined;
		while (this.#isAsked) {
			this.#isAsked = false;
			const steps = this.#steps.length;
			const before = this.shown;
			let next: Outbox = before;
			const change = (record: unknown) => {
				const outbox = (record as Outbox | undefined) ?? this.stored;
				// What another version of this package, or somebody else, has left there may not be an outbox: then this
				// throws.
				outbox.entries.map(({ message }) => fieldMessages(message).map(fieldOf));
				next = this.#steps.slice(0, steps).reduce((outbox, step) => step(outbox), outbox);
				// The first tab to look gives it the name under which all tabs send.
				return steps > 0 || !record ? next : record;
			};
			try {
				await this.storage.update(this.#key, change);
			} catch (error) {
				this.storage = memoryStorage();
				await this.storage.update(this.#key, change);
				this.#onFailed(error);
			}
			this.#steps.splice(0, steps);
			this.stored = known(before, next);
			this.shown = this.#steps.reduce((outbox, step) => step(outbox), this.stored);
			this.#onStored(steps > 0);
		}
		this.#work = undefined;
	}
}

/**
 * An outbox in which an entry equal to a known one is that same object, so that whatever shows it stays the same too.
 */
function known(before: Outbox, outbox: Outbox): Outbox {
	// Compared by content: the same steps yield a different entry if another tab has changed it meanwhile.
	const entries = new Map(before.entries.map((entry) => [JSON.stringify(entry), entry]));
	return { ...outbox, entries: outbox.entries.map((entry) => entries.get(JSON.stringify(entry)) ?? entry) };
}
