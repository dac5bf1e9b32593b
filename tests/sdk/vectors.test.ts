// The conversations of tests/vectors/sessions.json as the SDK hears them: its types know every frame of the room's, and
// its replica is what the room is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { ServerFrame } from "../../packages/sdk/src/generated/protocol.ts";
import { Replica } from "../../packages/sdk/src/replica.ts";

type Frame = { type: string; [member: string]: any };

/** `tests/vectors/README.md` says what the members mean. */
interface Step {
	connect?: string;
	leave?: string;
	cut?: string;
	from?: string;
	say?: Frame;
	hear?: Record<string, Frame[]>;
	closed?: Record<string, number>;
}

/** The types of frames in the SDK. One that is missing here, or is none, the type checker finds. */
const KNOWN = {
	user_joined: true,
	user_left: true,
	people: true,
	user_ready: true,
	participant_removed: true,
	field_selected: true,
	field_cleared: true,
	permission_request: true,
	permission_response: true,
	permission_cancelled: true,
	permission_revoked: true,
	sync_response: true,
	changes: true,
	welcome: true,
	presence: true,
	conflict: true,
	ack: true,
	error: true,
} satisfies Record<ServerFrame["type"], true>;

const sessions: { name: string; steps: Step[] }[] = JSON.parse(
	readFileSync(new URL("../vectors/sessions.json", import.meta.url), "utf8"),
);

/** What is heard in a step and was not passed on as somebody said it. */
function fromTheRoom({ say, hear = {} }: Step): Frame[] {
	return Object.values(hear)
		.flat()
		.filter((frame) => !isDeepStrictEqual(frame, say));
}

test("S8 Y2 Y4 every type of frame that the room has is one of the SDK's, and the other way round", () => {
	const types = sessions.flatMap(({ steps }) => steps.flatMap(fromTheRoom)).map((frame) => frame.type);
	// A step is what one connection does, and `people` is of several at once (J9).
	assert.deepEqual([...new Set([...types, "people"])].sort(), Object.keys(KNOWN).sort());
});

/** A client gives its replica whatever comes, also what pages say to one another. */
const take = (replica: Replica, frame: Frame) => replica.receive(frame as ServerFrame);

/** A client that said `hello`. */
interface Listener {
	replica: Replica;
	/** Its connection, empty when it has none. */
	name: string;
	/** False while it lacks what it claimed to have. */
	isWhole: boolean;
}

/** A session, heard by replicas, one a `clientId`, as it would go on over its connections. */
class Play {
	readonly listeners = new Map<string, Listener>();
	/** The newest that anybody heard of each thing, read without regard to the order of the frames; null for what is gone. */
	readonly newest = new Map<string, { version: number; now: unknown }>();
	/** The newest version that anybody was told. */
	version = 0;
	/** How often a replica was compared with the whole state. */
	compared = 0;
	readonly #users = new Map<string, string>();

	step(step: Step): void {
		const { from, say, leave, cut, hear = {}, closed = {} } = step;
		const author = say?.selection?.userId ?? say?.userId;
		// In messages about permissions, and in `kick`, `userId` is somebody else.
		if (from && author && !say?.type.startsWith("permission_") && say?.type !== "kick") this.#users.set(from, author);
		for (const [name, frames] of Object.entries(hear)) {
			if (frames[0]?.type === "welcome") this.#welcome(name, say as Frame);
			for (const frame of frames) this.#hear(name, frame);
		}
		for (const listener of this.listeners.values()) {
			if ([leave, cut, ...Object.keys(closed)].includes(listener.name)) listener.name = "";
		}
		for (const frame of fromTheRoom(step)) {
			this.#note(frame);
			if (frame.type === "sync_response") this.#compare(frame);
		}
	}

	/** Those that are connected and have all. */
	get present(): Listener[] {
		return [...this.listeners.values()].filter(({ name, isWhole }) => name !== "" && isWhole);
	}

