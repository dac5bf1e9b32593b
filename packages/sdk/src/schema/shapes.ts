// What the value of each keyword has to look like: what the meta-schema of JSON Schema 2020-12 says, in words.

import { LIST, MAP, ONE } from "./references.ts";
import { isObject } from "./values.ts";

/** What is wrong with a keyword's value, or undefined if it is as it should be. */
export type Shape = (value: unknown) => string | undefined;

const TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"];

/** A few values, for a message. */
export function quoted(values: Iterable<string>): string {
	return [...values].map((value) => JSON.stringify(value)).join(", ");
}

const shape =
	(words: string, fits: (value: any) => boolean): Shape =>
	(value) =>
		fits(value) ? undefined : `must be ${words}`;

const isText = (value: unknown) => typeof value === "string";
const isSchema = (value: unknown) => isObject(value) || typeof value === "boolean";
const isNames = (value: unknown) => Array.isArray(value) && value.every(isText) && new Set(value).size === value.length;

const schema = shape("a schema: an object, true or false", isSchema);
const schemas = shape(
	"a list of at least one schema",
	(value) => Array.isArray(value) && value.length > 0 && value.every(isSchema),
);
const map = shape("an object of schemas", (value) => isObject(value) && Object.values(value).every(isSchema));
const count = shape("a whole number of 0 or more", (value) => Number.isInteger(value) && value >= 0);
const number = shape("a number", (value) => typeof value === "number");
const text = shape("a text", isText);
const flag = shape("true or false", (value) => typeof value === "boolean");
const list = shape("a list", Array.isArray);
const names = shape("a list of names, each once", isNames);
const anchor = shape(
	"a name of letters, digits, `_`, `-` and `.` that begins with a letter or `_`",
	(value) => isText(value) && /^[A-Za-z_][-A-Za-z0-9._]*$/.test(value),
);

function type(value: unknown): string | undefined {
	const isList = Array.isArray(value) && value.length > 0 && isNames(value);
	const given = isList ? value : [value];
	if (given.every((one: unknown) => isText(one) && TYPES.includes(one as string))) return undefined;
	return `must be one of ${quoted(TYPES)}, or a list of some of them`;
}

/** Where a pattern is no regular expression. */
export const pattern: Shape = (value) => {
	if (typeof value !== "string") return "must be a regular expression as a text";
	try {
		new RegExp(value, "u");
		return undefined;
	} catch (error) {
		return `must be a regular expression: ${(error as Error).message}`;
	}
};

/** By keyword. Those with no shape hold any value. */
export const SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
	...ONE.map((keyword) => [keyword, schema] as const),
	...LIST.map((keyword) => [keyword, schemas] as const),
	...MAP.map((keyword) => [keyword, map] as const),
	...["maxContains", "maxItems", "maxLength", "maxProperties"].map((keyword) => [keyword, count] as const),
	...["minContains", "minItems", "minLength", "minProperties"].map((keyword) => [keyword, count] as const),
	...["maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"].map((keyword) => [keyword, number] as const),
	...["$comment", "$id", "$schema", "$ref", "$dynamicRef"].map((keyword) => [keyword, text] as const),
	...["contentEncoding", "contentMediaType", "description", "format", "title"].map((key) => [key, text] as const),
	...["deprecated", "readOnly", "uniqueItems", "writeOnly"].map((keyword) => [keyword, flag] as const),
	...["enum", "examples"].map((keyword) => [keyword, list] as const),
	["multipleOf", shape("a number above 0", (value) => typeof value === "number" && value > 0)],
	["required", names],
	[
		"dependentRequired",
		shape("an object of lists of names", (value) => isObject(value) && Object.values(value).every(isNames)),
	],
	["type", type],
	["pattern", pattern],
	["$anchor", anchor],
	["$dynamicAnchor", anchor],
	["const", () => undefined],
	["default", () => undefined],
]);

/** Keywords of older drafts, which 2020-12 would pass over in silence, and what there is in their stead. */
export const OUTDATED: ReadonlyMap<string, string> = new Map([
	["$recursiveAnchor", "`$dynamicAnchor`"],
	["$recursiveRef", "`$ref` or `$dynamicRef`"],
	["$vocabulary", "the keywords of 2020-12, all of which hold"],
	["additionalItems", "`items`, beside `prefixItems`"],
	["dependencies", "`dependentRequired` or `dependentSchemas`"],
	["nullable", '`type: ["…", "null"]`'],
]);

/** Whether a member says nothing about values by anyone's convention: OpenAPI's annotations, and whatever begins with `x-`. */
export function isAnnotation(keyword: string): boolean {
	return keyword.startsWith("x-") || ["discriminator", "example", "externalDocs", "id", "xml"].includes(keyword);
}
