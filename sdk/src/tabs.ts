// The tabs of one user: which of them sends, and what they tell each other.

/** What one tab tells the others. */
export type Notice =
	/** What is stored has changed. */
	| { type: "stored" }
	/** The room has answered. */
	| { type: "settled"; key: string; outcome: unknown; at: number; message: unknown };

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
	 * Leads if nobody does, and else as soon as nobody does any more.
	 * @param onLead Called when that is not at once.
	 */
	async enter(onLead: () => void): Promise<void> {
		const waiting = new AbortController();
		this.#waiting = waiting;
		const held = () => new Promise<void>((release) => (this.#release = release));
		await new Promise<void>((answered) => {
			const lead = (lock: Lock | null) => {
				this.isLeader = lock !== null && !waiting.signal.aborted;
				answered();
				return this.isLeader ? held() : undefined;
			};
			navigator.locks.request(this.#name, { ifAvailable: true }, lead).catch(() => answered());
		});
		if (this.isLeader || waiting.signal.aborted) return;
		const next = () => {
			this.isLeader = true;
			onLead();
			return held();
		};
		// It is given up when this tab leaves.
		navigator.locks.request(this.#name, { signal: waiting.signal }, next).catch(() => {});
	}

	/** Lets another tab lead. */
	leave(): void {
		this.isLeader = false;
		this.#waiting?.abort();
		this.#release?.();
		this.#release = undefined;
	}
}
