// Who is at this tab. Each tab is a person of its own, so that two windows are enough to try the form with. Somebody
// who closes a tab and opens another is the same person again: what was not sent yet waits under that person's id.

import { random } from "./random.ts";

export interface Person {
	id: string;
	/** Undefined until it was asked for. */
	name: string | undefined;
}

// Enough for a family at one browser.
const MOST = 12;

type Store = "sessionStorage" | "localStorage";

/** The person of this tab, else somebody of this browser who is in no tab now, else somebody new. */
export async function findPerson(givenName: string | undefined): Promise<Person> {
	const id = read("sessionStorage", "userId");
	const known = read("sessionStorage", "userName") ?? undefined;
	if (id !== null) {
		hold(id);
		return remember({ id, name: givenName ?? known });
	}
	for (const person of everyone()) {
		const isMeant = givenName === undefined || person.name === givenName;
		if (isMeant && (await isFree(person.id))) return remember(person);
	}
	const person = { id: `user-${random().toString(36)}${random().toString(36)}`, name: givenName };
	hold(person.id);
	return remember(person);
}

/** Keeps the person for the next time. */
export function remember(person: Person): Person {
	write("sessionStorage", "userId", person.id);
	if (person.name === undefined) return person;
	write("sessionStorage", "userName", person.name);
	const others = everyone().filter(({ id }) => id !== person.id);
	write("localStorage", "people", JSON.stringify([person, ...others].slice(0, MOST)));
	return person;
}

/** Whether the person wants to be offline in this room: the switch stays as it is when the page is loaded again. */
export function wantsOffline(id: string, room: string): boolean {
	return read("localStorage", `offline ${id} ${room}`) !== null;
}

export function rememberOffline(id: string, room: string, isOffline: boolean): void {
	write("localStorage", `offline ${id} ${room}`, isOffline ? "yes" : null);
}

/** Where the browser lets a page keep nothing, even a look throws: the person is then one for the page's life. */
function read(store: Store, key: string): string | null {
	try {
		return window[store].getItem(key);
	} catch {
		return null;
	}
}

function write(store: Store, key: string, value: string | null): void {
	try {
		if (value === null) window[store].removeItem(key);
		else window[store].setItem(key, value);
	} catch {
		// Without it the page works, and is somebody new the next time.
	}
}

/** Those who were at this browser, the latest first. */
function everyone(): Person[] {
	try {
		const people: unknown = JSON.parse(read("localStorage", "people") ?? "[]");
		return Array.isArray(people) ? people.filter(isPerson) : [];
	} catch {
		return [];
	}
}

function isPerson(value: unknown): value is Person {
	if (typeof value !== "object" || value === null || !("id" in value) || !("name" in value)) return false;
	return typeof value.id === "string" && typeof value.name === "string";
}

/** Takes a person for this tab, unless another tab has. Where there are no locks nobody can tell. */
function isFree(id: string): Promise<boolean> {
	if (navigator.locks === undefined) return Promise.resolve(false);
	return new Promise((resolve) => {
		const asked = navigator.locks.request(`person ${id}`, { ifAvailable: true }, (lock) => {
			resolve(lock !== null);
			return lock === null ? undefined : forever;
		});
		// Locks are refused where storage is.
		asked.catch(() => resolve(false));
	});
}

/** Marks the person as taken for as long as the page lives. */
function hold(id: string): void {
	// Locks are refused where storage is.
	navigator.locks?.request(`person ${id}`, () => forever).catch(() => {});
}

const forever = new Promise<never>(() => {});
