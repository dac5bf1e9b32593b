// What workerd loads. The room itself is Rust; around it stands what keeps one room's panic from hanging anyone.
//
// A panic traps the WebAssembly instance that all rooms of the isolate share. The generated glue then starts a fresh
// instance at the next call, but the promises of the events that were under way would stay open for good, and with
// them their rooms awake. So every event is watched here, and fails as soon as the trap is seen.

import { DurableObject } from "cloudflare:workers";
import Worker, { RoomObject, UserObject } from "roomkeep-wasm";

/** Rejects the events that are under way. @type {Set<(error: Error) => void>} */
const underWay = new Set();

/** The frame that tells a client its message was lost to a fault of ours. */
const INTERNAL_ERROR = JSON.stringify({
	type: "error",
	code: "internal",
	message: "The room failed while it handled this. What it had acknowledged is kept; send it again.",
	retry: true,
});

/** The same over HTTP (RFC 9457). */
const INTERNAL_PROBLEM = JSON.stringify({
	title: "Internal Server Error",
	status: 500,
	code: "internal",
	detail: "The server failed while it handled this. Send it again.",
});

/** How many traps there have been. The next call of a room starts it anew, in another instance. */
let traps = 0;

/** The last of them: each event that it ends comes by with it once more. */
let lastTrap;

/** Ends all events that are under way if this was a trap. */
function end(error) {
	if (!(error instanceof WebAssembly.RuntimeError) || error === lastTrap) return;
	lastTrap = error;
	traps += 1;
	for (const reject of underWay) reject(error);
}

addEventListener("error", (event) => end(event.error));

/**
 * A frame could not be handled. Its sender is told so if that is because of a trap. What the room had gathered until then
 * is lost with it: nobody was shown it, and nobody has an answer to it.
 */
function fail(socket, error) {
	end(error);
	if (error instanceof WebAssembly.RuntimeError) socket.send(INTERNAL_ERROR);
	throw error;
}

/** Runs an event such that a trap ends it with an error. */
function watched(run) {
	const { promise, resolve, reject } = Promise.withResolvers();
	underWay.add(reject);
	try {
		run().then(resolve, reject);
	} catch (error) {
		reject(error);
	}
	return promise.finally(() => underWay.delete(reject));
}

/** So many frames wait for each other at most, and none that is longer than this: 2 million characters in all. */
const WAITING = 1024;
const WAITING_LENGTH = 2048;

/** How frames begin that only change a field, as JSON.stringify writes what pages, the SDK and most others hand to it. */
const SELECTED = '{"type":"field_selected"';
const CLEARED = '{"type":"field_cleared"';

/** Whether a frame only changes a field, so that nobody minds if it is read when the room next tells of changes. */
function mayWait(frame) {
	const changesAField = frame.startsWith(SELECTED) || frame.startsWith(CLEARED);
	return changesAField && frame.length <= WAITING_LENGTH && !frame.includes("\0");
}

export class Room extends DurableObject {
	#room;
	/** Where frames may wait, and how many traps there had been when the room made it. */
	#queue;
	#traps;

	constructor(state, env) {
		super(state, env);
		this.#room = new RoomObject(state, env);
	}

	/** The room, in the instance that works. What waited for one that is gone waits for this one, and is done first. */
	#current() {
		if (this.#traps !== traps) {
			const waited = this.#queue;
			this.#queue = this.#room.queue();
			this.#traps = traps;
			if (waited && waited !== this.#queue) this.#queue.push(...waited);
		}
		return this.#room;
	}

	fetch(request) {
		return watched(() => this.#current().fetch(request));
	}

	alarm() {
		return watched(() => this.#current().alarm());
	}

	// Most frames are done with at once, so no promise and no function is made for them: bundlers give a function its name
	// by a call that costs as much as reading the frame does.
	webSocketMessage(socket, message) {
		try {
			const room = this.#current();
			const queue = this.#queue;
			const text = typeof message === "string" ? message : undefined;
			const handle = socket.roomkeepHandle;
			if (queue.waits && queue.length < WAITING && handle !== undefined && text !== undefined && mayWait(text)) {
				queue.push(`${handle} ${text}`);
				return;
			}
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
