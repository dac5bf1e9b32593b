// What the types of the wire promise. It is not run: the type checker reads it.

import {
	type AckFrame,
	type BatchMessage,
	type Change,
	type ClientFrame,
	type CloseCode,
	type FieldPut,
	type FieldWritten,
	type Json,
	type Permission,
	type PermissionRequest,
	PROTOCOL,
	type Problem,
	type RefusalCode,
	type ServerFrame,
	type StoredSelection,
	type UserJoined,
	type UserLeft,
	type WireParticipant,
} from "../../packages/sdk/src/generated/protocol.ts";

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <_Fact extends true>() => {};
/** Takes nothing: it compiles where every type of a union was thought of. */
const none = (_: never) => {};

holds<Same<typeof PROTOCOL, 1>>();
// No integer of the wire is a bigint, and no member may be just anything.
holds<Same<AckFrame["version"], number>>();
holds<Same<AckFrame["seq"], number | undefined>>();
holds<Same<StoredSelection["timestamp"], number | null>>();
holds<Same<Extract<ServerFrame, { type: "welcome" }>["lastSeq"], number | null>>();
holds<Same<Extract<ServerFrame, { type: "conflict" }>["current"], StoredSelection | null>>();

/** A frame has what its type says, also beside `user_joined`, which pages may add members to. */
export function told(frame: ServerFrame): unknown {
	// @ts-expect-error: not every frame has a version.
	frame.version.toFixed();
	switch (frame.type) {
		case "welcome":
			return [frame.limits.batch.toFixed(), frame.userId?.length];
		case "sync_response":
			holds<Same<typeof frame.participants, WireParticipant[]>>();
			holds<Same<typeof frame.requests, PermissionRequest[]>>();
			holds<Same<typeof frame.permissions, Permission[]>>();
			return frame.selections.price?.value;
		case "changes":
			return frame.changes.map(changed);
		case "ack":
			// @ts-expect-error: an ack need not be of a number.
			return frame.seq.toFixed();
		case "conflict":
			holds<Same<typeof frame.code, "E_CONFLICT">>();
			// @ts-expect-error: the field need not be set.
			return frame.current.value;
		case "error":
			holds<Same<typeof frame.code, RefusalCode | "internal">>();
			// @ts-expect-error: no such code.
			return frame.code === "bad_mesage";
		case "user_joined":
			return [frame.userName.length, frame.color satisfies Json | undefined];
		case "user_left":
			// @ts-expect-error: this is not versioned.
			return frame.version;
		case "people":
			holds<Same<typeof frame.joined, UserJoined[]>>();
			holds<Same<typeof frame.left, UserLeft[]>>();
			return frame.joined.map(({ userId, color }) => [userId.length, color satisfies Json | undefined]);
		case "participant_removed":
			return [frame.userId.length, frame.version.toFixed()];
		case "user_ready":
			return [frame.isReady satisfies boolean, frame.version.toFixed()];
		case "field_selected":
			return frame.selection.updatedAt.toFixed();
		case "field_cleared":
			// @ts-expect-error: there is nothing left of the selection.
			return frame.selection;
		case "presence":
			return frame.presence.map(({ connectionId, data }) => [connectionId.length, data]);
		case "permission_request":
		case "permission_cancelled":
		case "permission_revoked":
			return frame.version.toFixed();
		case "permission_response":
			holds<Same<typeof frame.decision, "allow" | "deny">>();
			return frame.resolvedBy.length;
		default:
			return none(frame);
	}
}

function changed(change: Change): unknown {
	switch (change.kind) {
		case "field":
			return change.selection?.value;
		case "participant":
			// @ts-expect-error: who is here is not versioned.
			return change.participant.online;
		case "participant_removed":
			// @ts-expect-error: nothing stays of a participant.
			return change.participant;
		case "request":
			return change.request.status === "resolved" && change.request.resolvedBy;
		case "grant":
			return change.ended ? undefined : change.grant.grantedAt.toFixed();
		default:
			return none(change);
	}
}

export const said: ClientFrame[] = [
	{ type: "hello", protocol: PROTOCOL, clientId: "c" },
	{ type: "hello", protocol: PROTOCOL, clientId: "c", since: 3, epoch: "e", token: "t" },
	// @ts-expect-error: another protocol.
	{ type: "hello", protocol: 2, clientId: "c" },
	// @ts-expect-error: a `hello` names an outbox.
	{ type: "hello", protocol: PROTOCOL },
	// @ts-expect-error: a `hello` has no number.
	{ type: "hello", protocol: PROTOCOL, clientId: "c", seq: 1 },
	{ type: "user_joined", userId: "ann", userName: "Ann", color: "red", seq: 1 },
	{ type: "user_ready", userId: "ann", isReady: true, id: "i" },
	{ type: "field_selected", selection: { field: "f", value: [1, null], userId: "ann", note: "n" }, baseVersion: 0 },
	// @ts-expect-error: a value is JSON.
	{ type: "field_selected", selection: { field: "f", value: () => 1, userId: "ann" } },
	// @ts-expect-error: who chose it is missing.
	{ type: "field_selected", selection: { field: "f", value: 1 } },
	{ type: "field_cleared", field: "f", userId: "ann", seq: 2 },
	{ type: "batch", changes: [{ type: "field_cleared", field: "f", userId: "ann", baseVersion: 4 }], seq: 3 },
	{ type: "sync_request", since: 3, epoch: "e" },
	{ type: "presence", data: null },
	{ type: "auth", token: "t", id: 1 },
	{ type: "permission_request", requestId: "r", action: "a", ttlMs: 1000 },
	{ type: "permission_response", requestId: "r", userId: "bob", decision: "allow", scope: "once" },
	// @ts-expect-error: no such scope.
	{ type: "permission_response", requestId: "r", userId: "bob", decision: "allow", scope: "ever" },
	{ type: "permission_cancelled", requestId: "r" },
	{ type: "permission_revoked", userId: "bob", action: "a" },
	{ type: "kick", userId: "bob" },
	// @ts-expect-error: only the server says this.
	{ type: "ack", version: 1 },
];

export const batch: BatchMessage = {
	type: "batch",
	// @ts-expect-error: the number is the batch's, and not that of a change in it.
	changes: [{ type: "field_cleared", field: "f", userId: "ann", seq: 1 }],
};

export const put: FieldPut = { value: { a: 1 }, userId: "ann", baseVersion: 3, clientId: "c", seq: 1 };

export function written(answer: FieldWritten | Problem): number | undefined {
	return "selection" in answer ? answer.version : answer.serverVersion;
}

/** Whether to come again: a code that is new must be thought of. */
export function isForGood(code: CloseCode): boolean {
	// @ts-expect-error: no such code.
	if (code === 4499) return false;
	return code < 4408 || code === 4409 || code === 4410 || code === 4426;
}
