// A room under workerd for the tests of the hooks, its people, and how a component is put into it. What the hooks are told
// by another client is Bob's doing.

import "./react-page.ts";
import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import { act, cleanup, renderHook } from "@testing-library/react";
import { createElement as h, type ReactNode } from "react";
import { RoomClient } from "../../packages/sdk/src/client.ts";
import { RoomProvider, useRoom } from "../../packages/sdk/src/react.ts";
import type { RoomClientOptions } from "../../packages/sdk/src/types.ts";
import { type Served, serve } from "../worker/harness.ts";
import { complaints, found, until } from "./react-page.ts";

export let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

const clients: RoomClient<any>[] = [];
afterEach(() => {
	cleanup();
	for (const client of clients.splice(0)) client.close();
	document.body.replaceChildren();
	assert.deepEqual(complaints(), [], "nobody complains");
});

export const ann = { id: "ann", name: "Ann" };

export function options(room: string, further: Partial<RoomClientOptions<any>> = {}): RoomClientOptions<any> {
	return { host: server.host, room, user: ann, storage: "memory", ...further };
}

/** A client that is nobody's but the test's. */
export function newClient(room: string, id: string, further: Partial<RoomClientOptions<any>> = {}): RoomClient<any> {
	const client = new RoomClient(options(room, { user: { id, name: id.toUpperCase() }, ...further }));
	clients.push(client);
	return client;
}

/** Bob, who is in the room. */
export async function enter(room: string): Promise<RoomClient> {
	const bob = newClient(room, "bob");
	bob.connect();
	await until(() => assert.equal(bob.getSnapshot().status, "synced"));
	return bob;
}

export const synced = (client: RoomClient) => until(() => assert.equal(client.getSnapshot().status, "synced"));

/** Who is in the room, as a client knows it. */
export function here(client: RoomClient): string[] {
	return client
		.getSnapshot()
		.participants.filter(({ online }) => online)
		.map(({ id }) => id);
}

/** What `use` gives inside of a provider with these options, and the client. */
export function renderIn<T>(options: RoomClientOptions<any> | { client: RoomClient<any> }, use: () => T) {
	const wrapper = ({ children }: { children: ReactNode }) => h(RoomProvider, options, children);
	const rendered = renderHook(() => ({ client: useRoom(), given: use() }), { wrapper });
	return { ...rendered, given: () => rendered.result.current.given, client: rendered.result.current.client };
}

/** Does something, and has React render what comes of it at once. A promise is not waited for. */
export function now<T>(happens: () => T): T {
	let result: { value: T } | undefined;
	act(() => {
		result = { value: happens() };
	});
	return found(result).value;
}

/** How many connections a user has by the room's own account. */
export async function connections(room: string, id: string): Promise<number> {
	const { participants } = await server.state(room);
	return participants.find((participant: { id: string }) => participant.id === id)?.connections ?? 0;
}
