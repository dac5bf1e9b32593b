// What this user can undo and redo: how fields were before a change of their own, as steps of an outbox.

import {
	chosenIn,
	type Entry,
	type FieldMessage,
	fieldMessages,
	fieldOf,
	type Message,
	type Outbox,
	remove,
	type Step,
	type Trace,
	type Turn,
	type Way,
} from "./outbox.ts";

/** The most changes that can be undone. */
const STEPS = 100;
/** The most bytes of text in them. */
const BYTES = 1024 * 1024;

const other = (way: Way): Way => (way === "undo" ? "redo" : "undo");

/** A stack with another step on top, without the oldest if there are too many. */
function pushed(stack: Trace[][] = [], step: Trace[]): Trace[][] {
	const next = step.length ? [...stack, step].slice(-STEPS) : stack;
	let room = BYTES;
	const kept = next.findLastIndex((one) => {
		room -= JSON.stringify(one).length;
		return room < 0;
	});
	return next.slice(kept + 1);
}

/** What takes a step back: fields as they were, if nobody has changed them since (PROTOCOL.md, V6). */
export function reversal(step: Trace[], userId: string, timestamp: number): Message {
	const changes = step.map(({ field, before: value, version: baseVersion }): FieldMessage => {
		const based = { baseVersion, exact: true };
		if (value === undefined) return { type: "field_cleared", field, userId, ...based };
		return { type: "field_selected", selection: { field, value, userId, timestamp }, ...based };
	});
	return changes.length === 1 ? (changes[0] as FieldMessage) : { type: "batch", changes };
}

/** What a change that the room has made leaves to be undone. A field that a transaction changes twice is in it once. */
function traces(message: Message, before: NonNullable<Entry["before"]>, version: number, outbox: Outbox): Trace[] {
	const found = new Map<string, Trace>();
	// Clearing what is not set makes no version (PROTOCOL.md, S1).
	const made = fieldMessages(message).flatMap((change, i) => {
		const was = before[i]?.value;
		return chosenIn(change) === undefined && was === undefined ? [] : [{ change, was }];
	});
	const mine = [...(outbox.undo ?? []), ...(outbox.redo ?? [])].flat();
	made.forEach(({ change, was }, i) => {
		const field = fieldOf(change);
		const known = found.get(field);
		// A quick second edit names the version below the first one (PROTOCOL.md, S4).
		const last = mine.filter((one) => one.field === field).map((one) => one.version);
		const from = known?.from ?? Math.max(change.baseVersion, ...last);
		found.set(field, { field, before: known ? known.before : was, from, version: version - made.length + 1 + i });
	});
	return [...found.values()];
}

/** Removes an entry that the room has done as `version`, and remembers how to undo it. */
export const applied =
	(key: string, version: number): Step =>
	(outbox) => {
		const entry = outbox.entries.find((one) => one.key === key);
		const after = remove([key])(outbox);
		// One that an earlier version of this package has left does not say what was there before. One for an earlier version
		// of the kind does not say it in the names of today.
		if (!entry?.before || (entry.kind ?? 0) < (outbox.kind ?? 0)) return after;
		const step = traces(entry.message, entry.before, version, outbox);
		const { turn } = entry;
		if (!turn) return { ...after, undo: pushed(after.undo, step) };
		// What is below made what is there again, under a newer version.
		const moved = (one: Trace) => {
			const above = turn.step.find(({ field, from }) => field === one.field && from === one.version);
			const now = above && step.find(({ field }) => field === one.field);
			return now ? { ...one, version: now.version } : one;
		};
		const back = other(turn.way);
		return {
			...after,
			[turn.way]: after[turn.way]?.map((one) => one.map(moved)),
			[back]: pushed(after[back], step),
		};
	};

/** Takes a step from its stack: what is to be done about it is in an entry. */
export const taken =
	({ way, step }: Turn): Step =>
	(outbox) => {
		const text = JSON.stringify(step);
		const at = outbox[way]?.findLastIndex((one) => JSON.stringify(one) === text) ?? -1;
		return at < 0 ? outbox : { ...outbox, [way]: outbox[way]?.filter((_, i) => i !== at) };
	};

/** A change of the user's own ends what could be redone. */
export const begun: Step = (outbox) => (outbox.redo?.length ? { ...outbox, redo: [] } : outbox);

/** Puts back what a withdrawn entry has taken from its stack. */
export const restored =
	({ way, step }: Turn): Step =>
	(outbox) => ({ ...outbox, [way]: pushed(outbox[way], step) });

/** What was undone before it was sent can be done again. */
export const unmade =
	({ message }: Entry): Step =>
	(outbox) => {
		const step = fieldMessages(message).map((one) => {
			const { baseVersion: version } = one;
			return { field: fieldOf(one), before: chosenIn(one), from: -1, version };
		});
		return { ...outbox, redo: pushed(outbox.redo, step) };
	};

/** The newest change of fields that the room has not answered, if it is not itself one that undoes. */
export const newest = ({ entries }: Outbox): Entry | undefined =>
	entries.findLast(({ message, conflict, turn }) => !conflict && !turn && fieldMessages(message).length > 0);
