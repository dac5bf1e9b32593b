// What this user changed and the room has not answered: the queue and its numbers, as steps that make one of another.

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

/** A message that changes one field. It always says what its user saw. */
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

/** A change that waits. It is never changed in place. */
export interface Entry {
	/** The same in all tabs, for as long as the change is pending. */
	key: string;
	/** When it was made, in milliseconds of this device's clock. */
	at: number;
	/** The message that makes it, without `seq` and `id`. */
	message: Message;
	/** Of its text, in bytes. */
	size: number;
	/** Its number, once it may have been sent. */
	seq?: number;
	/** Not sent before this, in milliseconds of this device's clock: there may be another one for the same field. */
	due?: number;
	/** It came too late, and waits for its user: what the room had then. */
	conflict?: { field: string; version: number; current: StoredSelection | null };
}

/** What is kept for one user in one room. All tabs of a user change the same one. */
export interface Outbox {
	/** Where it is to be sent, for whoever finds it. */
	address: { host: string; party: string; room: string; user: User };
	/** Names the outbox to the room (PROTOCOL.md, E1). */
	clientId: string;
	/** The life of the room that the base versions are of. */
	epoch?: string | undefined;
	/** The last number that was given. */
	lastSeq: number;
	/** In the order in which they were made. */
	entries: Entry[];
}

/** One step of an outbox. Is done twice: at once, and again on what is stored, which another tab may have changed. */
export type Step = (outbox: Outbox) => Outbox;

/** Most changes that wait. */
const ENTRIES = 1_000;
/** Most bytes that they have. */
const BYTES = 4 * 1024 * 1024;
/** Most changes under way. Fewer than the room remembers answers of (PROTOCOL.md, E4). */
const WINDOW = 32;

/** Not for secrets: a name that nobody else has. */
export function randomId(): string {
	// `crypto.randomUUID` is missing on pages without TLS.
	return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

export const isFull = ({ entries }: Outbox, more: Entry) =>
	entries.length >= ENTRIES || entries.reduce((sum, entry) => sum + entry.size, more.size) > BYTES;

/** An entry in another form. */
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
/** To what, or undefined when it clears it. */
export const chosenIn = (message: BatchChange): Json | undefined =>
	message.type === "field_selected" ? message.selection.value : undefined;

/** A message with other messages of fields in place of its own. */
function withFields(message: Message, change: (message: FieldMessage) => FieldMessage): Message {
	if (message.type === "batch") return { ...message, changes: message.changes.map(change) };
	return isOfField(message) ? change(message) : message;
}

/** A message with another base version for a field, or for all of them. */
export const rebased = (message: Message, base: (field: string, before: number) => number): Message =>
	withFields(message, (one) => ({ ...one, baseVersion: base(fieldOf(one), one.baseVersion) }));

/** A message with another change of a field. */
export const withField = (message: Message, field: string, change: BatchChange): Message =>
	withFields(message, (one) => (fieldOf(one) === field ? { ...change, baseVersion: one.baseVersion } : one));

/** Adds an entry, and takes out the one in whose place it is, if that was not sent. */
export const add =
	(entry: Entry, over?: string): Step =>
	(outbox) => {
		const others = outbox.entries.filter(({ key, seq }) => key !== over || seq !== undefined);
		return { ...outbox, entries: [...others, entry] };
	};

export const remove =
	(keys: string[]): Step =>
	(outbox) => ({ ...outbox, entries: outbox.entries.filter(({ key }) => !keys.includes(key)) });

export const replace =
	(key: string, change: (entry: Entry) => Entry): Step =>
	(outbox) => ({ ...outbox, entries: outbox.entries.map((entry) => (entry.key === key ? change(entry) : entry)) });

/** What is under way, the oldest first. */
export const underWay = ({ entries }: Outbox) =>
	entries.filter(({ seq }) => seq !== undefined).sort((a, b) => (a.seq as number) - (b.seq as number));

/** What may be sent next, up to a window, the oldest first. */
export function ready(outbox: Outbox, now: number, suits: (message: Message) => boolean): Entry[] {
	const room = WINDOW - underWay(outbox).length;
	// Nothing overtakes an older change of its field that waits, or that is under way with others and may fail with them.
	const taken = new Set<string>();
	const waiting = ({ seq, conflict, due = 0, at, message }: Entry) => {
		if (conflict) return false;
		const fields = fieldMessages(message).map(fieldOf);
		// One that was made later than now is of before the clock was set back.
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
			return changed(entry, { seq: lastSeq, due: undefined });
		});
		return { ...outbox, entries, lastSeq };
	};

