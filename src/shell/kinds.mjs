// The kinds of rooms that the build declared (K1), and whether a value fits the schema of its field (K3). JSON Schema is
// checked in JavaScript, by the validator that pages use too, so that both say the same.

import kinds from "roomkeep-rooms";
import { validators } from "roomkeep-validators";

/** By party. Schemas are compiled once, when they are first needed. @type {Map<string, (pattern: string) => Function | undefined>} */
const known = new Map(Object.entries(kinds).map(([party, kind]) => [party, validators(kind)]));

/** The definitions of all kinds as JSON, by party. */
export function definitions() {
	return JSON.stringify(kinds);
}

/**
 * What a value breaks first of the schema of a field pattern (for cells `list`, `*` and the column): the keyword, a space,
 * and a JSON Pointer into the value. Undefined if it fits. Never throws: Rust could not go on.
 *
 * @param {string} party
 * @param {string} pattern as it stands in the definition
 * @param {string} value JSON
 * @returns {string | undefined}
 */
export function misfit(party, pattern, value) {
	try {
		const found = known.get(party)?.(pattern)?.(JSON.parse(value));
		return found && `${found.keyword} ${found.path}`;
	} catch (error) {
		// Whatever it is that cannot be checked is not let in.
		console.error(`a value of ${party} ${pattern} cannot be checked: ${error}`);
		return "type ";
	}
}
