// The hooks on a server: without a DOM, without storage of a browser, and without a connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createElement as h } from "react";
import { renderToString } from "react-dom/server";
import {
	RoomProvider,
	useField,
	useSelection,
	useSharedConflictResolution,
	useStatus,
} from "../../packages/sdk/src/react.ts";

const selection = { field: "price", value: "45000", userId: "bob", timestamp: 1, version: 2, updatedAt: 3 };
const initial = {
	...{ version: 2, epoch: "e", time: 3, presence: [], requests: [], permissions: [] },
	selections: { price: selection },
	participants: [{ id: "bob", name: "Bob", isReady: true, online: true, joinedAt: 1, lastSeen: 1 }],
};
const never = () => assert.fail("a server asks for nothing");
// The words of React and of the hooks alike.
console.error = (...words: unknown[]) => assert.fail(words.join(" "));

test("a server renders what it has fetched, and asks for nothing itself", async () => {
	assert.equal(globalThis.document, undefined);
	const Price = () => {
		const [price] = useSelection<string>("price");
		return h(
			"p",
			null,
			price,
			" ",
			useStatus().status,
			h("input", { readOnly: true, value: useField("price").input.value }),
		);
	};
	const user = { id: "ann", name: "Ann" };
	const options = { host: "rooms.invalid", room: "deal", user, token: never, fetch: never, WebSocket: never, initial };
	const html = renderToString(h(RoomProvider, options, h(Price)));
	assert.equal(html, '<p>45000<!-- --> <!-- -->offline<input readOnly="" value="45000"/></p>');

	const Page = () => {
		const given = { host: "rooms.invalid", transactionId: "42", userId: "ann", userName: "Ann", initial };
		const { isConnected, sharedSelections, participants, allReady } = useSharedConflictResolution(given);
		const names = participants.map(({ name }) => name);
		return h("p", null, JSON.stringify([isConnected, sharedSelections.price?.userId, names, allReady]));
	};
	assert.equal(renderToString(h(Page)).replaceAll("&quot;", '"'), '<p>[false,"bob",["Bob"],true]</p>');
	await new Promise((resolve) => setTimeout(resolve, 50));
});
