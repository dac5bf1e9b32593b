// The hook of a page on which two sides of a trade agree on its fields, for those who have such a page.

import { useCallback } from "react";
import type { RoomClient } from "../client.ts";
import type { Conflict, Json, Outcome, Participant, RoomClientOptions, Selection, Status } from "../types.ts";
import { isShallowEqual, useOwnRoom, useSelected } from "./room.ts";

/** Who resolves what, and all further options of a client. */
export interface SharedConflictResolutionOptions extends Omit<RoomClientOptions, "room" | "user"> {
	/** The room is `conflict-resolution:` and this. */
	transactionId: string;
	userId: string;
	userName: string;
}

/** What the page shows and does. The functions stay the same as long as the room does. */
export interface SharedConflictResolution {
	/** Whether changes get through right now, by WebSocket or by polling. What is changed meanwhile is sent later. */
	isConnected: boolean;
	status: Status;
	/** Why, when `status` is `closed`, `offline` or `polling`. */
	reason: string | undefined;
	/** The fields that are set, by name, as `{field, value, userId, timestamp}` and more. */
	sharedSelections: Readonly<Record<string, Selection>>;
	/** Those who are in the room now, and this user. */
	participants: readonly Participant[];
	/** Whether this user is ready. */
	isReady: boolean;
	/** Whether all of `participants` are. One who is alone counts as all. */
	allReady: boolean;
	/** Choices of this user's that came too late and wait for `resolveConflict`. */
	conflicts: readonly Conflict[];
	/** How many changes the room has not answered. */
	pendingCount: number;
	selectField: (field: string, value: Json) => Promise<Outcome>;
	clearField: (field: string) => Promise<Outcome>;
	setReady: (isReady: boolean) => Promise<Outcome>;
	resolveConflict: RoomClient["resolve"];
	/** For all else: `<RoomProvider client={client}>` lets the other hooks work below. */
	client: RoomClient;
}

/**
 * The selections of one transaction, shared. It needs no provider: it makes a client, connects it while the component is
 * mounted, and closes it after.
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
