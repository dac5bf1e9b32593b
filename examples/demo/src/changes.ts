// What happened between two moments of the room, in sentences.

import type { Participant, PermissionRequest, Selection, Snapshot } from "roomkeep";
import { isolated, labelOf, quoted } from "./fields.ts";
import type { Moment } from "./kept.ts";
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
	/** When it happened, in milliseconds of this device's clock, if that is known and not just now. */
	at?: number;
}

/** A room that nothing has been told of. */
export const UNTOLD: Moment = { version: 0, fields: {}, participants: [], requests: [], permissions: [] };

/** Reads the room's snapshots one after the other, and says what is new in each. */
export class Reader {
	readonly #me: string;
	/** Whether this page was here before, so that what it finds on arrival happened in the meantime. */
	#isBack: boolean;
	#told: Moment;

	constructor(me: string, told: Moment | undefined) {
		this.#me = me;
		this.#isBack = told !== undefined;
		this.#told = told ?? UNTOLD;
	}

	/** What has been told so far, to go on from when the page is loaded again. */
	get told(): Moment {
		return this.#told;
	}

	read(before: Snapshot, now: Snapshot): News[] {
		const name = (userId: string) => nameIn(now.participants, this.#me, userId);
		const news = connection(before, now);
		if (now.lastSyncedAt !== undefined) {
			const isArrival = before.lastSyncedAt === undefined;
			const told = isArrival && now.version < this.#told.version ? UNTOLD : this.#told;
			const isFirst = told === UNTOLD;
			const changed = [
				...fields(told, now, name),
				...people(told, now, this.#me, isArrival),
				...requests(told, now, this.#me, isFirst),
			];
			if (isArrival) news.push(...inOrder(changed), arrival(now, this.#me, this.#isBack && !isFirst));
			// Only what happens before the reader's eyes is news at this moment.
			else news.push(...changed.map(({ at: _, ...one }) => one));
			this.#told = momentOf(told, now);
		}
		return [...news, ...conflicts(before, now, name)];
	}
}

function momentOf(told: Moment, { version, selections, participants, requests, permissions }: Snapshot): Moment {
	const isTold = ([field, { pending }]: [string, Selection]) => !pending || told.fields[field] !== undefined;
	const versions = Object.entries(selections)
		.filter(isTold)
		// A change of one's own hides others' until the room has answered.
		.map(([field, { pending, version }]) => [field, pending ? told.fields[field] : version]);
	return { version, fields: Object.fromEntries(versions), participants, requests, permissions };
}

/** What happened before this page came, the oldest first. It is no reason to interrupt anybody. */
function inOrder(news: News[]): News[] {
	const at = ({ at = Number.POSITIVE_INFINITY }: News) => at;
	return news.map((one) => ({ ...one, isLoud: false })).sort((a, b) => (at(a) === at(b) ? 0 : at(a) - at(b)));
}

function arrival(now: Snapshot, me: string, isBack: boolean): News {
	return { kind: "connection", text: `${isBack ? "You are back" : "You are in the room"}. ${contents(now, me)}` };
}

function fields(told: Moment, now: Snapshot, name: (userId: string) => string): News[] {
	const news: News[] = [];
	for (const { field, value, userId, version, updatedAt, pending } of Object.values(now.selections)) {
		if (pending || told.fields[field] === version) continue;
		const text =
			quoted(value) === "nothing" ? `cleared ${labelOf(field)}.` : `set ${labelOf(field)} to ${quoted(value)}.`;
		const topic = JSON.stringify([field, userId]);
		news.push({ kind: "field", text: `${name(userId)} ${text}`, topic, at: updatedAt - now.clockSkew });
	}
	for (const field of Object.keys(told.fields)) {
		if (!Object.hasOwn(now.selections, field)) news.push({ kind: "field", text: `${labelOf(field)} was cleared.` });
	}
	return news;
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

function people(told: Moment, now: Snapshot, me: string, isArrival: boolean): News[] {
	const old = new Map(told.participants.map((person) => [person.id, person]));
	return now.participants.flatMap((person) => {
		const last = old.get(person.id);
		// Whoever comes is not online yet. Whoever is found to be gone on arrival came and left before.
		if (last === undefined && !person.online && !isArrival) return [];
		const text = personText(last, person, person.id === me);
		if (text === undefined) return [];
		const at = !person.online ? person.lastSeen : last === undefined ? person.joinedAt : undefined;
		return [
			{
				kind: "people" as const,
				text,
				isLoud: person.id !== me,
				...(at !== undefined && { at: at - now.clockSkew }),
			},
		];
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
	if (old === undefined) return online ? `${name} is here.` : `${name} was here.`;
	if (online !== old.online) return online ? `${name} is here.` : `${name} left.`;
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

function requests(told: Moment, now: Snapshot, me: string, isFirst: boolean): News[] {
	if (told.requests === now.requests && told.permissions === now.permissions) return [];
	const name = (userId: string) => nameIn(now.participants, me, userId);
	const keyOf = ({ requestId, userId }: { requestId: string; userId: string }) => JSON.stringify([userId, requestId]);
	const old = new Map(told.requests.map((request) => [keyOf(request), request]));
	const news = now.requests.flatMap((request): News[] => {
		const last = old.get(keyOf(request));
		if (last?.status === request.status) return [];
		// Whoever hears of all of it for the first time hears of what is settled too.
		if (last === undefined && request.status !== "pending" && !isFirst) return [];
		const isMine = request.userId === me;
		const isByMe = request.resolvedBy === me;
		return [
			{
				kind: "permission",
				text: requestText(request, me, name),
				isLoud: !isByMe && isMine !== (last === undefined),
				...(last === undefined && { at: request.createdAt - now.clockSkew }),
			},
		];
	});
	for (const { userId, action } of told.permissions) {
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
