// How people are called and drawn on this page.

import type { Json, Participant } from "roomkeep";
import { isolated } from "./fields.ts";
import { useParticipants, useRoom } from "./room.ts";

const COLOURS = 6;

/** How somebody is called here, by id. */
export function nameIn(people: readonly Participant[], me: string, userId: string): string {
	if (userId === me) return "You";
	return called(people.find(({ id }) => id === userId)?.name ?? "");
}

/** The name of somebody else within a sentence. */
export function called(name: string): string {
	const plain = isolated(name).trim();
	// Only the reader is You. Who chose that for a name, also with letters that are not seen, is quoted.
	return /^you$/i.test(plain.replace(/[\p{Cf}\s]/gu, "")) ? `“${plain}”` : plain || "Somebody";
}

export function useNames(): (userId: string) => string {
	const { user } = useRoom();
	const people = useParticipants();
	return (userId) => nameIn(people, user.id, userId);
}

/** A class with a colour for each person: the same on every page, and another one for each of the first to join. */
export function useFaces(): (userId: string) => string {
	const people = useParticipants();
	return (userId) =>
		`face-${
			Math.max(
				people.findIndex(({ id }) => id === userId),
				0,
			) % COLOURS
		}`;
}

export function initialOf(name: string): string {
	return [...name][0]?.toUpperCase() ?? "?";
}

/** Alice, Bob and Carol. */
export function listed(names: string[]): string {
	if (names.length < 2) return names[0] ?? "";
	return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** The field that somebody's presence names, if it is one of this form's presences at all. */
export function fieldIn(presence: Json): string | undefined {
	if (typeof presence !== "object" || presence === null || Array.isArray(presence)) return undefined;
	return typeof presence.field === "string" ? presence.field : undefined;
}
