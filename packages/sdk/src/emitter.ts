// Event listeners.

/** Listeners by event. One that throws does not keep the others, or the client, from continuing. */
export class Emitter<Events extends { [E in keyof Events]: (...args: any[]) => void }> {
	/** One object each, so that the same listener added twice counts twice. */
	readonly #listeners = new Set<{ event: keyof Events; listener: (...args: any[]) => void }>();

	/** Returns a function that unsubscribes. */
	on<E extends keyof Events>(event: E, listener: Events[E]): () => void {
		const own = { event, listener };
		this.#listeners.add(own);
		return () => void this.#listeners.delete(own);
	}

	emit<E extends keyof Events>(event: E, ...args: Parameters<Events[E]>): void {
		for (const own of [...this.#listeners]) {
			const { listener } = own;
			try {
				// An earlier listener may have removed it.
				if (own.event === event && this.#listeners.has(own)) listener(...args);
			} catch (error) {
				// As with an event handler, the error is reported where its author will look.
				console.error(error);
			}
		}
	}
}
