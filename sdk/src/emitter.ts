// Who listens to what.

/** Listeners by event. One that throws does not keep the others, or the client, from going on. */
export class Emitter<Events extends { [E in keyof Events]: (...args: any[]) => void }> {
	readonly #listeners = new Map<keyof Events, Set<(...args: any[]) => void>>();

	/** Returns what stops the listening. */
	on<E extends keyof Events>(event: E, listener: Events[E]): () => void {
		// Its own function, so that the same listener twice is two.
		const own = (...args: any[]) => listener(...args);
		const listeners = this.#listeners.get(event) ?? new Set();
		this.#listeners.set(event, listeners.add(own));
		return () => void listeners.delete(own);
	}

	emit<E extends keyof Events>(event: E, ...args: Parameters<Events[E]>): void {
		const listeners = this.#listeners.get(event);
		for (const listener of [...(listeners ?? [])]) {
			try {
				// One before it may have stopped it.
				if (listeners?.has(listener)) listener(...args);
			} catch (error) {
				// As an event handler's: it is told of where its maker looks.
				console.error(error);
			}
		}
	}
}