/** Sends what waits for another change of its field: something came after it. */
export const hurry: Step = (outbox) => ({
	...outbox,
	entries: outbox.entries.map((entry) => (entry.due ? changed(entry, { due: undefined }) : entry)),
});

/** Takes the number of an entry, which the room has not kept, back, and those of all that came later. */
export const unnumber =
	(seq: number): Step =>
	(outbox) => ({
		...outbox,
		lastSeq: Math.min(outbox.lastSeq, seq - 1),
		entries: outbox.entries.map((entry) => ((entry.seq ?? 0) >= seq ? changed(entry, { seq: undefined }) : entry)),
	});

/** Starts over under another name, since the room does not know this one any more, or somebody else has it. */
export const renew =
	(clientId: string): Step =>
	(outbox) => ({ ...unnumber(1)(outbox), clientId, lastSeq: 0 });

/** Makes what is pending a change of this life of the room, in which nothing of before is known. */
export const settleIn =
	(epoch: string): Step =>
	(outbox) => {
		if (outbox.epoch === epoch) return outbox;
		const moved = (entry: Entry) => {
			const { message, conflict } = entry;
			const isNothing = conflict && { ...conflict, version: 0, current: null };
			return changed(entry, { message: rebased(message, () => 0), conflict: isNothing });
		};
		return { ...outbox, epoch, entries: outbox.epoch === undefined ? outbox.entries : outbox.entries.map(moved) };
	};

/** What a conflict of an entry comes to. */
export type Verdict =
	/** The room has what was wanted. */
	| "same"
	/** The user saw what is there: on with it, on top of that. */
	| "again"
	/** It is for the user to decide. */
	| "conflict";

/** Looks at what the room has in place of what an entry was based on. */
export function judge(entry: Entry, field: string, current: StoredSelection | null): Verdict {
	const messages = fieldMessages(entry.message);
	const mine = messages.find((message) => fieldOf(message) === field);
	if (!mine) return "conflict";
	const isSame = JSON.stringify(chosenIn(mine)) === JSON.stringify(current?.value);
	if (isSame && messages.length === 1) return "same";
	// An empty field that was set and cleared unseen looks as it did. With others of a transaction, the rest is to do.
	return isSame || (current === null && mine.baseVersion === 0) ? "again" : "conflict";
}

/** Holds an entry until its user has decided, in place of whatever else was chosen for the field and not sent. */
export const hold =
	(key: string, conflict: NonNullable<Entry["conflict"]>): Step =>
	(outbox) => {
		const { field } = conflict;
		const rivals = outbox.entries.filter((entry) => entry.key !== key && isRival(entry, field));
		const held = (entry: Entry) => {
			const chosen = rivals.filter(({ conflict }) => !conflict).flatMap((rival) => fieldMessages(rival.message));
			const message = chosen.reduce<Message>((message, one) => withField(message, field, one), entry.message);
			return changed(entry, { message, conflict, seq: undefined, due: undefined });
		};
		return replace(key, held)(remove(rivals.map((entry) => entry.key))(outbox));
	};

/** Whether an entry is about a field and nothing else, and not under way. */
export const isRival = ({ seq, message }: Entry, field: string): boolean =>
	seq === undefined && isOfField(message) && fieldOf(message) === field;
