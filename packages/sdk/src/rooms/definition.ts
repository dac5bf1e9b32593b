// What a definition of a kind of room is made of (PROTOCOL.md, K2): as it is written, and as it is kept.

/**
 * Who may do something: a role (and each above it); `claim:NAME=VALUE`, where the token's member `NAME` is `VALUE` or a
 * list that holds it; or `own`, where the first `*` of the pattern stands for the user's own id.
 */
export type Rule = "viewer" | "editor" | "moderator" | "admin" | "own" | `claim:${string}=${string}`;

/** Who may enter: whoever has a token whose `rooms` fit, or the user whose id is the room's name. */
export type Entry = "rooms" | "owner";

/** A JSON Schema, 2020-12. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** A schema of Zod, Valibot, ArkType and others, as Standard Schema has it (https://standardschema.dev). */
export interface StandardSchema {
	readonly "~standard": {
		readonly version: 1;
		readonly vendor: string;
		readonly types?: { readonly input: unknown; readonly output: unknown } | undefined;
	};
}

/** What a value must fit. A schema of a library must be able to convert itself to JSON Schema. */
export type Schema = JsonSchema | StandardSchema;

/** A text that merges letter by letter. */
export interface TextOptions {
	/** The name of the root type that holds it. */
	readonly root?: string;
	/** Longest text, in characters. */
	readonly maxLength?: number;
}

/** A field, or the cells of a column. */
export interface FieldDefinition {
	/** What its value must fit. Left out, any value does. */
	readonly schema?: Schema;
	/** One of these is enough. Default: `["editor"]`. */
	readonly write?: readonly Rule[];
	readonly text?: boolean | TextOptions;
}

/** A list of rows. */
export interface ListDefinition {
	readonly cells: { readonly [column: string]: FieldDefinition };
	/** Who may add, move and remove rows; one of these is enough. Default: `["editor"]`. */
	readonly write?: readonly Rule[];
	/** The most rows. */
	readonly max?: number;
}

/** How a room of the version before `to` becomes one of it: renaming, dropping, mapping and defaults, in this order. */
export interface Lens {
	readonly to: number;
	/** Patterns: the old one and the new one, with as many `*` each. */
	readonly rename?: { readonly [from: string]: string };
	/** Patterns whose fields are cleared. */
	readonly drop?: readonly string[];
	/** Patterns, and for each the new value of an old one: a string by itself, another scalar by its JSON text. */
	readonly map?: { readonly [pattern: string]: { readonly [from: string]: unknown } };
	/** Values of fields that are not set. */
	readonly default?: { readonly [field: string]: unknown };
}

/** What is kept of each change. */
export interface HistoryOptions {
	readonly keep: "off" | "who" | "full";
	/** For how many days. */
	readonly days?: number;
	/** At most, in bytes. */
	readonly bytes?: number;
}

/** A kind of room as it is written. */
export interface RoomDefinition {
	/** Counts up with each change that stored rooms have to follow. Default: 1. */
	readonly version?: number;
	/** By pattern: a field's name whose `/`-parts may be `*`. */
	readonly fields?: { readonly [pattern: string]: FieldDefinition };
	readonly rows?: { readonly [list: string]: ListDefinition };
	/** Whether there may be fields and lists that nothing here names. Default: `none`. */
	readonly others?: "none" | "any";
	/** Default: `["rooms"]`. */
	readonly enter?: readonly Entry[];
	/** One for each version above 1. */
	readonly lenses?: readonly Lens[];
	/** After how many days without anybody a room is deleted. */
	readonly ttlDays?: number;
	readonly resolutions?: { readonly open?: readonly Rule[] };
	readonly history?: HistoryOptions;
}

/** A field, or the cells of a column, as it is kept. */
export interface FieldRule {
	schema?: JsonSchema;
	write: Rule[];
	text?: true | { root?: string; maxLength?: number };
}

/** A list as it is kept. */
export interface ListRule {
	cells: Record<string, FieldRule>;
	write: Rule[];
	max?: number;
}

/** A kind of room as it is kept: plain JSON with all defaults filled in, what the room and `GET /kinds/{party}` have (K7). */
export interface KindDefinition {
	version: number;
	fields: Record<string, FieldRule>;
	rows: Record<string, ListRule>;
	others: "none" | "any";
	enter: Entry[];
	/** In order of `to`. */
	lenses: Lens[];
	ttlDays?: number;
	resolutions?: { open: Rule[] };
	history?: HistoryOptions;
}
