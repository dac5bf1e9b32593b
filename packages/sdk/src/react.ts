"use client";

// React over a RoomClient: a provider that holds it, and hooks of which each renders for its own part alone.

import { createElement, type ReactElement, type ReactNode, useCallback, useEffect, useMemo } from "react";
import type { RoomClient } from "./client.ts";
import {
	isShallowEqual,
	type Room,
	RoomContext,
	roomOf,
	useLatest,
	useOwnRoom,
	useRoomContext,
	useSelected,
} from "./react/room.ts";
import type {
	ChangeOptions,
	Conflict,
	Events,
	Json,
	Outcome,
	Participant,
	Pending,
	Permission,
	PermissionRequest,
	Presence,
	RoomClientOptions,
	SelectOptions,
	Snapshot,
	Status,
} from "./types.ts";

export {
	type SharedConflictResolution,
	type SharedConflictResolutionOptions,
	useSharedConflictResolution,
} from "./react/shared-conflict-resolution.ts";
export { isShallowEqual };

/** Either a client, or what one is made with. */
export type RoomProviderProps = { children?: ReactNode } & (
	| (RoomClientOptions & { client?: undefined })
	| ({ client: RoomClient } & { [option in keyof RoomClientOptions]?: undefined })
);

/**
 * Puts its children into a room.
 *
 * With options it makes the client, connects it while it is mounted, and closes it after. Another `host`, `party`,
 * `room`, `user.id`, `storage`, `join` or `WebSocket` is another client, so a `storage` of your own is to be made
 * outside of the component. Another `user.name` renames the user. `token` and `fetch` may be new functions at each
 * render. `initial` is looked at when a client is made.
 *
 * A `client` that is given belongs to whoever made it: it is neither connected nor closed here.
 */
export function RoomProvider(props: RoomProviderProps): ReactElement {
	if (props.client === undefined) return createElement(OwnRoom, props);
	return createElement(RoomContext.Provider, { value: roomOf(props.client) }, props.children);
}

function OwnRoom({
	children,
	client: _,
	...options
}: RoomClientOptions & { children?: ReactNode; client?: undefined }) {
	return createElement(RoomContext.Provider, { value: useOwnRoom(options) }, children);
}

/** The client of the provider around this component. It does not make the component render. */
export function useRoom(): RoomClient {
	return useRoomContext().client;
}

/**
 * A part of all that the client knows. The component renders when the part is another one. A selector that makes a new
 * object or list needs `isEqual`, for example `isShallowEqual`.
 */
export function useSnapshot<T>(select: (snapshot: Snapshot) => T, isEqual?: (a: T, b: T) => boolean): T {
	return useSelected(useRoomContext(), select, isEqual);
}

/** How a field stands, beside its value. */
export interface SelectionState {
	/** Changed here, and the room has not answered yet. */
	pending: boolean;
	/** A change of this user's to the field that came too late and waits for `resolve` of `useConflicts`. */
	conflict: Conflict | undefined;
	/** The id of who chose the value. Undefined when the field is not set. */
	by: string | undefined;
	/** When the room stored it, in milliseconds of the room's clock; while it is pending, this device's. */
	at: number | undefined;
	/** The version of the room that this made; while it is pending, the one it is based on. 0 when it is not set. */
	version: number;
	/** Clears the field. Stays the same function. */
	clear: (options?: ChangeOptions) => Promise<Outcome>;
}

/** Sets a field. Stays the same function as long as room and field do. */
export type SetSelection<T extends Json = Json> = (value: T, options?: SelectOptions) => Promise<Outcome>;

/**
 * A field: its value or undefined, how to set it, and how it stands. `T` is the page's own word for the value, and the
 * room takes any JSON from anybody. An object's is a `type`: TypeScript does not take an `interface` for JSON.
 */
