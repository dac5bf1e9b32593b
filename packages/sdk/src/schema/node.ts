// A schema as functions: what each keyword asks of a value.

import { step } from "./values.ts";

/** What a value breaks first. */
export interface Misfit {
	/** The keyword of the schema. */
	keyword: string;
	/** Where in the value, as a JSON Pointer. */
	path: string;
}

/** What a keyword says of a value: nothing if it fits. */
export type Check = (value: unknown, seen: Seen | undefined) => Misfit | undefined;

/** A compiled schema. Schemas that refer to each other are nodes that know each other. */
export interface Node {
	checks: Check[];
	/** Whether it has `unevaluatedProperties` or `unevaluatedItems`, and so has to know what its other keywords looked at. */
	isTracking: boolean;
}

/** The members and items that keywords looked at, for those about the others. */
export class Seen {
	readonly names = new Set<string>();
	readonly indexes = new Set<number>();
	hasAllNames = false;
	hasAllItems = false;

	add(other: Seen): void {
		for (const name of other.names) this.names.add(name);
		for (const index of other.indexes) this.indexes.add(index);
		this.hasAllNames ||= other.hasAllNames;
		this.hasAllItems ||= other.hasAllItems;
	}
}

/** The most steps that checking one value takes: a schema applied to a part of the value is one. */
export const MOST_STEPS = 200_000;

class OutOfSteps extends Error {}

/** Checking is synchronous, so that there is one count at a time. */
let left = 0;

/** How many attempts are going on, one within another, of which nobody wants to know where they failed. */
let attempts = 0;

/** What a value breaks first, or undefined if it fits. `steps` if that took more than {@link MOST_STEPS}. */
export function first(node: Node, value: unknown): Misfit | undefined {
	left = MOST_STEPS;
	attempts = 0;
	try {
		return run(node, value, undefined);
	} catch (error) {
		// A value nested so deeply that the stack does not hold it is none that a room takes.
		if (error instanceof OutOfSteps || error instanceof RangeError) return { keyword: "steps", path: "" };
		throw error;
	}
}

/** Applies a schema to a part of the value. `seen` learns what it looked at, if the value fits. */
export function run(node: Node, value: unknown, seen: Seen | undefined): Misfit | undefined {
	left -= 1;
	if (left < 0) throw new OutOfSteps();
	// What a schema around this one looked at is none of its business, but not the other way round.
	const own = node.isTracking ? new Seen() : seen;
	for (const check of node.checks) {
		const misfit = check(value, own);
		if (misfit !== undefined) return misfit;
	}
	if (own !== undefined && own !== seen) seen?.add(own);
	return undefined;
}

/** The same for one of several ways to fit: what it looked at counts only if the value does fit. */
export function attempt(node: Node, value: unknown, seen: Seen | undefined): boolean {
	const own = seen && new Seen();
	attempts += 1;
	const fits = run(node, value, own) === undefined;
	attempts -= 1;
	if (fits && own !== undefined) seen?.add(own);
	return fits;
}

/** A misfit of a member or an item as one of the whole. */
export function inside(misfit: Misfit | undefined, name: string | number): Misfit | undefined {
	if (misfit === undefined || attempts > 0) return misfit;
	return { keyword: misfit.keyword, path: step(name) + misfit.path };
}
