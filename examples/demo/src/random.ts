// `crypto.randomUUID` is missing where a page comes over plain HTTP from another machine. This is not.
export function random(): number {
	return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

export function pick(words: string[]): string {
	return words[random() % words.length] ?? "room";
}
