// What a client takes and gives: the types of the package's public face. The wire's own types are in generated/protocol.ts.

import type {
	Json,
	Permission,
	PresenceEntry,
	StoredSelection,
	PermissionRequest as WirePermissionRequest,
} from "./generated/protocol.ts";

export type { Json, Permission };

/** Who this client speaks for. With tokens (PROTOCOL.md, A3) the token's user and name go before these. */
export interface User {
	/** Up to 128 bytes. The same on every device of the user. */
	id: string;
	/** For people, up to 256 bytes. */
	name: string;
}

/**
 * How a client is to the room:
 * - `offline`: not connected. Changes are kept and sent later.
 * - `connecting`: on its way.
 * - `synced`: connected by WebSocket, and everything that the room knew has arrived.
 * - `polling`: WebSockets do not get through; the room is asked over HTTP every two seconds.
 * - `closed`: ended, by `close()` or for a reason that trying again would not change. `reason` says which.
 */
export type Status = "offline" | "connecting" | "synced" | "polling" | "closed";

/**
 * A field as a user sees it: as the room has it, or as this user has just changed it. While it is pending, `version` is
 * the one that it is based on, and `updatedAt` is of this device's clock.
 */
export interface Selection extends StoredSelection {
	/** Chosen here, and the room has not answered yet. */
	pending: boolean;
}

/** Somebody who is or was in the room. */
export interface Participant {
	id: string;
	name: string;
	isReady: boolean;
	/** Whether a connection of theirs is open. */
	online: boolean;
	/** When they first joined, in milliseconds of the room's clock. */
	joinedAt: number;
	/** When the room last heard of them, in milliseconds of its clock. */
	lastSeen: number;
	/** Further members that `user_joined` carried. */
	[member: string]: unknown;
}

/** What somebody looks at right now, on one connection. */
export interface Presence extends PresenceEntry {
	/** Whether it is this client's own. */
	isMine: boolean;
}

/** One side of a conflict. */
export interface Side {
	/** Undefined when the field is to be, or was, cleared. */
	value: Json | undefined;
	userId: string;
	/** `mine`: when it was chosen, by this device's clock. `theirs`: when the room stored it, or null if it never was set. */
	at: number | null;
	/** `mine`: the version it was based on. `theirs`: the room's. */
	version: number;
}

/** A choice of this user's that came too late: somebody else changed the field first. It waits for `resolve`. */
export interface Conflict {
	field: string;
	mine: Side;
	/** What the room has; it follows when that changes again. */
	theirs: Side;
	/** The other fields of the same transaction, none of which was changed: `resolve` decides on all of them. */
	others: { field: string; value: Json | undefined }[];
}

/** A request for a permission (PROTOCOL.md, Q1). Its `version` is 0 until the room has it. */
export interface PermissionRequest extends WirePermissionRequest {
	/** Made here, and the room has not answered yet. */
	pending: boolean;
}

/**
 * All that a client knows, at one moment. It never changes: the next moment is another object, in which the parts that
 * did not change are the same objects as before.
 */
export interface Snapshot {
	status: Status;
	/**
	 * Why, as a stable word, when `status` is `closed`, `offline` or `polling`: `closed` (by `close()`), a close reason of
	 * the room (`kicked`, `deleted`, …), `no_token`, `unreachable`, `silent`.
	 */
	reason: string | undefined;
	/** The room's version that this shows, without what is pending. 0 until something is known. */
	version: number;
	/** The fields that are set, by name. */
	selections: Readonly<Record<string, Selection>>;
	/** Those who are here and those who were, the first to join first. */
	participants: readonly Participant[];
	presence: readonly Presence[];
	conflicts: readonly Conflict[];
	/** The newest last. */
	requests: readonly PermissionRequest[];
	permissions: readonly Permission[];
	/** How many changes the room has not answered. */
	pendingCount: number;
	/** When this was last known to be what the room has, in milliseconds of this device's clock. */
	lastSyncedAt: number | undefined;
	/** What this user may do: `viewer`, `editor`, `moderator` or `admin`. Undefined until the room has said. */
	role: string | undefined;
	/** Whether pending changes outlive the page: `durable` in IndexedDB, `memory` where that cannot be had. */
	persistence: "durable" | "memory";
	/** How far the room's clock is ahead of this device's, in milliseconds. */
	clockSkew: number;
}

