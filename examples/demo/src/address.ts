// Which room this page is for.

import { pick, random } from "./random.ts";

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

/** The name in the address bar, for links that bring somebody in without a question. */
export function givenName(): string | undefined {
	const name = new URL(location.href).searchParams.get("name")?.trim() ?? "";
	// By whole characters: half an emoji is none.
	return [...name].slice(0, 60).join("") || undefined;
}

/** The address for others: the room, and nothing of this person. */
export function linkTo(room: string): string {
	const address = new URL(location.pathname, location.origin);
	address.searchParams.set("room", room);
	return address.href;
}
