// How the connection is, in words.

import type { Status } from "roomkeep";

// Why a room ends a connection for good.
const REASONS: Record<string, string> = {
	misuse: "The room does not understand this page.",
	bad_room: "The name of this room cannot be used. Leave it out of the address to get another.",
	unknown_party: "This server has no such rooms.",
	not_found: "This server has no such rooms.",
	forbidden: "You may not enter this room.",
	revoked: "You may not enter this room any more.",
	kicked: "Somebody has sent you out of this room.",
	deleted: "This room was deleted. Reload to begin it anew.",
	unauthorized: "This server asks for a token, which this page does not have.",
	no_token: "This server asks for a token, which this page does not have.",
	forbidden_origin: "This server does not let this page in.",
	replaced: "This page was replaced by another.",
	protocol: "This server speaks another protocol than this page.",
};

/** Whether it was the person who ended the connection. */
export function isSwitchedOff(status: Status, reason: string | undefined): boolean {
	return status === "closed" && reason === "closed";
}

/** Why the connection has ended for good, or undefined while it has not. */
export function endOf(status: Status, reason: string | undefined): string | undefined {
	if (status !== "closed" || reason === "closed") return undefined;
	const known = reason !== undefined && Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
	return known ?? `The room has ended the connection (${reason ?? "without a reason"}).`;
}

/** In a word or two. */
export function linkText(status: Status, reason: string | undefined, isKnown: boolean): string {
	if (isSwitchedOff(status, reason)) return "Offline";
	if (status === "synced") return "Live";
	if (status === "polling") return "Polling";
	if (status === "closed") return "Disconnected";
	return isKnown ? "Reconnecting…" : "Connecting…";
}

/** In a sentence. */
export function statusText(status: Status, reason: string | undefined): string {
	if (isSwitchedOff(status, reason)) return "You work offline. What you change waits here until you come back.";
	switch (status) {
		case "synced":
			return "Connected: you see what the room has.";
		case "polling":
			return "WebSockets do not get through here, so the room is asked every two seconds.";
		case "connecting":
			return "On the way to the room.";
		case "offline":
			// Before the first attempt there is none.
			if (reason === undefined) return "On the way to the room.";
			return "There is no connection. It is tried again by itself, and what you change waits here.";
		case "closed":
			return endOf(status, reason) ?? "";
	}
}
