// Patterns, and the names that they stand for.

import { bytes } from "./json.ts";

/** Longest name that a room can be set to take, in bytes (`LIMIT_NAME_BYTES`). */
export const NAME_BYTES = 512;
/** Longest name of a field that a room takes unless it is set to take more, and longest name of a list and a column. */
export const USUAL_NAME_BYTES = 128;

/** Why something is no pattern, or undefined if it is one. */
export function patternFault(pattern: string): string | undefined {
	if (bytes(pattern) > NAME_BYTES) return `is longer than ${NAME_BYTES} bytes`;
	const parts = pattern.split("/");
	if (parts.includes("")) return "has a part without a letter: a pattern is parts with `/` between them";
	const odd = parts.find((part) => part.includes("*") && part !== "*");
	return odd && `has a part \`${odd}\`: a \`*\` stands for a whole part`;
}

/** Why something is no name of a list or a column, or undefined if it is one. */
export function partFault(name: string): string | undefined {
	if (name === "") return "has no letter";
	if (bytes(name) > USUAL_NAME_BYTES) return `is longer than ${USUAL_NAME_BYTES} bytes`;
	return /[/*]/.test(name) ? "has a `/` or a `*`: it is one part of a name" : undefined;
}

/** How many parts of a pattern are `*`. */
export function stars(pattern: string): number {
	return pattern.split("/").filter((part) => part === "*").length;
}

/** Whether a pattern stands for all that another one stands for. */
export function covers(pattern: string, other: string): boolean {
	const [parts, others] = [pattern.split("/"), other.split("/")];
	return parts.length === others.length && parts.every((part, at) => part === "*" || part === others[at]);
}

/**
 * The pattern that a name falls under, or undefined if there is none. Of several, compared part by part from the left, a
 * literal goes before `*` (PROTOCOL.md, K2).
 */
export function patternOf(name: string, patterns: Iterable<string>): string | undefined {
	let best: string | undefined;
	for (const pattern of patterns) {
		if (covers(pattern, name) && (best === undefined || goesBefore(pattern, best))) best = pattern;
	}
	return best;
}

/** Of two patterns for one name. */
function goesBefore(pattern: string, other: string): boolean {
	const others = other.split("/");
	const at = pattern.split("/").findIndex((part, at) => part !== others[at]);
	return others[at] === "*";
}

/** Whether some name falls under both of two patterns. */
export function meets(pattern: string, other: string): boolean {
	const [parts, others] = [pattern.split("/"), other.split("/")];
	const fits = (part: string, at: number) => part === "*" || others[at] === "*" || part === others[at];
	return parts.length === others.length && parts.every(fits);
}
