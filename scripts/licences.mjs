// Which licences dependencies may have, and whether a licence expression (SPDX) allows one of them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./lib.mjs";

/** For what becomes part of the Worker or of a package: `allow` in deny.toml. */
const list = readFileSync(join(root, "deny.toml"), "utf8").match(/^allow = \[([^\]]*)\]/m)?.[1] ?? "";
export const ALLOWED = new Set([...list.matchAll(/"([^"]+)"/g)].map((match) => match[1]));

/** For npm packages that are only run here, too: what they ask of those who pass them on does not arise. */
export const ALLOWED_TOOLS = new Set([...ALLOWED, "BlueOak-1.0.0", "CC0-1.0", "LGPL-3.0-or-later", "MPL-2.0"]);

/** Whether an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` is met by licences of a set. */
export function meets(expression, allowed) {
	// Some crates still write a slash for OR.
	const tokens = expression.replaceAll("/", " OR ").match(/[()]|[^\s()]+/g) ?? [];
	let at = 0;
	const either = () => {
		let met = both();
		while (tokens[at] === "OR") {
			at += 1;
			met = both() || met;
		}
		return met;
	};
	const both = () => {
		let met = one();
		while (tokens[at] === "AND") {
			at += 1;
			met = one() && met;
		}
		return met;
	};
	const one = () => {
		if (tokens[at] === "(") {
			at += 1;
			const met = either();
			at += 1;
			return met;
		}
		const name = tokens[at];
		at += 1;
		if (tokens[at] !== "WITH") return allowed.has(name);
		at += 2;
		return allowed.has(`${name} WITH ${tokens[at - 1]}`);
	};
	const met = either();
	return met && at === tokens.length;
}
