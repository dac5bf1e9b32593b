// What this user has changed and the room has not answered: the queue and its numbers, as steps from one outbox to the
// next.

import type {
	BatchChange,
	BatchMessage,
	Json,
	PermissionCancelledMessage,
	PermissionRequestMessage,
	PermissionResponseMessage,
	PermissionRevokedMessage,
	StoredSelection,
	UserReadyMessage,
} from "./generated/protocol.ts";
import type { User } from "./types.ts";

/** A message that changes one field. It always states the version that the user saw. */
export type FieldMessage = BatchChange & { baseVersion: number };

/** A message that changes something. */
export type Message =
	| FieldMessage
	| (BatchMessage & { changes: FieldMessage[] })
	| UserReadyMessage
	| PermissionRequestMessage
	| PermissionResponseMessage
	| PermissionCancelledMessage
	| PermissionRevokedMessage;

/** A field before a change of this user's, and after. */
export interface Trace {
	field: string;
	/** What it was set to before. Undefined if it was not set. */
	before: Json | undefined;
	/** Its version before. */
	from: number;
	/** The version that the change made of it. */
	version: number;
}

/** Undoing takes what was done from one stack to the other, and redoing takes it back. */
export type Way = "undo" | "redo";

/** A change that undoes or redoes another. */
export interface Turn {
	way: Way;
	/** What it takes from the stack. */
	step: Trace[];
}

/** A change in the outbox. It is never modified in place. */
export interface Entry {
	/** The same in all tabs, for as long as the change is pending. */
	key: string;
	/** When it was made, in milliseconds by this device's clock. */
	at: number;
	/** The message that makes it, without `seq` and `id`. */
	message: Message;
	/** The size of its text, in bytes. */
	size: number;
	/** The version of the room's kind that it was made for, if the page that made it was for one. */
	kind?: number | undefined;
	/** Its number, once it may have been sent. */
	seq?: number;
	/** Not sent before this time, in milliseconds by this device's clock: another one for the same field may follow. */
	due?: number;
	/** Since when it waits for that, counting the unsent changes whose place it has taken. */
	since?: number;
	/** What each field that it changes was set to before, as its user saw it. */
	before?: { value: Json | undefined }[];
	/** Set if it undoes or redoes another change. */
	turn?: Turn;
	/** The same in all changes that were made of one another. */
	line?: string;
	/** The held change that it decides on: what is held again if this one is withdrawn. */
	held?: Entry;
	/** Set if it came too late and waits for its user: what the room had then. */
	conflict?: { field: string; version: number; current: StoredSelection | null };
}

/** What is kept for one user in one room. All tabs of a user share it. */
export interface Outbox {
	/** Where to send it, for whoever finds it. */
	address: { host: string; party: string; room: string; user: User };
	/** Names the outbox to the room (PROTOCOL.md, E1). */
	clientId: string;
	/** The life of the room that the base versions refer to. */
	epoch?: string | undefined;
	/** The last number given. */
	lastSeq: number;
	/** The tab that sends, under a name of its own. Only its steps about numbers count. */
	leader?: string | undefined;
	/** The newest version of the room's kind that a page was for. */
	kind?: number | undefined;
	/** In the order in which they were made. */
	entries: Entry[];
	/** What can be undone, the newest last. */
	undo?: Trace[][] | undefined;
	/** What can be redone, the newest last. */
	redo?: Trace[][] | undefined;
}

/**
 * One step of an outbox. It is applied twice: at once, and again to what is stored, which another tab may have changed.
 */
export type Step = (outbox: Outbox) => Outbox;

/** The most entries. */
const ENTRIES = 1_000;
/** The most bytes in all entries. */
const BYTES = 4 * 1024 * 1024;
/** The most changes in flight. Fewer than the outcomes that the room keeps (PROTOCOL.md, E4). */
const WINDOW = 32;

/** A unique name. Not for secrets. */
export function randomId(): string {
	// `crypto.randomUUID` is missing on pages without TLS, and some places have no `crypto` at all.
	const { crypto } = globalThis;
	const words = new Uint32Array(4);
	return (crypto?.getRandomValues(words) ?? words.map(() => Math.random() * 2 ** 32)).join("-");
}

