// The types of the package's public API. The wire's own types are in generated/protocol.ts.

import type {
	Json,
	Permission,
	PresenceEntry,
	StoredSelection,
	PermissionRequest as WirePermissionRequest,
} from "./generated/protocol.ts";
import type { Kind, Open, Problem } from "./kind.ts";

export type { FieldName, FieldValue, Kind, Open, Problem, Writer } from "./kind.ts";
export type { Json, Permission };

/** The user that this client acts for. With tokens (PROTOCOL.md, A3), the token's user and name take precedence. */
export interface User {
	/** Up to 128 bytes. The same on all of the user's devices. */
	id: string;
	/** For people, up to 256 bytes. */
	name: string;
}

/**
 * The status of a client:
 * - `offline`: not connected. Changes are kept and sent later.
 * - `connecting`: trying to connect.
 * - `synced`: connected by WebSocket, and everything that the room knew has arrived.
 * - `polling`: WebSockets do not get through; the room is asked over HTTP every two seconds.
 * - `closed`: ended, by `close()` or for a reason that reconnecting would not change. `reason` says which.
 */
export type Status = "offline" | "connecting" | "synced" | "polling" | "closed";

/**
 * A field as the user sees it: as the room has it, or as this user has just changed it. While it is pending, `version`
 * is the one that it is based on, and `updatedAt` is by this device's clock.
 */
export interface Selection extends StoredSelection {
	/** Chosen here, and the room has not replied yet. */
	pending: boolean;
}

/** The same of a field whose values are known. */
export type SelectionOf<Value> = {
	[Member in keyof Selection]: Member extends "value" ? Value : Selection[Member];
};

/** Somebody who is or was in the room. */
export interface Participant {
	id: string;
	name: string;
	isReady: boolean;
	/** Whether a connection of theirs is open. */
	online: boolean;
	/** When they first joined, in milliseconds by the room's clock. */
	joinedAt: number;
	/** When the room last heard from them, in milliseconds by its clock. */
	lastSeen: number;
	/** Further members that `user_joined` carried. */
	[member: string]: unknown;
}

/** What somebody is looking at right now, on one connection. */
export interface Presence extends PresenceEntry {
	/** Whether it is this client's own. */
	isMine: boolean;
}

/** One side of a conflict. */
export interface Side {
	/** Undefined if the field is to be cleared, or was. */
	value: Json | undefined;
	userId: string;
	/**
	 * `mine`: when it was chosen, by this device's clock. `theirs`: when the room stored it, or null if it was never set.
	 */
	at: number | null;
	/** `mine`: the version it was based on. `theirs`: the room's. */
	version: number;
}

/** This user's choice that came too late: somebody else changed the field first. It waits for `resolve`. */
export interface Conflict {
	field: string;
	mine: Side;
	/** What the room has; it is updated when that changes again. */
	theirs: Side;
	/** The other fields of the same transaction, none of which was changed: `resolve` decides all of them. */
	others: { field: string; value: Json | undefined }[];
}

/** This user's change of a field that the room refused, or that could not be sent at all. */
export interface Refusal {
	field: string;
	/** What was to be set. Undefined if it was to be cleared. */
	value: Json | undefined;
	/** A code of PROTOCOL.md, or `outbox_full`. */
	code: string;
	/** The same for people. */
	message: string;
	/** When it was chosen, by this device's clock. */
	at: number;
	/** With `invalid_value`: where in the value it is wrong, a JSON Pointer; `""` for all of it. */
	path?: string;
	/** With `invalid_value`: the keyword of the schema that the value breaks. */
	keyword?: string;
}

/** One field, as the user sees it. */
export interface Field {
	/** Undefined if the field is not set. */
	selection: Selection | undefined;
	/** The version of the field that this shows, cleared or not; while a change is pending, the one that it is based on. */
	version: number;
	/** Changed here, and the room has not replied yet. */
	pending: boolean;
	/** This user's change that came too late. */
	conflict: Conflict | undefined;
	/** This user's last change of it, if that was refused. */
	refused: Refusal | undefined;
	/**
	 * Whether the user may write it: by the rules of the room's kind, if the client was given one, else by the role. What is
	 * not known yet counts as allowed, since the room decides.
	 */
	canWrite: boolean;
}

