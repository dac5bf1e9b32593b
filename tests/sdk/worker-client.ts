// Clients of the package, and how to wait for what they show.

import assert from "node:assert/strict";
import { RoomClient } from "../../packages/sdk/src/index.ts";
import type { Outcome, RoomClientOptions, Snapshot } from "../../packages/sdk/src/types.ts";
import { Client, type Served, sleep } from "../worker/harness.ts";

const clients = new Set<RoomClient<any>>();

/** A client that is not connected yet. Its name is its id in capitals. */
export function make(
	server: Pick<Served, "host">,
	room: string,
	id: string,
	options: Partial<RoomClientOptions<any>> = {},
): RoomClient<any> {
	const client = new RoomClient<any>({
		host: server.host,
		room,
		user: { id, name: id.toUpperCase() },
		storage: "memory",
		...options,
	});
	clients.add(client);
	return client;
}

/** A client that is synced and known to be there. */
export async function enter(...args: Parameters<typeof make>): Promise<RoomClient<any>> {
	const client = make(...args);
	client.connect();
	await until(client, isSynced, "to be synced");
	const { id } = client.user;
	await until(client, ({ participants }) => participants.some((one) => one.id === id && one.online), "to be there");
	return client;
}

/** A plain client, which hears of each change by itself. */
export async function witness(server: Served, room: string): Promise<Client> {
	const witness = new Client(server.host, room, "witness");
	await witness.open();
	await witness.sync();
	return witness;
}

/** How often a witness heard of a value. */
export const told = (witness: Client, value: unknown) =>
	witness.all("field_selected").filter(({ selection }) => selection.value === value).length;

/** Closes all that were made. */
export function closeAll(): void {
	for (const client of clients) client.close();
	clients.clear();
}

export const isSynced = ({ status }: Snapshot) => status === "synced";
export const isPolling = ({ status }: Snapshot) => status === "polling";

/** Waits until a client shows something. */
export async function until<T>(
	client: RoomClient,
	find: (snapshot: Snapshot) => T | undefined | false,
	what: string,
	timeout = 30_000,
): Promise<T> {
	return eventually(
		() => find(client.getSnapshot()),
		() => `${client.user.id} ${what}: ${JSON.stringify({ ...client.getSnapshot(), pending: client.pending() })}`,
		timeout,
	);
}

/** Waits until `find` returns something. */
export async function eventually<T>(
	find: () => T | undefined | false | Promise<T | undefined | false>,
	what: string | (() => string),
	timeout = 30_000,
): Promise<T> {
	const deadline = Date.now() + timeout;
	for (;;) {
		const found = await find();
		if (found !== undefined && found !== false) return found;
		if (Date.now() > deadline) throw new Error(`waited in vain for ${typeof what === "string" ? what : what()}`);
		await sleep(10);
	}
}

/** The values that a client shows, by field. */
export function values(client: RoomClient): Record<string, unknown> {
	const { selections } = client.getSnapshot();
	return Object.fromEntries(Object.entries(selections).map(([field, { value }]) => [field, value]));
}

/** The values that the room holds, by field. */
export async function held(server: Served, room: string): Promise<Record<string, unknown>> {
	const { selections } = await server.state(room);
	return Object.fromEntries(Object.entries<any>(selections).map(([field, { value }]) => [field, value]));
}

/** Waits until all show what the room holds, and gives it. */
export async function converged(server: Served, room: string, ...all: RoomClient[]): Promise<Record<string, unknown>> {
	let now = {};
	const isSame = async () => {
		now = await held(server, room);
		return all.every((client) => client.getSnapshot().pendingCount === 0 && isEqual(values(client), now));
	};
	const shown = () => all.map((client) => `${client.user.id}: ${JSON.stringify(values(client))}`).join("\n");
	await eventually(isSame, () => `all to show ${JSON.stringify(now)}; they show\n${shown()}`);
	return now;
}

function isEqual(a: unknown, b: unknown): boolean {
	try {
		assert.deepEqual(a, b);
		return true;
	} catch {
		return false;
	}
}

/** Fails unless a change was applied, and gives the version. */
export function applied(outcome: Outcome): number {
	assert.equal(outcome.outcome, "applied", JSON.stringify(outcome));
	assert.ok(outcome.version !== undefined);
	return outcome.version;
}

/** Counts what is called. */
export function counter(): { count: number; add: () => void } {
	const counted = { count: 0, add: () => void counted.count++ };
	return counted;
}
