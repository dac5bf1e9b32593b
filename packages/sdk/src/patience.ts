// Waiting for what may never come.

/** In how many parts a time is waited for. */
const PARTS = 4;

/**
 * A promise that rejects if `promise` has not settled after that many milliseconds. A page that was stopped meanwhile,
 * by the browser or by an alert, first gets to hear of what has come in the meantime.
 */
export function within<T>(milliseconds: number, promise: PromiseLike<T>): Promise<T> {
	let timer: ReturnType<typeof setTimeout>;
	const limit = new Promise<never>((_, reject) => {
		const wait = (parts: number) => {
			const next = () => (parts > 1 ? wait(parts - 1) : reject(new Error(`No answer within ${milliseconds} ms.`)));
			timer = setTimeout(next, milliseconds / PARTS);
		};
		wait(PARTS);
	});
	return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}
