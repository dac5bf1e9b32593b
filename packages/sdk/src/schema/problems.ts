// Whether something is a JSON Schema that values can be held to. Whatever would be passed over in silence is said here.

import { isAmbiguous } from "./patterns.ts";
import { anchors, target, within } from "./references.ts";
import { isAnnotation, OUTDATED, pattern, SHAPES } from "./shapes.ts";
import { nearest } from "./spelling.ts";
import { isObject } from "./values.ts";

/** The names and indexes that lead to a part of a schema. */
export type Path = (string | number)[];

/** What is wrong with a schema, or only unwise. */
export interface Problem {
	path: Path;
	reason: string;
	isWarning: boolean;
}

const DRAFT = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/;
/** Keywords that hold a schema to the value itself. */
const ON_THE_SPOT: (string | number)[] = ["allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then"];

/** All that is wrong with a schema, or unwise. None means that `compile` takes it. */
export function problems(root: unknown): Problem[] {
	const inspection = new Inspection(root);
	inspection.schema(root, []);
	inspection.references(root, []);
	if (inspection.found.some(({ isWarning }) => !isWarning)) return inspection.found;
	const endless = endlessPath(root);
	if (endless !== undefined) {
		const reason = "leads back to itself without going into the value, so that it would never end";
		inspection.found.push({ path: endless, reason, isWarning: false });
	}
	return inspection.found;
}

class Inspection {
	readonly found: Problem[] = [];
	readonly #root: unknown;
	readonly #named: Map<string, unknown>;
	/** What was looked at: the schemas where schemas stand, and others that references lead to. */
	readonly #known = new Set<unknown>();

	constructor(root: unknown) {
		this.#root = root;
		this.#named = anchors(root);
	}

	schema(schema: unknown, path: Path): void {
		if (typeof schema === "boolean" || this.#known.has(schema)) return;
		this.#known.add(schema);
		if (!isObject(schema)) {
			this.#error(path, "must be a schema: an object, true or false");
			return;
		}
		for (const [keyword, value] of Object.entries(schema)) this.#keyword(keyword, value, [...path, keyword]);
		this.#names(schema, path);
		// A schema that is none has been told by the keyword that it stands in.
		for (const [names, one] of within(schema)) if (isObject(one)) this.schema(one, [...path, ...names]);
	}

	/** Looks at the references once all is known that stands in its place. */
	references(schema: unknown, path: Path): void {
		if (!isObject(schema)) return;
		for (const keyword of ["$ref", "$dynamicRef"]) {
			const reference = schema[keyword];
			if (typeof reference === "string") this.#reference(reference, [...path, keyword]);
		}
		for (const [names, one] of within(schema)) this.references(one, [...path, ...names]);
	}

	#keyword(keyword: string, value: unknown, at: Path): void {
		const shape = SHAPES.get(keyword);
		const instead = OUTDATED.get(keyword);
		const meant = isAnnotation(keyword) ? undefined : nearest(keyword, SHAPES.keys());
		if (shape !== undefined) {
			const reason = shape(value);
			if (reason !== undefined) this.#error(at, reason);
			else if (keyword === "pattern") this.#slow(value as string, at);
		} else if (instead !== undefined) {
			this.#error(at, `is no keyword of JSON Schema 2020-12: write ${instead}`);
		} else if (meant !== undefined) {
			this.#error(at, `is no keyword of JSON Schema; did you mean \`${meant}\`?`);
		} else if (!isAnnotation(keyword)) {
			this.#warn(at, "is no keyword of JSON Schema: nothing is held to it");
		}
	}

	#names(schema: Record<string, unknown>, path: Path): void {
		const { $id, $schema, patternProperties } = schema;
		if ($schema !== undefined && !DRAFT.test(String($schema))) {
			this.#error([...path, "$schema"], "must be https://json-schema.org/draft/2020-12/schema, or be left out");
		}
		if ($id !== undefined && path.length > 0) {
			this.#error([...path, "$id"], "is not supported in a schema within a schema; use `$anchor` or `$defs`");
		}
		for (const keyword of ["$anchor", "$dynamicAnchor"]) {
			const name = schema[keyword];
			if (typeof name === "string" && this.#named.get(name) !== schema) {
				this.#error([...path, keyword], `is \`${name}\`, as another one in this schema is`);
			}
		}
		if (isObject(patternProperties)) {
			for (const source of Object.keys(patternProperties)) {
				const reason = pattern(source);
				if (reason !== undefined) this.#error([...path, "patternProperties", source], reason);
				else this.#slow(source, [...path, "patternProperties", source]);
			}
		}
	}

	#reference(reference: string, path: Path): void {
		const words = JSON.stringify(reference);
		const found = target(reference, this.#root, this.#named);
		if (!reference.startsWith("#")) {
			const hint = "put it into `$defs` and refer to it by `#/$defs/NAME`";
			this.#error(path, `leads out of the schema, to ${words}; ${hint}`);
		} else if (found === undefined) {
			this.#error(path, `${words} leads nowhere`);
		} else if (!isObject(found) && typeof found !== "boolean") {
			this.#error(path, `${words} leads to what is no schema`);
		} else if (typeof found !== "boolean" && !this.#known.has(found)) {
			// It stands where no schema does by itself.
			this.schema(found, path);
			this.references(found, path);
		}
	}

	/** A star within a star can take a regular expression longer than the age of the universe. */
	#slow(source: string, path: Path): void {
		if (!isAmbiguous(source)) return;
		this.#warn(path, "repeats what repeats itself with nothing in between, which takes very long on some texts");
	}

	#error(path: Path, reason: string): void {
		this.found.push({ path, reason, isWarning: false });
	}

	#warn(path: Path, reason: string): void {
		this.found.push({ path, reason, isWarning: true });
	}
}

/** Where a schema holds a value to itself again, on and on. */
function endlessPath(root: unknown): Path | undefined {
	const named = anchors(root);
	const done = new Set<unknown>();
	const open = new Set<unknown>();
	const visit = (schema: unknown, path: Path): Path | undefined => {
		if (!isObject(schema) || done.has(schema)) return undefined;
		if (open.has(schema)) return path;
		open.add(schema);
		for (const [names, one] of onTheSpot(schema)) {
			const endless = visit(one, [...path, ...names]);
			if (endless !== undefined) return endless;
		}
		open.delete(schema);
		done.add(schema);
		return undefined;
	};
	function* onTheSpot(schema: Record<string, unknown>): Generator<[Path, unknown]> {
		for (const keyword of ["$ref", "$dynamicRef"]) {
			const reference = schema[keyword];
			if (typeof reference === "string") yield [[keyword], target(reference, root, named)];
		}
		for (const [names, one] of within(schema)) if (ON_THE_SPOT.includes(names[0] ?? "")) yield [names, one];
	}
	const everywhere = (schema: unknown, path: Path): Path | undefined => {
		if (!isObject(schema)) return undefined;
		const endless = visit(schema, path);
		if (endless !== undefined) return endless;
		for (const [names, one] of within(schema)) {
			const deeper = everywhere(one, [...path, ...names]);
			if (deeper !== undefined) return deeper;
		}
		return undefined;
	};
	return everywhere(root, []);
}
