// How rooms of older versions are brought forward (PROTOCOL.md, K6).

import type { KindDefinition, Lens } from "./definition.ts";
import { type Place, plain } from "./json.ts";
import { meets, patternFault, patternOf, stars } from "./names.ts";
import type { Report } from "./report.ts";
import { patterns, validators } from "./validators.ts";

const MEMBERS = ["to", "rename", "drop", "map", "default"];

/** `lenses` of a kind, one for each version above 1, in order. */
export function lenses(value: unknown, version: number, place: Place, report: Report): Lens[] {
	if (value !== undefined && !Array.isArray(value)) {
		report.fault(place, "must be a list of lenses");
		return [];
	}
	const checked = (value ?? []).map((one: unknown, at: number) => lens(one, at + 2, [...place, at], report));
	const missing = checked.length + 2;
	if (missing <= version) report.fault(place, `has no lens to version ${missing}; \`version\` is ${version}`);
	if (missing > version + 1) {
		report.fault([...place, version - 1], `leads to version ${version + 1}, but \`version\` is ${version}`);
	}
	return checked;
}

function lens(value: unknown, version: number, place: Place, report: Report): Lens {
	const { to, rename, drop, map, default: defaults } = report.members(value, place, "a lens", MEMBERS) ?? {};
	if (to !== version) {
		const reason = "lenses stand in order of `to`, one for each version from 2 on";
		report.fault([...place, "to"], `must be ${version}: ${reason}`);
	}
	return {
		to: version,
		...(rename === undefined ? {} : { rename: renamed(rename, [...place, "rename"], report) }),
		...(drop === undefined ? {} : { drop: dropped(drop, [...place, "drop"], report) }),
		...(map === undefined ? {} : { map: mapped(map, [...place, "map"], report) }),
		...(defaults === undefined ? {} : { default: filled(defaults, [...place, "default"], report) }),
	};
}

function renamed(value: unknown, place: Place, report: Report): Record<string, string> {
	const object = report.object(value, place, "an object of new patterns by old one") ?? {};
	const seen = new Set<unknown>();
	for (const [from, to] of Object.entries(object)) {
		const at = [...place, from];
		const reason = patternFault(from) ?? renameFault(from, to);
		if (reason !== undefined) report.fault(at, reason);
		else if (seen.has(to)) report.fault(at, `becomes \`${to}\`, as another one does`);
		seen.add(to);
	}
	return object as Record<string, string>;
}

function renameFault(from: string, to: unknown): string | undefined {
	if (typeof to !== "string") return "must be a pattern as a text";
	const reason = patternFault(to);
	if (reason !== undefined) return `becomes \`${to}\`, which ${reason}`;
	if (from === to) return "becomes what it is";
	return stars(from) === stars(to) ? undefined : `becomes \`${to}\`, which has not as many \`*\``;
}

function dropped(value: unknown, place: Place, report: Report): string[] {
	if (!Array.isArray(value)) {
		report.fault(place, "must be a list of patterns");
		return [];
	}
	for (const [at, pattern] of value.entries()) {
		const reason = typeof pattern === "string" ? patternFault(pattern) : "must be a pattern as a text";
		if (reason !== undefined) report.fault([...place, at], reason);
	}
	return value;
}

function mapped(value: unknown, place: Place, report: Report): NonNullable<Lens["map"]> {
	const object = report.object(value, place, "an object of new values by pattern") ?? {};
	const checked = Object.entries(object).map(([pattern, values]) => {
		const at = [...place, pattern];
		const reason = patternFault(pattern);
		if (reason !== undefined) report.fault(at, reason);
		const known = report.object(values, at, "an object of new values by old one") ?? {};
		return [pattern, plain(known, at, report.fault) ?? {}];
	});
	return Object.fromEntries(checked);
}

function filled(value: unknown, place: Place, report: Report): Record<string, unknown> {
	const object = report.object(value, place, "an object of values by field") ?? {};
	for (const name of Object.keys(object)) {
		const reason = patternFault(name) ?? (stars(name) > 0 ? "must be the name of one field, without `*`" : undefined);
		if (reason !== undefined) report.fault([...place, name], reason);
	}
	return (plain(object, place, report.fault) ?? {}) as Record<string, unknown>;
}

/** Holds the last lens to the kind: what it makes must be what the kind has. */
export function fitting(kind: KindDefinition, place: Place, report: Report): void {
	const last = kind.lenses.at(-1);
	if (last === undefined) return;
	const at = [...place, kind.lenses.length - 1];
	const declared = Object.keys(patterns(kind));
	const validator = validators(kind);
	const misfit = (name: string, value: unknown): string | undefined => {
		const pattern = patternOf(name, declared);
		const found = pattern === undefined ? undefined : validator(pattern)?.(value);
		return found && `breaks \`${found.keyword}\`${found.path && ` at \`${found.path}\``} of the field's schema`;
	};
	const isKnown = (name: string) => kind.others === "any" || declared.some((one) => meets(one, name));
	const unknown = "of which the kind has no field";
	for (const [from, to] of Object.entries(last.rename ?? {})) {
		if (!isKnown(to)) report.fault([...at, "rename", from], `becomes \`${to}\`, ${unknown}`);
	}
	for (const [pattern, values] of Object.entries(last.map ?? {})) {
		if (!isKnown(pattern)) report.fault([...at, "map", pattern], `is a name ${unknown}`);
		for (const [from, value] of Object.entries(values)) {
			const reason = misfit(pattern, value);
			if (reason !== undefined) report.fault([...at, "map", pattern, from], reason);
		}
	}
	for (const [name, value] of Object.entries(last.default ?? {})) {
		const reason = isKnown(name) ? misfit(name, value) : `is a name ${unknown}`;
		if (reason !== undefined) report.fault([...at, "default", name], reason);
	}
}
