// Who listens to what.

/** Listeners by event. One that throws does not keep the others, or the client, from going on. */
export class Emitter<Events extends { [E in keyof Events]: (...args: any[]) => void }> {
	/** An object each, so that the same listener twice is two. */
	readonly #listeners = new Set<{ event: keyof Events; listener: (...args: any[]) => void }>();

	/** Returns what stops the listening. */
	on<E extends keyof Events>(event: E, listener: Events[E]): () => void {
		const own = { event, listener };
		this.#listeners.add(own);
		return () => void this.#listeners.delete(own);
	}

	emit<E extends keyof Events>(event: E, ...args: Parameters<Events[E]>): void {
		for (const own of [...this.#listeners]) {
			const { listener } = own;
			try {
				// One before it may have stopped it.
				if (own.event === event && this.#listeners.has(own)) listener(...args);
			} catch (error) {
				// As an event handler's: it is told of where its maker looks.
				console.error(error);
			}
		}
	}
}
