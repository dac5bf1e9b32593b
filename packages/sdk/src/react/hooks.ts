// The hooks as they are for one kind of rooms. Types alone: they are the same functions.

import type { RoomClient } from "../client.ts";
import type { FieldOptions } from "../field.ts";
import type { FieldName, FieldValue, Open } from "../kind.ts";
import type { Conflict, Json, Outcome, Selection, SelectionOf } from "../types.ts";
import type { BoundField } from "./field.ts";
import type { SelectionState, SetSelection, Ticks } from "./selections.ts";

/** A kind's value as the hooks have it. What a library's type says may not look like JSON, and then is any. */
export type HookValue<Definition, Name> = Extract<
	[FieldValue<Definition, Name>] extends [Json] ? FieldValue<Definition, Name> : Json,
	Json
>;

/** Options of a field whose value is a number say how one is read: what stands in an input is a text. */
export type HookOptions<T extends Json> = [T] extends [number]
	? [options: FieldOptions<T> & ({ type: "number" } | { parse: NonNullable<FieldOptions<T>["parse"]> })]
	: [options?: FieldOptions<T>];

/** The part of a snapshot that depends on the kind. */
export type HookSelections<Definition> = Open extends Definition
	? Readonly<Record<string, Selection>>
	: { readonly [Name in FieldName<Definition>]?: SelectionOf<FieldValue<Definition, Name>> };

/** The beginnings of a kind's sets of ticks: what stands before the last part of a field's name. */
type TicksOf<Name extends string> = string extends Name ? string : Name extends `${infer Set}/${string}` ? Set : never;

/** The hooks whose types depend on the kind. */
export interface TypedHooks<Definition> {
	useRoom(): RoomClient<Definition>;
	useField<Name extends FieldName<Definition>>(
		field: Name,
		...options: HookOptions<HookValue<Definition, Name>>
	): BoundField<HookValue<Definition, Name>>;
	useSelection<Name extends FieldName<Definition>>(
		field: Name,
	): [
		value: HookValue<Definition, Name> | undefined,
		set: SetSelection<HookValue<Definition, Name>>,
		state: SelectionState,
	];
	useSelections(prefix?: string): HookSelections<Definition>;
	useTicks(name: TicksOf<FieldName<Definition>>): Ticks;
	useConflicts(): [
		conflicts: readonly (Conflict & { field: FieldName<Definition> })[],
		resolve: (
			field: FieldName<Definition>,
			choice: "mine" | "theirs" | HookValue<Definition, FieldName<Definition>>,
		) => Promise<Outcome>,
	];
}
