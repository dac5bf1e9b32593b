// What somebody may have meant.

/** The known word that is nearest to one that is not known, if any is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
	let [found, least]: [string | undefined, number] = [undefined, 1 + Math.min(2, Math.floor(word.length / 3))];
	for (const one of known) {
		const distance = edits(word, one);
		if (distance < least) [found, least] = [one, distance];
	}
	return found;
}

/** How many letters have to be put in, left out, replaced or swapped to make one word of another. */
function edits(from: string, to: string): number {
	let [before, row]: [number[], number[]] = [[], Array.from({ length: to.length + 1 }, (_, at) => at)];
	for (let at = 1; at <= from.length; at += 1) {
		const next = [at];
		for (let other = 1; other <= to.length; other += 1) {
			const isSame = from[at - 1] === to[other - 1];
			const isSwapped = at > 1 && other > 1 && from[at - 1] === to[other - 2] && from[at - 2] === to[other - 1];
			next[other] = Math.min(
				(next[other - 1] ?? 0) + 1,
				(row[other] ?? 0) + 1,
				(row[other - 1] ?? 0) + (isSame ? 0 : 1),
				isSwapped ? (before[other - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
			);
		}
		[before, row] = [row, next];
	}
	return row[to.length] ?? 0;
}
