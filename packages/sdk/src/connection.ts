// How a client is connected: by name the states that this goes through, and what takes it from one to the next. Pure: what
// happened comes in, the next state comes out; link.ts and engine.ts do what follows from it.

import type { Status } from "./types.ts";

/** After this many attempts without an answer the room is asked over HTTP. */
const ATTEMPTS = 2;
/** A connection that has held for this long, in milliseconds, is no reason to wait longer for the next. */
const HELD = 5_000;
/** The longest time from one attempt to the next, in milliseconds, and by how much it grows from one to the next. */
const LONGEST = 5_000;
const GROWTH = 1.3;
/** Close codes after which another connection would end in the same way (PROTOCOL.md, X2). */
const FINAL = /^44(?!01|08|29)/;
const UNAUTHORIZED = 4401;

interface Always {
	/** What the user is shown. It changes when there is news: attempts that fail one after another do not make it flap. */
	status: Status;
	/** Why, as a stable word. */
	reason?: string | undefined;
	/** Names the connection to the room, from its welcome until it is lost. */
	connectionId?: string | undefined;
}

/** Not wanted: before `connect`, or after the end. */
interface Off extends Always {
	name: "idle" | "closed";
}

/** Wanted, and on its way. */
interface Trying extends Always {
	/**
	 * - `preparing`: what is stored is read, and tabs agree on which of them leads.
	 * - `connecting`: a token is fetched and a socket opened.
	 * - `greeting`: the socket is open; hello was said.
	 * - `waiting`: until the next attempt.
	 */
	name: "preparing" | "connecting" | "greeting" | "waiting";
	/** Attempts since the room was all here. */
	failures: number;
	/** Attempts since a connection held, by which the next one waits. */
	retries: number;
	/** When the socket was opened. */
	openedAt?: number | undefined;
	/** Whether a token was refused since one was taken. */
	isRefused: boolean;
}

/** Let in by the room. */
interface LetIn extends Omit<Trying, "name"> {
	/**
	 * - `syncing`: what was missed is on its way.
	 * - `live`: it is all here, and changes go out.
	 */
	name: "syncing" | "live";
	connectionId: string;
}

/** Where a client stands with its room. */
export type ConnectionState = Off | Trying | LetIn;

/** What can happen to it. Times are in milliseconds of this device's clock. */
export type ConnectionEvent =
	/** It is wanted from now on. */
	| { type: "connect" }
	/** It ends, for good or until `connect`. */
	| { type: "close"; reason: string }
	/** It is given up, to be made anew with the outbox as it is stored. */
	| { type: "restart" }
	/** An attempt begins, at once or after the time that the ones before it have led to. */
	| { type: "attempt"; isAtOnce: boolean }
	/** The socket is open. */
	| { type: "opened"; at: number }
	/** The room has let it in. */
	| { type: "welcomed"; connectionId: string }
	/** All that was missed is here. */
	| { type: "synced" }
	/** It broke off or could not be made. `code` is how it was closed, if somebody did. */
	| { type: "lost"; at: number; reason: string; code?: number | undefined; hasToken?: boolean }
	/** The room has answered over HTTP. */
	| { type: "polled" }
	/** It has not. */
	| { type: "unanswered"; reason: string };

/** Before anything was asked for. */
export const idle: ConnectionState = { name: "idle", status: "offline" };

/** Whether it is wanted. */
export const isOn = (state: ConnectionState): state is Trying | LetIn => "failures" in state;
/** Whether the room has let it in. */
export const isLetIn = ({ name }: ConnectionState): boolean => name === "syncing" || name === "live";
/** Whether the room is to be asked over HTTP. */
export const isPolled = (state: ConnectionState): boolean => isOn(state) && state.failures >= ATTEMPTS;

/**
 * How long to wait for the next attempt, in milliseconds.
 * @param least The shortest time. Each client has its own, so that those who were cut off together do not all come back
 * at once.
 */
export const delayOf = (state: ConnectionState, least: number): number =>
	isOn(state) ? Math.min(least * GROWTH ** (state.retries - 1), LONGEST) : 0;

/** The next state: the same object when what happened means nothing to it. */
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
		// While it prepares nothing else changes it: by its state that can tell whether it is still wanted.
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
	// Who polls goes on with that, whatever becomes of attempts meanwhile.
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
