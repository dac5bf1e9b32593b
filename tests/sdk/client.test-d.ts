// What the client's types accept as a value. It is not run: the type checker reads it.

import type { RoomClient } from "../../packages/sdk/src/client.ts";
import { indexedDbStorage } from "../../packages/sdk/src/storage.ts";
import type { Json, RoomClientOptions } from "../../packages/sdk/src/types.ts";

interface Point {
	readonly x: number;
	label?: string;
	tags: readonly string[];
	next: Point | null;
}

export function values(client: RoomClient, point: Point, json: Json, unknown: unknown): void {
	for (const value of [null, true, 1, "text", [1, ["two", null]], { a: { b: [] } }]) client.select("x", value);
	client.select("x", json);
	client.select("x", point);
	client.select("x", [point] as readonly Point[]);
	client.select("x", ["a", "b"] as const);
	client.select("x", (previous) => [...((previous as number[] | undefined) ?? []), 1]);
	client.select("x", () => point);
	client.transaction((all) => {
		all.select("x", point);
		// @ts-expect-error
		all.select("x", new Date());
	});
	client.setPresence(point);
	client.setPresence({ field: "x" }, "cursor");
	client.request("finish", point);
	// @ts-expect-error
	client.select("x", undefined);
	// @ts-expect-error It would become a text.
	client.select("x", new Date());
	// @ts-expect-error It would become {}.
	client.select("x", new Map());
	// @ts-expect-error
	client.select("x", new Set([1]));
	// @ts-expect-error
	client.select("x", 1n);
	// @ts-expect-error
	client.select("x", Symbol("x"));
	// @ts-expect-error Anywhere in it.
	client.select("x", { a: [{ b: () => {} }] });
	// @ts-expect-error
	client.select("x", async () => 1);
	// @ts-expect-error
	client.select("x", unknown);
	// @ts-expect-error
	client.setPresence(undefined);
}

/** Whoever has a type of their own for values hands it on. */
export function generic<T extends Json>(client: RoomClient, value: T): unknown {
	const select: (field: string, value: Json) => Promise<unknown> = client.select;
	return [select("x", value), client.select("x", value)];
}

export const options: RoomClientOptions[] = [
	{ host: "h", room: "r", user: { id: "a", name: "A" }, replica: "indexeddb", token: () => null },
	{ host: "h", room: "r", user: { id: "a", name: "A" }, replica: indexedDbStorage("other"), token: async () => "t" },
	// @ts-expect-error There is no such place.
	{ host: "h", room: "r", user: { id: "a", name: "A" }, replica: "memory" },
];
