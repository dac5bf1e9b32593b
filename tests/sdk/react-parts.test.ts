// The other hooks, in the same way: presence, permissions, the queue, the status, events, and the form in one hook.
// Runs with React 19, and by react-18.test.ts with React 18.

import "./react-page.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderHook } from "@testing-library/react";
import { useState } from "react";
import {
	useEvent,
	usePending,
	usePermissions,
	usePresence,
	useSelection,
	useSharedConflictResolution,
	useStatus,
} from "../../packages/sdk/src/react.ts";
import type { Message } from "../../packages/sdk/src/types.ts";
import { newRoom, sleep } from "../worker/harness.ts";
import { found, until } from "./react-page.ts";
import { enter, newClient, now, options, renderIn, server, synced } from "./react-room.ts";

test("presence of others and of this page", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { given, client } = renderIn(options(room), () => usePresence<{ field: string }>());
	await synced(client);
	const [, setPresence] = given();
	setPresence({ field: "price" });
	await until(() =>
		assert.deepEqual(
			bob.getSnapshot().presence.map(({ userId, data }) => [userId, data]),
			[["ann", { field: "price" }]],
		),
	);
	assert.deepEqual(given()[0], []);
	bob.setPresence({ field: "model" });
	await until(() => assert.equal(given()[0][0]?.data.field, "model"));
	assert.equal(given()[0][0]?.userId, "bob");
	bob.setPresence(null);
	await until(() => assert.deepEqual(given()[0], []));
	assert.equal(given()[1], setPresence);
});

test("permissions are asked for, given, taken back and ended", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { given, client } = renderIn(options(room), () => usePermissions());
	await synced(client);
	const asked = now(() => given().request("edit", { field: "price" }));
	const { requestId } = await asked;
	await until(() => assert.equal(bob.getSnapshot().requests.length, 1));
	await bob.respond({ requestId: found(requestId), userId: "ann" }, "allow", { scope: "session" });
	await until(() => assert.equal(given().permissions[0]?.action, "edit"));
	await given().revoke({ action: "edit", userId: "ann" });
	await until(() => assert.deepEqual(given().permissions, []));

	const second = await given().request("delete");
	await given().cancel(found(second.requestId));
	await until(() => assert.equal(given().requests.at(-1)?.status, "cancelled"));

	await bob.request("edit");
	await until(() => assert.equal(given().requests.at(-1)?.userId, "bob"));
	await given().respond(found(given().requests.at(-1)), "deny");
	await until(() => assert.equal(bob.getSnapshot().requests.at(-1)?.decision, "deny"));
	const before = given();
	await client.select("price", 1);
	assert.equal(given(), before, "the object stays while nothing of it changed");
});

test("the queue of what is pending, and what is dropped from it", async () => {
	const client = newClient(newRoom(), "ann");
	const { given } = renderIn({ client }, () => ({ queue: usePending(), price: useSelection("price") }));
	assert.deepEqual(given().queue[0], []);
	const dropped = now(() => given().price[1](1));
	now(() => client.clear("model"));
	assert.deepEqual(
		given().queue[0].map(({ fields, isSent }) => [fields, isSent]),
		[
			[["price"], false],
			[["model"], false],
		],
	);
	const [first] = given().queue[0];
	await given().queue[1](found(first).key);
	assert.equal((await dropped).outcome, "withdrawn");
	assert.equal(given().queue[0].length, 1);
	assert.equal(given().price[0], undefined);
	const before = given().queue[0];
	now(() => client.connect());
	assert.equal(given().queue[0], before, "the list stays while nothing of it changed");
	await until(() => assert.deepEqual(given().queue[0], []));
});

test("the status and its reason", async () => {
	const client = newClient(newRoom(), "ann");
	const { given } = renderIn({ client }, () => useStatus());
	assert.equal(given().status, "offline");
	now(() => client.connect());
	assert.equal(given().status, "connecting");
	await until(() => assert.deepEqual(given(), { status: "synced", reason: undefined }));
	now(() => client.close());
	assert.deepEqual(given(), { status: "closed", reason: "closed" });
});

test("an event is heard by the listener of the newest render, while the component is there", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const heard: string[] = [];
	let rename = (_name: string) => {};
	const { client, unmount } = renderIn(options(room), () => {
		const [name, setName] = useState("first");
		rename = setName;
		useEvent("synced", () => heard.push("synced"));
		useEvent("message", ({ type }: Message) => heard.push(`${name} ${type}`));
	});
	await until(() => assert.deepEqual(heard, ["synced"]));
	await synced(client);
	bob.send("wave");
	await until(() => assert.equal(heard[1], "first wave"));
	now(() => rename("second"));
	bob.send("nod");
	await until(() => assert.equal(heard[2], "second nod"));
	unmount();
	bob.send("gone");
	await sleep(50);
	assert.equal(heard.length, 3);
});

test("the hook for shared conflict resolution needs no provider and has what its page shows", async () => {
	const transactionId = newRoom();
	const room = `conflict-resolution:${transactionId}`;
	const bob = await enter(room);
	const { result, rerender, unmount } = renderHook(
		({ userName }) =>
			useSharedConflictResolution({ host: server.host, transactionId, userId: "ann", userName, storage: "memory" }),
		{ initialProps: { userName: "Ann" } },
	);
	const page = () => result.current;
	const { isConnected, isReady, allReady, sharedSelections } = page();
	assert.deepEqual({ isConnected, isReady, allReady }, { isConnected: false, isReady: false, allReady: false });
	assert.deepEqual(sharedSelections, {});
	await until(() => assert.ok(page().isConnected));
	const { selectField, clearField, setReady, resolveConflict, client } = page();

	const selected = now(() => selectField("price", "45000"));
	assert.equal(page().sharedSelections.price?.value, "45000");
	assert.equal(page().pendingCount, 1);
	assert.equal((await selected).outcome, "applied");
	const { field, value, userId, timestamp } = found(bob.getSnapshot().selections.price);
	assert.deepEqual([field, value, userId, typeof timestamp], ["price", "45000", "ann", "number"]);
	await until(() => assert.equal(page().pendingCount, 0));

	await bob.setReady(true);
	await setReady(true);
	await until(() => assert.deepEqual([page().isReady, page().allReady], [true, true]));
	await bob.setReady(false);
	await until(() => assert.equal(page().allReady, false));
	assert.deepEqual(
		page().participants.map(({ id }) => id),
		["bob", "ann"],
	);

	client.close();
	await until(() => assert.deepEqual([page().isConnected, page().status, page().reason], [false, "closed", "closed"]));
	const late = now(() => selectField("price", "1"));
	await bob.select("price", "2");
	client.connect();
	assert.equal((await late).outcome, "conflict");
	await until(() => assert.equal(page().conflicts[0]?.theirs.value, "2"));
	await resolveConflict("price", "mine");
	await until(() => assert.equal(bob.getSnapshot().selections.price?.value, "1"));
	await clearField("price");
	await until(() => assert.deepEqual(page().sharedSelections, {}));

	// Who left is on record, but no longer stands in the way of the others.
	bob.close();
	await until(() => assert.deepEqual([page().participants.length, page().allReady], [1, true]));
	rerender({ userName: "Anna" });
	await until(() => assert.equal(page().participants[0]?.name, "Anna"));
	assert.equal(page().client, client);
	assert.deepEqual([page().selectField, page().setReady], [selectField, setReady]);
	unmount();
	assert.equal(client.getSnapshot().status, "closed");
});
