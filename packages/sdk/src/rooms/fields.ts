// The fields and lists of a kind.

import { problems } from "../schema/problems.ts";
import { isObject } from "../schema/values.ts";
import type { FieldRule, JsonSchema, ListRule } from "./definition.ts";
import { bytes, type Place, plain } from "./json.ts";
import { partFault, patternFault, USUAL_NAME_BYTES } from "./names.ts";
import { NOT_YET, type Report } from "./report.ts";
import { rules } from "./rules.ts";

/** `fields` of a kind, by pattern. */
export function fields(value: unknown, place: Place, report: Report): Record<string, FieldRule> {
	const object = report.object(value, place, "an object of fields by pattern") ?? {};
	const checked = Object.entries(object).map(([pattern, definition]): [string, FieldRule] => {
		const at = [...place, pattern];
		const reason = patternFault(pattern);
		if (reason !== undefined) report.fault(at, reason);
		else if (bytes(pattern) > USUAL_NAME_BYTES) {
			report.warn(
				at,
				`is longer than the ${USUAL_NAME_BYTES} bytes that a room takes unless LIMIT_NAME_BYTES says more`,
			);
		}
		return [pattern, field(definition, at, report, pattern)];
	});
	return Object.fromEntries(checked);
}

/** `rows` of a kind, by list. */
export function rows(value: unknown, place: Place, report: Report): Record<string, ListRule> {
	const object = report.object(value, place, "an object of lists by name") ?? {};
	if (Object.keys(object).length > 0) report.warn(place, NOT_YET);
	const checked = Object.entries(object).map(([name, definition]): [string, ListRule] => {
		const at = [...place, name];
		const reason = partFault(name);
		if (reason !== undefined) report.fault(at, reason);
		return [name, list(name, definition, at, report)];
	});
	return Object.fromEntries(checked);
}

function list(name: string, value: unknown, place: Place, report: Report): ListRule {
	const given = report.members(value, place, "a list of rows", ["cells", "write", "max"]);
	if (given === undefined) return { cells: {}, write: [] };
	const { cells, write, max } = given;
	const columns = report.object(cells, [...place, "cells"], "an object of columns by name") ?? {};
	const checked = Object.entries(columns).map(([column, definition]): [string, FieldRule] => {
		const at = [...place, "cells", column];
		const reason = partFault(column);
		if (reason !== undefined) report.fault(at, reason);
		return [column, field(definition, at, report, `${name}/*/${column}`)];
	});
	const most = max === undefined ? undefined : whole(max, [...place, "max"], report);
	return {
		cells: Object.fromEntries(checked),
		write: rules(write, [...place, "write"], report, `${name}/*`),
		...(most === undefined ? {} : { max: most }),
	};
}

/** A field, or the cells of a column. */
function field(value: unknown, place: Place, report: Report, pattern: string): FieldRule {
	const given = report.members(value, place, "a field", ["schema", "write", "text"]) ?? {};
	const checked = given.schema === undefined ? undefined : schema(given.schema, [...place, "schema"], report);
	const merged = text(given.text, [...place, "text"], report);
	return {
		...(checked === undefined ? {} : { schema: checked }),
		write: rules(given.write, [...place, "write"], report, pattern),
		...(merged === undefined ? {} : { text: merged }),
	};
}

function text(value: unknown, place: Place, report: Report): FieldRule["text"] {
	if (value === undefined || value === false) return undefined;
	report.warn(place, NOT_YET);
	if (value === true) return true;
	const { root, maxLength } = report.members(value, place, "a text's options", ["root", "maxLength"]) ?? {};
	if (root !== undefined && typeof root !== "string") report.fault([...place, "root"], "must be a text");
	const longest = maxLength === undefined ? undefined : whole(maxLength, [...place, "maxLength"], report);
	return {
		...(typeof root === "string" ? { root } : {}),
		...(longest === undefined ? {} : { maxLength: longest }),
	};
}

function whole(value: unknown, place: Place, report: Report): number | undefined {
	return report.number(value, place, "a whole number of 1 or more", (one) => Number.isSafeInteger(one) && one >= 1);
}

/** A JSON Schema as plain JSON, converted if it is a library's. */
function schema(value: unknown, place: Place, report: Report): JsonSchema | undefined {
	const own =
		isObject(value) || typeof value === "function" ? (value as { "~standard"?: unknown })["~standard"] : undefined;
	const given = isObject(own) ? converted(own, place, report) : value;
	if (given === undefined) return undefined;
	const json = plain(given, place, report.fault);
	if (json === undefined) return undefined;
	for (const { path, reason, isWarning } of problems(json)) {
		(isWarning ? report.warn : report.fault)([...place, ...path], reason);
	}
	return json as JsonSchema;
}

/** What a schema of a library is as JSON Schema, which Standard JSON Schema has it say itself. */
function converted(standard: Record<string, unknown>, place: Place, report: Report): unknown {
	const { vendor, jsonSchema } = standard;
	const convert = isObject(jsonSchema) ? jsonSchema.input : undefined;
	if (typeof convert !== "function") {
		const reason = "cannot convert itself to JSON Schema; take a version of the library that can";
		return report.fault(place, `is a schema of \`${vendor}\` that ${reason}, or write JSON Schema`);
	}
	try {
		// The room holds what is sent, so that is what has to fit.
		return convert.call(jsonSchema, { target: "draft-2020-12" });
	} catch (error) {
		return report.fault(place, `is a schema of \`${vendor}\` that is no JSON Schema: ${(error as Error).message}`);
	}
}

/** What two parts of a kind both say. */
export function twice(
	fields: Record<string, FieldRule>,
	rows: Record<string, ListRule>,
	place: Place,
	report: Report,
): void {
	for (const pattern of Object.keys(fields)) {
		const [list = "", , column, more] = pattern.split("/");
		if (column === undefined || more !== undefined || !Object.hasOwn(rows, list)) continue;
		report.fault([...place, pattern], `is a cell of the list \`${list}\`, whose cells are in \`rows\``);
	}
}