	#welcome(name: string, hello: Frame): void {
		const known = this.listeners.get(hello.clientId);
		const isWhole = known !== undefined || hello.since === undefined;
		const replica = known?.replica ?? new Replica();
		this.listeners.set(hello.clientId, { replica, name, isWhole });
	}

	#hear(name: string, frame: Frame): void {
		const listener = [...this.listeners.values()].find((one) => one.name === name);
		if (listener === undefined) return;
		const receipt = take(listener.replica, frame);
		if (frame.type === "sync_response") listener.isWhole = true;
		if (listener.isWhole) assert.notEqual(receipt, "gap", `${name}: ${JSON.stringify(frame)}`);
	}

	#note(frame: Frame): void {
		this.version = Math.max(this.version, frame.to ?? frame.version ?? 0);
		const note = (version: number, now: unknown, ...name: string[]) => {
			const key = JSON.stringify(name);
			if (version >= (this.newest.get(key)?.version ?? 0)) this.newest.set(key, { version, now });
		};
		const field = (field: string, version: number, selection: unknown) => note(version, selection, "field", field);
		const request = (one: any) => note(one.version, one, "request", one.userId, one.requestId);
		const grant = (one: any, ended = false) => note(one.version, ended ? null : one, "grant", one.userId, one.action);
		if (frame.type === "field_selected") field(frame.selection.field, frame.version, frame.selection);
		if (frame.type === "field_cleared") field(frame.field, frame.version, null);
		if (frame.type === "conflict") field(frame.field, frame.serverVersion, frame.current);
		for (const one of Object.values<any>(frame.selections ?? {})) field(one.field, one.version, one);
		for (const one of frame.requests ?? []) request(one);
		for (const one of frame.permissions ?? []) grant(one);
		for (const change of frame.changes ?? []) {
			if (change.kind === "field") field(change.field, change.version, change.selection);
			if (change.kind === "request") request(change.request);
			if (change.kind === "grant") grant(change.grant, change.ended);
		}
	}

	/** Holds every replica to all of the room's state, whomever that was told to. */
	#compare(state: Frame): void {
		const newcomer = { replica: new Replica(), name: "a newcomer" };
		take(newcomer.replica, state);
		for (const { replica, name } of [newcomer, ...this.present]) {
			const user = this.#users.get(name);
			assert.deepEqual(
				{
					version: replica.version,
					epoch: replica.epoch,
					selections: Object.fromEntries(selections(replica)),
					participants: people([...replica.participants.values()], user),
					presence: sorted([...replica.presence.values()]),
					requests: sorted([...replica.requests.values()]),
					permissions: sorted([...replica.permissions.values()]),
				},
				{
					version: state.version,
					epoch: state.epoch,
					selections: state.selections,
					participants: people(state.participants, user),
					presence: sorted(state.presence),
					requests: sorted(state.requests),
					permissions: sorted(state.permissions),
				},
				`what ${name} has and what the room has`,
			);
			this.compared += 1;
		}
	}
}

/** The fields that are set. */
function selections(replica: Replica): [string, unknown][] {
	const fields = [...replica.fields].map(([field, { selection }]): [string, unknown] => [field, selection]);
	return fields.filter(([, selection]) => selection !== null);
}

/** What a client is told of participants. That it is there itself it knows without being told. */
function people(participants: Iterable<any>, self: string | undefined): unknown[] {
	const told = [...participants].map(({ id, name, isReady, joinedAt, version, online }) => {
		return { id, name, isReady, joinedAt, version, online: id === self || online };
	});
	return sorted(told);
}

/** Lists of the room's have no order. */
function sorted(items: unknown[]): unknown[] {
	return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

let compared = 0;
for (const { name, steps } of sessions) {
	test(`${name}: the replica`, () => {
		const play = new Play();
		for (const step of steps) play.step(step);
		const newest = [...play.newest.values()].map(({ now }) => now).filter((now) => now !== null);
		for (const { replica, name } of play.present) {
			const { requests, permissions } = replica;
			const has = [...selections(replica).map(([, one]) => one), ...requests.values(), ...permissions.values()];
			assert.deepEqual(sorted(has), sorted(newest), name);
			assert.equal(replica.version, play.version, name);
		}
		compared += play.compared;
	});
}

test("the sessions hold replicas to the room's whole state often enough to mean something", () => {
	assert.ok(compared > 60, `${compared}`);
});

/** All that each connection heard from its first whole state on, without what is no change (presence, people coming). */
function heard(steps: Step[]): Frame[][] {
	const frames = new Map<string, Frame[]>();
	for (const [name, more] of steps.flatMap(({ hear = {} }) => Object.entries(hear))) {
		const changes = more.filter(({ type }) => type === "sync_response" || type === "changes");
		frames.set(name, [...(frames.get(name) ?? []), ...changes]);
	}
	return [...frames.values()].filter(([first]) => first?.type === "sync_response");
}

/** Whether this is of the row of frames that join up, and no answer. */
const isLive = (frame: Frame | undefined) => frame?.type === "changes" && frame.participants === undefined;

test("Y7 a replica that misses any frame of changes sees the gap at the next one", () => {
	let missed = 0;
	for (const frames of sessions.flatMap(({ steps }) => heard(steps))) {
		for (const [at, next] of frames.entries()) {
			const lost = frames[at - 1];
			if (lost === undefined || !isLive(lost) || !isLive(next)) continue;
			const replica = new Replica();
			for (const frame of frames.slice(0, at - 1)) take(replica, frame);
			assert.equal(take(replica, next), "gap", JSON.stringify(next));
			assert.equal(replica.version, lost.from, "nothing of it was taken");
			missed += 1;
		}
	}
	assert.ok(missed > 30, `${missed}`);
});

test("Y7 a replica passes over changes that it has", () => {
	for (const frames of sessions.flatMap(({ steps }) => heard(steps))) {
		const replica = new Replica();
		for (const frame of frames) take(replica, frame);
		const has = () => structuredClone([replica.version, replica.fields, replica.requests, replica.permissions]);
		const before = has();
		for (const frame of frames.filter(isLive)) assert.equal(take(replica, frame), "known");
		assert.deepEqual(has(), before);
	}
});
