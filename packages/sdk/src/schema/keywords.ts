// What each keyword of JSON Schema 2020-12 asks of a value, in the order in which they are checked.

import { attempt, type Check, inside, type Misfit, type Node, run } from "./node.ts";
import { canonical, characters, isObject, multiplesOf } from "./values.ts";

type Schema = Record<string, unknown>;

/** Makes nodes of the schemas within a schema. `keyword` is told when such a schema is `false`. */
export interface Compiler {
	node(schema: unknown, keyword: string): Node;
	/** What a reference leads to. */
	reference(reference: string, keyword: string): Node;
	pattern(source: string): RegExp;
}

/** Makes a check of a keyword's value, or none if it asks nothing. */
type Keyword = (argument: any, schema: Schema, compiler: Compiler) => Check | undefined;

/** A keyword that asks something of numbers, texts, lists or objects, and nothing of other values. */
function about<T>(keyword: string, is: (value: unknown) => value is T, fits: (value: T) => boolean): Check {
	const misfit: Misfit = { keyword, path: "" };
	return (value) => (is(value) && !fits(value) ? misfit : undefined);
}

const isNumber = (value: unknown): value is number => typeof value === "number";
const isText = (value: unknown): value is string => typeof value === "string";
const isList = (value: unknown): value is unknown[] => Array.isArray(value);
const isAny = (_: unknown): _ is unknown => true;

const TYPES: Record<string, (value: unknown) => boolean> = {
	array: Array.isArray,
	boolean: (value) => typeof value === "boolean",
	integer: Number.isInteger,
	null: (value) => value === null,
	number: isNumber,
	object: isObject,
	string: isText,
};

function oneOfValues(keyword: string, values: unknown[]): Check {
	const scalars = new Set(values.filter((value) => typeof value !== "object" || value === null));
	const others = new Set(values.filter((value) => typeof value === "object" && value !== null).map(canonical));
	return about(keyword, isAny, (value) =>
		typeof value === "object" && value !== null ? others.has(canonical(value)) : scalars.has(value),
	);
}

/** Applies a schema to each member that `nodeOf` has one for. */
function members(nodesOf: (name: string) => Iterable<Node>): Check {
	return (value, seen) => {
		if (!isObject(value)) return undefined;
		for (const name of Object.keys(value)) {
			for (const node of nodesOf(name)) {
				const misfit = run(node, value[name], undefined);
				if (misfit !== undefined) return inside(misfit, name);
				seen?.names.add(name);
			}
		}
		return undefined;
	};
}

function contains(argument: unknown, { minContains = 1, maxContains }: Schema, compiler: Compiler): Check {
	const node = compiler.node(argument, "contains");
	const [least, most] = [minContains as number, (maxContains as number | undefined) ?? Number.POSITIVE_INFINITY];
	return (value, seen) => {
		if (!isList(value)) return undefined;
		let count = 0;
		for (const [at, item] of value.entries()) {
			if (!attempt(node, item, undefined)) continue;
			count += 1;
			seen?.indexes.add(at);
			if (count > most) return { keyword: "maxContains", path: "" };
		}
		if (count >= least) return undefined;
		return { keyword: count === 0 ? "contains" : "minContains", path: "" };
	};
}

function additionalProperties(argument: unknown, schema: Schema, compiler: Compiler): Check {
	const nodes = [compiler.node(argument, "additionalProperties")];
	const named = new Set(Object.keys((schema.properties as object | undefined) ?? {}));
	const sources = Object.keys((schema.patternProperties as object | undefined) ?? {});
	const patterns = sources.map((source) => compiler.pattern(source));
	const isNamed = (name: string) => named.has(name) || patterns.some((pattern) => pattern.test(name));
	return members((name) => (isNamed(name) ? [] : nodes));
}

function properties(argument: Schema, _: Schema, compiler: Compiler): Check {
	const nodes = Object.entries(argument).map(
		([name, schema]) => [name, compiler.node(schema, "properties")] satisfies [string, Node],
	);
	return (value, seen) => {
		if (!isObject(value)) return undefined;
		for (const [name, node] of nodes) {
			if (!Object.hasOwn(value, name)) continue;
			const misfit = run(node, value[name], undefined);
			if (misfit !== undefined) return inside(misfit, name);
			seen?.names.add(name);
		}
		return undefined;
	};
}

