// For a page's service worker: sends what a closed page left pending, where there is Background Sync.

import { RoomClient } from "./client.ts";
import type { Outbox } from "./outbox.ts";
import { DATABASE, each } from "./storage.ts";
import type { RoomClientOptions, User } from "./types.ts";

/** The tag of the sync that a client asks for. */
const TAG = "roomkeep";
/** How long a room may take, in milliseconds: browsers end a sync event after a few minutes. */
const PATIENCE = 30_000;

/** The room and user to send for. */
export interface Address {
	host: string;
	party: string;
	room: string;
	user: User;
}

/** How to send it. */
export interface SyncOptions extends Pick<RoomClientOptions, "WebSocket" | "fetch"> {
	/** Returns a token for a room, if rooms require one. */
	token?: (address: Address) => string | Promise<string>;
}

/** The part of a service worker's global scope that is used. */
interface Scope {
	addEventListener(type: "sync", listener: (event: any) => void): void;
}

/**
 * Makes a service worker send what is pending once there is a network: call it at the top of its script. It joins a
 * room only if a change requires it, so that nobody appears to be present who is not.
 */
export function sendOnSync(options: SyncOptions = {}, scope = globalThis as unknown as Scope): void {
	scope.addEventListener("sync", (event) => {
		if (event.tag === TAG) event.waitUntil(sendPending(options));
	});
}

/**
 * Sends what is pending in all rooms. Rejects if something still is afterwards, so that the browser tries again later.
 * @returns How many rooms had something pending.
 */
export async function sendPending(options: SyncOptions = {}): Promise<number> {
	const outboxes: Outbox[] = [];
	await each(DATABASE, ({ value }) => outboxes.push(value));
	const waiting = outboxes.filter(isPending);
	const sent = await Promise.allSettled(waiting.map((outbox) => send(outbox, options)));
	if (sent.some(({ status }) => status === "rejected")) throw new Error("Some changes are still pending.");
	return sent.length;
}

// Another version of this package may have left something different there.
const isPending = (outbox: Partial<Outbox> | undefined) => outbox?.entries?.some(({ conflict }) => !conflict);

async function send({ address, entries }: Outbox, { token, ...options }: SyncOptions): Promise<void> {
	const join = entries.some(({ message }) => /^(permission|user)_/.test(message.type));
	const tokens = token ? { token: () => token(address) } : {};
	const client = new RoomClient({ ...address, ...options, ...tokens, join, storage: "indexeddb" });
	return new Promise<void>((resolve, reject) => {
		const look = () => {
			const { status, pendingCount } = client.getSnapshot();
			if (status === "closed") reject(new Error("closed"));
			else if ((status === "synced" || status === "polling") && pendingCount === 0) resolve();
		};
		client.subscribe(look);
		setTimeout(() => reject(new Error("timeout")), PATIENCE);
		client.connect();
	}).finally(() => client.close());
}
