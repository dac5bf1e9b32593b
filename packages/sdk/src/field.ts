// A field that somebody types into: what stands in the input, and what others do to it meanwhile. Knows no framework; an
// adapter renders its state and tells it what happens to the input.

import type { RoomClient } from "./client.ts";
import type { Conflict, Field, Json, Next, Outcome, Refusal, SelectOptions, Snapshot } from "./types.ts";
import { fieldAsOf, kept } from "./view.ts";

/** Long enough not to send each letter, and short enough that others see a word appear, in milliseconds. */
const PAUSE = 300;

/** How a field's value and the text in its input belong together. */
export interface FieldOptions<T extends Json = Json> {
	/** The pause after which what was typed is sent, in milliseconds. Default: 300. */
	debounceMs?: number;
	/** The longest that somebody's typing waits to be sent, in milliseconds. Default: 1,500. */
	maxWaitMs?: number;
	/** `number`: the text is a number, and none clears the field. Default: `text`. */
	type?: "text" | "number";
	/** The value of a text. Undefined clears the field; what it throws an error for is not sent, and is shown as `refused`. */
	parse?: (text: string) => T | undefined;
	/** The text of a value. */
	format?: (value: T | undefined) => string;
}

/** Somebody who is in the field. */
export interface Focus {
	id: string;
	name: string;
}

/** What somebody else set while one was typing. */
export interface Offer<T> {
	/** Undefined if the field was cleared. */
	value: T | undefined;
	userId: string | undefined;
	version: number;
}

/** A field as its input shows it. It never changes: the next moment is another object. */
export interface FieldState<T extends Json = Json> {
	/** What stands in the input. */
	text: string;
	/** The value: what was typed, as far as it is one, else what the field is set to. */
	value: T | undefined;
	/** Changed here, and the room has not replied yet. */
	pending: boolean;
	/** This user's change that came too late: `keep` or `take`. */
	conflict: Conflict | undefined;
	/** Another's newer value, which is not put in while one types: `keep` or `take`. */
	offer: Offer<T> | undefined;
	/** Why the last change was refused. What was typed stays in the input. */
	refused: Refusal | undefined;
	/** Whether this user may write the field. If not, what happens to the input changes nothing. */
	canWrite: boolean;
	/** The other users who are in the field. */
	focusedBy: readonly Focus[];
	/** The id of the user who set the field. Undefined if it is not set. */
	by: string | undefined;
	/** When the room stored it, in milliseconds by the room's clock, or by this device's while pending. */
	at: number | undefined;
	/** The version of the field that is shown. */
	version: number;
}

/** What is known of an input: as much as the browser's own elements have. */
export interface InputElement {
	value: string;
	type?: string;
	checked?: boolean;
	validity?: { badInput: boolean };
	selectionStart?: number | null;
	selectionEnd?: number | null;
	setSelectionRange?(start: number, end: number): void;
}

/** What is being typed. */
interface Draft {
	text: string;
	/** The version of the field that it was made from. */
	base: number;
	/** The value that was last handed to the client, if any was. */
	sent?: { value: Json | undefined };
	/** Why it is not a value. */
	problem?: Refusal;
}

const NOBODY: readonly Focus[] = [];
const HALF = /\p{Cs}/gu;

/** A field, for the input of one component. */
export class FieldBinding<T extends Json = Json> {
	readonly client: RoomClient<any>;
	readonly field: string;
	/** May be replaced at any time. */
	options: FieldOptions<T>;
	#state: FieldState<T>;
	#draft: Draft | undefined;
	#isComposing = false;
	/** Whether a change of the client's is this binding's own doing. */
	#isActing = false;
	#element: InputElement | undefined;
	/** Where the caret belongs once the text is in the input. */
	#caret: { text: string; start: number; end: number } | undefined;
	readonly #listeners = new Set<() => void>();
	#unsubscribe: (() => void) | undefined;

	constructor(client: RoomClient<any>, field: string, options: FieldOptions<T> = {}) {
		this.client = client;
		this.field = field;
		this.options = options;
		this.#state = this.#read();
	}

