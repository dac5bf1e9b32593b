// What the room has sent so far. Knows no clock and no connection: frames go in, state comes out.

import type {
	Change,
	ChangesFrame,
	Permission,
	PermissionRequest,
	PresenceEntry,
	ServerFrame,
	StoredSelection,
	SyncResponseFrame,
	UserJoined,
	UserLeft,
} from "./generated/protocol.ts";
import type { Participant } from "./types.ts";

/** A field that was set or cleared, and the version that did it. */
export interface Known {
	version: number;
	/** Null if it was cleared. */
	selection: StoredSelection | null;
}

/**
 * What becomes of a frame: it was taken, it was already known, something before it is missing, or it does not concern
 * the replica.
 */
export type Receipt = "taken" | "known" | "gap" | "other";

/** A unique name for a request: two users may use the same id. */
export const requestName = (request: { userId: string; requestId: string }) =>
	JSON.stringify([request.requestId, request.userId]);
const grantName = (grant: { userId: string; action: string }) => JSON.stringify([grant.action, grant.userId]);

/** The room's state as of its `version`. What it returns never changes: a new state has new objects. */
export class Replica {
	/** The life of the room. Undefined until something is known. */
	epoch: string | undefined;
	version = 0;
	readonly fields = new Map<string, Known>();
	readonly participants = new Map<string, Participant>();
	readonly presence = new Map<string, PresenceEntry>();
	readonly requests = new Map<string, PermissionRequest>();
	readonly permissions = new Map<string, Permission>();

	/** Takes a frame. Its shape is trusted, since it comes from the room. */
	receive(frame: ServerFrame): Receipt {
		switch (frame.type) {
			case "sync_response":
				return this.#takeAll(frame);
			case "changes":
				return this.#takeChanges(frame);
			case "user_joined": {
				const { type: _, ...one } = frame;
				this.#joined(one);
				return "taken";
			}
			case "user_left":
				this.#left(frame);
				return "taken";
			case "people":
				// A page's own message may have this type, but not with lists.
				if (!Array.isArray(frame.joined) || !Array.isArray(frame.left)) return "other";
				for (const one of frame.joined) this.#joined(one);
				for (const one of frame.left) this.#left(one);
				return "taken";
			case "presence":
				// A page's own message may have this type, but not with a list.
				if (!Array.isArray(frame.presence)) return "other";
				for (const { connectionId, userId, data } of frame.presence) {
					if (data === null) this.presence.delete(connectionId);
					else this.presence.set(connectionId, { connectionId, userId, data });
				}
				return "taken";
			default:
				return "other";
		}
	}

	/** The version of a field that the user sees; 0 if it was never set. */
	fieldVersion(field: string): number {
		return this.fields.get(field)?.version ?? 0;
	}

	/** Takes the state of one field from a source other than the sequence of changes. */
	takeField(field: string, version: number, selection: StoredSelection | null): void {
		// 0 means that the room never had the field, or has forgotten when it was cleared.
		if (!version || version >= this.fieldVersion(field)) this.fields.set(field, { version, selection });
	}

	/** What it would have to be told to know all this again, where nobody is known to be here now. */
	get state(): object {
		const set = [...this.fields].filter(([, { selection }]) => selection);
		return {
			type: "sync_response",
			epoch: this.epoch,
			version: this.version,
			selections: Object.fromEntries(set.map(([field, { selection }]) => [field, selection])),
			participants: [...this.participants.values()].map((one) => ({ ...one, online: false })),
			presence: [],
			requests: [...this.requests.values()],
			permissions: [...this.permissions.values()],
		};
	}

	/** Knows nothing any more. */
	clear(): void {
		this.epoch = undefined;
		this.version = 0;
		for (const known of [this.fields, this.participants, this.presence, this.requests, this.permissions]) known.clear();
	}

	#takeAll(state: SyncResponseFrame): Receipt {
		// Outdated by what has arrived since.
		if (state.epoch === this.epoch && state.version < this.version && !state.reset) return "known";
		fill(this.fields, Object.entries(state.selections), ([field, selection]) => [
			field,
			{ version: selection.version, selection },
		]);
		fill(this.requests, state.requests ?? [], (request) => [requestName(request), request]);
		fill(this.permissions, state.permissions ?? [], (grant) => [grantName(grant), grant]);
		this.#takePeople(state);
		// Last, so that an unreadable frame does not count as known.
		this.epoch = state.epoch;
		this.version = state.version;
		return "taken";
	}

	#takeChanges(frame: ChangesFrame): Receipt {
		if (frame.epoch !== this.epoch || frame.from > this.version) return "gap";
		// In a reply to `since` these are always current.
		this.#takePeople(frame);
		if (frame.to <= this.version) return frame.participants ? "taken" : "known";
		for (const change of frame.changes) this.#takeChange(change);
		this.version = frame.to;
		return "taken";
	}

	#takeChange(change: Change): void {
		switch (change.kind) {
			case "field":
				this.takeField(change.field, change.version, change.selection);
				break;
			case "participant": {
				const { participant, version } = change;
				const known = this.participants.get(participant.id);
				const lastSeen = participant.joinedAt;
				this.#person({ online: false, lastSeen, ...known, ...participant, version });
				break;
			}
			case "participant_removed":
				this.participants.delete(change.userId);
				break;
			case "request":
				this.requests.set(requestName(change.request), change.request);
				break;
			case "grant":
				if (change.ended) this.permissions.delete(grantName(change.grant));
				else this.permissions.set(grantName(change.grant), change.grant);
		}
	}

	#takePeople({ participants, presence }: Pick<ChangesFrame, "participants" | "presence">): void {
		if (participants) fill(this.participants, participants, ({ connections: _, ...one }) => [one.id, one]);
		if (presence) fill(this.presence, presence, (one) => [one.connectionId, one]);
	}

	#joined({ id: _, userId: id, userName: name, ...more }: UserJoined): void {
		const known = this.participants.get(id);
		const lastSeen = more.joinedAt;
		this.#person({ isReady: false, lastSeen, ...known, ...more, id, name, online: true } as Participant);
	}

	#left({ userId, lastSeen }: UserLeft): void {
		const known = this.participants.get(userId);
		if (known) this.#person({ ...known, online: false, lastSeen });
	}

	#person(one: Participant): void {
		this.participants.set(one.id, one);
	}
}

/** Replaces the contents of a map. */
function fill<T, V>(map: Map<string, V>, from: T[], entry: (one: T) => [string, V]): void {
	map.clear();
	for (const one of from) map.set(...entry(one));
}
