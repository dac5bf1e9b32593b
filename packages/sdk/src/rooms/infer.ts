// The types of a kind's values. An own reading of the keywords that people write by hand: a library for all of JSON Schema
// would be a dependency of the published types, and costs the type checker more than the rest of the package.

import type { Json } from "../generated/protocol.ts";

/** Stands for the fields that a kind with `others: "any"` does not name. */
declare const rest: unique symbol;

type Parts<Pattern extends string> = Pattern extends `${infer First}/${infer Rest}`
	? `${Part<First>}/${Parts<Rest>}`
	: Part<Pattern>;

type Part<Text extends string> = Text extends "*" ? string : Text;

type FieldsOf<Kind> = Kind extends { readonly fields: infer Fields } ? Fields : unknown;

type ListsOf<Kind> = Kind extends { readonly rows: infer Lists } ? Lists : unknown;

type CellsOf<Lists, List> = List extends keyof Lists
	? Lists[List] extends { readonly cells: infer Cells }
		? Cells
		: unknown
	: unknown;

// The pattern of each cell: list, any row, column.
type CellPatterns<Lists> = {
	[List in keyof Lists & string]: `${List}/*/${keyof CellsOf<Lists, List> & string}`;
}[keyof Lists & string];

type Patterns<Kind> =
	| (keyof FieldsOf<Kind> & string)
	| CellPatterns<ListsOf<Kind>>
	| (Kind extends { readonly others: "any" } ? typeof rest : never);

type ValueAt<Kind, Pattern> = Pattern extends typeof rest
	? Json
	: Pattern extends keyof FieldsOf<Kind>
		? ValueOf<FieldsOf<Kind>[Pattern]>
		: Pattern extends `${infer List}/*/${infer Column}`
			? Column extends keyof CellsOf<ListsOf<Kind>, List>
				? ValueOf<CellsOf<ListsOf<Kind>, List>[Column]>
				: Json
			: Json;

/**
 * The values of a kind of room, by name: `Values<typeof rooms.trade>`. A `*` of a pattern is any text, so that
 * `price/*` gives the type of `values["price/eur"]`. The cells of rows are among them.
 */
export type Values<Kind> = {
	[Pattern in Patterns<Kind> as Pattern extends string ? Parts<Pattern> : string]: ValueAt<Kind, Pattern>;
};

/** The type of a field's value, by its definition. */
export type ValueOf<Field> = Field extends { readonly schema: infer Schema }
	? SchemaValue<Schema>
	: Field extends { readonly text: infer Text }
		? Text extends false
			? Json
			: string
		: Json;

/** The type of the values that fit a schema, before a library would convert them: the room stores what was sent. */
export type SchemaValue<Schema> = Schema extends { readonly "~standard": { readonly types?: infer Types } }
	? NonNullable<Types> extends { readonly input: infer Input }
		? Input
		: Json
	: FromSchema<Schema, Schema>;

type FromSchema<Schema, Root> = Schema extends false
	? never
	: Schema extends { readonly const: infer Value }
		? Writable<Value>
		: Schema extends { readonly enum: readonly (infer Value)[] }
			? Writable<Value>
			: Schema extends { readonly $ref: infer Reference }
				? FromReference<Reference, Root>
				: Schema extends { readonly anyOf: readonly (infer Branch)[] }
					? EachOf<Branch, Root>
					: Schema extends { readonly oneOf: readonly (infer Branch)[] }
						? EachOf<Branch, Root>
						: Schema extends { readonly type: readonly (infer Type)[] }
							? FromType<Type, Schema, Root>
							: Schema extends { readonly type: infer Type }
								? FromType<Type, Schema, Root>
								: Json;

type EachOf<Branch, Root> = Branch extends unknown ? FromSchema<Branch, Root> : never;

type FromReference<Reference, Root> = Reference extends `#/$defs/${infer Name}`
	? Root extends { readonly $defs: infer Definitions }
		? Name extends keyof Definitions
			? FromSchema<Definitions[Name], Root>
			: Json
		: Json
	: Json;

type FromType<Type, Schema, Root> = Type extends "string"
	? string
	: Type extends "number" | "integer"
		? number
		: Type extends "boolean"
			? boolean
			: Type extends "null"
				? null
				: Type extends "array"
					? FromArray<Schema, Root>
					: Type extends "object"
						? FromObject<Schema, Root>
						: Json;

type FromArray<Schema, Root> = Schema extends { readonly prefixItems: infer Items extends readonly unknown[] }
	? Schema extends { readonly items: infer More }
		? [...FromTuple<Items, Root>, ...(More extends false ? [] : FromSchema<More, Root>[])]
		: [...FromTuple<Items, Root>, ...Json[]]
	: Schema extends { readonly items: infer Items }
		? FromSchema<Items, Root>[]
		: Json[];

type FromTuple<Items extends readonly unknown[], Root> = {
	-readonly [At in keyof Items]: FromSchema<Items[At], Root>;
};

type FromObject<Schema, Root> = Schema extends { readonly properties: infer Properties }
	? Flat<
			{ [Name in keyof Properties & Required<Schema>]: FromSchema<Properties[Name], Root> } & {
				[Name in Exclude<keyof Properties, Required<Schema>>]?: FromSchema<Properties[Name], Root>;
			}
		>
	: Schema extends { readonly additionalProperties: infer Values }
		? { [name: string]: FromSchema<Values, Root> }
		: { [name: string]: Json };

type Required<Schema> = Schema extends { readonly required: readonly (infer Name)[] } ? Name : never;

/** One object type of several, as editors show it; read-only members of a definition are no more. */
type Flat<T> = { -readonly [Name in keyof T]: T[Name] };

/** A constant of a definition as a value. */
type Writable<T> = T extends object ? { -readonly [Name in keyof T]: Writable<T[Name]> } : T;
