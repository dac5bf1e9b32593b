// Who is here, who is ready, who was here.

import { byId, make, makeTime } from "./dom.ts";
import type { Room } from "./room.ts";
import type { Participant } from "./wire.ts";

const COLOURS = 6;

export class PeopleView {
	readonly #room: Room;
	readonly #summary = byId("summary", HTMLElement);
	readonly #ready = byId("ready", HTMLInputElement);
	readonly #here = byId("here", HTMLUListElement);
	readonly #awayPart = byId("away-part", HTMLElement);
	readonly #away = byId("away", HTMLUListElement);

	constructor(room: Room) {
		this.#room = room;
		this.#ready.addEventListener("change", () => room.setReady(this.#ready.checked));
	}

	update(): void {
		const people = this.#room.people().sort((a, b) => this.#rank(a) - this.#rank(b) || compare(a, b));
		const here = people.filter((person) => person.online);
		const away = people.filter((person) => !person.online).sort((a, b) => b.lastSeen - a.lastSeen);
		this.#summary.textContent = summary(here);
		this.#ready.disabled = !this.#room.isKnown;
		this.#ready.checked = people.some((person) => this.#isMe(person) && person.isReady);
		this.#here.replaceChildren(...here.map((person) => this.#entry(person)));
		this.#away.replaceChildren(...away.map((person) => this.#entry(person)));
		this.#awayPart.hidden = away.length === 0;
	}

	#isMe(person: Participant): boolean {
		return person.id === this.#room.me.id;
	}

	#rank(person: Participant): number {
		return this.#isMe(person) ? 0 : 1;
	}

	#entry(person: Participant): HTMLLIElement {
		const name = make("span", "who", person.name, this.#isMe(person) ? " (you)" : "");
		const initial = make("span", `face face-${colour(person.id)}`, [...person.name][0]?.toUpperCase() ?? "?");
		initial.ariaHidden = "true";
		const note = person.online ? noteHere(person) : make("span", "note", "last seen ", makeTime(person.lastSeen));
		return make("li", person.online ? "" : "gone", initial, name, note);
	}
}

function noteHere(person: Participant): HTMLElement {
	return person.isReady ? make("span", "note is-ready", "✓ ready") : make("span", "note", "not ready yet");
}

function summary(here: Participant[]): string {
	const ready = here.filter((person) => person.isReady).length;
	if (here.length === 0) return "Nobody is here yet.";
	if (here.length === 1) return "You are alone here. Copy the link to bring somebody in.";
	if (ready === here.length) return `${here.length} people are here, and everyone is ready.`;
	return `${here.length} people are here, ${ready === 0 ? "nobody is" : `${ready} of them`} ready.`;
}

function compare(a: Participant, b: Participant): number {
	return a.name.localeCompare(b.name) || a.id.localeCompare(b.id);
}

/** A colour that stays with a person, on every page. */
function colour(id: string): number {
	let sum = 0;
	for (const letter of id) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973;
	return sum % COLOURS;
}
