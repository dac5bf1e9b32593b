"use client";

// React on top of a RoomClient: a provider that holds it, and hooks that each render only when their own part changes.

import { createElement, type ReactElement, type ReactNode, useCallback, useEffect, useMemo } from "react";
import type { RoomClient } from "./client.ts";
import { useField } from "./react/field.ts";
import type { TypedHooks } from "./react/hooks.ts";
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
import { type SelectionState, type SetSelection, useSelections, useTicks } from "./react/selections.ts";
import type {
	Conflict,
	Events,
	Json,
	Next,
	Participant,
	Pending,
	Permission,
	PermissionRequest,
	Presence,
	RoomClientOptions,
	SelectOptions,
	Shape,
	Snapshot,
	Status,
} from "./types.ts";
import { fieldAsOf } from "./view.ts";

export type { FieldOptions } from "./field.ts";
export type { BoundField, CheckProps, FieldHandlers, InputProps } from "./react/field.ts";
export type { TypedHooks } from "./react/hooks.ts";
export type { SelectionState, SetSelection, Ticks } from "./react/selections.ts";
export {
	type SharedConflictResolution,
	type SharedConflictResolutionOptions,
	useSharedConflictResolution,
} from "./react/shared-conflict-resolution.ts";
export { isShallowEqual, useField, useSelections, useTicks };

/** Either a client, or the options to make one. */
export type RoomProviderProps = { children?: ReactNode } & (
	| (RoomClientOptions<any> & { client?: undefined })
	| ({ client: RoomClient<any> } & { [option in keyof RoomClientOptions]?: undefined })
);

/**
 * Puts its children in a room.
 *
 * Given options, it makes the client, connects it while mounted, and closes it afterwards. A different `host`, `party`,
 * `room`, `user.id`, `storage`, `join` or `WebSocket` means a different client, so create a `storage` of your own
 * outside the component. A different `user.name` renames the user. `token` and `fetch` may be new functions at each
 * render. `initial` is read when a client is made.
 *
 * A `client` passed in belongs to whoever made it: it is neither connected nor closed here.
 */
export function RoomProvider(props: RoomProviderProps): ReactElement {
	if (props.client === undefined) return createElement(OwnRoom, props);
	return createElement(RoomContext.Provider, { value: roomOf(props.client) }, props.children);
}

function OwnRoom({
	children,
	client: _,
	...options
}: RoomClientOptions<any> & { children?: ReactNode; client?: undefined }) {
	return createElement(RoomContext.Provider, { value: useOwnRoom(options) }, children);
}

/** The client of the surrounding provider. It never causes a render. */
export function useRoom(): RoomClient {
	return useRoomContext().client;
}

/**
 * Any part of what the client knows. The component renders when that part changes. A selector that creates a new object
 * or list needs `isEqual`, for example `isShallowEqual`.
 */
export function useSnapshot<T>(select: (snapshot: Snapshot) => T, isEqual?: (a: T, b: T) => boolean): T {
	return useSelected(useRoomContext(), select, isEqual);
}

/**
 * A field: its value or undefined, a function to set it, and its state. `T` is the page's own claim about the value;
 * the room accepts any JSON from anybody.
 */
export function useSelection<T extends Json | Shape<T> = Json>(
	field: string,
): [value: T | undefined, set: SetSelection<T>, state: SelectionState] {
	const room = useRoomContext();
	const { client } = room;
	const set = useCallback<SetSelection<T>>(
		(value, options) => client.select(field, value as Next, options),
		[client, field],
	);
	const clear = useCallback((options?: SelectOptions) => client.clear(field, options), [client, field]);
	// What waits for a pause in the changes is sent when the component goes.
	useEffect(() => () => void client.flush(), [client, field]);
	const { selection, conflict, pending, refused, canWrite } = useSelected(
		room,
		(snapshot) =>
			snapshot === room.first ? fieldAsOf(snapshot, field, client.canWrite(field, snapshot)) : client.field(field),
		isShallowEqual,
	);
	const state = useMemo(() => {
		const { userId: by, updatedAt: at, version = 0 } = selection ?? {};
		return { pending, conflict, refused, canWrite, by, at, version, clear };
	}, [selection, conflict, pending, refused, canWrite, clear]);
	return [selection?.value as T | undefined, set, state];
}

/** Everyone who is or was in the room, in the order in which they joined. `online` says who is here. */
export function useParticipants(): readonly Participant[] {
	return useSnapshot((snapshot) => snapshot.participants);
}

