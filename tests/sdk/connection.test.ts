// The connection's states: what each event makes of each of them, how long the next attempt waits, and when it is over.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
	type ConnectionEvent,
	type ConnectionState,
	delayOf,
	idle,
	isLetIn,
	isOn,
	isPolled,
	next,
} from "../../packages/sdk/src/connection.ts";

/** Takes one event after the other. */
const after = (state: ConnectionState, ...events: ConnectionEvent[]) => events.reduce(next, state);

const connect: ConnectionEvent = { type: "connect" };
const attempt: ConnectionEvent = { type: "attempt", isAtOnce: true };
const retry: ConnectionEvent = { type: "attempt", isAtOnce: false };
const opened: ConnectionEvent = { type: "opened", at: 1_000 };
const welcomed: ConnectionEvent = { type: "welcomed", connectionId: "c" };
const synced: ConnectionEvent = { type: "synced" };
const lost: ConnectionEvent = { type: "lost", at: 2_000, reason: "unreachable", code: 1006, hasToken: true };
const refused: ConnectionEvent = { ...lost, code: 4401, reason: "unauthorized" };

/** Each state as it is come to the first time. */
const states = {
	idle,
	preparing: after(idle, connect),
	connecting: after(idle, connect, attempt),
	greeting: after(idle, connect, attempt, opened),
	syncing: after(idle, connect, attempt, opened, welcomed),
	live: after(idle, connect, attempt, opened, welcomed, synced),
	waiting: after(idle, connect, attempt, lost),
	polled: after(idle, connect, attempt, lost, retry, lost),
	closed: after(idle, connect, { type: "close", reason: "closed" }),
};
const events: Record<string, ConnectionEvent> = {
	connect,
	close: { type: "close", reason: "kicked" },
	restart: { type: "restart" },
	attempt,
	opened,
	welcomed,
	synced,
	lost,
	final: { ...lost, code: 4403, reason: "forbidden" },
	polled: { type: "polled" },
	unanswered: { type: "unanswered", reason: "no_token" },
};

/** What each event makes of each state, and what is shown then; a dot where it means nothing. */
const table = `
           connect              close         restart              attempt               opened              welcomed            synced       lost                      final             polled          unanswered
idle       preparing/connecting .             .                    .                     .                   .                   .            .                         .                 .               .
preparing  .                    closed/closed preparing/connecting connecting/connecting .                   .                   .            waiting/offline           closed/closed     .               .
connecting .                    closed/closed preparing/connecting .                     greeting/connecting .                   .            waiting/offline           closed/closed     .               .
greeting   .                    closed/closed preparing/connecting .                     .                   syncing/connecting  .            waiting/offline           closed/closed     .               .
syncing    .                    closed/closed preparing/connecting .                     .                   .                   live/synced  waiting/offline           closed/closed     .               .
live       .                    closed/closed preparing/synced     .                     .                   .                   .            waiting/connecting        closed/closed     .               .
waiting    .                    closed/closed preparing/offline    connecting/offline    .                   .                   .            waiting/offline           closed/closed     .               .
polled     .                    closed/closed preparing/offline    connecting/offline    .                   .                   .            waiting/offline           closed/closed     waiting/polling waiting/offline
closed     preparing/connecting .             .                    .                     .                   .                   .            .                         .                 .               .
`;

const rows = table
	.trim()
	.split("\n")
	.map((line) => line.trim().split(/\s+/));

test("each event makes of each state what the table says, and what means nothing leaves the same object", () => {
	const [names = [], ...lines] = rows;
	assert.deepEqual(names, Object.keys(events));
	assert.deepEqual(
		lines.map(([name]) => name),
		Object.keys(states),
	);
	for (const [name = "", ...cells] of lines) {
		const state = states[name as keyof typeof states];
		for (const [i, cell] of cells.entries()) {
			const event = events[names[i] ?? ""] as ConnectionEvent;
			const now = next(Object.freeze(state), event);
			const what = `${name} + ${names[i]}`;
			if (cell === ".") assert.equal(now, state, what);
			else {
				assert.equal(`${now.name}/${now.status}`, cell, what);
				assert.notEqual(now, state, what);
			}
		}
	}
});

test("every state has its name, and who asks is told what it is", () => {
	const told = Object.entries(states).map(([name, state]) => [
		name,
		state.name,
		isOn(state),
		isLetIn(state),
		isPolled(state),
	]);
	assert.deepEqual(told, [
		["idle", "idle", false, false, false],
		["preparing", "preparing", true, false, false],
		["connecting", "connecting", true, false, false],
		["greeting", "greeting", true, false, false],
		["syncing", "syncing", true, true, false],
		["live", "live", true, true, false],
		["waiting", "waiting", true, false, false],
		["polled", "waiting", true, false, true],
		["closed", "closed", false, false, false],
	]);
});