/** A request for a permission (PROTOCOL.md, Q1). Its `version` is 0 until the room has it. */
export interface PermissionRequest extends WirePermissionRequest {
	/** Made here, and the room has not replied yet. */
	pending: boolean;
}

/**
 * Everything that a client knows at one moment. It never changes: the next moment is another object, in which unchanged
 * parts are the same objects as before.
 */
export interface Snapshot {
	status: Status;
	/**
	 * Why, as a stable word, when `status` is `closed`, `offline` or `polling`: `closed` (by `close()`), a close reason of
	 * the room (`kicked`, `deleted`, …), `no_token`, `unreachable`, `silent`.
	 */
	reason: string | undefined;
	/** The room's version that this shows, not counting what is pending. 0 until something is known. */
	version: number;
	/** The fields that are set, by name. */
	selections: Readonly<Record<string, Selection>>;
	/** Everyone who is or was here, in the order in which they joined. */
	participants: readonly Participant[];
	presence: readonly Presence[];
	conflicts: readonly Conflict[];
	/** Newest last. */
	requests: readonly PermissionRequest[];
	permissions: readonly Permission[];
	/** What was refused, by field, until that is changed again. */
	refused: Readonly<Record<string, Refusal>>;
	/** How many changes are pending. */
	pendingCount: number;
	/** Whether there is a change of this user's that `undo` takes back. */
	canUndo: boolean;
	/** Whether there is one that `redo` makes again. */
	canRedo: boolean;
	/** When this was last known to be current, in milliseconds by this device's clock. */
	lastSyncedAt: number | undefined;
	/** What this user may do: `viewer`, `editor`, `moderator` or `admin`. Undefined until the room has said so. */
	role: string | undefined;
	/** Whether pending changes survive the page: `durable` in IndexedDB, `memory` where that is not available. */
	persistence: "durable" | "memory";
	/** How far ahead of this device's clock the room's is, in milliseconds. */
	clockSkew: number;
}

/** What came of a change. The snapshot shows it before the promise settles. With `rejected` it has what a problem has. */
export interface Outcome extends Partial<Problem> {
	/**
	 * - `applied`: the room has it.
	 * - `conflict`: somebody else was quicker; it is in `conflicts` and waits for `resolve`.
	 * - `rejected`: the room refused it; `code` says why.
	 * - `withdrawn`: it was withdrawn before it was sent.
	 */
	outcome: "applied" | "conflict" | "rejected" | "withdrawn";
	/** With `applied`: the room's version that it made. */
	version?: number;
	/** With `conflict`: what the room has; null if the field is not set. */
	current?: Omit<Selection, "pending"> | null;
	/** With `rejected`: a code of PROTOCOL.md, or `outbox_full`, `no_conflict`, `nothing_to_undo`. */
	code?: string;
	/** For a permission request: its id. */
	requestId?: string;
	/** For a response to a permission request that was already settled: how. */
	settled?: { status: string; decision?: string; scope?: string; reason?: string; resolvedBy?: string };
}

/** Options for a change. */
export interface ChangeOptions {
	/** Withdraws the change if it has not been sent yet. */
	signal?: AbortSignal;
}

/** `T` if it can be written as JSON: objects of interfaces and read-only lists as well, but no dates, maps or functions. */
export type Given<T> = T extends undefined ? never : T extends Json ? T : T & Jsonable<T>;

type Jsonable<T> = T extends null | undefined | boolean | number | string
	? T
	: T extends NotJson
		? never
		: { [Member in keyof T]: Jsonable<T[Member]> };

/** What an object or list may be said to be: of an interface too, but with nothing in it that is not JSON. */
export type Shape<T> = { [Member in keyof T]: T[Member] extends NotJson ? never : T[Member] };

type NotJson =
	| ((...given: never) => unknown)
	| bigint
	| symbol
	| Date
	| PromiseLike<unknown>
	| ReadonlyMap<never, unknown>
	| ReadonlySet<unknown>;

/** A value, or what makes one of the value that is shown, undefined if the field is not set. */
export type Next<T = Json> = Json | Given<T> | ((previous: Json | undefined) => Json | Given<T>);

/** What a change of a field is based on. */
export interface Based {
	/**
	 * The version of the field that its user saw when choosing: `version` of `field()`. If the field has changed since, that
	 * is a conflict. Left out, it is what the snapshot shows.
	 */
	baseVersion?: number | undefined;
}