function patternProperties(argument: Schema, _: Schema, compiler: Compiler): Check {
	const nodes = Object.entries(argument).map(
		([source, schema]) =>
			[compiler.pattern(source), compiler.node(schema, "patternProperties")] satisfies [RegExp, Node],
	);
	return members((name) => nodes.filter(([pattern]) => pattern.test(name)).map(([, node]) => node));
}

function items(from: number, nodes: (at: number) => Node | undefined, isRest: boolean): Check {
	return (value, seen) => {
		if (!isList(value)) return undefined;
		for (let at = from; at < value.length; at += 1) {
			const node = nodes(at);
			if (node === undefined) break;
			const misfit = run(node, value[at], undefined);
			if (misfit !== undefined) return inside(misfit, at);
			seen?.indexes.add(at);
		}
		if (isRest && seen !== undefined) seen.hasAllItems = true;
		return undefined;
	};
}

function oneOf(argument: unknown[], _: Schema, compiler: Compiler): Check {
	const nodes = argument.map((schema) => compiler.node(schema, "oneOf"));
	return (value, seen) => {
		let count = 0;
		for (const node of nodes) {
			if (!attempt(node, value, seen)) continue;
			count += 1;
			if (count > 1) break;
		}
		return count === 1 ? undefined : { keyword: "oneOf", path: "" };
	};
}

function anyOf(argument: unknown[], _: Schema, compiler: Compiler): Check {
	const nodes = argument.map((schema) => compiler.node(schema, "anyOf"));
	return (value, seen) => {
		let fits = false;
		for (const node of nodes) {
			fits = attempt(node, value, seen) || fits;
			// Those behind it may look at more of the value.
			if (fits && seen === undefined) break;
		}
		return fits ? undefined : { keyword: "anyOf", path: "" };
	};
}

function conditional(argument: unknown, schema: Schema, compiler: Compiler): Check {
	const node = compiler.node(argument, "if");
	const [yes, no] = ["then", "else"].map((keyword) =>
		Object.hasOwn(schema, keyword) ? compiler.node(schema[keyword], keyword) : undefined,
	);
	return (value, seen) => {
		const branch = attempt(node, value, seen) ? yes : no;
		if (branch === undefined || attempt(branch, value, seen)) return undefined;
		return { keyword: "if", path: "" };
	};
}

function dependentSchemas(argument: Schema, _: Schema, compiler: Compiler): Check {
	const nodes = Object.entries(argument).map(
		([name, schema]) => [name, compiler.node(schema, "dependentSchemas")] satisfies [string, Node],
	);
	return (value, seen) => {
		if (!isObject(value)) return undefined;
		for (const [name, node] of nodes) {
			const misfit = Object.hasOwn(value, name) ? run(node, value, seen) : undefined;
			if (misfit !== undefined) return misfit;
		}
		return undefined;
	};
}

/** What no keyword before it looked at: it comes last. */
function unevaluatedProperties(argument: unknown, _: Schema, compiler: Compiler): Check {
	const nodes = [compiler.node(argument, "unevaluatedProperties")];
	return (value, seen) => {
		if (seen?.hasAllNames) return undefined;
		const misfit = members((name) => (seen?.names.has(name) ? [] : nodes))(value, undefined);
		if (seen !== undefined) seen.hasAllNames = true;
		return misfit;
	};
}

function unevaluatedItems(argument: unknown, _: Schema, compiler: Compiler): Check {
	const node = compiler.node(argument, "unevaluatedItems");
	const fits: Node = { checks: [], isTracking: false };
	return (value, seen) => {
		if (seen?.hasAllItems) return undefined;
		return items(0, (at) => (seen?.indexes.has(at) ? fits : node), true)(value, seen);
	};
}

/** All of a list of schemas, on the value itself. */
function all(nodes: Node[]): Check {
	return (value, seen) => {
		for (const node of nodes) {
			const misfit = run(node, value, seen);
			if (misfit !== undefined) return misfit;
		}
		return undefined;
	};
}

