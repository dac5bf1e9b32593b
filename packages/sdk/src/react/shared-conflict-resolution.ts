// A single hook for a page on which two sides of a trade agree on its fields.

import { useCallback } from "react";
import type { RoomClient } from "../client.ts";
import type { Conflict, Json, Outcome, Participant, RoomClientOptions, Selection, Status } from "../types.ts";
import { isShallowEqual, useOwnRoom, useSelected } from "./room.ts";

/** The user, the transaction, and all further options of a client. */
export interface SharedConflictResolutionOptions extends Omit<RoomClientOptions<any>, "room" | "user"> {
	/** The room's name is `conflict-resolution:` followed by this. */
	transactionId: string;
	userId: string;
	userName: string;
}

/** What the page shows and does. The functions are the same for as long as the room is. */
export interface SharedConflictResolution {
	/** Whether changes get through right now, by WebSocket or by polling. Otherwise they are sent later. */
	isConnected: boolean;
	status: Status;
	/** Why, when `status` is `closed`, `offline` or `polling`. */
	reason: string | undefined;
	/** The fields that are set, by name: `{field, value, userId, timestamp}` and more. */
	sharedSelections: Readonly<Record<string, Selection>>;
	/** Everyone in the room now, and this user. */
	participants: readonly Participant[];
	/** Whether this user is ready. */
	isReady: boolean;
	/** Whether all `participants` are, even if there is only one. */
	allReady: boolean;
	/** This user's choices that came too late and wait for `resolveConflict`. */
	conflicts: readonly Conflict[];
	/** How many changes are pending. */
	pendingCount: number;
	selectField: (field: string, value: Json) => Promise<Outcome>;
	clearField: (field: string) => Promise<Outcome>;
	setReady: (isReady: boolean) => Promise<Outcome>;
	resolveConflict: RoomClient["resolve"];
	/** For everything else: `<RoomProvider client={client}>` makes the other hooks work below it. */
	client: RoomClient;
}

/**
 * The shared selections of one transaction. It needs no provider: it makes a client, connects it while the component is
 * mounted, and closes it afterwards.
 */
export function useSharedConflictResolution({
	transactionId,
	userId,
	userName,
	...options
}: SharedConflictResolutionOptions): SharedConflictResolution {
	const room = useOwnRoom({
		...options,
		room: `conflict-resolution:${transactionId}`,
		user: { id: userId, name: userName },
	});
	const { client } = room;
	const parts = useSelected(
		room,
		({ status, reason, selections: sharedSelections, conflicts, pendingCount }) => {
			const isConnected = status === "synced" || status === "polling";
			return { isConnected, status, reason, sharedSelections, conflicts, pendingCount };
		},
		isShallowEqual,
	);
	const isMe = ({ id }: Participant) => id === client.user.id;
	const participants = useSelected(
		room,
		({ participants }) => participants.filter((participant) => participant.online || isMe(participant)),
		isShallowEqual,
	);
	return {
		...parts,
		participants,
		isReady: participants.some((participant) => isMe(participant) && participant.isReady),
		allReady: participants.length > 0 && participants.every(({ isReady }) => isReady),
		selectField: useCallback((field: string, value: Json) => client.select(field, value), [client]),
		clearField: useCallback((field: string) => client.clear(field), [client]),
		setReady: useCallback((isReady: boolean) => client.setReady(isReady), [client]),
		resolveConflict: room.actions.resolve,
		client,
	};
}
