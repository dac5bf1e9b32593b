// A page in Node: a DOM, and whatever the tests of the hooks need beside the room under workerd. It is imported before
// React, which looks for a DOM when it is loaded.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Window } from "happy-dom";

const window = new Window({ url: "http://localhost/" });
Object.assign(globalThis, { window, document: window.document });

/** What React and the DOM complained of since the last call. */
export function complaints(): string[] {
	return told.splice(0);
}

const told: string[] = [];
console.error = (...words: unknown[]) => told.push(words.map(String).join(" "));
console.warn = console.error;

/** Waits until `check` no longer throws. */
export async function until(check: () => void | Promise<void>): Promise<void> {
	const deadline = Date.now() + 10_000;
	for (;;) {
		try {
			return await check();
		} catch (error) {
			if (Date.now() > deadline) throw error;
			await sleep(5);
		}
	}
}

/** What is there, or a failed test. */
export function found<T>(value: T | null | undefined): T {
	assert.ok(value !== undefined && value !== null, "something that should be there is not");
	return value;
}
