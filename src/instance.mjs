// The classes that Rust exports, made to outlive the WebAssembly instance that they live in.
//
// A panic traps, and an instance that has trapped is of no use any more: what it had under way is torn apart in its memory.
// So the first call after a trap throws all of its memory away and starts it anew, and an object of before is made
// anew from what it was made of, as soon as it is called. All rooms of the isolate share the instance.

import { WorkerEntrypoint } from "cloudflare:workers";
import * as wasm from "roomkeep-glue";

// The frames of Rust's futures alone are more than the ten that V8 keeps.
Error.stackTraceLimit = 100;

/** Whether the instance has trapped, which Rust's panic hook sets too, and how many there were before it. */
const state = wasm.__worker_init_state();

/** Starts the instance anew if it has trapped. */
function restart() {
	if (!state.criticalError) return;
	console.log("The WebAssembly trapped and is started anew");
	wasm.__wbg_reset_state();
	state.criticalError = false;
	state.instanceId += 1;
}

/** Has the next call restart the instance if this error was a trap. */
function note(error) {
	if (!(error instanceof WebAssembly.RuntimeError)) return;
	console.error("The WebAssembly trapped:", error);
	state.criticalError = true;
}

// A trap in a future that a promise woke up is nobody's return value.
addEventListener("error", (event) => note(event.error));

/** A class with the methods of one of Rust's, whose objects are made anew in each instance in which they are called. */
function lasting(Exported) {
	return class Lasting {
		#made;
		#object;
		#instanceId;

		constructor(...made) {
			this.#made = made;
			restart();
			this.#current();
		}

		#current() {
			if (this.#instanceId !== state.instanceId) {
				try {
					this.#object = new Exported(...this.#made);
				} catch (error) {
					// Nobody knows what a constructor leaves behind that does not get to its end.
					state.criticalError = true;
					throw error;
				}
				this.#instanceId = state.instanceId;
			}
			return this.#object;
		}

		static {
			const methods = Object.entries(Object.getOwnPropertyDescriptors(Exported.prototype));
			for (const [name, { value }] of methods) {
				if (name === "constructor" || typeof value !== "function") continue;
				Lasting.prototype[name] = function (...given) {
					restart();
					try {
						return value.apply(this.#current(), given);
					} catch (error) {
						note(error);
						throw error;
					}
				};
			}
		}
	};
}

export const RoomObject = lasting(wasm.RoomObject);
export const UserObject = lasting(wasm.UserObject);

export default class extends WorkerEntrypoint {
	async fetch(request) {
		restart();
		try {
			return await wasm.fetch(request, this.env, this.ctx);
		} catch (error) {
			note(error);
			throw error;
		}
	}
}
