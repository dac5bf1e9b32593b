// Input from a page, checked before anything is made of it.

/** A valid name. Throws a TypeError for one that no room would accept. */
export function named(name: string): string {
	// An unpaired surrogate cannot be put into an address, and no room accepts it.
	if (typeof name !== "string" || name === "" || /\p{Cs}/u.test(name))
		throw new TypeError("host, room, user.id, user.name and field names must be non-empty strings.");
	return name;
}

/**
 * A copy of a JSON value, which nobody can change afterwards. Half a character, of which no UTF-8 can be made, becomes
 * U+FFFD: a room would refuse all of it. Throws a TypeError if it is not JSON.
 */
export function copied<T>(value: T): T {
	const text = JSON.stringify(value, checked);
	if (text === undefined) throw new TypeError("A value must be JSON. Use clear() to clear a field.");
	// Only unpaired surrogates are escaped in this way.
	return JSON.parse(text.replace(/\\(?:\\|ud[89a-f]..)/g, (half) => (half[1] === "u" ? "\ufffd" : half)));
}

/** Throws a TypeError for what JSON would leave out or make something else of. Members that are undefined are left out. */
function checked(this: unknown, name: string, value: unknown): unknown {
	const isIn =
		typeof value === "number" ? Number.isFinite(value) : JSON_TYPES.test(Object.prototype.toString.call(value));
	if (isIn || (value === undefined && !Array.isArray(this))) return value;
	const where = name && ` as ${Array.isArray(this) ? "item" : "member"} ${name}`;
	throw new TypeError(`A value must be JSON, and has ${String(value)}${where}.`);
}

const JSON_TYPES = /^.object (Object|Array|String|Boolean|Null)/;

/** Makes an object unchangeable, with all that is in it. What already is unchangeable is taken to be so throughout. */
export function frozen<T>(value: T): T {
	if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
	Object.values(value).forEach(frozen);
	return Object.freeze(value);
}
