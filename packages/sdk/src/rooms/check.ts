// Whether definitions make sense, and what they are as plain JSON. Knows no file and no Node: it runs wherever a Worker does.

import { isObject } from "../schema/values.ts";
import type { Entry, HistoryOptions, KindDefinition } from "./definition.ts";
import { fields, rows, twice } from "./fields.ts";
import { bytes, kindOf, type Place } from "./json.ts";
import { fitting, lenses } from "./lenses.ts";
import { DefinitionError, NOT_YET, Report } from "./report.ts";
import { rules } from "./rules.ts";

/** The most that the definition of a kind may be as JSON, in bytes. */
const KIND_BYTES = 256 * 1024;
/** The longest that an unused room may be kept, in days, as for `ROOM_TTL_DAYS`. */
const TTL_DAYS = 36_500;
/** What stands in an address and in tokens. */
const PARTY = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
const MEMBERS = [
	"version",
	"fields",
	"rows",
	"others",
	"enter",
	"lenses",
	"ttlDays",
	"resolutions",
	"history",
] satisfies (keyof KindDefinition)[];

/** Definitions that make sense, by party, and what is unwise about them, a line for each. */
export interface CheckedRooms {
	rooms: Record<string, KindDefinition>;
	warnings: string[];
}

/**
 * Checks the definitions of a module (its default export) and fills in all that they leave out.
 *
 * @throws DefinitionError if they make no sense.
 */
export function checkRooms(given: unknown): CheckedRooms {
	const report = new Report();
	if (!isObject(given)) {
		const example = "`export default { trade: defineRoom({ … }) }`";
		throw new DefinitionError([
			`rooms: must be an object of kinds by party, as in ${example}, and is ${kindOf(given)}`,
		]);
	}
	const checked = Object.entries(given).map(([party, definition]): [string, KindDefinition] => {
		const place = ["rooms", party];
		if (!PARTY.test(party)) {
			report.fault(
				place,
				"is no name of a party: 1 to 64 letters, digits, `_`, `-` and `.`, not beginning with `-` or `.`",
			);
		}
		return [party, kind(definition, place, report)];
	});
	if (report.faults.length > 0) throw new DefinitionError(report.faults);
	return { rooms: Object.fromEntries(checked), warnings: report.warnings };
}

function kind(value: unknown, place: Place, report: Report): KindDefinition {
	const before = report.faults.length;
	const given = report.members(value, place, "a kind of room", MEMBERS) ?? {};
	const at = (member: keyof KindDefinition) => [...place, member];
	const version = given.version === undefined ? 1 : wholeVersion(given.version, at("version"), report);
	const checked: KindDefinition = {
		version: version ?? 1,
		fields: fields(given.fields ?? {}, at("fields"), report),
		rows: rows(given.rows ?? {}, at("rows"), report),
		others: given.others === undefined ? "none" : (report.word(given.others, at("others"), ["none", "any"]) ?? "none"),
		enter: enter(given.enter, at("enter"), report),
		// Without a version there is nothing to hold them to.
		lenses: version === undefined ? [] : lenses(given.lenses, version, at("lenses"), report),
		...ttlDays(given.ttlDays, at("ttlDays"), report),
		...resolutions(given.resolutions, at("resolutions"), report),
		...history(given.history, at("history"), report),
	};
	twice(checked.fields, checked.rows, at("fields"), report);
	if (report.faults.length > before) return checked;
	fitting(checked, at("lenses"), report);
	const size = bytes(JSON.stringify(checked));
	if (size > KIND_BYTES) report.fault(place, `is ${size} bytes as JSON; the most is ${KIND_BYTES}`);
	return checked;
}

function wholeVersion(value: unknown, place: Place, report: Report): number | undefined {
	return report.number(value, place, "a whole number of 1 or more", (one) => Number.isSafeInteger(one) && one >= 1);
}

function enter(value: unknown, place: Place, report: Report): Entry[] {
	if (value === undefined) return ["rooms"];
	if (!Array.isArray(value) || value.length === 0) {
		report.fault(place, 'must be a list of "rooms", "owner" or both');
		return [];
	}
	for (const [at, one] of value.entries()) {
		if (value.indexOf(one) < at) report.fault([...place, at], "stands there twice");
		else report.word(one, [...place, at], ["rooms", "owner"]);
	}
	return value;
}

function ttlDays(value: unknown, place: Place, report: Report): Pick<KindDefinition, "ttlDays"> {
	if (value === undefined) return {};
	const words = `a number of days above 0 and up to ${TTL_DAYS}`;
	const days = report.number(value, place, words, (one) => one > 0 && one <= TTL_DAYS);
	return days === undefined ? {} : { ttlDays: days };
}

function resolutions(value: unknown, place: Place, report: Report): Pick<KindDefinition, "resolutions"> {
	if (value === undefined) return {};
	const { open } = report.members(value, place, "`resolutions`", ["open"]) ?? {};
	report.warn(place, NOT_YET);
	return { resolutions: { open: rules(open, [...place, "open"], report) } };
}

function history(value: unknown, place: Place, report: Report): Pick<KindDefinition, "history"> {
	if (value === undefined) return {};
	const given = report.members(value, place, "`history`", ["keep", "days", "bytes"]) ?? {};
	report.warn(place, NOT_YET);
	const keep = report.word(given.keep, [...place, "keep"], ["off", "who", "full"]);
	const days =
		given.days === undefined ? 30 : report.number(given.days, [...place, "days"], "a number above 0", (one) => one > 0);
	const isSize = (one: number) => Number.isSafeInteger(one) && one >= 1;
	const most =
		given.bytes === undefined
			? undefined
			: report.number(given.bytes, [...place, "bytes"], "a whole number of 1 or more", isSize);
	const kept: HistoryOptions = {
		keep: keep ?? "off",
		...(days === undefined ? {} : { days }),
		...(most === undefined ? {} : { bytes: most }),
	};
	return { history: kept };
}
