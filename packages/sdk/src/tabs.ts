// The tabs of one user: which of them sends, and what they tell each other.

import type { Entry } from "./outbox.ts";
import type { Outcome } from "./types.ts";

/** What one tab tells the others: what came of an entry, or only that storage has changed. */
export type Notice = { entry: Entry; outcome: Outcome } | null;

/** All clients of a user in a room that share an outbox. One of them leads: it sends what is in it. */
export class Tabs {
	isLeader = false;
	readonly #name: string;
	readonly #heard: (notice: Notice) => void;
	#channel: BroadcastChannel | undefined;
	#waiting: AbortController | undefined;
	#release: (() => void) | undefined;

	constructor(name: string, heard: (notice: Notice) => void) {
		this.#name = `roomkeep ${name}`;
		this.#heard = heard;
	}

	tell(notice: Notice): void {
		this.#open().postMessage(notice);
	}

	/**
	 * Becomes leader at once if there is none, or else as soon as there is none. Resolves once it is known which.
	 * @param onLead Called if it becomes leader later.
	 */
	enter(onLead: () => void): Promise<void> {
		const waiting = new AbortController();
		this.#waiting = waiting;
		this.#open();
		return new Promise((entered) => {
			const lead = () => {
				if (waiting.signal.aborted) return;
				this.isLeader = true;
				if (isEntered) onLead();
				enter();
				return new Promise<void>((release) => (this.#release = release));
			};
			let isEntered = false;
			const enter = () => {
				isEntered = true;
				entered();
			};
			// It rejects if this tab leaves before.
			navigator.locks.request(this.#name, { signal: waiting.signal }, lead).catch(enter);
			// If the lock is held by now, it is by another tab, or `lead` was called.
			navigator.locks.query().then(({ held }) => held?.some(({ name }) => name === this.#name) && enter(), enter);
		});
	}

	/**
	 * Lets another tab lead.
	 * @param isDeaf Whether to stop listening to other tabs as well.
	 */
	leave(isDeaf: boolean): void {
		this.isLeader = false;
		this.#waiting?.abort();
		this.#release?.();
		this.#release = undefined;
		if (!isDeaf) return;
		this.#channel?.close();
		this.#channel = undefined;
	}

	/** Opened only when used: a page may make clients that it discards. */
	#open(): BroadcastChannel {
		this.#channel ??= new BroadcastChannel(this.#name);
		this.#channel.onmessage = ({ data }) => this.#heard(data);
		// In Node it would keep the process alive.
		(this.#channel as { unref?: () => void }).unref?.();
		return this.#channel;
	}
}
