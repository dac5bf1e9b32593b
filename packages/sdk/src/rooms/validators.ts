// The validators of a kind's fields: what the Worker and pages hold a value to.

import { compile, type Validator } from "../schema.ts";
import type { FieldRule, KindDefinition } from "./definition.ts";

/** All that a kind declares, by pattern: fields, and the cells of lists as the list, `*` and the column. */
export function patterns({ fields, rows }: Pick<KindDefinition, "fields" | "rows">): Record<string, FieldRule> {
	const cells = Object.entries(rows).flatMap(([list, { cells }]) =>
		Object.entries(cells).map(([column, cell]): [string, FieldRule] => [`${list}/*/${column}`, cell]),
	);
	return Object.fromEntries([...Object.entries(fields), ...cells]);
}

/**
 * Gives the validator of a pattern of a kind, as it stands in the definition (cells: `list`, `*` and the column), or
 * undefined if any value fits. A schema is compiled when it is first asked for, and then kept.
 */
export function validators(kind: Pick<KindDefinition, "fields" | "rows">): (pattern: string) => Validator | undefined {
	const declared = new Map(Object.entries(patterns(kind)));
	const compiled = new Map<string, Validator | undefined>();
	return (pattern) => {
		const known = compiled.get(pattern);
		if (known !== undefined) return known;
		const schema = declared.get(pattern)?.schema;
		if (schema === undefined) return undefined;
		const validator = compile(schema);
		compiled.set(pattern, validator);
		return validator;
	};
}
