// The tabs of one user, and what they tell each other.

import type { Entry } from "./outbox.ts";
import type { Outcome } from "./types.ts";

/**
 * What one tab tells the others: what came of an entry; only that storage has changed; the question whether somebody
 * leads and can send, and the reply that it does; that one which leads is gone; that everything is to be forgotten.
 */
export type Notice = { entry: Entry; outcome: Outcome } | { gone: string } | null | "who" | "me" | "forget";

/** All clients of a user in a room that share an outbox. */
export class Tabs {
	readonly #name: string;
	readonly #heard: (notice: Exclude<Notice, "me">) => void;
	#channel: BroadcastChannel | undefined;
	#replied = () => {};

	/** @param heard Takes what others tell, other than that they lead. */
	constructor(name: string, heard: (notice: Exclude<Notice, "me">) => void) {
		this.#name = `roomkeep ${name}`;
		this.#heard = heard;
	}

	/** Listens, if the page may. */
	open(): void {
		if (this.#channel) return;
		try {
			const channel = new BroadcastChannel(this.#name);
			channel.onmessage = ({ data }) => (data === "me" ? this.#replied() : this.#heard(data));
			// In Node it would keep the process alive.
			(channel as { unref?: () => void }).unref?.();
			this.#channel = channel;
		} catch {
			// Then the tabs learn from storage whatever they have to.
		}
	}

	tell(notice: Notice): void {
		this.open();
		this.#channel?.postMessage(notice);
	}

	/** Whether another tab says within so many milliseconds that it leads and can send. */
	ask(patience: number): Promise<boolean> {
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, patience, false);
			this.#replied = () => {
				clearTimeout(timer);
				resolve(true);
			};
			this.tell("who");
		});
	}

	close(): void {
		this.#channel?.close();
		this.#channel = undefined;
	}
}
