// What happened between two moments of the room, in sentences.

import type { Participant, PermissionRequest, Snapshot } from "roomkeep";
import { isolated, labelOf, quoted } from "./fields.ts";
import { called, nameIn } from "./names.ts";
import { answerText, taskOf } from "./requests.ts";
import { endOf, isSwitchedOff } from "./status.ts";

export type Kind = "people" | "field" | "conflict" | "permission" | "connection" | "error";

/** Something that happened. */
export interface News {
	kind: Kind;
	text: string;
	/** Whether it is worth an interruption. */
	isLoud?: boolean;
	/** News of one topic, shortly after each other, are one piece: who types is not to fill the log. */
	topic?: string;
}

/** Compares one moment with the next. Keeps what was told of the fields, since a change of one's own hides others'. */
export function makeReader(me: string): (before: Snapshot, now: Snapshot) => News[] {
	let told = new Map<string, number>();

	function fields(before: Snapshot, now: Snapshot, name: (userId: string) => string): News[] {
		const news: News[] = [];
		const next = new Map<string, number>();
		for (const { field, value, userId, version, pending } of Object.values(now.selections)) {
			const last = told.get(field);
			next.set(field, pending ? (last ?? 0) : version);
			if (pending || last === version) continue;
			const text =
				quoted(value) === "nothing" ? `cleared ${labelOf(field)}.` : `set ${labelOf(field)} to ${quoted(value)}.`;
			news.push({ kind: "field", text: `${name(userId)} ${text}`, topic: JSON.stringify([field, userId]) });
		}
		for (const field of Object.keys(before.selections)) {
			if (!next.has(field)) news.push({ kind: "field", text: `${labelOf(field)} was cleared.` });
		}
		told = next;
		return news;
	}

	return (before, now) => {
		const name = (userId: string) => nameIn(now.participants, me, userId);
		const isArrival = before.lastSyncedAt === undefined && now.lastSyncedAt !== undefined;
		const news = connection(before, now);
		const changed = fields(before, now, name);
		// What was there before this page came is in view, and no news.
		if (isArrival) news.push({ kind: "connection", text: `You are in the room. ${contents(now, me)}` });
		else if (before.lastSyncedAt !== undefined)
			news.push(...changed, ...people(before, now, me), ...requests(before, now, me));
		return [...news, ...conflicts(before, now, name)];
	};
}

function contents({ selections, participants }: Snapshot, me: string): string {
	const set = Object.keys(selections).length;
	const others = participants.filter(({ online, id }) => online && id !== me).length;
	const fields = set === 0 ? "Nothing is filled in yet" : `${set} ${set === 1 ? "field is" : "fields are"} filled in`;
	if (others < 1) return `${fields}, and nobody else is here.`;
	return `${fields}, and ${others} ${others === 1 ? "other person is" : "others are"} here.`;
}

function connection(before: Snapshot, { status, reason }: Snapshot): News[] {
	if (before.status === status && before.reason === reason) return [];
	const say = (text: string): News[] => [{ kind: "connection", text }];
	const end = endOf(status, reason);
	if (end !== undefined) return say(end);
	if (isSwitchedOff(status, reason)) return say("You are working offline.");
	if (status === "synced" && before.lastSyncedAt !== undefined) return say("Reconnected.");
	if (status === "polling") return say("WebSockets are blocked, so the page checks with the room every two seconds.");
	// The tries in between are in the header's word on the connection, and would fill the log.
	const isLost = (status === "offline" || status === "connecting") && before.status === "synced";
	return isLost ? say("The connection is lost. Reconnecting automatically.") : [];
}

function people(before: Snapshot, now: Snapshot, me: string): News[] {
	const old = new Map(before.participants.map((person) => [person.id, person]));
	return now.participants.flatMap((person) => {
		const text = personText(old.get(person.id), person, person.id === me);
		return text === undefined ? [] : [{ kind: "people" as const, text, isLoud: person.id !== me }];
	});
}

function personText(old: Participant | undefined, person: Participant, isMe: boolean): string | undefined {
	const { online, isReady } = person;
	const name = called(person.name);
	const ready = isReady ? "ready" : "no longer ready";
	if (isMe) {
		if (old !== undefined && old.isReady !== isReady) return `You are ${ready}.`;
		return old !== undefined && old.name !== person.name ? `You are now called ${isolated(person.name)}.` : undefined;
	}
	if (online !== (old?.online ?? false)) return online ? `${name} is here.` : `${name} left.`;
	if (old === undefined) return undefined;
	if (old.name !== person.name) return `${called(old.name)} is now called ${name}.`;
	return old.isReady !== isReady ? `${name} is ${ready}.` : undefined;
}

function conflicts(before: Snapshot, now: Snapshot, name: (userId: string) => string): News[] {
	// What was kept from before is in view, and the room has not said yet who that was.
	if (before.lastSyncedAt === undefined) return [];
	const news: News[] = [];
	for (const { field, mine, theirs } of now.conflicts) {
		if (before.conflicts.some((other) => other.field === field)) continue;
		const [label, who] = [labelOf(field), name(theirs.userId)];
		const text = `Your ${quoted(mine.value)} for ${label} came too late: ${who} had already chosen ${quoted(theirs.value)}.`;
		news.push({ kind: "conflict", text: `${text} Which one do you want to keep?`, isLoud: true });
	}
	for (const { field } of before.conflicts) {
		if (now.conflicts.some((other) => other.field === field)) continue;
		news.push({ kind: "conflict", text: `You decided on ${labelOf(field)}.` });
	}
	return news;
}

function requests(before: Snapshot, now: Snapshot, me: string): News[] {
	if (before.requests === now.requests && before.permissions === now.permissions) return [];
	const name = (userId: string) => nameIn(now.participants, me, userId);
	const keyOf = ({ requestId, userId }: { requestId: string; userId: string }) => JSON.stringify([userId, requestId]);
	const old = new Map(before.requests.map((request) => [keyOf(request), request]));
	const news = now.requests.flatMap((request): News[] => {
		const last = old.get(keyOf(request));
		if (last?.status === request.status || (last === undefined && request.status !== "pending")) return [];
		const isMine = request.userId === me;
		const isByMe = request.resolvedBy === me;
		return [
			{
				kind: "permission",
				text: requestText(request, me, name),
				isLoud: !isByMe && isMine !== (last === undefined),
			},
		];
	});
	for (const { userId, action } of before.permissions) {
		if (now.permissions.some((one) => one.userId === userId && one.action === action)) continue;
		const whose = userId === me ? "Your permission" : `${name(userId)}’s permission`;
		news.push({ kind: "permission", text: `${whose} to ${taskOf(action)} was revoked.`, isLoud: userId === me });
	}
	return news;
}

function requestText(request: PermissionRequest, me: string, name: (userId: string) => string): string {
	const isMine = request.userId === me;
	const who = name(request.userId);
	const task = taskOf(request.action);
	if (request.status === "pending") return `${who} ${isMine ? "ask" : "asks"} to ${task}.`;
	return `${isMine ? "Your" : `${who}’s`} request to ${task}: ${answerText(request, me, name)}`;
}
