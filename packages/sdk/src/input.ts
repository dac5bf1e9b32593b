// What a page gives, looked at before anything is made of it.

/** A name as it may be. Throws a TypeError for one that no room would take. */
export function named(name: string): string {
	// Half of a character has no address, and no room takes it.
	if (typeof name !== "string" || name === "" || /\p{Cs}/u.test(name))
		throw new TypeError("host, room, user.id, user.name and fields are texts, and not empty.");
	return name;
}

/** JSON of its own, which nobody changes afterwards. Throws a TypeError for what is none. */
export function copied<T>(value: T): T {
	const text = JSON.stringify(value);
	if (text === undefined) throw new TypeError("A value is JSON. clear() empties a field.");
	return JSON.parse(text);
}