/** The size of a message's text, in bytes. */
export const sizeOf = (message: Message) => encodeURIComponent(JSON.stringify(message)).replace(/%../g, "_").length;

/** An entry as it is sent: the same text each time. */
export const numbered = ({ key: id, kind, message, seq }: Entry) => ({ ...message, kind, seq, id });

/** Whether an outbox cannot take another entry in place of `over`. */
export function isFull({ entries }: Outbox, more: Entry, over?: Entry): boolean {
	const others = entries.filter(({ key }) => key !== over?.key);
	return others.length >= ENTRIES || others.reduce((sum, entry) => sum + entry.size, more.size) > BYTES;
}

/** A modified entry. */
export const changed = (entry: Entry, parts: { [P in keyof Entry]?: Entry[P] | undefined }) =>
	({ ...entry, ...parts }) as Entry;

/** Whether a message changes one field. */
export const isOfField = (message: Message): message is FieldMessage =>
	message.type === "field_selected" || message.type === "field_cleared";

/** The messages of the fields that a message changes. */
export function fieldMessages(message: Message): FieldMessage[] {
	if (message.type === "batch") return message.changes;
	return isOfField(message) ? [message] : [];
}

/** Which field such a message changes. */
export const fieldOf = (message: BatchChange): string =>
	message.type === "field_selected" ? message.selection.field : message.field;
/** The new value, or undefined if it clears the field. */
export const chosenIn = (message: BatchChange): Json | undefined =>
	message.type === "field_selected" ? message.selection.value : undefined;

/** What a message does to a field. */
export const changeOf = (message: Message, field: string): FieldMessage | undefined =>
	fieldMessages(message).find((one) => fieldOf(one) === field);

/** Whether nothing of what one change set is lost in another: it is the same, or a text that has grown. */
export function holds(change: BatchChange, earlier: BatchChange | undefined): boolean {
	if (!earlier) return true;
	const [now, before] = [chosenIn(change), chosenIn(earlier)];
	if (typeof now === "string" && typeof before === "string") return now.includes(before);
	return JSON.stringify(now) === JSON.stringify(before);
}

/**
 * The unsent change of a field whose place another one can take: the newest, if it changes nothing else, and nothing came
 * after it whose order counts. One of another tab is not this one's to remove: somebody there waits for its outcome.
 */
export function unsent(entries: Entry[], field: string, isOwn: (key: string) => boolean): Entry | undefined {
	const last = entries.findLast(
		({ message, conflict }) => !conflict && !(isOfField(message) && fieldOf(message) !== field),
	);
	return last && !last.turn && isRival(last, field) && isOwn(last.key) ? last : undefined;
}

/** The line of what a user sees in these fields: that of the newest pending change. */
export const lineOf = (entries: Entry[], fields: string[]): string | undefined =>
	entries.findLast(({ message, conflict }) => !conflict && fields.some((field) => changeOf(message, field)))?.line;

/** A message with its field messages replaced. */
function withFields(message: Message, change: (message: FieldMessage) => FieldMessage): Message {
	if (message.type === "batch") return { ...message, changes: message.changes.map(change) };
	return isOfField(message) ? change(message) : message;
}

/** A message with another base version for a field, or for all of them. */
export const rebased = (message: Message, base: (field: string, before: number) => number): Message =>
	// What undoes a change is one like any other, once it is made on top of something else.
	withFields(message, ({ exact: _, ...one }) => ({ ...one, baseVersion: base(fieldOf(one), one.baseVersion) }));

/** A message with another change of a field. */
export const withField = (message: Message, field: string, change: BatchChange): Message =>
	withFields(message, (one) => (fieldOf(one) === field ? { ...change, baseVersion: one.baseVersion } : one));

/** Adds an entry, and removes the one that it replaces, if that has not been sent. */
export const add =
	(entry: Entry, over?: string): Step =>
	(outbox) => {
		// A storage that failed may have stored it all the same.
		if (outbox.entries.some(({ key }) => key === entry.key)) return outbox;
		const others = outbox.entries.filter(({ key, seq }) => key !== over || seq !== undefined);
		return { ...outbox, entries: [...others, entry] };
	};

