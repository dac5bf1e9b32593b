// Frames that wait for the flush timer, to be read together: nobody can tell but by the room's speed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newRoom, Page, type Served, serve } from "./harness.ts";

const BURST = 60;

let server: Served;
before(async () => {
	server = await serve({ faults: true });
});
after(() => server.close());

function burst(page: Page, user: string, more: (at: number) => object = () => ({})): void {
	for (let at = 0; at < BURST; at += 1) page.select(`${user}${at}`, at, user, more(at));
}

test("F6 Y8 what waits is done before a read, something relayed and a leaving", async () => {
	const room = newRoom();
	const [alice, bob] = [await Page.joined(server.host, room, "alice"), await Page.joined(server.host, room, "bob")];
	burst(alice, "alice");
	assert.equal(Object.keys((await alice.sync()).selections).length, BURST);
	burst(bob, "bob");
	bob.send({ type: "wave", userId: "bob" });
	await alice.next("wave");
	assert.deepEqual(alice.types().filter((type) => type === "field_selected").length, BURST);
	burst(bob, "bob");
	bob.leave();
	await alice.next("user_left");
	assert.deepEqual(alice.types().filter((type) => type === "field_selected").length, 2 * BURST);
	assert.equal(alice.types().at(-1), "user_left");
	alice.leave();
});

test("F1 F3 F7 what waits is answered as if it had not, whatever it says", async () => {
	const room = newRoom();
	const [alice, bob] = [await Page.joined(server.host, room, "alice"), await Page.joined(server.host, room, "bob")];
	burst(alice, "alice", (id) => ({ id }));
	alice.socket.send('{"type":"field_selected"');
	alice.socket.send('{"type":"field_selected","id":"nul\0","selection":{}}');
	alice.socket.send(
		`{"type":"field_selected","id":"long","selection":{"field":"f","value":"${"x".repeat(40_000)}","userId":"alice"}}`,
	);
	alice.select("f", 1, "bob", { id: "other" });
	alice.select("f", 1, "alice", { id: "last" });
	await alice.until(() => alice.all("ack").some(({ id }) => id === "last"), "the last answer");
	assert.deepEqual(
		alice.all("ack").map(({ id }) => id),
		[...Array(BURST).keys(), "last"],
	);
	const errors = alice.all("error").map(({ id, code }) => `${id}: ${code}`);
	assert.deepEqual(errors, [
		"undefined: bad_message",
		"undefined: bad_message",
		"long: limit_value",
		"other: identity_mismatch",
	]);
	bob.leave();
	alice.leave();
});

test("S6 a room whose frames wait goes on when another room panics", async () => {
	const [room, broken] = [newRoom(), newRoom()];
	const [olga, alice] = [await Page.joined(server.host, room, "olga"), await Page.joined(server.host, broken, "alice")];
	for (let round = 0; round < 5; round += 1) {
		burst(olga, "olga");
		alice.send({ fault: "panic" });
		burst(olga, "olga");
		await alice.next("error");
		olga.select("last", round, "olga", { id: round });
		assert.equal((await olga.until(() => olga.all("ack").find(({ id }) => id === round), "the answer")).id, round);
		assert.equal((await olga.sync()).selections.last.value, round);
	}
	assert.deepEqual([olga.closes, alice.closes], [[], []]);
	for (const page of [olga, alice]) page.leave();
});
