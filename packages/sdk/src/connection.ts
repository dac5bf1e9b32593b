// The states of a client's connection, by name, and what takes it from one to the next. Pure: an event comes in, the
// next state comes out; link.ts and engine.ts act on it.

import type { Status } from "./types.ts";

/** After this many attempts without a reply, the room is polled over HTTP. */
const ATTEMPTS = 2;
/** After a connection that lasted this long, in milliseconds, the next attempt need not wait longer. */
const HELD = 5_000;
/** The longest time between attempts, in milliseconds, and the factor by which it grows from one to the next. */
const LONGEST = 5_000;
const GROWTH = 1.3;
/**
 * Close codes after which another connection would end in the same way (PROTOCOL.md, X2). After 4410 the next one has
 * another name.
 */
const FINAL = /^44(?!01|08|10|29)/;
const UNAUTHORIZED = 4401;

interface Always {
	/**
	 * What the user is shown. It changes only when there is something new: repeated failed attempts do not make it flap.
	 */
	status: Status;
	/** Why, as a stable word. */
	reason?: string | undefined;
	/** The room's name for the connection, from the welcome until it is lost. */
	connectionId?: string | undefined;
}

/** Not wanted: before `connect`, or after it has ended. */
interface Off extends Always {
	name: "idle" | "closed";
}

/** Wanted, and not connected yet. */
interface Trying extends Always {
	/**
	 * - `preparing`: storage is being read, and tabs agree on which of them leads.
	 * - `connecting`: a token is being fetched and a socket opened.
	 * - `greeting`: the socket is open; `hello` has been sent.
	 * - `waiting`: until the next attempt.
	 */
	name: "preparing" | "connecting" | "greeting" | "waiting";
	/** Attempts since everything had last arrived. */
	failures: number;
	/** Attempts since a connection last held, which determine how long the next one waits. */
	retries: number;
	/** When the socket was opened. */
	openedAt?: number | undefined;
	/** Whether a token has been refused since one was last accepted. */
	isRefused: boolean;
}

/** Welcomed by the room. */
interface LetIn extends Omit<Trying, "name"> {
	/**
	 * - `syncing`: what was missed is arriving.
	 * - `live`: everything has arrived, and changes go out.
	 */
	name: "syncing" | "live";
	connectionId: string;
}

/** The state of a client's connection. */
export type ConnectionState = Off | Trying | LetIn;

/** What can happen to a connection. Times are in milliseconds by this device's clock. */
export type ConnectionEvent =
	/** It is wanted from now on. */
	| { type: "connect" }
	/** It ends, permanently or until `connect`. */
	| { type: "close"; reason: string }
	/** It is given up, to be made again with the outbox as stored. */
	| { type: "restart" }
	/** An attempt begins, at once or after the wait that earlier attempts have led to. */
	| { type: "attempt"; isAtOnce: boolean }
	/** The socket is open. */
	| { type: "opened"; at: number }
	/** The room has welcomed it. */
	| { type: "welcomed"; connectionId: string }
	/** Everything that was missed has arrived. */
	| { type: "synced" }
	/** It broke off or could not be made. `code` is the close code, if there was one. */
	| { type: "lost"; at: number; reason: string; code?: number | undefined; hasToken?: boolean }
	/** The room has responded over HTTP. */
	| { type: "polled" }
	/** It has not. */
	| { type: "unanswered"; reason: string };

/** Before anything was requested. */
export const idle: ConnectionState = { name: "idle", status: "offline" };

/** Whether it is wanted. */
export const isOn = (state: ConnectionState): state is Trying | LetIn => "failures" in state;
/** Whether the room has welcomed it. */
export const isLetIn = ({ name }: ConnectionState): boolean => name === "syncing" || name === "live";
/** Whether the room is to be polled over HTTP. */
export const isPolled = (state: ConnectionState): boolean => isOn(state) && state.failures >= ATTEMPTS;

/**
 * How long to wait for the next attempt, in milliseconds.
 * @param least The shortest time. Each client has its own, so that clients that were cut off together do not all
 * reconnect at once.
 */
export const delayOf = (state: ConnectionState, least: number): number =>
	isOn(state) ? Math.min(least * GROWTH ** (state.retries - 1), LONGEST) : 0;

/** The next state: the same object if the event means nothing to it. */
export function next(state: ConnectionState, event: ConnectionEvent): ConnectionState {
	if (!isOn(state)) {
		if (event.type !== "connect") return state;
		return { name: "preparing", status: "connecting", failures: 0, retries: 0, isRefused: false };
	}
	const { name } = state;
	switch (event.type) {
		case "connect":
			return state;
		case "close":
			return { name: "closed", status: "closed", reason: event.reason };
		case "restart":
			return { ...state, name: "preparing" };
		case "attempt":
			if (name !== "preparing" && name !== "waiting") return state;
			return { ...state, name: "connecting", ...(event.isAtOnce && { retries: 0, isRefused: false }) };
		case "opened":
			return name === "connecting" ? { ...state, name: "greeting", openedAt: event.at } : state;
		case "welcomed":
			if (name !== "greeting") return state;
			return { ...state, name: "syncing", connectionId: event.connectionId, isRefused: false };
		case "synced":
			if (name !== "syncing") return state;
			return { ...state, name: "live", status: "synced", reason: undefined, failures: 0 };
		case "lost":
			return lost(state, event);
		// Nothing else changes it while it prepares, so the preparation can tell by its state whether it is still wanted.
		case "polled":
			return isPolled(state) && name !== "preparing" ? { ...state, status: "polling" } : state;
		case "unanswered":
			if (!isPolled(state) || name === "preparing") return state;
			return { ...state, status: "offline", reason: event.reason };
	}
}

function lost(state: Trying | LetIn, event: ConnectionEvent & { type: "lost" }): ConnectionState {
	const { at, reason, code, hasToken } = event;
	const { status, openedAt } = state;
	const isUnauthorized = code === UNAUTHORIZED;
	if (FINAL.test(`${code}`) || (isUnauthorized && (!hasToken || state.isRefused)))
		return { name: "closed", status: "closed", reason };
	const wasSynced = status === "synced";
	// Polling continues, whatever becomes of attempts meanwhile.
	const shown = status !== "polling" && ({ status: wasSynced ? "connecting" : "offline", reason } as const);
	return {
		...state,
		name: "waiting",
		connectionId: undefined,
		openedAt: undefined,
		failures: wasSynced ? 0 : state.failures + 1,
		retries: openedAt !== undefined && at - openedAt >= HELD ? 1 : state.retries + 1,
		isRefused: isUnauthorized || state.isRefused,
		...shown,
	};
}