/** In the order in which they are checked, so that of several that a value breaks the first is told. */
export const KEYWORDS: [keyword: string, make: Keyword][] = [
	[
		"type",
		(types: string | string[]) => {
			const tests = [types].flat().map((type) => TYPES[type] ?? (() => false));
			const [test] = tests;
			if (test !== undefined && tests.length === 1) return about("type", isAny, test);
			return about("type", isAny, (value) => tests.some((one) => one(value)));
		},
	],
	["const", (constant) => oneOfValues("const", [constant])],
	["enum", (values) => oneOfValues("enum", values)],
	["multipleOf", (of) => about("multipleOf", isNumber, multiplesOf(of))],
	["maximum", (most) => about("maximum", isNumber, (value) => value <= most)],
	["exclusiveMaximum", (bound) => about("exclusiveMaximum", isNumber, (value) => value < bound)],
	["minimum", (least) => about("minimum", isNumber, (value) => value >= least)],
	["exclusiveMinimum", (bound) => about("exclusiveMinimum", isNumber, (value) => value > bound)],
	// A character has one or two units of UTF-16, so that few texts have to be counted.
	["maxLength", (most) => about("maxLength", isText, (text) => text.length <= most || characters(text) <= most)],
	["minLength", (least) => about("minLength", isText, (text) => text.length >= least && characters(text) >= least)],
	[
		"pattern",
		(source, _, compiler) => {
			const pattern = compiler.pattern(source);
			return about("pattern", isText, (text) => pattern.test(text));
		},
	],
	["maxItems", (most) => about("maxItems", isList, (list) => list.length <= most)],
	["minItems", (least) => about("minItems", isList, (list) => list.length >= least)],
	[
		"uniqueItems",
		(isWanted) =>
			isWanted ? about("uniqueItems", isList, (list) => new Set(list.map(canonical)).size === list.length) : undefined,
	],
	[
		"prefixItems",
		(schemas: unknown[], _, compiler) => {
			const nodes = schemas.map((schema) => compiler.node(schema, "prefixItems"));
			return items(0, (at) => nodes[at], false);
		},
	],
	[
		"items",
		(schema, { prefixItems = [] }, compiler) => {
			const node = compiler.node(schema, "items");
			return items((prefixItems as unknown[]).length, () => node, true);
		},
	],
	["contains", contains],
	["maxProperties", (most) => about("maxProperties", isObject, (object) => Object.keys(object).length <= most)],
	["minProperties", (least) => about("minProperties", isObject, (object) => Object.keys(object).length >= least)],
	[
		"required",
		(names: string[]) => about("required", isObject, (object) => names.every((name) => Object.hasOwn(object, name))),
	],
	[
		"dependentRequired",
		(argument: Record<string, string[]>) => {
			const entries = Object.entries(argument);
			const has = (object: object) => (name: string) => Object.hasOwn(object, name);
			return about("dependentRequired", isObject, (object) =>
				entries.every(([name, names]) => !Object.hasOwn(object, name) || names.every(has(object))),
			);
		},
	],
	[
		"propertyNames",
		(schema, _, compiler) => {
			const node = compiler.node(schema, "propertyNames");
			return about("propertyNames", isObject, (object) =>
				Object.keys(object).every((name) => attempt(node, name, undefined)),
			);
		},
	],
	["properties", properties],
	["patternProperties", patternProperties],
	["additionalProperties", additionalProperties],
	["dependentSchemas", dependentSchemas],
	["$ref", (reference, _, compiler) => all([compiler.reference(reference, "$ref")])],
	// Within one document with one base there is one schema of each name, so that it leads where `$ref` does.
	["$dynamicRef", (reference, _, compiler) => all([compiler.reference(reference, "$dynamicRef")])],
	["allOf", (schemas: unknown[], _, compiler) => all(schemas.map((schema) => compiler.node(schema, "allOf")))],
	["anyOf", anyOf],
	["oneOf", oneOf],
	[
		"not",
		(schema, _, compiler) => {
			const node = compiler.node(schema, "not");
			return about("not", isAny, (value) => !attempt(node, value, undefined));
		},
	],
	["if", conditional],
	["unevaluatedItems", unevaluatedItems],
	["unevaluatedProperties", unevaluatedProperties],
];