/** What became of a change. The snapshot shows it before the promise settles. */
export interface Outcome {
	/**
	 * - `applied`: the room has it.
	 * - `conflict`: somebody else was quicker; it is in `conflicts` and waits for `resolve`.
	 * - `rejected`: the room refuses it, `code` says why.
	 * - `withdrawn`: it was taken back before it was sent.
	 */
	outcome: "applied" | "conflict" | "rejected" | "withdrawn";
	/** Of `applied`: the version of the room that it made. */
	version?: number;
	/** Of `conflict`: what the room has, null if the field is not set. */
	current?: Omit<Selection, "pending"> | null;
	/** Of `rejected`: a code of PROTOCOL.md, or `outbox_full`. */
	code?: string;
	/** Of `rejected`: the same for people. */
	message?: string;
	/** Of a permission request: its id. */
	requestId?: string;
	/** Of an answer to a permission request that had been settled before: as what. */
	settled?: { status: string; decision?: string; scope?: string; reason?: string; resolvedBy?: string };
}

/** How a change is made. */
export interface ChangeOptions {
	/** Takes the change back if it was not sent yet. */
	signal?: AbortSignal;
}

/** How a field is set. */
export interface SelectOptions extends ChangeOptions {
	/**
	 * Waits for this many milliseconds without another change of the field, and sends the last. The ones before it have its
	 * outcome. One without this takes the place of what waits, and is sent at once.
	 */
	debounceMs?: number;
}

/** A change that waits for the room's answer, in the order in which it is sent. */
export interface Pending {
	/** For `drop`. */
	key: string;
	/** The type of its message: `field_selected`, `batch`, `permission_request`, … */
	type: string;
	/** The fields that it changes. */
	fields: string[];
	/** When it was made, in milliseconds of this device's clock. */
	at: number;
	/** Whether it was sent before, so that the room may have it. It cannot be dropped then. */
	isSent: boolean;
}

/** What a message of another page's own (PROTOCOL.md, P2) looks like. */
export interface Message {
	type: string;
	[member: string]: unknown;
}

/** Something that went wrong without belonging to one change. */
export interface ClientError {
	/** A code of PROTOCOL.md, or `token`, `storage_failed`. */
	code: string;
	message: string;
}

/** What can be listened to. */
export interface Events {
	/** A change came too late. */
	conflict: (conflict: Conflict) => void;
	status: (status: Status, reason: string | undefined) => void;
	error: (error: ClientError) => void;
	/** Somebody sent a message of the page's own. */
	message: (message: Message) => void;
	/** All that the room knows has arrived, after a connection was made or the first answer to a poll. */
	synced: (snapshot: Snapshot) => void;
}

/** Where pending changes are kept. One record a room and user. */
export interface OutboxStorage {
	/** Whether it outlives the page. */
	readonly isDurable: boolean;
	/**
	 * Replaces what is stored under `key`, undefined when that is nothing, by what `change` makes of it, in one
	 * transaction that no other tab comes between.
	 */
	update(key: string, change: (record: unknown) => unknown): Promise<unknown>;
}

/** What a client is made with. */
export interface RoomClientOptions {
	/** Where the rooms are: `example.com`, or `https://example.com`. A bare host is reached by TLS unless it is local. */
	host: string;
	/** The kind of room. `collaboration` when left out. */
	party?: string;
	/** The room's name, as people write it: it is percent-encoded here. */
	room: string;
	user: User;
	/** Gives a token; called for each connection, and again when one is refused. Left out, none is sent. */
	token?: () => string | Promise<string>;
	/**
	 * Where pending changes wait. Left out: IndexedDB, shared by the tabs of a user, where there is IndexedDB and there
	 * are Web Locks (browsers on HTTPS or localhost), else memory.
	 */
	storage?: OutboxStorage | "memory" | "indexeddb";
	/** The body of `GET …/state`, fetched on a server: shown at once, and only what is newer is asked for. */
	initial?: unknown;
	/** Whether others are told that the user is here. True when left out. */
	join?: boolean;
	/** Another implementation of WebSocket. */
	WebSocket?: unknown;
	/** Another implementation of fetch. */
	fetch?: typeof fetch;
}
