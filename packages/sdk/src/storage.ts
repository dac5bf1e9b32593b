// Where pending changes are kept.

import { createStore, promisifyRequest } from "idb-keyval";
import type { OutboxStorage, RoomClientOptions } from "./types.ts";

/** The default name of the database. */
export const DATABASE = "roomkeep";
/** The object store for outboxes. */
export const STORE = "outboxes";

/** Keeps what is pending for as long as the page lives. */
export function memoryStorage(): OutboxStorage {
	const records = new Map<string, unknown>();
	return {
		isDurable: false,
		async update(key, change) {
			records.set(key, change(records.get(key)));
		},
	};
}

/**
 * Keeps what is pending in IndexedDB, where it survives the page. All tabs of an origin share it.
 * @param name The database.
 */
export function indexedDbStorage(name = DATABASE): OutboxStorage {
	const store = createStore(name, STORE);
	return {
		isDurable: true,
		// Like idb-keyval's own `update`, but without writing what has not changed: each tab reads whenever another has
		// written.
		update: (key, change) =>
			store("readwrite", async (records) => {
				const before: unknown = await promisifyRequest(records.get(key));
				const after = change(before);
				if (after !== before) records.put(after, key);
				await promisifyRequest(records.transaction);
			}),
	};
}

/** The storage that was asked for; by default, IndexedDB where tabs can agree on who sends, else memory. */
export function storageOf(storage: RoomClientOptions["storage"]): OutboxStorage {
	const choice = storage ?? (canShare() && globalThis.indexedDB ? "indexeddb" : "memory");
	if (choice === "memory") return memoryStorage();
	return choice === "indexeddb" ? indexedDbStorage() : choice;
}

/** Whether tabs can agree on which of them sends. */
export function canShare(): boolean {
	return !!globalThis.navigator?.locks;
}
