// What a value breaks of a JSON Schema (2020-12). The Worker asks this of every value of a declared field, and a page before
// it sends one, so both say the same. Workers cannot compile code at run time, so a schema becomes functions.

import { KEYWORDS } from "./schema/keywords.ts";
import { first, type Misfit, type Node } from "./schema/node.ts";
import { anchors, target } from "./schema/references.ts";
import { isObject } from "./schema/values.ts";

export type { Misfit };

/** Says what a value breaks first, or undefined if it fits. */
export type Validator = (value: unknown) => Misfit | undefined;

/**
 * Compiles a schema that has no problems (`problems` in schema/problems.ts finds them).
 *
 * Of several things that a value breaks, the innermost is told, in the order of `KEYWORDS`, of members as the schema has
 * them, and of items. Of `anyOf`, `oneOf`, `not` and `if` the keyword itself is told, for no branch is the one that was
 * meant. A value that takes too many steps to check breaks `steps`.
 *
 * @throws SyntaxError if a pattern is no regular expression, TypeError if a reference leads nowhere.
 */
export function compile(schema: unknown): Validator {
	const node = compiled(schema);
	return (value) => first(node, value);
}

function compiled(root: unknown): Node {
	const nodes = new Map<unknown, Node>();
	const patterns = new Map<string, RegExp>();
	const named = anchors(root);
	const node = (schema: unknown, keyword: string): Node => {
		if (typeof schema === "boolean") {
			const misfit = { keyword, path: "" };
			return { checks: schema ? [] : [() => misfit], isTracking: false };
		}
		if (!isObject(schema)) throw new TypeError("this is no schema");
		const known = nodes.get(schema);
		if (known !== undefined) return known;
		const tracks = ["unevaluatedItems", "unevaluatedProperties"].some((name) => Object.hasOwn(schema, name));
		// Known before it is whole: a schema may refer to itself.
		const made: Node = { checks: [], isTracking: tracks };
		nodes.set(schema, made);
		for (const [name, make] of KEYWORDS) {
			if (!Object.hasOwn(schema, name)) continue;
			const check = make(schema[name], schema, { node, reference, pattern });
			if (check !== undefined) made.checks.push(check);
		}
		return made;
	};
	const reference = (text: string, keyword: string): Node => node(target(text, root, named), keyword);
	const pattern = (source: string): RegExp => {
		const known = patterns.get(source) ?? new RegExp(source, "u");
		patterns.set(source, known);
		return known;
	};
	return node(root, "false");
}
