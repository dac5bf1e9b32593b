// The hook for a field, on elements in a DOM, with a room under workerd. Runs with React 19, and by react-18.test.ts with
// React 18. What a field does with what happens to it, field.test.ts shows.

import "./react-page.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { fireEvent, render } from "@testing-library/react";
import { createElement as h, StrictMode, useState } from "react";
import type { RoomClient } from "../../packages/sdk/src/client.ts";
import type { FieldOptions } from "../../packages/sdk/src/field.ts";
import {
	type BoundField,
	RoomProvider,
	useField,
	useSelection,
	useSelections,
	useTicks,
	useUndo,
} from "../../packages/sdk/src/react.ts";
import { newRoom, sleep } from "../worker/harness.ts";
import { found, until } from "./react-page.ts";
import { enter, newClient, now, options, renderIn, synced } from "./react-room.ts";

const setTo = (client: RoomClient, field: string) => client.getSnapshot().selections[field]?.value;

/** A form with one of each, of Ann's, and what its fields are. */
async function form(room: string, more: FieldOptions<string> = {}) {
	const fields: { [name: string]: BoundField<any> } = {};
	const Note = () => {
		fields.note = useField("note", more);
		return h("textarea", { "aria-label": "note", ...fields.note.input });
	};
	const Rest = () => {
		const price = useField<number>("price", { type: "number" });
		const paid = useField<boolean>("paid");
		const currency = useField("currency");
		const size = useField<"S" | "L">("size");
		Object.assign(fields, { price, paid, currency, size });
		return h(
			"form",
			null,
			h("input", { type: "number", "aria-label": "price", ...price.input }),
			h("input", { "aria-label": "paid", ...paid.checkbox }),
			h("select", { "aria-label": "currency", ...currency.input }, h("option", null, "EUR"), h("option", null, "PHP")),
			h("input", { "aria-label": "S", ...size.radio("S") }),
			h("input", { "aria-label": "L", ...size.radio("L") }),
		);
	};
	const client = newClient(room, "ann");
	client.connect();
	await synced(client);
	const Page = ({ hasNote = true }) => h(StrictMode, null, h(RoomProvider, { client }, hasNote && h(Note), h(Rest)));
	const rendered = render(h(Page));
	const element = (name: string) => rendered.getByLabelText(name) as HTMLInputElement;
	return { client, fields, element, withoutNote: () => rendered.rerender(h(Page, { hasNote: false })) };
}

test("a field is spread on an input, and two people see each other in it", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { fields, element } = await form(room);
	const note = element("note");
	now(() => note.focus());
	fireEvent.change(note, { target: { value: "Hello" } });
	assert.deepEqual([note.value, fields.note?.pending], ["Hello", true]);
	await until(() => assert.equal(setTo(bob, "note"), "Hello"));
	await until(() => assert.deepEqual(bob.getSnapshot().presence.at(-1)?.data, { field: "note" }));
	await until(() => assert.equal(fields.note?.pending, false));

	bob.setFocus("note");
	await until(() => assert.deepEqual(fields.note?.focusedBy, [{ id: "bob", name: "BOB" }]));
	await bob.select("note", "Bye");
	await until(() => assert.equal(fields.note?.offer?.value, "Bye"));
	assert.equal(note.value, "Hello");
	now(() => found(fields.note).take());
	assert.equal(note.value, "Bye");
	now(() => note.blur());
	await until(() =>
		assert.equal(bob.getSnapshot().presence.find(({ userId }) => userId === "ann")?.data ?? null, null),
	);
});

test("another's change leaves the caret where it was", async () => {
	const room = newRoom();
	const bob = await enter(room);
	await bob.select("note", "one two");
	const { element } = await form(room);
	const note = element("note");
	await until(() => assert.equal(note.value, "one two"));
	now(() => note.focus());
	note.setSelectionRange(4, 7);
	await bob.select("note", "zero one two");
	await until(() => assert.equal(note.value, "zero one two"));
	assert.deepEqual([note.selectionStart, note.selectionEnd], [9, 12]);
});

test("numbers, ticks, lists and choices are spread in the same way", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { element } = await form(room);
	fireEvent.change(element("price"), { target: { value: "4.5" } });
	fireEvent.click(element("paid"));
	fireEvent.change(element("currency"), { target: { value: "PHP" } });
	fireEvent.click(element("L"));
	const all = ["price", "paid", "currency", "size"];
	await until(() =>
		assert.deepEqual(
			all.map((name) => setTo(bob, name)),
			[4.5, true, "PHP", "L"],
		),
	);
	assert.deepEqual([element("paid").checked, element("L").checked, element("S").checked], [true, true, false]);
	fireEvent.change(element("price"), { target: { value: "" } });
	await until(() => assert.equal(setTo(bob, "price"), undefined));
	await bob.select("size", "S");
	await until(() => assert.equal(element("S").checked, true));
});