/** Options for setting or clearing a field. */
export interface SelectOptions extends ChangeOptions, Based {
	/**
	 * Waits until the field has not changed for this many milliseconds, and sends the last change. Earlier ones share its
	 * outcome. A change without this replaces the one that waits, and is sent at once.
	 */
	debounceMs?: number | undefined;
	/** The longest that such a change waits, in milliseconds. Default: 1,500, or `debounceMs` if that is longer. */
	maxWaitMs?: number | undefined;
}

/** A pending change. */
export interface Pending {
	/** For `drop`. */
	key: string;
	/** The type of its message: `field_selected`, `batch`, `permission_request`, … */
	type: string;
	/** The fields that it changes. */
	fields: string[];
	/** When it was made, in milliseconds by this device's clock. */
	at: number;
	/** Whether it has been sent, so that the room may have it. It can then no longer be dropped. */
	isSent: boolean;
}

/** A message of another page's own (PROTOCOL.md, P2). */
export interface Message {
	type: string;
	[member: string]: unknown;
}

/** Something that went wrong and does not concern a single change. */
export interface ClientError {
	/** A code of PROTOCOL.md, or `token`, `storage_failed`. */
	code: string;
	message: string;
}

/** The events of a client. */
export interface Events {
	/** A change came too late. */
	conflict: (conflict: Conflict) => void;
	/** A change of a field was refused. */
	refused: (refusal: Refusal) => void;
	status: (status: Status, reason: string | undefined) => void;
	error: (error: ClientError) => void;
	/** Somebody sent one of the page's own messages. */
	message: (message: Message) => void;
	/** Everything that the room knows has arrived, after connecting or with the first response to a poll. */
	synced: (snapshot: Snapshot) => void;
}

/** Where pending changes are kept. One record per room and user. */
export interface OutboxStorage {
	/** Whether it survives the page. */
	readonly isDurable: boolean;
	/**
	 * Replaces what is stored under `key`, undefined if nothing is, with what `change` makes of it, in one transaction
	 * that no other tab can interrupt. If it makes undefined of it, nothing is stored there any more.
	 */
	update(key: string, change: (record: unknown) => unknown): Promise<unknown>;
	/** Removes all such records, whatever their keys, for `forget()`. Left out, it removes only that of its own room. */
	remove?(isUnwanted: (record: unknown) => boolean): Promise<unknown>;
}

/** The options of a client. */
export interface RoomClientOptions<Definition = Open> {
	/**
	 * Where the rooms are: `example.com`, or `https://example.com`. A bare host is reached over TLS unless it is local.
	 */
	host: string;
	/** The kind of room. Default: `collaboration`. */
	party?: string;
	/** The room's name, as people write it; the client percent-encodes it. */
	room: string;
	/**
	 * What the page knows of that kind of room: `kindOf(rooms.trade)` of `roomkeep/kinds`. The room is told which version
	 * that is, and what it would refuse is refused before it is sent.
	 */
	kind?: Kind<Definition> | undefined;
	user: User;
	/**
	 * Returns a token; called for each connection, and again when one is refused. If omitted, none is sent. It has ten
	 * seconds, and is called again if it fails; null says that there will be none, and ends the connection.
	 */
	token?: () => string | null | Promise<string | null>;
	/**
	 * Where pending changes are kept. Default: IndexedDB, shared by the user's tabs, where IndexedDB and Web Locks are
	 * available (browsers on HTTPS or localhost), else memory.
	 */
	storage?: OutboxStorage | "memory" | "indexeddb";
	/**
	 * Where to keep what the room has told, so that the user's next page shows it at once, also offline. Default: nowhere.
	 * It is removed when the user may no longer see it, when another user comes, and by `forget()`.
	 */
	replica?: OutboxStorage | "indexeddb";
	/** The body of `GET …/state`, fetched on a server: shown at once, and only newer changes are requested. */
	initial?: unknown;
	/** Whether others are told that the user is here. Default: true. */
	join?: boolean;
	/** A WebSocket implementation to use instead of the platform's. */
	WebSocket?: unknown;
	/** A fetch implementation to use instead of the platform's. */
	fetch?: typeof fetch;
}
