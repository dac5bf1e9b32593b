// What a selection is to a component, and several fields at once: all whose names begin alike, and a set of ticks.

import { useMemo } from "react";
import type { Conflict, Json, Outcome, Refusal, Selection, SelectOptions } from "../types.ts";
import type { CheckProps } from "./field.ts";
import { isShallowEqual, useRoomContext, useSelected } from "./room.ts";

/** The state of a field, besides its value. */
export interface SelectionState {
	/** Changed here, and the room has not replied yet. */
	pending: boolean;
	/** This user's change to the field that came too late and waits for `resolve` from `useConflicts`. */
	conflict: Conflict | undefined;
	/** This user's last change of the field, if that was refused. */
	refused: Refusal | undefined;
	/** Whether this user may write the field. */
	canWrite: boolean;
	/** The id of the user who chose the value. Undefined if the field is not set. */
	by: string | undefined;
	/** When the room stored it, in milliseconds by the room's clock, or by this device's while pending. */
	at: number | undefined;
	/** The room's version that this change made or, while pending, is based on. 0 if the field is not set. */
	version: number;
	/** Clears the field. Always the same function. */
	clear: (options?: SelectOptions) => Promise<Outcome>;
}

/** Sets a field. The same function for as long as the room and the field are the same. */
export type SetSelection<T = Json> = (
	value: T | ((previous: T | undefined) => T),
	options?: SelectOptions,
) => Promise<Outcome>;

/** The fields that are set and whose names begin with `prefix`, by name. The object stays the same for as long as they do. */
export function useSelections(prefix = ""): Readonly<Record<string, Selection>> {
	const select = useMemo(
		() =>
			({ selections }: { selections: Readonly<Record<string, Selection>> }) =>
				Object.fromEntries(Object.entries(selections).filter(([field]) => field.startsWith(prefix))),
		[prefix],
	);
	return useSelected(useRoomContext(), select, isShallowEqual);
}

/** A set of ticks. It is the same object for as long as they are. */
export interface Ticks {
	/** What is ticked, in no order. */
	ticked: readonly string[];
	/** Whether it is. */
	has: (option: string) => boolean;
	/** Ticks it, or takes the tick away. */
	set: (option: string, isTicked: boolean) => Promise<Outcome>;
	/** `<input {...ticks.checkbox("milk")} />` */
	checkbox: (option: string) => CheckProps;
}

/**
 * A set that several people tick at once. Each tick is a field of its own, `name/option`, so that two who tick different
 * things do not get into each other's way.
 */
export function useTicks(name: string): Ticks {
	const room = useRoomContext();
	const { client } = room;
	const fields = useSelections(`${name}/`);
	// By it, what may be ticked changes.
	const role = useSelected(room, (snapshot) => snapshot.role);
	return useMemo(() => {
		const ticked = Object.entries(fields).flatMap(([field, { value }]) =>
			value === true ? [field.slice(name.length + 1)] : [],
		);
		const has = (option: string) => ticked.includes(option);
		const set = (option: string, isTicked: boolean) =>
			isTicked ? client.select(`${name}/${option}`, true) : client.clear(`${name}/${option}`);
		const checkbox = (option: string): CheckProps => ({
			type: "checkbox",
			name: `${name}/${option}`,
			checked: has(option),
			disabled: !client.canWrite(`${name}/${option}`, { role }),
			onChange: ({ target }) => void set(option, (target as { checked: boolean }).checked),
			onFocus: () => client.setFocus(`${name}/${option}`),
			onBlur: () => client.setFocus(undefined),
		});
		return { ticked, has, set, checkbox };
	}, [client, fields, name, role]);
}
