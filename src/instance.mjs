// The classes that Rust exports, made to outlive the WebAssembly instance that they live in.
//
// A panic traps, and an instance that has trapped is useless: whatever it was doing is left half done in its memory. So
// the first call after a trap discards the memory and starts a new instance, and an object from before is rebuilt from its
// constructor's arguments as soon as it is called. All rooms of the isolate share the instance.

import { WorkerEntrypoint } from "cloudflare:workers";
import * as wasm from "roomkeep-glue";

// The stack frames of Rust's futures alone exceed the ten that V8 keeps.
Error.stackTraceLimit = 100;

/** Whether the instance has trapped, which Rust's panic hook also sets, and how many instances came before it. */
const state = wasm.__worker_init_state();

/** Starts a new instance if this one has trapped. */
function restart() {
	if (!state.criticalError) return;
	console.log("The WebAssembly instance trapped; starting a new one");
	wasm.__wbg_reset_state();
	state.criticalError = false;
	state.instanceId += 1;
}

/** Makes the next call restart the instance if this error was a trap. */
function note(error) {
	if (!(error instanceof WebAssembly.RuntimeError)) return;
	console.error("The WebAssembly instance trapped:", error);
	state.criticalError = true;
}

// A trap in a future that a promise woke is not the return value of any call.
addEventListener("error", (event) => note(event.error));

/** A class with the methods of a Rust one, whose objects are rebuilt in each instance in which they are called. */
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
					// There is no telling what a constructor that failed halfway has left behind.
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