/** Presence with `data` in a form that the page knows. */
export interface PresenceOf<T> extends Omit<Presence, "data"> {
	data: T;
}

/**
 * What all other connections are looking at, including this user's other tabs and devices, and a function to set this
 * one's: any JSON up to 4 KiB, null for nothing. It stays across reconnects, until it is set again or the component is
 * gone. Objects that several components set are told as one, with the members of all. `T` is the page's own claim about
 * the form.
 */
export function usePresence<T extends Json | Shape<T> = Json>(): [
	others: readonly PresenceOf<T>[],
	setPresence: (data: T | null) => void,
] {
	const room = useRoomContext();
	const others = useSelected(room, ({ presence }) => presence.filter(({ isMine }) => !isMine), isShallowEqual);
	const { client } = room;
	const set = useMemo(() => {
		const owner = {};
		return (data: T | null) => client.setPresence(data as Json, owner);
	}, [client]);
	useEffect(() => () => set(null), [set]);
	return [others as readonly unknown[] as readonly PresenceOf<T>[], set];
}

/** The client's status, and the reason for it. */
export function useStatus(): { status: Status; reason: string | undefined } {
	return useSnapshot(({ status, reason }) => ({ status, reason }), isShallowEqual);
}

/** The changes that came too late, and a function to resolve one. */
export function useConflicts(): [conflicts: readonly Conflict[], resolve: RoomClient["resolve"]] {
	const room = useRoomContext();
	return [useSelected(room, ({ conflicts }) => conflicts), room.actions.resolve];
}

/** Permission requests, permissions, and what can be done with them. */
export interface Permissions {
	/** Newest last. */
	requests: readonly PermissionRequest[];
	permissions: readonly Permission[];
	/** Requests a permission. The outcome has the `requestId`. */
	request: RoomClient["request"];
	/** Responds to somebody's request. */
	respond: RoomClient["respond"];
	/** Withdraws one of this user's requests. */
	cancel: RoomClient["cancelRequest"];
	/** Revokes a permission. */
	revoke: RoomClient["revoke"];
}

/** The room's permissions. The object stays the same for as long as they do. */
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

/** The pending changes, in the order in which they are sent, and a function to withdraw one that has not been sent. */
export function usePending(): [pending: readonly Pending[], drop: RoomClient["drop"]] {
	const room = useRoomContext();
	const pending = useSelected(room, ({ pendingCount }) => waiting(room, pendingCount), isSameQueue);
	return [pending, room.actions.drop];
}

/** The queue as of a snapshot. If that has nothing pending, as on a server, the client is not asked. */
function waiting(room: Room, count: number): readonly Pending[] {
	return count === 0 ? NONE : room.client.pending();
}

function isSameQueue(a: readonly Pending[], b: readonly Pending[]): boolean {
	return a.length === b.length && a.every((one, i) => one.key === b[i]?.key && one.isSent === b[i]?.isSent);
}

/** What this user can take back, and make again. The object stays the same for as long as that does. */
export function useUndo(): Pick<Snapshot, "canUndo" | "canRedo"> & Pick<RoomClient, "undo" | "redo"> {
	const room = useRoomContext();
	const { undo, redo } = room.actions;
	return useSelected(room, ({ canUndo, canRedo }) => ({ canUndo, canRedo, undo, redo }), isShallowEqual);
}

/** Calls the latest render's `listener` for each event while the component is mounted. */
export function useEvent<E extends keyof Events>(event: E, listener: Events[E]): void {
	const { client } = useRoomContext();
	const latest = useLatest<(...args: any[]) => void>(listener);
	useEffect(() => client.on(event, (...args: unknown[]) => latest.current(...args)), [client, event, latest]);
}

const HOOKS = {
	RoomProvider,
	useConflicts,
	useEvent,
	useField,
	useParticipants,
	usePending,
	usePermissions,
	usePresence,
	useRoom,
	useSelection,
	useSelections,
	useSnapshot,
	useStatus,
	useTicks,
	useUndo,
};

/** All hooks that need a provider, for one kind of rooms. */
export type RoomHooks<Definition> = Omit<typeof HOOKS, keyof TypedHooks<Definition>> & TypedHooks<Definition>;

/**
 * The hooks for one kind of rooms: `createRoomHooks<typeof rooms.trade>()`. They are those of this package. With their
 * types, a field that the kind does not have, or a value that does not fit it, does not compile.
 */
export function createRoomHooks<Definition>(): RoomHooks<Definition> {
	return HOOKS as unknown as RoomHooks<Definition>;
}
