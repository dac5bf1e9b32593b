// Input from a page, checked before anything is made of it.

/** A valid name. Throws a TypeError for one that no room would accept. */
export function named(name: string): string {
	// An unpaired surrogate cannot be put into an address, and no room accepts it.
	if (typeof name !== "string" || name === "" || /\p{Cs}/u.test(name))
		throw new TypeError("host, room, user.id, user.name and field names must be non-empty strings.");
	return name;
}

/** A copy of a JSON value, which nobody can change afterwards. Throws a TypeError if it is not JSON. */
export function copied<T>(value: T): T {
	const text = JSON.stringify(value);
	if (text === undefined) throw new TypeError("A value must be JSON. Use clear() to clear a field.");
	return JSON.parse(text);
}
