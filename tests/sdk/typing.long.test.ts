// Two people who type into one field at once, for a minute. What is asserted is in typists.ts.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Served, serve } from "../worker/harness.ts";
import { BareTypist, BoundTypist, typeTogether } from "./typists.ts";
import { closeAll } from "./worker-client.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(async () => {
	closeAll();
	await server.close();
});

const seed = Number(process.env.SEED ?? 1);

describe("two people type into one field", { concurrency: true }, () => {
	for (const Kind of [BoundTypist, BareTypist]) {
		test(`${Kind.name}: nothing is lost without having been shown to its author`, async (t) => {
			const runs = await Promise.all([0, 1].map((run) => typeTogether(server, Kind, seed + run * 10, 60_000)));
			t.diagnostic(JSON.stringify(runs));
			assert.ok(runs.every(({ values }) => values >= 15));
		});
	}
});