/** Removes an entry for good. */
export const remove =
	(keys: string[]): Step =>
	(outbox) => ({ ...outbox, entries: outbox.entries.filter(({ key }) => !keys.includes(key)) });

export const replace =
	(key: string, change: (entry: Entry) => Entry): Step =>
	(outbox) => ({ ...outbox, entries: outbox.entries.map((entry) => (entry.key === key ? change(entry) : entry)) });

/** Removes an entry that has not been sent. What it decided on is undecided again. */
export const withdraw =
	(key: string): Step =>
	(outbox) => ({
		...outbox,
		entries: outbox.entries.flatMap((entry) => {
			if (entry.key !== key || entry.seq !== undefined) return [entry];
			return entry.held ? [entry.held] : [];
		}),
	});

/** What is in flight, oldest first. */
export const underWay = ({ entries }: Outbox) =>
	entries.filter(({ seq }) => seq !== undefined).sort((a, b) => (a.seq as number) - (b.seq as number));

/** What may be sent next, up to the window, oldest first. */
export function ready(outbox: Outbox, now: number, suits: (message: Message) => boolean): Entry[] {
	const room = WINDOW - underWay(outbox).length;
	// Nothing overtakes an older change to its field that waits, or that is in flight together with others and may fail
	// with them.
	const taken = new Set<string>();
	const waiting = ({ seq, conflict, due = 0, at, message }: Entry) => {
		if (conflict) return false;
		const fields = fieldMessages(message).map(fieldOf);
		// One that was made later than now dates from before the clock was set back.
		const isNext = !seq && (due <= now || at > now) && suits(message) && !fields.some(taken.has, taken);
		if (fields.length > 1 || !(seq || isNext)) fields.forEach(taken.add, taken);
		return isNext;
	};
	return outbox.entries.filter(waiting).slice(0, Math.max(room, 0));
}

/** Gives entries their numbers. From then on the room may have them. */
export const number =
	(keys: string[]): Step =>
	(outbox) => {
		let { lastSeq } = outbox;
		const entries = outbox.entries.map((entry) => {
			if (!keys.includes(entry.key) || entry.seq !== undefined || entry.conflict) return entry;
			lastSeq += 1;
			return changed(entry, { seq: lastSeq, due: undefined, since: undefined });
		});
		return { ...outbox, entries, lastSeq };
	};

/** Releases what waits for another change to its field, since something came after it. */
export const hurry: Step = (outbox) => ({
	...outbox,
	entries: outbox.entries.map((entry) => (entry.due ? changed(entry, { due: undefined }) : entry)),
});

/** Takes back the number of an entry that the room has not recorded, and the numbers of all later ones. */
export const unnumber =
	(seq: number): Step =>
	(outbox) => ({
		...outbox,
		lastSeq: Math.min(outbox.lastSeq, seq - 1),
		entries: outbox.entries.map((entry) => ((entry.seq ?? 0) >= seq ? changed(entry, { seq: undefined }) : entry)),
	});

/** Starts over under another name, since the room no longer knows this one, or somebody else has it. */
export const renew =
	(clientId: string): Step =>
	(outbox) => ({ ...unnumber(1)(outbox), clientId, lastSeq: 0 });

/** Prepares for a page of this version of the kind. Under another one, fields that were changed may have other names. */
export const ofKind =
	(kind = 0): Step =>
	(outbox) =>
		kind > (outbox.kind ?? 0) ? { ...outbox, kind, undo: [], redo: [] } : outbox;

/** Makes `tab` lead, if `before` still does. */
export const lead =
	(tab: string | undefined, before: string | undefined): Step =>
	(outbox) =>
		outbox.leader === before ? { ...outbox, leader: tab } : outbox;

/** A step that counts only while `tab` leads. One that was stopped may go on long after another has taken over. */
export const ifLeading =
	(tab: string, step: Step): Step =>
	(outbox) =>
		outbox.leader === tab ? step(outbox) : outbox;

