// One field of the form: what the room has in it, who chose that, and what this person is typing into it.

import { make, makeButton, makeTime } from "./dom.ts";
import type { FieldState, Room } from "./room.ts";

// Long enough not to send each letter, and short enough that the others see a word appear.
const PAUSE = 250;

export class FieldView {
	readonly #name: string;
	readonly #room: Room;
	readonly #say: (text: string) => void;
	readonly #box: HTMLElement;
	readonly #input: HTMLInputElement | HTMLSelectElement;
	readonly #label: string;
	readonly #by = make("p", "by");
	readonly #offer = make("div", "offer");
	/** The value that the person and the room last agreed on. */
	#agreed = "";
	/** What somebody else chose while this person was typing. */
	#offered: string | undefined;
	#isTyping = false;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#isFirst = true;

	constructor(box: HTMLElement, room: Room, say: (text: string) => void) {
		const input = box.querySelector<HTMLInputElement | HTMLSelectElement>("input, select");
		if (input === null || box.dataset.field === undefined) throw new Error("A field has a name and an input.");
		this.#name = box.dataset.field;
		this.#room = room;
		this.#say = say;
		this.#box = box;
		this.#input = input;
		this.#label = box.querySelector("label")?.textContent ?? this.#name;
		this.#by.id = `${input.id}-by`;
		this.#offer.id = `${input.id}-offer`;
		this.#offer.hidden = true;
		input.setAttribute("aria-describedby", `${this.#by.id} ${this.#offer.id}`);
		box.append(this.#by, this.#offer);
		this.#listen();
	}

	/** Shows what the room has. */
	update(): void {
		const state = this.#room.field(this.#name);
		const text = textOf(state);
		if (text === this.#agreed || text === this.#value()) this.#agree(text);
		else if (this.#isHeld()) this.#offerValue(text, state);
		else this.#takeOver(text, state);
		this.#by.replaceChildren(...this.#byline(state));
		this.#by.hidden = this.#offered !== undefined;
		this.#isFirst &&= !this.#room.isKnown;
	}

	/** Sends what was typed, if the room does not have it yet. */
	commit(): void {
		clearTimeout(this.#timer);
		const value = this.#value();
		if (value === this.#agreed) return;
		this.#agree(value);
		if (value === "") this.#room.clear(this.#name);
		else this.#room.select(this.#name, value);
	}

	#listen(): void {
		this.#input.addEventListener("input", () => this.#typed());
		this.#input.addEventListener("keydown", (event) => {
			if (event instanceof KeyboardEvent && event.key === "Enter") this.commit();
		});
		// The buttons of an offer belong to the field: who goes on to them has not left it.
		this.#box.addEventListener("focusout", (event) => {
			if (!(event.relatedTarget instanceof Node) || !this.#box.contains(event.relatedTarget)) this.#left();
		});
	}

	#typed(): void {
		clearTimeout(this.#timer);
		// What is picked from a list is final. What is typed may go on.
		if (this.#input instanceof HTMLSelectElement) {
			this.commit();
			return;
		}
		this.#isTyping = true;
		// While there is an offer the person is to see it. What is typed then is sent on leaving the field.
		if (this.#offered === undefined) this.#timer = setTimeout(() => this.commit(), PAUSE);
	}

	#left(): void {
		this.#isTyping = false;
		this.commit();
		this.update();
	}

	/** Whether a value from outside must not replace what stands in the field. */
	#isHeld(): boolean {
		return this.#isTyping || this.#offered !== undefined;
	}

	#value(): string {
		return this.#input.value.trim();
	}

	#agree(text: string): void {
		this.#agreed = text;
		this.#offered = undefined;
		this.#offer.hidden = true;
		this.#offer.replaceChildren();
	}

	#takeOver(text: string, state: FieldState | undefined): void {
		this.#agree(text);
		if (this.#input instanceof HTMLSelectElement) addOption(this.#input, text);
		this.#input.value = text;
		if (!this.#isFirst && state !== undefined && state.userId !== this.#room.me.id) this.#flash();
	}

	#offerValue(text: string, state: FieldState | undefined): void {
		clearTimeout(this.#timer);
		if (this.#offered === text) return;
		this.#offered = text;
		const who = state === undefined ? "Somebody" : this.#room.nameOf(state.userId);
		const what = text === "" ? `${who} cleared this.` : `${who} chose “${text}”.`;
		const use = makeButton(text === "" ? "Clear it" : "Use it", () => this.#use(text, state));
		const keep = makeButton("Keep mine", () => this.#keep(text));
		this.#offer.replaceChildren(make("p", "", what), use, keep);
		this.#offer.hidden = false;
		this.#say(`${this.#label}: ${what}`);
	}

	#use(text: string, state: FieldState | undefined): void {
		this.#input.focus();
		this.#isTyping = false;
		this.#takeOver(text, state);
		this.update();
	}

	#keep(text: string): void {
		this.#input.focus();
		this.#agree(text);
		this.commit();
		this.update();
	}

	#byline(state: FieldState | undefined): (Node | string)[] {
		if (state === undefined) return ["Nobody has chosen yet"];
		const who = make("strong", "", this.#room.nameOf(state.userId));
		const what = state.value === null ? " cleared this " : " chose this ";
		if (state.isPending && this.#room.link !== "live") return [who, what, "· not sent yet"];
		return [who, what, makeTime(state.at)];
	}

	#flash(): void {
		this.#box.classList.remove("flash");
		// Reading a size makes the browser notice that the class was gone, so that the animation starts again.
		void this.#box.offsetWidth;
		this.#box.classList.add("flash");
	}
}

/** A value as text: any page may have set the field, to any JSON. */
function textOf(state: FieldState | undefined): string {
	if (state === undefined || state.value === null) return "";
	return (typeof state.value === "string" ? state.value : JSON.stringify(state.value)).trim();
}

/** A list can show only what is in it, and another page may know more conditions than this one. */
function addOption(select: HTMLSelectElement, text: string): void {
	if (![...select.options].some((option) => option.value === text)) select.add(new Option(text, text));
}
