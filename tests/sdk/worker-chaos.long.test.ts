// Many clients, and everything goes wrong at random. In the end all show the same, and each change was made once.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { indexedDbStorage, memoryStorage, type RoomClient } from "../../packages/sdk/src/index.ts";
import type { Outcome } from "../../packages/sdk/src/types.ts";
import { Client, newRoom, type Served, serve, sleep } from "../worker/harness.ts";
import { closeAll, converged, eventually, isSynced, make, until } from "./worker-client.ts";
import { Net } from "./worker-net.ts";

/** How many clients there are. */
const CLIENTS = 12;
/** How many of them are second tabs of users who are there already. */
const TABS = 4;
/** For how long things go wrong, in milliseconds. */
const DURATION = 25_000;
const FIELDS = 150;

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));

let server: Served;
before(async () => {
	server = await serve();
});
after(async () => {
	closeAll();
	await server.close();
});

/** What one client was told of one change. */
interface Change {
	user: string;
	/** The values that it chose, each of which nobody else ever chooses. */
	chosen: { field: string; value: string }[];
	outcome: Outcome | undefined;
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function randomOf(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

test("E1, E5, Y7: states converge and each change is made once, whatever goes wrong", async (t) => {
	t.diagnostic(`SEED=${seed}`);
	const random = randomOf(seed);
	const below = (limit: number) => Math.floor(random() * limit);
	const room = newRoom();
	// It is plain, so that it is told of every change by itself, and nothing goes wrong with it.
	const log = new Client(server.host, room, "witness");
	await log.open();
	await log.sync();
	let changes: Change[] = [];
	const others: Promise<Outcome>[] = [];
	let count = 0;

	const follow = (user: string, chosen: Change["chosen"], promise: Promise<Outcome>) => {
		const change: Change = { user, chosen, outcome: undefined };
		changes.push(change);
		promise.then((outcome) => {
			assert.equal(change.outcome, undefined);
			change.outcome = outcome;
		});
	};
	/** A newer choice takes the place of one that is not sent, which is not followed any more: it may never be made. */
	const outdo = ({ user: { id } }: RoomClient, field: string) => {
		const isOutdone = ({ user, chosen, outcome }: Change) =>
			user === id && !outcome && chosen.length === 1 && chosen[0]?.field === field;
		changes = changes.filter((change) => !isOutdone(change));
	};
	const value = (client: RoomClient) => `${client.user.id} ${++count}`;
	const field = () => `field ${below(FIELDS)}`;
	/**
	 * Choosing or clearing a field anew decides its conflict. If that holds a transaction, all of it would be made again,
	 * after its promise has told `conflict`: it is dropped first, so that what was told stays true.
	 */
	const dropHeld = (client: RoomClient, field: string) => {
		const isHeld = () => client.getSnapshot().conflicts.some((held) => held.field === field && held.others[0]);
		while (isHeld()) others.push(client.resolve(field, "theirs"));
	};

	/** What a user may do. */
	const acts: ((client: RoomClient) => void)[] = [
		...Array.from({ length: 5 }, () => (client: RoomClient) => {
			const one = { field: field(), value: value(client) };
			dropHeld(client, one.field);
			const options = random() < 0.2 ? { debounceMs: 100 } : {};
			outdo(client, one.field);
			const promise = client.select(one.field, one.value, options);
			if ("debounceMs" in options) others.push(promise);
			else follow(client.user.id, [one], promise);
		}),
		(client) => {
			const cleared = field();
			dropHeld(client, cleared);
			outdo(client, cleared);
			others.push(client.clear(cleared));
		},
		(client) => void others.push(client.setReady(random() < 0.5)),
		(client) => void others.push(client.request(`action ${below(3)}`)),
		(client) => {
			const request = client.getSnapshot().requests.find(({ status }) => status === "pending");
			if (request) others.push(client.respond(request, random() < 0.5 ? "allow" : "deny", { scope: "session" }));
		},
		(client) => {
			const fields = Array.from({ length: FIELDS }, (_, i) => `field ${i}`).filter(() => random() < 0.02);
			const chosen = fields.map((field) => ({ field, value: value(client) }));
			const promise = client.transaction((all) => {
				for (const { field, value } of chosen) all.select(field, value);
			});
			if (chosen.length > 0) follow(client.user.id, chosen, promise);
		},
		(client) => {
			const [conflict] = client.getSnapshot().conflicts;
			if (!conflict) return;
			const one = { field: conflict.field, value: value(client) };
			outdo(client, one.field);
			if (random() < 0.5 || conflict.others.length > 0) others.push(client.resolve(conflict.field, "theirs"));
			else follow(client.user.id, [one], client.resolve(one.field, one.value));
		},
		(client) => client.setPresence(below(100)),
	];

	/** What goes wrong with a network, for a while. */
	const faults: ((net: Net) => void)[] = [
		(net) => net.cut(),
		(net) => net.cut(),
		(net) => {
			net.incoming = (frame) => {
				if (frame.type !== "ack" || random() < 0.7) return [frame];
				net.cut();
				return [];
			};
		},
		(net) => {
			net.incoming = (frame) => (frame.type === "changes" && random() < 0.3 ? [] : [frame, frame]);
		},
		(net) => {
			net.outgoing = (frame) => frame.seq === undefined || random() < 0.8;
		},
		(net) => {
			net.isSilent = true;
		},
		(net) => {
			net.noSockets = true;
			net.cut();
		},
		(net) => {
			net.noSockets = true;
			net.cut();
			net.answered = ({ method }) => {
				if (method !== "GET" && random() < 0.3) throw new TypeError("The network is down.");
			};
		},
		(net) => net.block(),
	];

	const all = Array.from({ length: CLIENTS }, (_, i) => {
		const net = new Net();
		const user = i % (CLIENTS - TABS);
		const storage = user < TABS ? indexedDbStorage(`user ${user}`) : memoryStorage();
		return { net, client: make(server, room, `user ${user}`, { ...net.options, storage }) };
	});
	for (const { client } of all) client.connect();
	const end = Date.now() + DURATION;
	const living = all.map(async ({ client, net }) => {
		while (Date.now() < end) {
			await sleep(below(400));
			acts[below(acts.length)]?.(client);
			if (random() < 0.04) faults[below(faults.length)]?.(net);
			else if (random() < 0.1) net.heal();
			else if (random() < 0.01) {
				client.close();
				await sleep(below(1_000));
				client.connect();
			}
		}
	});
	let evictions = 0;
	const evicting = (async () => {
		while (Date.now() < end) {
			await sleep(1_000 + below(3_000));
			await server.evict(room);
			evictions += 1;
		}
	})();
	await Promise.all([...living, evicting]);

	for (const { net } of all) {
		net.heal();
		// What has noticed nothing of its silence yet would take half a minute to.
		net.cut();
	}
	for (const { client } of all)
		await until(client, (now) => isSynced(now) && now.pendingCount === 0, "to settle", 60_000);
	const state = await converged(server, room, ...all.map(({ client }) => client));
	assert.ok(Object.keys(state).length > 0);
	await eventually(() => changes.every(({ outcome }) => outcome !== undefined), "every promise to settle", 5_000);
	await Promise.all(others);
	const { version, participants } = await server.state(room);
	for (const { client } of all) {
		assert.equal(client.getSnapshot().version, version);
		const ready = (people: readonly { id: string; isReady: boolean }[]) =>
			people.map(({ id, isReady }) => `${id} ${isReady}`).sort();
		assert.deepEqual(ready(client.getSnapshot().participants), ready(participants));
	}

	await log.sync();
	const made = new Map<string, { field: string; version: number; user: string }[]>();
	for (const { selection, version } of log.all("field_selected"))
		made.set(selection.value, [
			...(made.get(selection.value) ?? []),
			{ ...selection, version, user: selection.userId },
		]);
	// What an object has stored and not told when it is evicted a plain client never hears of: it knows no gaps.
	const heard = new Set(log.frames.map((frame) => frame.version));
	let unheard = 0;
	for (const { user, chosen, outcome } of changes) {
		assert.ok(outcome);
		if (outcome.outcome === "applied" && !heard.has(outcome.version)) {
			unheard += 1;
			continue;
		}
		const times = chosen.map(({ value }) => made.get(value) ?? []);
		const what = `${JSON.stringify(chosen)} ${JSON.stringify(outcome)} ${JSON.stringify(times)}`;
		const expected = outcome.outcome === "applied" ? 1 : 0;
		assert.ok(["applied", "conflict"].includes(outcome.outcome), what);
		assert.ok(
			times.every(({ length }) => length === expected),
			what,
		);
		if (!expected) continue;
		for (const [i, [one]] of times.entries()) {
			assert.deepEqual([one?.field, one?.user], [chosen[i]?.field, user], what);
			assert.equal(one?.version, (outcome.version ?? 0) - chosen.length + 1 + i, what);
		}
	}
	const outcomes = changes.map(({ outcome }) => outcome?.outcome);
	const applied = outcomes.filter((outcome) => outcome === "applied").length;
	const polls = all.reduce((sum, { net }) => sum + net.asked.length, 0);
	t.diagnostic(
		`${applied} of ${outcomes.length} changes applied, ${others.length} others, ${polls} requests over HTTP, ${unheard} unheard`,
	);
	assert.ok(unheard <= evictions, `${unheard} changes were not heard of`);
	assert.ok(applied > 50 && applied < outcomes.length && polls > 0, "enough has happened, conflicts and polls too");
	log.leave();
});
