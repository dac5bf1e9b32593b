// Which room this page is for, and who is at it.

import type { Me } from "./room.ts";

const FIRST = ["calm", "bright", "quiet", "warm", "clear", "brave", "early", "gentle", "lucky", "mellow"];
const SECOND = ["harbor", "meadow", "lantern", "willow", "otter", "maple", "river", "falcon", "orchard", "pebble"];

/** The room in the address bar. Without one, makes up a name and puts it there. */
export function roomName(): string {
	const address = new URL(location.href);
	const given = address.searchParams.get("room")?.trim();
	const name = given || `${pick(FIRST)}-${pick(SECOND)}-${random() % 1000}`;
	address.searchParams.set("room", name);
	// A name in the address has been read by now, and whoever is sent this address is somebody else.
	address.searchParams.delete("name");
	history.replaceState(null, "", address);
	return name;
}

/** The address for others: the room, and nothing of this person. */
export function linkTo(room: string): string {
	const address = new URL(location.pathname, location.origin);
	address.searchParams.set("room", room);
	return address.href;
}

/** The person at this tab: each tab is its own, and stays the same when it is reloaded. */
export function person(): Partial<Me> & { id: string } {
	const id = sessionStorage.getItem("userId") ?? `user-${random().toString(36)}${random().toString(36)}`;
	sessionStorage.setItem("userId", id);
	const given = new URL(location.href).searchParams.get("name")?.trim().slice(0, 60);
	if (given) remember(given);
	const name = sessionStorage.getItem("userName");
	return name === null ? { id } : { id, name };
}

export function remember(name: string): void {
	sessionStorage.setItem("userName", name);
}

function pick(words: string[]): string {
	return words[random() % words.length] ?? "room";
}

// `crypto.randomUUID` is missing where a page comes over plain HTTP from another machine. This is not.
function random(): number {
	return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
