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

/** Ends all events that are under way if this was a trap. */
function end(error) {
	if (!(error instanceof WebAssembly.RuntimeError)) return;
	traps += 1;
	for (const reject of underWay) reject(error);
}

addEventListener("error", (event) => end(event.error));

/** A frame could not be handled. Its sender is told so if that is because of a trap. */
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

/** So many frames wait for each other at most, and none that is longer than this: 2 MB in all. */
const WAITING = 1024;
const WAITING_LENGTH = 2048;

/** Whether a frame only changes a field, so that nobody minds if it is read when the room next tells of changes. */
function mayWait(frame) {
	const isShort = frame.length <= WAITING_LENGTH && !frame.includes("\0");
	return isShort && frame.includes('"field_') && !frame.includes('"token"');
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

	fetch(request) {
		return watched(() => this.#room.fetch(request));
	}

	alarm() {
		return watched(() => this.#room.alarm());
	}

	// Most frames are done with at once, so no promise and no function is made for them: bundlers give a function its name
	// by a call that costs as much as reading the frame does.
	webSocketMessage(socket, message) {
		const text = typeof message === "string" ? message : undefined;
		const queue = this.#traps === traps ? this.#queue : undefined;
		const handle = socket.roomkeepHandle;
		if (queue?.waits && queue.length < WAITING && handle !== undefined && text !== undefined && mayWait(text)) {
			queue.push(`${handle} ${text}`);
			return;
		}
		try {
			if (queue === undefined) this.#renew();
			const rest = this.#room.receive(socket, text);
			return rest && this.#wait(socket, rest);
		} catch (error) {
			return fail(socket, error);
		}
	}

	/** The room is new, or comes anew after a trap: what waited for the one that is gone is for this one. */
	#renew() {
		const waited = this.#queue ?? [];
		this.#queue = this.#room.queue();
		this.#traps = traps;
		this.#queue.push(...waited);
	}

	async #wait(socket, rest) {
		try {
			await watched(() => rest);
		} catch (error) {
			fail(socket, error);
		}
	}

	webSocketClose(socket, code, reason, wasClean) {
		return watched(() => this.#room.webSocketClose(socket, code, reason, wasClean));
	}

	webSocketError(socket, error) {
		return watched(() => this.#room.webSocketError(socket, error));
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
