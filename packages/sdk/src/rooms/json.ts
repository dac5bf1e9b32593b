// Plain JSON of what a definition holds.

import { isObject } from "../schema/values.ts";

/** A place in a definition: names of members and indexes. */
export type Place = readonly (string | number)[];

/** A place as one writes it: `rooms.trade.fields["price/*"].schema`. */
export function written(place: Place): string {
	const parts = place.map((part) => {
		if (typeof part === "number") return `[${part}]`;
		return /^[A-Za-z_$][\w$]*$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
	});
	return parts.join("").replace(/^\./, "");
}

/** Deeper nesting is refused, as it is in frames (PROTOCOL.md, F1). */
const DEPTH = 128;

/** A copy as JSON would have it. Tells `error` of what JSON cannot hold, and gives undefined then. */
export function plain(value: unknown, place: Place, error: (place: Place, reason: string) => void): unknown {
	let isPlain = true;
	const refuse = (at: Place, reason: string): undefined => {
		isPlain = false;
		error(at, reason);
	};
	const copy = (one: unknown, at: Place): unknown => {
		if (at.length - place.length > DEPTH) return refuse(at, `is nested more than ${DEPTH} deep`);
		if (one === null || typeof one === "boolean" || typeof one === "string") return one;
		if (typeof one === "number") return Number.isFinite(one) ? one : refuse(at, `is ${one}, which is no JSON`);
		if (Array.isArray(one)) return one.map((item, index) => copy(item, [...at, index]));
		if (!isObject(one)) return refuse(at, `is ${kindOf(one)}, which is no JSON`);
		const members = Object.entries(one).filter(([, member]) => member !== undefined);
		// A member may have the name `__proto__`.
		return Object.fromEntries(members.map(([name, member]) => [name, copy(member, [...at, name])]));
	};
	const made = copy(value, place);
	return isPlain ? made : undefined;
}

/** What something is, in a message. */
export function kindOf(value: unknown): string {
	if (value === undefined) return "missing";
	if (value === null) return "null";
	if (Array.isArray(value)) return "a list";
	const kind = typeof value;
	if (kind === "string") return "a text";
	return kind === "object" ? "an object" : `a ${kind}`;
}

/** How many bytes of UTF-8 a text takes. */
export function bytes(text: string): number {
	return new TextEncoder().encode(text).length;
}
