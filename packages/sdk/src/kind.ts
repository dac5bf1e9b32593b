// A kind of room as a client sees it. Types alone: what checks a change comes with `roomkeep/kinds`, for pages that ask
// for it.

import type { Json } from "./generated/protocol.ts";
import type { Values } from "./rooms/infer.ts";

/** Stands for rooms of no declared kind: any field, any value. */
export interface Open {
	readonly others: "any";
}

/** The names of a kind's fields. A `*` of a pattern is any text. */
export type FieldName<Definition> = keyof Values<Definition> & string;

/** The value of one of them. */
export type FieldValue<Definition, Name> =
	Values<Definition> extends infer All ? (Name extends keyof All ? All[Name] : never) : never;

/** Who is to write, as far as a page knows. */
export interface Writer {
	userId: string;
	/** Undefined until the room has said so: then any rule about roles or claims may be met. */
	role?: string | undefined;
	/** The token, once the room has accepted it. Undefined if there is none. */
	token?: string | undefined;
}

/** Why the room would refuse a change of a field, in the words in which it would say so. */
export interface Problem {
	/** A code of PROTOCOL.md: `invalid_value`, `forbidden`, `unknown_field`, `unknown_list`. */
	code: string;
	/** For people. */
	message: string;
	/** The field that it is about. */
	field?: string | undefined;
	/** With `invalid_value`: where in the value it is wrong, a JSON Pointer. */
	path?: string | undefined;
	/** With `invalid_value`: the keyword of the schema that the value breaks. */
	keyword?: string | undefined;
	/** With `unknown_list`: the list. */
	list?: string | undefined;
}

/** What a client knows of its room's kind. `kindOf` of `roomkeep/kinds` makes it from a definition. */
export interface Kind<Definition = Open> {
	/** Which version of the kind this page was made for. */
	readonly version: number;
	/** For the type checker alone. */
	readonly definition?: Definition;
	/**
	 * Why the room would refuse a change, as far as that can be known here.
	 * @param value Undefined if the field is to be cleared.
	 */
	check(field: string, value: Json | undefined, writer: Writer): Problem | undefined;
}