test("what was typed last is sent when the component is gone", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { element, withoutNote } = await form(room, { debounceMs: 60_000 });
	fireEvent.change(element("note"), { target: { value: "last words" } });
	withoutNote();
	await until(() => assert.equal(setTo(bob, "note"), "last words"));
});

test("what was typed last is sent when the provider is gone with all that it held", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { given, client, unmount } = renderIn(options(room), () => [useSelection("a"), useField("b")] as const);
	await synced(client);
	void now(() => given()[0][1]("last", { debounceMs: 60_000 }));
	now(() => given()[1].input.onChange({ target: { value: "words" } }));
	unmount();
	await until(() => assert.deepEqual([setTo(bob, "a"), setTo(bob, "b")], ["last", "words"]));
	assert.equal(client.getSnapshot().status, "closed");
});

test("a composition is not sent, nor torn away", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { element } = await form(room, { debounceMs: 20 });
	const note = element("note");
	now(() => note.focus());
	fireEvent.compositionStart(note);
	fireEvent.change(note, { target: { value: "かn" } });
	await bob.select("price", 1);
	await until(() => assert.equal(element("price").value, "1"));
	await sleep(50);
	assert.deepEqual([setTo(bob, "note"), note.value], [undefined, "かn"]);
	note.value = "漢";
	fireEvent.compositionEnd(note);
	await until(() => assert.equal(setTo(bob, "note"), "漢"));
});

test("the functions stay the same, and another field is another one", async () => {
	const room = newRoom();
	const bob = await enter(room);
	await bob.select("b", "of b");
	const client = newClient(room, "ann");
	client.connect();
	await synced(client);
	let field: BoundField = undefined as never;
	let rename = (_: string) => {};
	const Page = () => {
		const [name, setName] = useState("a");
		rename = setName;
		field = useField(name);
		return h("input", field.input);
	};
	const { container } = render(h(RoomProvider, { client }, h(Page)));
	const input = found(container.querySelector("input"));
	const { set, take, input: props } = field;
	fireEvent.change(input, { target: { value: "typed" } });
	assert.deepEqual(
		[field.set === set, field.take === take, field.input.onChange === props.onChange],
		[true, true, true],
	);
	now(() => rename("b"));
	await until(() => assert.deepEqual([input.value, setTo(bob, "a")], ["of b", "typed"]));
	await now(() => field.set((previous) => `${previous}, and more`));
	assert.equal(input.value, "of b, and more");
});

test("fields whose names begin alike, and ticks of two people that do not get into each other's way", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { given, client } = renderIn(options(room), () => ({
		items: useSelections("items/"),
		extras: useTicks("extras"),
	}));
	await synced(client);
	await bob.transaction((all) => {
		all.select("items/1", "tea");
		all.select("other", 1);
		all.select("extras/milk", true);
	});
	await until(() => assert.deepEqual(Object.keys(given().items), ["items/1"]));
	const before = given();
	await bob.select("other", 2);
	await until(() => assert.equal(client.getSnapshot().selections.other?.value, 2));
	assert.deepEqual([given().items === before.items, given().extras === before.extras], [true, true]);

	// Bob takes a tick away while Ann sets another one.
	const both = [bob.clear("extras/milk"), now(() => given().extras.set("sugar", true))];
	for (const one of both) assert.equal((await one).outcome, "applied");
	await until(() => assert.deepEqual(given().extras.ticked, ["sugar"]));
	const sugar = given().extras.checkbox("sugar");
	assert.deepEqual([sugar.checked, given().extras.has("milk")], [true, false]);
	now(() => sugar.onChange({ target: { checked: false } }));
	await until(() => assert.deepEqual(bob.getSnapshot().selections["extras/sugar"], undefined));
});

test("undo and redo, and whether there is anything to undo", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { given, client } = renderIn(options(room), () => useUndo());
	await synced(client);
	assert.deepEqual([given().canUndo, given().canRedo], [false, false]);
	await now(() => client.select("x", 1));
	await until(() => assert.equal(given().canUndo, true));
	assert.equal((await now(() => given().undo())).outcome, "applied");
	await until(() => assert.deepEqual([given().canUndo, given().canRedo], [false, true]));
	assert.equal((await now(() => given().redo())).outcome, "applied");
	await until(() => assert.equal(setTo(bob, "x"), 1));
	await bob.select("x", 2);
	assert.equal((await now(() => given().undo())).outcome, "conflict");
	assert.equal(setTo(bob, "x"), 2);
});
