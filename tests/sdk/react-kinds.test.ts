// The hooks with a kind: what may not be written is shown as such, also by a server. The room under workerd is an open one,
// so that it is this page alone that knows.

import "./react-page.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { fireEvent, render } from "@testing-library/react";
import { createElement as h } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { kindOf } from "../../packages/sdk/src/kinds.ts";
import { createRoomHooks, RoomProvider } from "../../packages/sdk/src/react.ts";
import { defineRoom } from "../../packages/sdk/src/rooms.ts";
import { newRoom } from "../worker/harness.ts";
import { complaints, until } from "./react-page.ts";
import { enter, newClient, now, options, synced } from "./react-room.ts";

const trade = defineRoom({
	fields: {
		note: { schema: { type: "string", maxLength: 9 } },
		fee: { schema: { type: "string" }, write: ["admin"] },
		paid: { schema: { type: "boolean" }, write: ["admin"] },
		size: { schema: { enum: ["S", "L"] }, write: ["admin"] },
		"extras/*": { schema: { type: "boolean" } },
		"checked/*": { schema: { type: "boolean" }, write: ["admin"] },
	},
});
const kind = kindOf(trade);
const { useField, useSelection, useTicks } = createRoomHooks<typeof trade>();

function Form() {
	const [fee, , { canWrite }] = useSelection("fee");
	return h(
		"form",
		null,
		h("input", { "aria-label": "note", ...useField("note").input }),
		h("input", { "aria-label": "fee", ...useField("fee").input }),
		h("input", { "aria-label": "paid", ...useField("paid").checkbox }),
		h("select", { "aria-label": "size", ...useField("size").input }, h("option", null, "S"), h("option", null, "L")),
		h("input", { "aria-label": "L", ...useField("size").radio("L") }),
		h("input", { "aria-label": "lights", ...useTicks("extras").checkbox("lights") }),
		h("input", { "aria-label": "brakes", ...useTicks("checked").checkbox("brakes") }),
		h("output", null, `${fee ?? "none"} ${canWrite}`),
	);
}

/** Which inputs say that they are not to be written, and how. */
const fixed = (form: ParentNode) =>
	[...form.querySelectorAll<HTMLInputElement>("input, select")].flatMap((one) => {
		const ways = ["readonly", "aria-readonly", "disabled"].filter((name) => one.hasAttribute(name));
		return ways.length ? [`${one.getAttribute("aria-label")}: ${ways.join(" ")}`] : [];
	});

test("K4 an input says that it cannot be written as soon as the room has said who this is", async () => {
	const room = newRoom();
	const bob = await enter(room);
	await bob.select("fee", "12 €");
	await bob.select("size", "S");
	const client = newClient(room, "ann", { kind });
	const { container, getByLabelText } = render(h(RoomProvider, { client }, h(Form)));
	assert.deepEqual(fixed(container), []);
	now(() => client.connect());
	await synced(client);
	await until(() =>
		assert.deepEqual(fixed(container), [
			"fee: readonly aria-readonly",
			"paid: disabled",
			"size: readonly aria-readonly",
			"L: disabled",
			"brakes: disabled",
		]),
	);
	await until(() => assert.equal(container.querySelector("output")?.textContent, "12 € false"));
	const size = getByLabelText("size") as HTMLInputElement;
	fireEvent.change(size, { target: { value: "L" } });
	assert.equal(size.value, "S", "what cannot be read-only shows again what it showed");
	assert.deepEqual([client.getSnapshot().refused, client.pending()], [{}, []]);
});

test("K3 what the kind refuses is shown at its input", async () => {
	const client = newClient(newRoom(), "ann", { kind });
	client.connect();
	await synced(client);
	const Note = () => {
		const note = useField("note");
		return h("p", null, h("input", { "aria-label": "note", ...note.input }), h("b", null, note.refused?.message));
	};
	const { getByLabelText, container } = render(h(RoomProvider, { client }, h(Note)));
	const note = getByLabelText("note") as HTMLInputElement;
	fireEvent.change(note, { target: { value: "much too long" } });
	const message = "`note` cannot hold this value: it breaks `maxLength` of the field's schema.";
	assert.deepEqual([note.value, container.querySelector("b")?.textContent], ["much too long", message]);
});

test("K4 a server renders what it knows, and the page takes over from there without a mismatch", async () => {
	const page = h(RoomProvider, { ...options(newRoom()), kind }, h(Form));
	const html = renderToString(page);
	// React 18 sees that this server has a DOM: a real one, react-server.test.ts has.
	for (const complaint of complaints()) assert.match(complaint, /useLayoutEffect does nothing on the server/);
	const container = document.createElement("div");
	document.body.append(container);
	container.innerHTML = html;
	assert.deepEqual(fixed(container), [], "who this is, nobody has said yet");
	const root = now(() => hydrateRoot(container, page));
	await until(() => assert.equal(fixed(container).length, 5));
	now(() => root.unmount());
});
