// Where pending changes are kept.

import { within } from "./patience.ts";
import type { OutboxStorage, RoomClientOptions } from "./types.ts";

/** The default name of the database. */
export const DATABASE = "roomkeep";
/** The object store for outboxes. */
const STORE = "outboxes";
/** How long storage may take, in milliseconds. */
export const STORAGE_PATIENCE = 1_000;

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
	return {
		isDurable: true,
		// What has not changed is not written: each tab reads whenever another has written.
		update: (key, change) =>
			transact(
				name,
				(records) => records.get(key),
				(before: unknown, records) => {
					const after = change(before);
					if (after === undefined) records.delete(key);
					else if (after !== before) records.put(after, key);
				},
			),
		remove: (isUnwanted) => each(name, (cursor) => isUnwanted(cursor.value) && cursor.delete()),
	};
}

/** The storage that was asked for; by default IndexedDB, or memory where there is none. */
export function storageOf(storage: RoomClientOptions["storage"]): OutboxStorage {
	if (typeof storage === "object") return storage;
	let isMissing = storage === "memory";
	try {
		isMissing ||= !storage && !globalThis.indexedDB;
	} catch {
		// A page may be forbidden to look.
		isMissing = true;
	}
	return isMissing ? memoryStorage() : indexedDbStorage();
}

/** Visits all records of a database. */
export function each(name: string, visit: (cursor: IDBCursorWithValue) => unknown): Promise<void> {
	const take = (cursor: IDBCursorWithValue | null) => {
		if (!cursor) return;
		visit(cursor);
		cursor.continue();
	};
	return transact(name, (records) => records.openCursor(), take);
}

/** Takes each result of a request, and resolves once all that followed is stored. */
async function transact<T>(
	name: string,
	ask: (records: IDBObjectStore) => IDBRequest<T>,
	take: (result: T, records: IDBObjectStore) => void,
): Promise<void> {
	const transaction = (await database(name)).transaction(STORE, "readwrite");
	const records = transaction.objectStore(STORE);
	await new Promise<void>((resolve, reject) => {
		transaction.oncomplete = () => resolve();
		transaction.onabort = () => reject(transaction.error);
		const request = ask(records);
		request.onsuccess = () => {
			try {
				take(request.result, records);
			} catch (error) {
				reject(error);
				transaction.abort();
			}
		};
	});
}

/** The databases in use, by name. */
const databases = new Map<string, Promise<IDBDatabase>>();

function database(name: string): Promise<IDBDatabase> {
	const known = databases.get(name);
	if (known) return known;
	const forget = () => void (databases.get(name) === opened && databases.delete(name));
	const opening = new Promise<IDBDatabase>((resolve, reject) => {
		const request = indexedDB.open(name);
		request.onupgradeneeded = () => request.result.createObjectStore(STORE);
		request.onerror = () => reject(request.error);
		request.onsuccess = () => {
			const db = request.result;
			// Whoever deletes the database waits until nobody has it open.
			db.onversionchange = () => {
				db.close();
				forget();
			};
			// The browser has closed it: the site's data was cleared, or a disk failed.
			db.onclose = forget;
			resolve(db);
		};
	});
	// It may never answer. The next attempt may.
	const opened = within(STORAGE_PATIENCE, opening);
	databases.set(name, opened);
	opened.catch(() => {
		forget();
		void opening.then((db) => db.close()).catch(() => {});
	});
	return opened;
}
