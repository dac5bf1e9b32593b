// What a client shows: what the room has sent, with what is pending on top.

import type { FieldSelectedInBatch, PermissionRequestMessage } from "./generated/protocol.ts";
import { frozen } from "./input.ts";
import { chosenIn, type Entry, fieldMessages, fieldOf, type Outbox } from "./outbox.ts";
import { type Known, type Replica, requestName } from "./replica.ts";
import type { Conflict, Field, Participant, PermissionRequest, Presence, Selection, Side, Snapshot } from "./types.ts";
import { newest } from "./undo.ts";

/** The parts of a snapshot that are neither the room's state nor pending. */
export type Shown = Pick<
	Snapshot,
	"status" | "reason" | "lastSyncedAt" | "role" | "persistence" | "clockSkew" | "refused"
> & {
	connectionId: string | undefined;
};

/** Makes snapshots. Parts that are unchanged between two of them are the same object in both. */
export class View {
	snapshot: Snapshot;
	/** What was derived from an object of the room's or from an entry, for as long as that lives. */
	readonly #made = new WeakMap<object, any>();

	constructor(replica: Replica, outbox: Outbox, link: Shown, userId: string) {
		this.snapshot = {} as Snapshot;
		this.update(replica, outbox, link, userId);
	}

	/** Makes a new snapshot if anything has changed. */
	update(replica: Replica, outbox: Outbox, link: Shown, userId: string): boolean {
		const before = this.snapshot;
		const { connectionId, ...rest } = link;
		const waiting = outbox.entries.filter(({ conflict }) => !conflict);
		const requests = this.#requests(replica, waiting, userId, link.clockSkew);
		const presence = [...replica.presence.values()].map((one) =>
			this.#cached(one, () => ({ ...one, isMine: one.connectionId === connectionId }) as Presence, connectionId),
		);
		const next: Snapshot = {
			...rest,
			version: replica.version,
			selections: kept(before.selections, this.#selections(replica, waiting, userId)),
			participants: kept(before.participants, this.#participants(replica, waiting, userId)),
			presence: kept(before.presence, presence),
			conflicts: kept(before.conflicts, this.#conflicts(replica, outbox, userId)),
			requests: kept(before.requests, requests),
			permissions: kept(before.permissions, [...replica.permissions.values()]),
			pendingCount: waiting.length,
			canUndo: !!outbox.undo?.length || !!newest(outbox),
			canRedo: !!outbox.redo?.length,
		};
		this.snapshot = kept(before, next);
		return this.snapshot !== before;
	}

	#selections(replica: Replica, waiting: Entry[], userId: string): Record<string, Selection> {
		const selections = new Map<string, Selection>();
		for (const [field, { selection }] of replica.fields) {
			if (selection)
				selections.set(
					field,
					this.#cached(selection, () => ({ ...selection, pending: false })),
				);
		}
		for (const entry of waiting) {
			for (const message of fieldMessages(entry.message)) {
				const field = fieldOf(message);
				if (message.type === "field_cleared") selections.delete(field);
				else
					selections.set(
						field,
						this.#cached(message, () => pendingSelection(message, entry.at, userId)),
					);
			}
		}
		// A field may have any name, `__proto__` too.
		return Object.fromEntries(selections);
	}

	#participants(replica: Replica, waiting: Entry[], userId: string): Participant[] {
		const said = waiting.map(({ message }) => message).findLast((message) => message.type === "user_ready");
		const people = [...replica.participants.values()].sort((a, b) => a.joinedAt - b.joinedAt);
		if (!said) return people;
		const { isReady } = said;
		return people.map((one) =>
			one.id === userId && one.isReady !== isReady ? this.#cached(one, () => ({ ...one, isReady }), isReady) : one,
		);
	}

	#requests(replica: Replica, waiting: Entry[], userId: string, clockSkew: number): PermissionRequest[] {
		const requests = new Map<string, PermissionRequest>();
		for (const [name, request] of replica.requests) {
			requests.set(
				name,
				this.#cached(request, () => ({ ...request, pending: false })),
			);
		}
		for (const { message, at } of waiting) {
			// Responses, withdrawals and revocations show only once the room confirms them: somebody else may have been
			// quicker.
			if (message.type !== "permission_request") continue;
			const name = requestName({ userId, requestId: message.requestId });
			if (!requests.has(name))
				requests.set(
					name,
					this.#cached(message, () => pendingRequest(message, at + clockSkew, userId)),
				);
		}
		return [...requests.values()].sort((a, b) => a.createdAt - b.createdAt);
	}

	#conflicts(replica: Replica, { entries }: Outbox, userId: string): Conflict[] {
		return entries.flatMap((entry) => {
			const { message, conflict, at } = entry;
			if (!conflict) return [];
			const { field, version, current } = conflict;
			const known = replica.fields.get(field);
			// A state that is as recent and lacks the field shows that it was cleared.
			const isTold = (known?.version ?? replica.version) >= version;
			const messages = fieldMessages(message);
			// The room may know the field by another name than the page for which the change was made.
			const own = messages.find((one) => fieldOf(one) === field) ?? (messages[1] ? undefined : messages[0]);
			const make = (): Conflict => {
				const mine = { value: own && chosenIn(own), userId, at, version: own?.baseVersion ?? 0 };
				const others = messages.filter((one) => one !== own);
				return {
					field,
					mine,
					theirs: side(isTold ? known : { version, selection: current }),
					others: others.map((one) => ({ field: fieldOf(one), value: chosenIn(one) })),
				};
			};
			return this.#cached(entry, make, isTold ? known : conflict);
		});
	}

	/** Derives something from an object, or returns what was derived from it before. */
	#cached<T extends object>(from: object, make: () => T, way?: unknown): T {
		const made = this.#made.get(from);
		if (made && made.way === way) return made.value;
		const value = frozen(make());
		this.#made.set(from, { way, value });
		return value;
	}
}

function side(known: Known | undefined): Side {
	const selection = known?.selection;
	return {
		value: selection?.value,
		userId: selection?.userId ?? "",
		at: selection?.updatedAt ?? null,
		version: known?.version ?? 0,
	};
}

function pendingSelection(
	message: FieldSelectedInBatch & { baseVersion: number },
	at: number,
	userId: string,
): Selection {
	return { timestamp: null, ...message.selection, userId, version: message.baseVersion, updatedAt: at, pending: true };
}

function pendingRequest(message: PermissionRequestMessage, createdAt: number, userId: string): PermissionRequest {
	const { requestId, action, detail = null, ttlMs = 300_000 } = message;
	const times = { createdAt, expiresAt: createdAt + ttlMs };
	return { requestId, userId, action, detail, status: "pending", ...times, version: 0, pending: true };
}

/** A field as of a snapshot, with nothing pending. */
export function fieldAsOf({ selections }: Snapshot, field: string, canWrite: boolean): Field {
	const selection = Object.hasOwn(selections, field) ? selections[field] : undefined;
	const version = selection?.version ?? 0;
	return { selection, version, pending: false, conflict: undefined, refused: undefined, canWrite };
}

/** The previous object, if everything in it is the same. */
export function kept<T extends object>(before: T | undefined, now: T): T {
	if (before) {
		const keys = Object.keys(now) as (keyof T)[];
		if (keys.length === Object.keys(before).length && keys.every((key) => now[key] === before[key])) return before;
	}
	return frozen(now);
}