/**
 * What is stored, with what became of it in memory while it could not be: `left` are the keys that both had at first.
 */
export function merge(stored: Outbox, memory: Outbox, left: string[]): Outbox {
	const has = ({ entries }: Outbox, key: string) => entries.some((entry) => entry.key === key);
	const { epoch, entries } = memory.epoch === undefined ? stored : settleIn(memory.epoch)(stored);
	const rest = entries.filter(({ key }) => has(memory, key) || !left.includes(key));
	const more = memory.entries.filter(({ key }) => !has(stored, key));
	const merged = { ...stored, epoch, entries: [...rest, ...more] };
	// Under another name it may have begun with nothing, so both have something to undo.
	if (stored.clientId !== memory.clientId) return { ...merged, undo: [...(stored.undo ?? []), ...(memory.undo ?? [])] };
	return { ...merged, lastSeq: Math.max(stored.lastSeq, memory.lastSeq), undo: memory.undo, redo: memory.redo };
}

/** Rebases what is pending onto this life of the room, in which nothing from before is known. */
export const settleIn =
	(epoch: string): Step =>
	(outbox) => {
		if (outbox.epoch === epoch) return outbox;
		const moved = (entry: Entry) => {
			const { message, conflict } = entry;
			const isNothing = conflict && { ...conflict, version: 0, current: null };
			return changed(entry, { message: rebased(message, () => 0), conflict: isNothing });
		};
		if (outbox.epoch === undefined) return { ...outbox, epoch };
		// Nothing from before can be undone either.
		return { ...outbox, epoch, entries: outbox.entries.map(moved), undo: [], redo: [] };
	};

/** What an entry's conflict amounts to. */
export type Verdict =
	/** The room has what was wanted. */
	| "same"
	/** The user saw what is there, so the change is made on top of that. */
	| "again"
	/** The user has to decide. */
	| "conflict";

/** Compares what the room has with what an entry was based on. */
export function judge(entry: Entry, field: string, current: StoredSelection | null): Verdict {
	const messages = fieldMessages(entry.message);
	const mine = messages.find((message) => fieldOf(message) === field);
	if (!mine) return "conflict";
	const isSame = JSON.stringify(chosenIn(mine)) === JSON.stringify(current?.value);
	if (isSame && messages.length === 1) return "same";
	// An empty field that was set and cleared unseen looks as it did. In a transaction, the other fields are still to be
	// changed.
	return isSame || (current === null && mine.baseVersion === 0) ? "again" : "conflict";
}

/**
 * Holds an entry until its user has decided, replacing whatever else was made of it and not sent. What was not made of it
 * stays: its user then saw what the room had and went on from there, or decided on something else that was held.
 */
export const hold =
	(key: string, conflict: NonNullable<Entry["conflict"]>): Step =>
	(outbox) => {
		const { field } = conflict;
		const own = outbox.entries.find((entry) => entry.key === key);
		const change = own && changeOf(own.message, field);
		const isCovered = (entry: Entry) =>
			entry.line === own?.line || (entry.conflict && change && holds(change, changeOf(entry.message, field)));
		const rivals = outbox.entries.filter((entry) => entry.key !== key && isRival(entry, field) && isCovered(entry));
		const held = (entry: Entry) => {
			// What is held was made before, unless its user has gone on with it.
			const newer = rivals.filter((rival) => !rival.conflict || (rival.line === entry.line && rival.at > entry.at));
			const chosen = newer.flatMap((rival) => fieldMessages(rival.message));
			const message = chosen.reduce<Message>((message, one) => withField(message, field, one), entry.message);
			// Of a transaction, the other fields stay what they were.
			const { kind } = (isOfField(message) && newer.at(-1)) || entry;
			return changed(entry, { message, kind, conflict, seq: undefined, due: undefined, held: undefined });
		};
		return replace(key, held)(remove(rivals.map((entry) => entry.key))(outbox));
	};

/** Whether an entry concerns one field only, and is not in flight. */
export const isRival = ({ seq, message }: Entry, field: string): boolean =>
	seq === undefined && isOfField(message) && fieldOf(message) === field;
