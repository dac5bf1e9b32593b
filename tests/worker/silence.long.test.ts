// A connection that falls silent, by the clock on the wall: 150 s of it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newRoom, Page, type Served, serve } from "./harness.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

test("J8 a connection that pinged and then fell silent is closed, one that never pinged is not", {
	timeout: 240_000,
}, async () => {
	const room = newRoom();
	const silent = await Page.joined(server.host, room, "silent");
	const reader = await Page.joined(server.host, room, "reader");
	silent.socket.send("ping");
	await silent.until(() => silent.frames.includes("pong"), "pong");
	const start = Date.now();
	const left = await reader.next("user_left", 200_000);
	assert.equal(left.userId, "silent");
	assert.ok(left.lastSeen <= start, "last seen at its last ping");
	const waited = Date.now() - start;
	assert.ok(waited > 140_000 && waited < 165_000, `${waited}`);
	assert.equal((await silent.closed()).code, 4408);
	silent.leave();
	reader.leave();
});