test("what is shown of attempts that fail one after another does not flap, and says why", () => {
	const shown = ({ status, reason }: ConnectionState) => [status, reason];
	assert.deepEqual(shown(after(states.live, lost)), ["connecting", "unreachable"]);
	assert.deepEqual(shown(after(states.live, lost, retry)), ["connecting", "unreachable"]);
	assert.deepEqual(shown(after(states.live, lost, retry, lost)), ["offline", "unreachable"]);
	const polling = after(states.polled, { type: "polled" });
	assert.deepEqual(shown(polling), ["polling", "unreachable"]);
	const beside = after(polling, retry, opened, welcomed, { ...lost, reason: "silent" });
	assert.deepEqual(shown(beside), ["polling", "unreachable"], "attempts go on beside it");
	assert.deepEqual(shown(after(beside, { type: "unanswered", reason: "no_token" })), ["offline", "no_token"]);
	assert.deepEqual(shown(after(beside, retry, opened, welcomed, synced)), ["synced", undefined]);
	assert.deepEqual(
		shown(after(states.live, { type: "restart" }, attempt)),
		["synced", undefined],
		"another name is no news",
	);
});

test("the room is asked over HTTP after two attempts without an answer, until it is all here", () => {
	const failed = (times: number) => after(states.preparing, attempt, ...Array(times).fill([lost, retry]).flat());
	assert.deepEqual([0, 1, 2, 3].map(failed).map(isPolled), [false, false, true, true]);
	assert.equal(isPolled(after(failed(2), opened, welcomed)), true);
	assert.equal(isPolled(after(failed(2), opened, welcomed, synced)), false);
	assert.equal(isPolled(after(states.live, lost, retry, lost)), false, "a loss is no attempt");
	assert.equal(isPolled(after(failed(2), { type: "restart" })), true, "also while the outbox is read anew");
});

test("a connection has a name from its welcome until it is lost", () => {
	assert.deepEqual(
		[
			states.greeting,
			states.syncing,
			states.live,
			after(states.live, lost),
			after(states.live, events.close as ConnectionEvent),
		].map(({ connectionId }) => connectionId),
		[undefined, "c", "c", undefined, undefined],
	);
});

test("X2 it is over after close codes that another connection would end with too, and after those alone", () => {
	const over = [4400, 4403, 4404, 4409, 4413, 4426];
	const passing = [undefined, 1000, 1006, 1009, 1011, 3000, 4401, 4408, 4410, 4429, 4500, 4503, 4508];
	for (const code of [...over, ...passing]) {
		const now = next(states.live, { ...lost, code });
		assert.equal(now.name, over.includes(code ?? 0) ? "closed" : "waiting", `${code}`);
	}
});

test("X2 a token that is refused is replaced once, and as often as one was taken in between", () => {
	const again = after(states.greeting, refused);
	assert.equal(again.name, "waiting");
	assert.equal(after(again, retry, opened, refused).name, "closed");
	assert.equal(
		after(again, retry, lost, retry, opened, refused).name,
		"closed",
		"a broken network in between is no answer",
	);
	assert.equal(after(again, retry, opened, welcomed, refused).name, "waiting");
	assert.equal(after(again, attempt, opened, refused).name, "waiting", "it was woken");
	assert.equal(after(again, { type: "close", reason: "closed" }, connect, attempt, opened, refused).name, "waiting");
	assert.equal(after(states.live, { ...refused, hasToken: false }).name, "closed", "there is none to be replaced");
});

test("attempts come at growing distances up to 5 s, and begin anew once a connection has held for 5 s", () => {
	const failed = (times: number) => after(states.connecting, lost, ...Array(times).fill([retry, lost]).flat());
	const delays = Array.from({ length: 14 }, (_, i) => delayOf(failed(i), 800));
	assert.deepEqual(delays.slice(0, 3).map(Math.round), [800, 1_040, 1_352]);
	assert.deepEqual(
		delays,
		delays.toSorted((a, b) => a - b),
	);
	assert.equal(delays.at(-1), 5_000);
	const broken = (heldFor: number) =>
		after(failed(5), retry, opened, welcomed, synced, { ...lost, at: 1_000 + heldFor });
	assert.deepEqual(
		[4_999, 5_000].map((heldFor) => Math.round(delayOf(broken(heldFor), 800))),
		[3_861, 800],
	);
	assert.equal(delayOf(after(failed(5), attempt, lost), 800), 800, "what was woken begins anew too");
	assert.equal(delayOf(idle, 800), 0);
});

test("who was closed and is wanted again begins as new", () => {
	const { closed } = states;
	assert.deepEqual(after(states.polled, { type: "polled" }, { type: "close", reason: "closed" }), closed);
	assert.deepEqual(after(closed, connect), states.preparing);
});
