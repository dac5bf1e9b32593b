// What connects a RoomClient to the hooks: who makes and closes a client, and how a component reads one.

import {
	createContext,
	type RefObject,
	useContext,
	useEffect,
	useMemo,
	useRef,
	useState,
	useSyncExternalStore,
} from "react";
import { RoomClient } from "../client.ts";
import type { RoomClientOptions, Snapshot } from "../types.ts";

/** What can be done to a room, as stable functions that can be passed around on their own. */
type Actions = Pick<RoomClient, "resolve" | "drop" | "request" | "respond" | "revoke" | "undo" | "redo"> & {
	cancel: RoomClient["cancelRequest"];
};

/** A client as the hooks use it. There is one per client. */
export interface Room {
	readonly client: RoomClient<any>;
	/** What was known before connecting. A server rendered this, so hydration starts from it. */
	readonly first: Snapshot;
	readonly subscribe: RoomClient["subscribe"];
	readonly actions: Actions;
}

export const RoomContext = createContext<Room | undefined>(undefined);

const rooms = new WeakMap<RoomClient<any>, Room>();

export function roomOf(client: RoomClient<any>): Room {
	const known = rooms.get(client);
	if (known !== undefined) return known;
	const room: Room = {
		client,
		first: client.getSnapshot(),
		subscribe: (listener) => client.subscribe(listener),
		actions: {
			resolve: (field, choice) => client.resolve(field, choice),
			drop: (key) => client.drop(key),
			undo: () => client.undo(),
			redo: () => client.redo(),
			request: (action, detail, options) => client.request(action, detail, options),
			respond: (request, decision, options) => client.respond(request, decision, options),
			revoke: (permission) => client.revoke(permission),
			cancel: (requestId) => client.cancelRequest(requestId),
		},
	};
	rooms.set(client, room);
	return room;
}

export function useRoomContext(): Room {
	const room = useContext(RoomContext);
	if (room === undefined) throw new Error("The hooks of roomkeep/react need a <RoomProvider> around the component.");
	return room;
}

interface Owned {
	room: Room;
	/** What it was made from. If one of these changes, another client is needed. */
	identity: unknown[];
}

/**
 * The component's own client: connected while the component is mounted, and replaced when the options name another room
 * or another user. It is kept in state and not in a memo, which React may discard together with what is pending in
 * memory. StrictMode unmounts and remounts with the same state: it closes the client and connects the same one again.
 */
export function useOwnRoom(options: RoomClientOptions<any>): Room {
	const { user, token, fetch } = options;
	const latest = useLatest(options);
	const identity = [
		options.host,
		options.party ?? "collaboration",
		options.room,
		user.id,
		options.storage,
		options.replica,
		options.join ?? true,
		options.WebSocket,
		options.kind,
		token === undefined,
		fetch === undefined,
	];
	const make = (): Owned => {
		const client = new RoomClient({
			...options,
			...(token && { token: () => (latest.current.token ?? token)() }),
			...(fetch && { fetch: (input, init) => (latest.current.fetch ?? fetch)(input, init) }),
		});
		return { room: roomOf(client), identity };
	};
	const [kept, keep] = useState(make);
	let owned = kept;
	if (!isShallowEqual(kept.identity, identity)) {
		owned = make();
		keep(owned);
	}
	const { client } = owned.room;
	useEffect(() => {
		client.connect();
		return () => client.close();
	}, [client]);
	useEffect(() => {
		if (client.user.name !== user.name) client.rename(user.name);
	}, [client, user.name]);
	return owned.room;
}

/** Always the value from the latest render, for callbacks that outlive a render. */
export function useLatest<T>(value: T): RefObject<T> {
	const latest = useRef(value);
	useEffect(() => {
		latest.current = value;
	});
	return latest;
}

/**
 * A part of what the client knows. The component renders again when `isEqual` says that the part has changed; until
 * then it is the same object, even if `select` makes a new one each time.
 */
export function useSelected<T>(
	room: Room,
	select: (snapshot: Snapshot) => T,
	isEqual: (a: T, b: T) => boolean = Object.is,
): T {
	const shown = useRef<{ value: T } | undefined>(undefined);
	const [read, readFirst] = useMemo(() => {
		const cached = (get: () => Snapshot) => {
			let seen: Snapshot | undefined;
			let last = shown.current;
			return () => {
				const snapshot = get();
				if (last === undefined || snapshot !== seen) {
					const value = select(snapshot);
					if (last === undefined || !isEqual(last.value, value)) last = { value };
					seen = snapshot;
				}
				return last.value;
			};
		};
		return [cached(() => room.client.getSnapshot()), cached(() => room.first)] as const;
	}, [room, select, isEqual]);
	const value = useSyncExternalStore(room.subscribe, read, readFirst);
	useEffect(() => {
		shown.current = { value };
	}, [value]);
	return value;
}

/** Whether two lists, or two objects, have the same members. */
export function isShallowEqual<T>(a: T, b: T): boolean {
	if (Object.is(a, b)) return true;
	if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
	const [ours, theirs] = [Object.entries(a), new Map(Object.entries(b))];
	return (
		Array.isArray(a) === Array.isArray(b) &&
		ours.length === theirs.size &&
		ours.every(([name, value]) => theirs.has(name) && Object.is(value, theirs.get(name)))
	);
}
