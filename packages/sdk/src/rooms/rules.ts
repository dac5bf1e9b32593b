// Who may do something (PROTOCOL.md, K4).

import { quoted } from "../schema/shapes.ts";
import { nearest } from "../schema/spelling.ts";
import type { Rule } from "./definition.ts";
import { bytes, type Place } from "./json.ts";
import { stars } from "./names.ts";
import type { Report } from "./report.ts";

const ROLES = ["viewer", "editor", "moderator", "admin"];
/** Longest rule, in bytes. */
const RULE_BYTES = 512;

/** A list of rules, `["editor"]` when left out. `pattern` is that of the names that they are about, if there is one. */
export function rules(value: unknown, place: Place, report: Report, pattern?: string): Rule[] {
	if (value === undefined) return ["editor"];
	if (!Array.isArray(value) || value.length === 0) {
		report.fault(place, "must be a list of at least one rule");
		return [];
	}
	for (const [at, rule] of value.entries()) {
		const reason = value.indexOf(rule) < at ? "stands there twice" : ruleFault(rule, pattern);
		if (reason !== undefined) report.fault([...place, at], reason);
	}
	return value as Rule[];
}

function ruleFault(rule: unknown, pattern: string | undefined): string | undefined {
	if (typeof rule === "string") {
		if (bytes(rule) > RULE_BYTES) return `is longer than ${RULE_BYTES} bytes`;
		if (ROLES.includes(rule) || /^claim:[^=]+=.+$/su.test(rule)) return undefined;
		if (rule === "own") {
			if (pattern !== undefined && stars(pattern) > 0) return undefined;
			return "is `own`, but no part of the name is a `*` that could be the user's id";
		}
	}
	const meant = typeof rule === "string" ? nearest(rule, [...ROLES, "own"]) : undefined;
	const hint = meant === undefined ? "" : `; did you mean \`${meant}\`?`;
	return `must be one of ${quoted([...ROLES, "own"])}, or "claim:NAME=VALUE"${hint}`;
}
