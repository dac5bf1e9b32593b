// The tabs of one user: which of them sends, and what they tell each other.

import type { Entry } from "./outbox.ts";
import type { Outcome } from "./types.ts";

/** What one tab tells the others: what became of an entry, or just that what is stored has changed. */
export type Notice = { entry: Entry; outcome: Outcome } | null;

/** Nobody leads if the lock is had within this time, in milliseconds. */
const PATIENCE = 50;

/** All clients of a user in a room that share an outbox. One leads: it sends what is in there. */
export class Tabs {
	isLeader = false;
	readonly #name: string;
	readonly #channel: BroadcastChannel;
	#waiting: AbortController | undefined;
	#release: (() => void) | undefined;

	constructor(name: string, heard: (notice: Notice) => void) {
		this.#name = `roomkeep ${name}`;
		this.#channel = new BroadcastChannel(this.#name);
		this.#channel.onmessage = ({ data }) => heard(data);
		// In Node it would keep the process from ending.
		(this.#channel as { unref?: () => void }).unref?.();
	}

	tell(notice: Notice): void {
		this.#channel.postMessage(notice);
	}

	/**
	 * Leads if nobody does, and else as soon as nobody does any more. Resolves when it is known which.
	 * @param onLead Called when it leads only later.
	 */
	enter(onLead: () => void): Promise<void> {
		this.#waiting = new AbortController();
		return new Promise((entered) => {
			const lead = () => {
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
			// It is refused when this tab leaves before.
			navigator.locks.request(this.#name, { signal: this.#waiting?.signal as AbortSignal }, lead).catch(enter);
			setTimeout(enter, PATIENCE);
		});
	}

	/** Lets another tab lead. */
	leave(): void {
		this.isLeader = false;
		this.#waiting?.abort();
		this.#release?.();
		this.#release = undefined;
	}
}
