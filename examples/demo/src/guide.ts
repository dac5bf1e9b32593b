// The four things to try, and which of them somebody has done.

import type { Snapshot } from "roomkeep";
import { isSwitchedOff } from "./status.ts";

/** What this page is, in one sentence for the first look. */
export const WHAT_IT_IS = "A form that several people fill in together, wherever they are.";

export type Step = "second" | "reload" | "offline" | "conflict";

export interface Progress {
	done: readonly Step[];
	/** Whether something was changed offline that the room does not have yet. */
	isOwing: boolean;
}

export const NOTHING_DONE: Progress = { done: [], isOwing: false };

/** What was done between two moments of the room. The same object if that is nothing. */
export function advance(progress: Progress, before: Snapshot, now: Snapshot, me: string): Progress {
	const done = new Set(progress.done);
	const isOff = isSwitchedOff(now.status, now.reason) && now.pendingCount > 0;
	const isSent = progress.isOwing && now.status === "synced" && now.pendingCount === 0;
	if (now.participants.some(({ id }) => id !== me)) done.add("second");
	if (isSent) done.add("offline");
	if (before.conflicts.some(({ field }) => !now.conflicts.some((other) => other.field === field))) done.add("conflict");
	const isOwing = isOff || (progress.isOwing && !isSent);
	const isSame = done.size === progress.done.length && isOwing === progress.isOwing;
	return isSame ? progress : { done: [...done], isOwing };
}

/** The page was loaded again, in a room that still had something. */
export function reloaded(progress: Progress): Progress {
	return progress.done.includes("reload") ? progress : { ...progress, done: [...progress.done, "reload"] };
}
