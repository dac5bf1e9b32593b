// Where the references of a schema lead. They stay within it: a schema is one document with one base.

import { isObject, steps } from "./values.ts";

/** Keywords whose value is a schema. */
export const ONE = [
	"additionalProperties",
	"contains",
	"contentSchema",
	"else",
	"if",
	"items",
	"not",
	"propertyNames",
	"then",
	"unevaluatedItems",
	"unevaluatedProperties",
] as const;

/** Keywords whose value is a list of schemas. */
export const LIST = ["allOf", "anyOf", "oneOf", "prefixItems"] as const;

/** Keywords whose value is an object of schemas. */
export const MAP = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"] as const;

/** The schemas right within a schema, each with the names that lead to it. */
export function* within(schema: Record<string, unknown>): Generator<[names: (string | number)[], schema: unknown]> {
	for (const keyword of ONE) if (Object.hasOwn(schema, keyword)) yield [[keyword], schema[keyword]];
	for (const keyword of LIST) {
		const list = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
		if (Array.isArray(list)) for (const [at, one] of list.entries()) yield [[keyword, at], one];
	}
	for (const keyword of MAP) {
		const map = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
		if (isObject(map)) for (const [name, one] of Object.entries(map)) yield [[keyword, name], one];
	}
}

/** The schemas of a document that have a name (`$anchor`, `$dynamicAnchor`). */
export function anchors(root: unknown): Map<string, unknown> {
	const found = new Map<string, unknown>();
	const visit = (schema: unknown): void => {
		if (!isObject(schema)) return;
		for (const keyword of ["$anchor", "$dynamicAnchor"]) {
			const name = schema[keyword];
			if (typeof name === "string" && !found.has(name)) found.set(name, schema);
		}
		for (const [, one] of within(schema)) visit(one);
	};
	visit(root);
	return found;
}

/** What a reference leads to, or undefined if that is nothing: `#`, `#/$defs/name` or `#anchor`. */
export function target(reference: string, root: unknown, named: Map<string, unknown>): unknown {
	if (!reference.startsWith("#")) return undefined;
	const fragment = decoded(reference.slice(1));
	if (fragment === undefined) return undefined;
	if (fragment !== "" && !fragment.startsWith("/")) return named.get(fragment);
	let at = root;
	for (const name of steps(fragment) ?? [""]) {
		// Lists have their indexes as members of their own too.
		if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
		at = (at as Record<string, unknown>)[name];
	}
	return at;
}

function decoded(fragment: string): string | undefined {
	try {
		return decodeURIComponent(fragment);
	} catch {
		return undefined;
	}
}
