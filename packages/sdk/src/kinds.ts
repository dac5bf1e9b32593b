// What a page knows of its room's kind, from the definition that it shares with the Worker: it refuses a change before it
// is sent, in the words in which the room would (PROTOCOL.md, K2 to K4). The room decides all the same.

import type { Json } from "./generated/protocol.ts";
import type { Kind, Problem, Writer } from "./kind.ts";
import type { FieldDefinition, RoomDefinition, Rule } from "./rooms/definition.ts";
import { compile, type Validator } from "./schema.ts";

export type { Kind, Problem, Writer } from "./kind.ts";

/** Each may do all that the ones before it may (PROTOCOL.md, A4). */
const ROLES = ["viewer", "editor", "moderator", "admin"];
const EDITOR: readonly Rule[] = ["editor"];

/** What the kind says about the fields of a pattern. */
interface FieldRule {
	parts: string[];
	write: readonly Rule[];
	schema: unknown;
	/** Made when a value is there to be checked. */
	validator?: Validator;
}

/** What a client is told of its room's kind: `new RoomClient({ party: "trade", kind: kindOf(rooms.trade), … })`. */
export function kindOf<Definition extends RoomDefinition>(definition: Definition): Kind<Definition> {
	const { version = 1, others } = definition;
	const rules = rulesOf(definition);
	return { version, check };

	function check(field: string, value: Json | undefined, writer: Writer): Problem | undefined {
		const names = field.split("/");
		const rule = rules.find(({ parts }) => isMatch(parts, names));
		if (!rule && others !== "any")
			return { code: "unknown_field", message: `Rooms of this kind have no field \`${field}\`.`, field };
		const first = rule ? names[rule.parts.indexOf("*")] : undefined;
		if (!(rule?.write ?? EDITOR).some((one) => isMet(one, writer, first)))
			return { code: "forbidden", message: `You may not write \`${field}\`.`, field };
		return rule && value !== undefined ? misfit(rule, field, value) : undefined;
	}
}

/** The rules for fields and cells, the closest patterns first. */
function rulesOf({ fields = {}, rows = {} }: RoomDefinition): FieldRule[] {
	const rule = (pattern: string, { schema, write }: FieldDefinition, others = EDITOR): FieldRule => {
		return { parts: pattern.split("/"), write: write ?? others, schema };
	};
	const named = Object.entries(fields).map(([pattern, field]) => rule(pattern, field));
	const cells = Object.entries(rows).flatMap(([list, { cells, write }]) =>
		Object.entries(cells).map(([column, cell]) => rule(`${list}/*/${column}`, cell, write)),
	);
	// Of two patterns that match a name, part by part from the left a literal goes before a `*`.
	const stars = ({ parts }: FieldRule) => parts.map((part) => (part === "*" ? 1 : 0)).join("");
	return [...named, ...cells].sort((a, b) => Number(stars(a) > stars(b)) - Number(stars(a) < stars(b)));
}

function isMatch(parts: string[], names: string[]): boolean {
	return parts.length === names.length && parts.every((part, i) => part === "*" || part === names[i]);
}

/** @param first What the first `*` of the pattern stands for. */
function isMet(rule: Rule, { userId, role, token }: Writer, first: string | undefined): boolean {
	if (rule === "own") return first === userId;
	// The room has not said yet who this is.
	if (role === undefined) return true;
	if (!rule.startsWith("claim:")) return ROLES.indexOf(role) >= ROLES.indexOf(rule);
	const [name = "", ...rest] = rule.slice("claim:".length).split("=");
	return token !== undefined && hasClaim(token, name, rest.join("="));
}

/** Whether a token says so. Nobody has verified it here. One that cannot be read may say anything. */
function hasClaim(token: string, name: string, value: string): boolean {
	let claims: Record<string, unknown>;
	try {
		const payload = (token.split(".")[1] as string).replace(/-/g, "+").replace(/_/g, "/");
		const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
		claims = JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		return true;
	}
	const own = Object.hasOwn(claims, name) ? claims[name] : [];
	return (Array.isArray(own) ? own : [own]).some((one) => {
		if (typeof one === "object" && one !== null) return false;
		return (typeof one === "string" ? one : JSON.stringify(one)) === value;
	});
}

function misfit(rule: FieldRule, field: string, value: Json): Problem | undefined {
	if (rule.schema === undefined) return undefined;
	rule.validator ??= compile(jsonOf(rule.schema));
	const found = rule.validator(value);
	if (!found) return undefined;
	const { keyword, path } = found;
	const what = path === "" ? `\`${keyword}\`` : `\`${keyword}\` at \`${path}\``;
	const message = `\`${field}\` cannot hold this value: it breaks ${what} of the field's schema.`;
	return { code: "invalid_value", message, field, path, keyword };
}

/** A schema of a library as JSON Schema, as the build of the Worker reads it. */
function jsonOf(schema: unknown): unknown {
	const { "~standard": library } = Object(schema);
	return library ? library.jsonSchema.input({ target: "draft-2020-12" }) : schema;
}
