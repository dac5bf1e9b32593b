// Lists whose entries have buttons. While somebody points at one, nothing in it moves: what is gone keeps its place, and
// what comes stands at the end, until the pointer has left.

import { useState } from "react";

export interface Still<T> {
	item: T;
	/** It is not there any more, and only keeps its place. */
	isGone: boolean;
}

interface Handlers {
	onPointerEnter: () => void;
	onPointerLeave: () => void;
}

/** The list as it is to be shown. */
export function useStill<T>(items: readonly T[], keyOf: (item: T) => string): [shown: Still<T>[], handlers: Handlers] {
	const [held, setHeld] = useState<readonly T[]>();
	const shown = arranged(items, held, keyOf);
	// What came meanwhile keeps its place as well.
	if (held !== undefined && shown.length > held.length) setHeld(shown.map(({ item }) => item));
	return [shown, { onPointerEnter: () => setHeld(items), onPointerLeave: () => setHeld(undefined) }];
}

function arranged<T>(items: readonly T[], held: readonly T[] | undefined, keyOf: (item: T) => string): Still<T>[] {
	if (held === undefined) return items.map((item) => ({ item, isGone: false }));
	const live = new Map(items.map((item) => [keyOf(item), item]));
	const shown = held.map((old) => {
		const item = live.get(keyOf(old));
		return { item: item ?? old, isGone: item === undefined };
	});
	const known = new Set(held.map(keyOf));
	const added = items.filter((item) => !known.has(keyOf(item)));
	return [...shown, ...added.map((item) => ({ item, isGone: false }))];
}