export function useSelection<T extends Json = Json>(
	field: string,
): [value: T | undefined, set: SetSelection<T>, state: SelectionState] {
	const room = useRoomContext();
	const { client } = room;
	const set = useCallback<SetSelection<T>>((value, options) => client.select(field, value, options), [client, field]);
	const clear = useCallback((options?: ChangeOptions) => client.clear(field, options), [client, field]);
	const { selection, conflict, pending } = useSelected(
		room,
		({ selections, conflicts, pendingCount }) => {
			const selection = selections[field];
			const conflict = conflicts.find((conflict) => conflict.field === field);
			// A field that was cleared here is gone from the selections while the room has yet to hear of it.
			const isClearing = () => pendingCount > 0 && client.pending().some(({ fields }) => fields.includes(field));
			return { selection, conflict, pending: selection?.pending ?? isClearing() };
		},
		isShallowEqual,
	);
	const state = useMemo(() => {
		const { userId: by, updatedAt: at, version = 0 } = selection ?? {};
		return { pending, conflict, by, at, version, clear };
	}, [selection, conflict, pending, clear]);
	return [selection?.value as T | undefined, set, state];
}

/** Those who are in the room and those who were, the first to join first. `online` tells which. */
export function useParticipants(): readonly Participant[] {
	return useSnapshot((snapshot) => snapshot.participants);
}

/** Presence whose `data` has a form that the page knows. */
export interface PresenceOf<T extends Json> extends Presence {
	data: T;
}

/**
 * What all other connections look at, this user's other tabs and devices among them, and how to say what this one does:
 * any JSON up to 4 KiB, null for nothing. What was said stands until something else is, also when the component is gone
 * and over a reconnect. `T` is the page's own word for the form.
 */
export function usePresence<T extends Json = Json>(): [
	others: readonly PresenceOf<T>[],
	setPresence: (data: T | null) => void,
] {
	const room = useRoomContext();
	const others = useSelected(room, ({ presence }) => presence.filter(({ isMine }) => !isMine), isShallowEqual);
	return [others as PresenceOf<T>[], room.actions.setPresence];
}

/** How the client is to the room, and why. */
export function useStatus(): { status: Status; reason: string | undefined } {
	return useSnapshot(({ status, reason }) => ({ status, reason }), isShallowEqual);
}

/** The changes that came too late, and how to decide on one. */
export function useConflicts(): [conflicts: readonly Conflict[], resolve: RoomClient["resolve"]] {
	const room = useRoomContext();
	return [useSelected(room, ({ conflicts }) => conflicts), room.actions.resolve];
}

/** Who asks for what, who may do what, and what can be done about it. */
export interface Permissions {
	/** The newest last. */
	requests: readonly PermissionRequest[];
	permissions: readonly Permission[];
	/** Asks for a permission. The outcome has the `requestId`. */
	request: RoomClient["request"];
	/** Answers somebody's request. */
	respond: RoomClient["respond"];
	/** Takes back a request of this user's. */
	cancel: RoomClient["cancelRequest"];
	/** Ends a permission. */
	revoke: RoomClient["revoke"];
}

/** The room's permissions. The object stays the same while they do. */
export function usePermissions(): Permissions {
	const room = useRoomContext();
	const { request, respond, cancel, revoke } = room.actions;
	return useSelected(
		room,
		({ requests, permissions }) => ({ requests, permissions, request, respond, cancel, revoke }),
		isShallowEqual,
	);
}

const NONE: readonly Pending[] = [];

/** The changes that the room has not answered, in the order in which they are sent, and how to take one out unsent. */
export function usePending(): [pending: readonly Pending[], drop: RoomClient["drop"]] {
	const room = useRoomContext();
	const pending = useSelected(room, ({ pendingCount }) => waiting(room, pendingCount), isSameQueue);
	return [pending, room.actions.drop];
}

/** The queue at the moment of a snapshot. Where that has nothing pending, as on a server, the client is not asked. */
function waiting(room: Room, count: number): readonly Pending[] {
	return count === 0 ? NONE : room.client.pending();
}

function isSameQueue(a: readonly Pending[], b: readonly Pending[]): boolean {
	return a.length === b.length && a.every((one, i) => one.key === b[i]?.key && one.isSent === b[i]?.isSent);
}

/** Calls `listener`, the one of the newest render, for each event while the component is mounted. */
export function useEvent<E extends keyof Events>(event: E, listener: Events[E]): void {
	const { client } = useRoomContext();
	const latest = useLatest<(...args: any[]) => void>(listener);
	useEffect(() => client.on(event, (...args: unknown[]) => latest.current(...args)), [client, event, latest]);
}
