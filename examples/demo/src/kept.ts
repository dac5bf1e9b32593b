// What this tab keeps of a room for the next time the page is loaded. Whatever it lacks is rebuilt from the room.

import type { Participant, Permission, PermissionRequest } from "roomkeep";
import type { News } from "./changes.ts";
import type { Progress } from "./guide.ts";

export interface Entry extends News {
	key: number;
	/** In milliseconds of this device's clock. */
	at: number;
}

/** What has been told of the room so far. */
export interface Moment {
	/** The room's version. A room that was deleted begins again with a low one. */
	version: number;
	/** The version of each field. */
	fields: Readonly<Record<string, number>>;
	participants: readonly Participant[];
	requests: readonly PermissionRequest[];
	permissions: readonly Permission[];
}

export interface Kept {
	entries: readonly Entry[];
	moment: Moment;
	progress: Progress;
}

/** What was kept, if it can be read and this page wrote it in this form. */
export function recall(userId: string, room: string): Kept | undefined {
	try {
		const kept: unknown = JSON.parse(sessionStorage.getItem(keyOf(userId, room)) ?? "null");
		return isKept(kept) ? kept : undefined;
	} catch {
		return undefined;
	}
}

export function keep(userId: string, room: string, kept: Kept): void {
	try {
		sessionStorage.setItem(keyOf(userId, room), JSON.stringify(kept));
	} catch {
		// Where a page may keep nothing, or not that much, the next one starts from what the room knows.
	}
}

function keyOf(userId: string, room: string): string {
	return `log 1 ${userId} ${room}`;
}

/** The key has the form's number, so that only its outline is left to check. */
function isKept(value: unknown): value is Kept {
	return typeof value === "object" && value !== null && "entries" in value && "moment" in value && "progress" in value;
}