	/** The state now. It is the same object until something of it changes. */
	getState(): FieldState<T> {
		if (!this.#unsubscribe) this.#update();
		return this.#state;
	}

	/** The state as of a snapshot, with nothing typed and nothing pending: what a server renders. */
	stateOf(snapshot: Snapshot): FieldState<T> {
		const field = fieldAsOf(snapshot, this.field, this.client.canWrite(this.field, snapshot));
		return this.#stateOf(field, undefined, NOBODY);
	}

	/** Calls `listener` after each change of the state. What was typed last is sent when the last listener leaves. */
	subscribe(listener: () => void): () => void {
		const own = () => listener();
		this.#listeners.add(own);
		this.#unsubscribe ??= this.client.subscribe(() => this.#update());
		return () => {
			if (!this.#listeners.delete(own) || this.#listeners.size) return;
			this.#unsubscribe?.();
			this.#unsubscribe = undefined;
			this.leave();
		};
	}

	// What happens to the input.

	/** Somebody typed, or picked. */
	changed(element: InputElement): void {
		// A list of choices cannot be read-only, so it is told to show again what it showed.
		if (!this.#state.canWrite) return;
		this.#element = element;
		const { type } = element;
		if (type === "checkbox") void this.set(!!element.checked as T);
		else if (element.validity?.badInput) this.#type(element.value, "This is not a number.");
		else this.#type(element.value);
		if (type !== "select-one" && type !== "radio") return;
		// What is picked is final: nobody is at work on it while others change the field.
		this.flush();
		if (!this.#draft?.problem) this.#draft = undefined;
		this.#update();
	}

	/** Somebody has gone into the input. */
	entered(element: InputElement): void {
		this.#element = element;
		this.client.setFocus(this.field);
	}

	/** Somebody has gone on to something else, or the input is gone. */
	leave(): void {
		if (this.#isComposing) this.composed();
		this.#element = undefined;
		if (this.client.focus === this.field) this.client.setFocus(undefined);
		if (!this.#draft) return;
		this.flush();
		// What waits for a decision, or has to be mended, stays: pressing a button that decides leaves the input first.
		if (!this.#state.conflict && !this.#state.refused && !this.#state.offer) this.#draft = undefined;
		this.#update();
	}

	/** A composition has begun: its text is nobody's business until it ends. */
	composing(): void {
		this.#isComposing = true;
		this.#draft ??= { text: this.#state.text, base: this.#state.version };
	}

	/** A composition has ended, with this text in the input. */
	composed(text = this.#state.text): void {
		this.#isComposing = false;
		this.#type(text);
	}

	// What can be done.

	/** Sets the field at once, to a value or to what a function makes of the one that is shown. */
	set(value: T | ((previous: T | undefined) => T), options: SelectOptions = {}): Promise<Outcome> {
		this.#draft = undefined;
		return this.#act(() => this.client.select(this.field, value as Next, options));
	}

	/** Clears the field at once. */
	clear(options: SelectOptions = {}): Promise<Outcome> {
		this.#draft = undefined;
		return this.#act(() => this.client.clear(this.field, options));
	}

	/** Takes what somebody else set, and forgets what was typed. */
	take(): void {
		this.#draft = undefined;
		this.client.dismiss(this.field);
		if (this.#state.conflict) void this.client.resolve(this.field, "theirs");
		this.#update();
	}

	/** Puts what was typed in the place of what somebody else set. */
	keep(): void {
		const { conflict, offer, version } = this.#state;
		if (conflict) void this.client.resolve(this.field, "mine");
		else if (offer && this.#draft) {
			this.#draft.base = version;
			this.#send(this.#draft, 0);
		}
		this.#update();
	}

	/** Sends what was typed without waiting for a pause. */
	flush(): void {
		if (this.#draft?.sent) void this.client.flush();
	}

	/** Puts the caret where it was, once a change of somebody else's is in the input. */
	restoreCaret(): void {
		const [element, caret] = [this.#element, this.#caret];
		this.#caret = undefined;
		if (caret && element?.value === caret.text) element.setSelectionRange?.(caret.start, caret.end);
	}

	#type(text: string, problem?: string): void {
		const before = this.#state;
		this.#draft = { ...(this.#draft ?? { base: before.version }), text };
		delete this.#draft.problem;
		if (problem) this.#spoil(this.#draft, problem);
		else if (!this.#isComposing) this.#send(this.#draft, this.options.debounceMs ?? PAUSE);
		this.#update();
	}

	/** Hands what was typed to the client, if it is something new. */
	#send(draft: Draft, debounceMs: number): void {
		let value: T | undefined;
		try {
			// Half a character is the first half of one that is about to be whole.
			value = this.#parse(draft.text.replace(HALF, ""));
		} catch (error) {
			this.#spoil(draft, error instanceof Error ? error.message : `${error}`);
			return;
		}
		const { field, options } = this;
		const isKnown = draft.sent
			? isSame(draft.sent.value, value)
			: draft.text === this.#format(this.client.field(field).selection?.value as T | undefined);
		if (debounceMs && isKnown) return;
		draft.sent = { value };
		const how: SelectOptions = { debounceMs, baseVersion: draft.base };
		if (options.maxWaitMs !== undefined) how.maxWaitMs = options.maxWaitMs;
		const { client } = this;
		const sent = this.#act(() => (value === undefined ? client.clear(field, how) : client.select(field, value, how)));
		void sent.then(({ outcome, version = 0 }) => {
			const { selection, pending, version: shown } = client.field(field);
			// What is typed on is made from that. Clearing what is not set has no version of its own.
			if (outcome === "applied" && this.#draft) {
				if (!pending && isSame(selection?.value, value)) this.#draft.base = shown;
				else if (value !== undefined) this.#draft.base = Math.max(this.#draft.base, version);
			}
			this.#update();
		});
	}

	#spoil(draft: Draft, message: string): void {
		draft.problem = { field: this.field, value: draft.text, code: "invalid_input", message, at: Date.now() };
	}

	#parse(text: string): T | undefined {
		const { parse, type } = this.options;
		if (parse) return parse(text);
		if (type !== "number") return text as T;
		if (text.trim() === "") return undefined;
		const number = Number(text);
		if (!Number.isFinite(number)) throw new Error("This is not a number.");
		return number as T;
	}

	#format(value: T | undefined): string {
		const { format } = this.options;
		if (format) return format(value);
		return value === undefined || value === null ? "" : `${value}`;
	}

	#act<R>(act: () => R): R {
		this.#isActing = true;
		try {
			return act();
		} finally {
			this.#isActing = false;
			this.#update();
		}
	}

	// What is shown.

	#read(): FieldState<T> {
		const field = this.client.field(this.field);
		// In another life of the room nothing from before is known.
		if (this.#draft && !field.pending) this.#draft.base = Math.min(this.#draft.base, field.version);
		return this.#stateOf(field, this.#draft, this.#focusedBy());
	}

	#stateOf(field: Field, draft: Draft | undefined, focusedBy: readonly Focus[]): FieldState<T> {
		const { selection, version, pending, conflict, canWrite } = field;
		const refused = draft?.problem ?? field.refused;
		const inRoom = selection?.value as T | undefined;
		const typed = draft?.sent;
		const value = (typed ? typed.value : inRoom) as T | undefined;
		const isShown = typed ? isSame(typed.value, inRoom) : draft?.text === this.#format(inRoom);
		const { userId: by, updatedAt: at } = selection ?? {};
		// While what is typed is refused, what was sent before it is no offer.
		const isOwn = refused && by === this.client.user.id;
		const isOffered = draft && !pending && !conflict && version > draft.base && !isShown && !isOwn;
		const text = refused && !draft ? this.#format(refused.value as T | undefined) : this.#format(inRoom);
		return {
			text: draft ? draft.text : text,
			value,
			pending,
			conflict,
			offer: isOffered ? { value: inRoom, userId: by, version } : undefined,
			refused,
			canWrite,
			focusedBy,
			by,
			at,
			version,
		};
	}

	#focusedBy(): readonly Focus[] {
		const { presence, participants } = this.client.getSnapshot();
		const me = this.client.user.id;
		const ids = new Set<string>();
		for (const { userId, data } of presence) {
			// The data is what anybody may have sent.
			if (userId && userId !== me && (data as { field?: unknown } | null)?.field === this.field) ids.add(userId);
		}
		if (!ids.size) return NOBODY;
		const people = [...ids].map((id) => ({ id, name: participants.find((one) => one.id === id)?.name ?? id }));
		const before = this.#state?.focusedBy;
		return before && isSame(before, people) ? before : people;
	}

	#update(): void {
		const before = this.#state;
		let now = this.#read();
		// A decision ends the typing: the field shows what was decided.
		if (before.conflict && !now.conflict && this.#draft && !this.#isActing && !this.#isComposing) {
			this.#draft = undefined;
			now = this.#read();
		}
		if (isSame(before.offer, now.offer)) now.offer = before.offer;
		this.#state = kept(before, now);
		if (this.#state === before) return;
		this.#moveCaret(before.text, now.text);
		for (const listener of [...this.#listeners]) listener();
	}

	/** Notes where the caret belongs after a change that was not made in the input. */
	#moveCaret(from: string, to: string): void {
		const { value, selectionStart: start, selectionEnd: end } = this.#element ?? {};
		if (value !== from || from === to || typeof start !== "number" || typeof end !== "number") return;
		const [first, last] = difference(from, to);
		const moved = (at: number) =>
			at <= first ? at : Math.max(first, at >= last ? at + to.length - from.length : first);
		this.#caret = { text: to, start: moved(start), end: moved(end) };
	}
}

/** Where the part of a text begins and ends that is different in another one. */
export function difference(from: string, to: string): [start: number, end: number] {
	const most = Math.min(from.length, to.length);
	let start = 0;
	while (start < most && from[start] === to[start]) start += 1;
	let same = 0;
	while (same < most - start && from.at(-1 - same) === to.at(-1 - same)) same += 1;
	return [start, from.length - same];
}

const isSame = (a: unknown, b: unknown) => Object.is(a, b) || JSON.stringify(a) === JSON.stringify(b);

/** Binds a field to an input, without a framework. */
export function bindField<T extends Json = Json>(
	client: RoomClient<any>,
	field: string,
	options?: FieldOptions<T>,
): FieldBinding<T> {
	return new FieldBinding<T>(client, field, options);
}
