// What there is to know of a field beside what stands in it: who is there, what others did, what is wrong.

import type { Json } from "roomkeep";
import { type BoundField, useParticipants, useRoom } from "roomkeep/react";

interface MeanwhileProps {
	id: string;
	label: string;
	field: BoundField<Json>;
	error: string | undefined;
}

export function Meanwhile({ id, label, field, error }: MeanwhileProps) {
	const nameOf = useNames();
	const { conflict, offer, refused, focusedBy, pending } = field;
	const theirs = conflict?.theirs ?? offer;
	return (
		<div id={id} className="meanwhile">
			{theirs !== undefined ? (
				<p role="status">
					Your draft. {theirs.userId === undefined ? "Somebody" : nameOf(theirs.userId)} has{" "}
					<strong>{shown(theirs.value)}</strong>.{" "}
					<button type="button" aria-label={`${label}: keep mine`} onClick={field.keep}>
						Keep mine
					</button>{" "}
					<button type="button" aria-label={`${label}: take theirs`} onClick={field.take}>
						Take theirs
					</button>
				</p>
			) : refused !== undefined ? (
				<p role="alert">{refused.message}</p>
			) : error !== undefined ? (
				<p role="alert">{error}</p>
			) : focusedBy.length > 0 ? (
				<p>here: {focusedBy.map(({ name }) => name).join(", ")}</p>
			) : pending ? (
				<p>Not sent yet</p>
			) : (
				field.by !== undefined && <p>by {nameOf(field.by)}</p>
			)}
		</div>
	);
}

function useNames(): (userId: string) => string {
	const { user } = useRoom();
	const people = useParticipants();
	return (userId) => (userId === user.id ? "you" : (people.find(({ id }) => id === userId)?.name ?? "somebody"));
}

function shown(value: Json | undefined): string {
	if (value === undefined || value === "") return "cleared it";
	return typeof value === "string" ? `“${value}”` : JSON.stringify(value);
}
