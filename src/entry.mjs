// What workerd loads. The room itself is Rust; this wrapper keeps one room's panic from hanging anyone.
//
// A panic traps the WebAssembly instance that all rooms of the isolate share. A fresh instance starts at the next call,
// but the promises of the events in flight would never settle, and would keep their rooms awake. So every event is watched
// here, and fails as soon as the trap is seen.

import { DurableObject } from "cloudflare:workers";
import Worker, { RoomObject, UserObject } from "roomkeep-wasm";
import { hold } from "./shell/inbox.mjs";

/** Rejects the events in flight. @type {Set<(error: Error) => void>} */
const inFlight = new Set();

/** The frame that tells a client that its message was lost to a fault on our side. */
const INTERNAL_ERROR = JSON.stringify({
	type: "error",
	code: "internal",
	message: "The room failed while handling this. Everything it acknowledged is kept; send this again.",
	retry: true,
});

/** The same over HTTP (RFC 9457). */
const INTERNAL_PROBLEM = JSON.stringify({
	title: "Internal Server Error",
	status: 500,
	code: "internal",
	detail: "The server failed while handling this. Send it again.",
});

/** How many traps there have been. After one, the next call to a room rebuilds it in another instance. */
let traps = 0;

/** The last trap: each event that it ends reports it again. */
let lastTrap;

/** Ends all events in flight if this was a trap. */
function end(error) {
	if (!(error instanceof WebAssembly.RuntimeError) || error === lastTrap) return;
	lastTrap = error;
	traps += 1;
	for (const reject of inFlight) reject(error);
}

addEventListener("error", (event) => end(event.error));

/**
 * A frame could not be handled. If that is because of a trap, its sender is told. What the room had staged until then is
 * lost with it: it was shown to nobody, and nobody has a reply to it.
 */
function fail(socket, error) {
	end(error);
	if (error instanceof WebAssembly.RuntimeError) socket.send(INTERNAL_ERROR);
	throw error;
}

/** Runs an event so that a trap ends it with an error. */
function watched(run) {
	const { promise, resolve, reject } = Promise.withResolvers();
	inFlight.add(reject);
	try {
		run().then(resolve, reject);
	} catch (error) {
		reject(error);
	}
	return promise.finally(() => inFlight.delete(reject));
}

export class Room extends DurableObject {
	#room;
	/** Where frames are held, and how many traps there had been when the room made it. */
	#inbox;
	#traps;

	constructor(state, env) {
		super(state, env);
		this.#room = new RoomObject(state, env);
	}

	/** The room, in the current instance. Frames held for an earlier instance are held for this one, and come first. */
	#current() {
		if (this.#traps !== traps) {
			const held = this.#inbox;
			this.#inbox = this.#room.inbox();
			this.#traps = traps;
			if (held && held !== this.#inbox) this.#inbox.push(...held);
		}
		return this.#room;
	}

	fetch(request) {
		return watched(() => this.#current().fetch(request));
	}

	alarm() {
		return watched(() => this.#current().alarm());
	}

	// Most frames are finished at once, so no promise and no function is made for them: bundlers name functions by a call
	// that costs as much as reading the frame.
	webSocketMessage(socket, message) {
		try {
			const room = this.#current();
			const text = typeof message === "string" ? message : undefined;
			if (hold(this.#inbox, socket, text)) return;
			const rest = room.receive(socket, text);
			return rest && this.#wait(socket, rest);
		} catch (error) {
			return fail(socket, error);
		}
	}

	async #wait(socket, rest) {
		try {
			await watched(() => rest);
		} catch (error) {
			fail(socket, error);
		}
	}

	webSocketClose(socket, code, reason, wasClean) {
		return watched(() => this.#current().webSocketClose(socket, code, reason, wasClean));
	}

	webSocketError(socket, error) {
		return watched(() => this.#current().webSocketError(socket, error));
	}
}

export class User extends DurableObject {
	#user;

	constructor(state, env) {
		super(state, env);
		this.#user = new UserObject(state, env);
	}

	fetch(request) {
		return watched(() => this.#user.fetch(request));
	}

	alarm() {
		return watched(() => this.#user.alarm());
	}
}

export default class extends Worker {
	async fetch(request) {
		try {
			return await watched(() => super.fetch(request));
		} catch (error) {
			if (!(error instanceof WebAssembly.RuntimeError)) throw error;
			const headers = { "content-type": "application/problem+json" };
			if (!this.env.ALLOWED_ORIGINS) headers["access-control-allow-origin"] = "*";
			return new Response(INTERNAL_PROBLEM, { status: 500, headers });
		}
	}
}
