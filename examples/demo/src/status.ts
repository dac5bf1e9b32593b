// How the connection is, in words.

import type { Status } from "roomkeep";

// Why a room ends a connection for good.
const REASONS: Record<string, string> = {
	misuse: "The room does not understand this page.",
	bad_room: "This room’s name is not valid. Remove it from the address to get a new room.",
	unknown_party: "This server has no rooms of this kind.",
	not_found: "This server has no rooms of this kind.",
	forbidden: "You may not enter this room.",
	revoked: "You may no longer enter this room.",
	kicked: "A moderator has removed you from this room.",
	deleted: "This room was deleted. Reload to start a new one.",
	unauthorized: "This server requires a token, which this page does not have.",
	no_token: "This server requires a token, which this page does not have.",
	forbidden_origin: "This server does not admit this page.",
	replaced: "Another page has replaced this one.",
	outdated: "This page is out of date. Reload it: what you have entered is kept, and sent then.",
	protocol: "This server speaks a different protocol from this page.",
};

/** Whether it was the person who ended the connection. */
export function isSwitchedOff(status: Status, reason: string | undefined): boolean {
	return status === "closed" && reason === "closed";
}

/** Why the connection has ended for good, or undefined while it has not. */
export function endOf(status: Status, reason: string | undefined): string | undefined {
	if (status !== "closed" || reason === "closed") return undefined;
	const known = reason !== undefined && Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
	return known ?? `The room closed the connection (${reason ?? "no reason given"}).`;
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
	if (isSwitchedOff(status, reason))
		return "You are working offline. Your changes wait here until you are back online.";
	switch (status) {
		case "synced":
			return "Connected: everything you see is current.";
		case "polling":
			return "WebSockets are blocked here, so the page checks with the room every two seconds.";
		case "connecting":
			return "Connecting to the room.";
		case "offline":
			// Before the first attempt there is none.
			if (reason === undefined) return "Connecting to the room.";
			return "There is no connection. Reconnecting automatically; your changes wait here.";
		case "closed":
			return endOf(status, reason) ?? "";
	}
}
