// Keeps an outbox: shown at once, stored a moment later, and shared with other tabs.

import { fieldMessages, fieldOf, merge, type Outbox, type Step, underWay } from "./outbox.ts";
import { within } from "./patience.ts";
import { memoryStorage, STORAGE_PATIENCE } from "./storage.ts";
import type { OutboxStorage } from "./types.ts";

/** After a failure, storage is tried again after so many milliseconds, growing by a factor up to the longest wait. */
const RETRY = 2_000;
const GROWTH = 1.5;
const LONGEST = 30_000;

/** Whose outbox it is. */
export interface KeeperOwner {
	/** Storage has been read, and whether this tab changed it. */
	stored(isChanged: boolean): void;
	/** It cannot be stored. Until it can, it is kept in memory. */
	failed(error: unknown): void;
}

/**
 * An outbox and where it is kept. What is shown includes all steps; what is stored, those that will survive a crash.
 * While its storage fails or does not answer, it is kept in memory.
 */
export class Keeper {
	stored: Outbox;
	shown: Outbox;
	/** Where it is kept at the moment. */
	storage: OutboxStorage;
	/** Where it is to be kept. */
	readonly #home: OutboxStorage;
	readonly #key: string;
	readonly #owner: KeeperOwner;
	#steps: Step[] = [];
	/** Whether somebody waits for a fresh read of the storage. */
	#isAsked = false;
	#work: Promise<void> | undefined;
	/** What may have been stored when it came into memory, by key. */
	#left: string[] = [];
	/** Whether its storage has answered since. */
	#canReturn = false;
	#wait = RETRY;

	constructor(storage: OutboxStorage, key: string, empty: Outbox, owner: KeeperOwner) {
		this.storage = this.#home = storage;
		this.#key = key;
		this.#owner = owner;
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

	/**
	 * Removes what is stored, and begins anew with an empty outbox.
	 * @param isUnwanted Finds what is to be removed besides.
	 */
	async forget(empty: Outbox, isUnwanted: (record: unknown) => boolean): Promise<void> {
		await this.do();
		this.#left = [];
		this.stored = this.shown = empty;
		await forget(this.#home, this.#key, isUnwanted);
	}

	async #store(): Promise<void> {
		// Steps that are taken together are stored together.
		await undefined;
		while (this.#isAsked) {
			this.#isAsked = false;
			const steps = this.#steps.length;
			const before = this.shown;
			// What the room may have under the name that is used in memory cannot go on under another.
			const isReturning = this.#canReturn && !underWay(before)[0];
			let next: Outbox = before;
			const change = (record: unknown) => {
				let outbox = (record as Outbox | undefined) ?? this.stored;
				// What another version of this package, or somebody else, has left there may not be an outbox: then this
				// throws.
				outbox.entries.map(({ message }) => fieldMessages(message).map(fieldOf));
				if (isReturning) outbox = merge(outbox, this.stored, this.#left);
				next = this.#steps.slice(0, steps).reduce((outbox, step) => step(outbox), outbox);
				// The first tab to look gives it the name under which all tabs send.
				return steps > 0 || isReturning || !record ? next : record;
			};
			try {
				await this.#update(isReturning ? this.#home : this.storage, change);
				if (isReturning) {
					this.#canReturn = false;
					this.#wait = RETRY;
				}
			} catch (error) {
				const isNews = !isReturning;
				if (isNews) this.#left = before.entries.map(({ key }) => key);
				await this.#update(memoryStorage(), change);
				this.#lookAgain();
				if (isNews) this.#owner.failed(error);
			}
			this.#steps.splice(0, steps);
			this.stored = known(before, next);
			this.shown = this.#steps.reduce((outbox, step) => step(outbox), this.stored);
			this.#owner.stored(steps > 0);
		}
		this.#work = undefined;
	}

	/** Changes what is in a storage, which is the one to be used from now on. */
	#update(storage: OutboxStorage, change: (record: unknown) => unknown): Promise<unknown> {
		this.storage = storage;
		// It may be called when it was long given up.
		const still = (record: unknown) => (storage === this.storage ? change(record) : record);
		const attempt = async () => storage.update(this.#key, still);
		// A database that the browser has closed can be opened again.
		return within(STORAGE_PATIENCE, attempt().catch(attempt));
	}

	/** Tries the storage after a while, without keeping anybody waiting. */
	#lookAgain(): void {
		this.#canReturn = false;
		const look = async () => this.#home.update(this.#key, (record) => record ?? this.stored);
		const timer = setTimeout(() => {
			within(STORAGE_PATIENCE, look()).then(
				() => {
					this.#canReturn = true;
					void this.do();
				},
				() => this.#lookAgain(),
			);
		}, this.#wait);
		// In Node it would keep the process alive.
		(timer as { unref?: () => void }).unref?.();
		this.#wait = Math.min(this.#wait * GROWTH, LONGEST);
	}
}

/** Removes a record from a storage, and others of which that is said. */
export async function forget(
	storage: OutboxStorage,
	key: string,
	isUnwanted: (record: unknown) => boolean,
): Promise<void> {
	const both = async () => {
		await storage.update(key, () => undefined);
		await storage.remove?.(isUnwanted);
	};
	await within(STORAGE_PATIENCE, both());
}

/**
 * An outbox in which an entry equal to a known one is that same object, so that whatever shows it stays the same too.
 */
function known(before: Outbox, outbox: Outbox): Outbox {
	// Compared by content: the same steps yield a different entry if another tab has changed it meanwhile.
	const entries = new Map(before.entries.map((entry) => [JSON.stringify(entry), entry]));
	return { ...outbox, entries: outbox.entries.map((entry) => entries.get(JSON.stringify(entry)) ?? entry) };
}
