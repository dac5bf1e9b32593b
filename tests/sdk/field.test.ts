// A field that somebody types into, without a framework: what stands in the input, what is sent, and what becomes of what
// others do meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, FieldBinding, type FieldOptions, type InputElement } from "../../packages/sdk/src/field.ts";
import { kindOf } from "../../packages/sdk/src/kinds.ts";
import type { RoomClientOptions } from "../../packages/sdk/src/types.ts";
import { onVirtualTime, pass, Stage } from "./scripted.ts";

onVirtualTime();

/** An input, its field, and the room. */
class Form extends Stage {
	readonly field: FieldBinding<any>;
	readonly leave: () => void;
	readonly element = {
		value: "",
		type: "text",
		selectionStart: 0 as number | null,
		selectionEnd: 0 as number | null,
		setSelectionRange(start: number, end: number) {
			[this.selectionStart, this.selectionEnd] = [start, end];
		},
	} satisfies InputElement;

	constructor(options: FieldOptions<any> = {}, name = "note", more: Partial<RoomClientOptions<any>> = {}) {
		super(more);
		this.field = new FieldBinding(this.client, name, options);
		this.leave = this.field.subscribe(() => this.render());
	}

	/** As an adapter does: the text goes into the input, and a browser puts the caret behind it. */
	render(): void {
		const { text } = this.field.getState();
		if (this.element.value === text) return;
		this.element.value = text;
		this.element.selectionStart = this.element.selectionEnd = text.length;
		this.field.restoreCaret();
	}

	/** Somebody types: the input has it first. */
	type(text: string): void {
		this.element.value = text;
		this.element.selectionStart = this.element.selectionEnd = text.length;
		this.field.changed(this.element);
	}

	/** Bob sets the field. */
	async bob(value: any, field = "note"): Promise<void> {
		const from = this.version;
		this.version += 1;
		const { version, epoch } = this;
		const selection = { field, value, userId: "bob", timestamp: null, version, updatedAt: Date.now() };
		const change = { kind: "field", version, field, selection, userId: "bob", updatedAt: Date.now() };
		this.current = selection;
		await this.network.last.say({ type: "changes", from, to: version, epoch, changes: [change] });
	}

	/** What the room has, when it is not this client's. */
	current: any = null;

	/** Answers a change as a room in which Bob was quicker. */
	async late({ seq, id, baseVersion }: any): Promise<void> {
		const { current } = this;
		const conflict = { type: "conflict", code: "E_CONFLICT", field: "note", clientVersion: baseVersion };
		await this.network.last.say({ ...conflict, serverVersion: current.version, current, seq, id });
	}

	get state() {
		return this.field.getState();
	}
}

const texts = (said: any[]) =>
	said.filter(({ type }) => type !== "presence").map((one) => one.selection?.value ?? one.type);

async function open(options?: FieldOptions<any>): Promise<Form> {
	const made = new Form(options);
	await made.enter();
	return made;
}

test("what is typed is shown at once, and sent after a pause or at the longest wait", async () => {
	const page = await open();
	for (const text of ["H", "He", "Hel"]) {
		page.type(text);
		assert.deepEqual([page.state.text, page.state.pending], [text, true]);
		await pass(100);
	}
	assert.deepEqual(texts(page.said()), []);
	await pass(200);
	const [sent] = page.said();
	assert.equal(sent.selection.value, "Hel");
	await page.apply(sent);
	assert.deepEqual([page.state.text, page.state.pending, page.state.by], ["Hel", false, "ann"]);

	let text = "Hel";
	for (let i = 0; i < 20; i += 1) {
		text += "l";
		page.type(text);
		await pass(100);
	}
	const steady = texts(page.said());
	assert.equal(steady.length, 1, "others see something while somebody types on and on");
});

test("typing on through a conflict keeps all that was typed, and decides nothing", async () => {
	const page = await open();
	page.type("Hello");
	await pass(300);
	const [sent] = page.said();
	await page.bob("Bob's");
	await page.late(sent);
	assert.deepEqual(
		[page.state.text, page.state.conflict?.mine.value, page.state.conflict?.theirs.value],
		["Hello", "Hello", "Bob's"],
	);
	page.type("Hello world");
	await pass(2_000);
	assert.deepEqual(texts(page.said()), [], "nothing goes over somebody's head");
	assert.deepEqual([page.state.text, page.state.conflict?.mine.value], ["Hello world", "Hello world"]);
	page.field.leave();
	assert.equal(page.state.text, "Hello world", "it stays in the input until it is decided");

	page.field.keep();
	await pass();
	const [again] = page.said();
	assert.deepEqual([again.selection.value, again.baseVersion], ["Hello world", 1]);
	await page.apply(again);
	assert.deepEqual([page.state.text, page.state.conflict, page.state.pending], ["Hello world", undefined, false]);
});

test("another's value is offered to somebody who types, and put in when it is taken", async () => {
	const page = await open();
	page.field.entered(page.element);
	page.type("mine");
	await pass(300);
	await page.apply(page.said().find(({ type }) => type === "field_selected"));
	await page.bob("theirs");
	assert.deepEqual([page.state.text, page.state.offer], ["mine", { value: "theirs", userId: "bob", version: 2 }]);
	page.field.take();
	assert.deepEqual([page.element.value, page.state.offer], ["theirs", undefined]);

	page.type("theirs, and mine");
	await pass(300);
	await page.apply(page.said().find(({ type }) => type === "field_selected"));
	await page.bob("again");
	page.field.keep();
	await pass();
	const [kept] = page.said();
	assert.deepEqual([kept.selection.value, kept.baseVersion], ["theirs, and mine", 4]);
	await page.apply(kept);
	assert.deepEqual([page.state.text, page.state.offer], ["theirs, and mine", undefined]);
});

test("an offer stays when its user leaves the input, as whoever presses a button for it does", async () => {
	const page = await open();
	page.field.entered(page.element);
	page.type("mine");
	await pass(300);
	await page.apply(page.said().find(({ type }) => type === "field_selected"));
	await page.bob("theirs");
	page.field.leave();
	assert.deepEqual([page.element.value, page.state.offer?.value], ["mine", "theirs"]);
	page.field.keep();
	await pass();
	const kept = page.said().find(({ type }) => type === "field_selected");
	assert.deepEqual([kept.selection.value, kept.baseVersion], ["mine", 2]);
	await page.apply(kept);
	assert.deepEqual([page.element.value, page.state.offer], ["mine", undefined]);
});

test("what is typed after another's value came is a conflict, whatever the snapshot shows", async () => {
	const page = await open();
	page.type("mine");
	await pass(300);
	await page.apply(page.said()[0]);
	await page.bob("theirs");
	page.type("mine and more");
	await pass(300);
	const [sent] = page.said();
	assert.equal(sent.baseVersion, 1, "it was made from what stood in the input");
	await page.late(sent);
	assert.equal(page.state.conflict?.mine.value, "mine and more");
	page.field.take();
	await pass();
	assert.deepEqual([page.element.value, page.state.conflict], ["theirs", undefined]);
});

test("somebody who has left the input sees what the room has", async () => {
	const page = await open();
	page.field.entered(page.element);
	page.type("mine");
	page.field.leave();
	await pass();
	const said = page.said();
	assert.deepEqual(texts(said), ["mine"], "leaving does not wait for a pause");
	await page.apply(said.find(({ type }) => type === "field_selected"));
	await page.bob("theirs");
	assert.deepEqual([page.element.value, page.state.offer], ["theirs", undefined]);
});

test("a composition is sent when it has ended, and nothing is put into it", async () => {
	const page = await open();
	page.field.entered(page.element);
	page.field.composing();
	for (const text of ["k", "か", "かn"]) {
		page.type(text);
		await pass(500);
	}
	assert.deepEqual(texts(page.said()), []);
	await page.bob("theirs");
	assert.deepEqual([page.element.value, page.state.offer?.value], ["かn", "theirs"]);
	page.element.value = "漢";
	page.field.composed(page.element.value);
	await pass(300);
	const [sent] = page.said();
	assert.deepEqual([sent.selection.value, sent.baseVersion], ["漢", 0]);
});

test("a composition that is given up sends nothing", async () => {
	const page = await open();
	page.field.composing();
	page.type("k");
	page.type("");
	page.field.composed("");
	await pass(500);
	assert.deepEqual(texts(page.said()), []);
});

test("half a character is not sent, and stays in the input", async () => {
	const page = await open();
	page.type("a\ud83d");
	await pass(300);
	const [sent] = page.said();
	assert.equal(sent.selection.value, "a");
	assert.equal(page.state.text, "a\ud83d");
	await page.apply(sent);
	page.type("a\ud83d\ude00");
	await pass(300);
	assert.deepEqual(texts(page.said()), ["a😀"]);
	await page.client.flush();
	void page.client.select("other", { "k\ud800": ["\udc00\\ud800"] });
	await pass();
	assert.deepEqual(texts(page.said()), [{ "k\ufffd": ["\ufffd\\ud800"] }]);
});

test("the caret stays where it was in the text when somebody else changes the field", async () => {
	const page = await open();
	await page.bob("one two three");
	page.field.entered(page.element);
	page.element.setSelectionRange(8, 13);
	await page.bob("zero one two three");
	assert.deepEqual(
		[page.element.value, page.element.selectionStart, page.element.selectionEnd],
		["zero one two three", 13, 18],
	);
	page.element.setSelectionRange(4, 4);
	await page.bob("zero one two");
	assert.deepEqual([page.element.selectionStart, page.element.selectionEnd], [4, 4]);
	page.element.setSelectionRange(12, 12);
	await page.bob("zero one");
	assert.deepEqual([page.element.selectionStart, page.element.selectionEnd], [8, 8]);
	page.element.selectionStart = page.element.selectionEnd = null;
	await page.bob("a number's input has no caret");
	assert.equal(page.element.value, "a number's input has no caret");
});

test("the part in which two texts differ", () => {
	assert.deepEqual(difference("abc", "abc"), [3, 3]);
	assert.deepEqual(difference("abc", "abXc"), [2, 2]);
	assert.deepEqual(difference("aaa", "aa"), [2, 3]);
	assert.deepEqual(difference("", "x"), [0, 0]);
	assert.deepEqual(difference("x", ""), [0, 1]);
});

test("a value that is refused stays in the input, with the reason, until it is mended", async () => {
	const page = await open();
	const refused: unknown[] = [];
	page.client.on("refused", ({ field, code, value }) => refused.push([field, code, value]));
	page.type("far too long");
	await pass(300);
	await page.refuse(page.said()[0], "limit_value");
	page.field.leave();
	const { text, refused: why } = page.state;
	assert.deepEqual(
		[text, why?.code, why?.value, page.state.pending],
		["far too long", "limit_value", "far too long", false],
	);
	assert.deepEqual(refused, [["note", "limit_value", "far too long"]]);
	assert.equal(
		new FieldBinding(page.client, "note").getState().text,
		"far too long",
		"another component has it as well",
	);
	page.type("short");
	assert.equal(page.state.refused === undefined, true);
	await pass(300);
	await page.apply(page.said()[0]);
	assert.deepEqual([page.state.text, page.state.refused === undefined], ["short", true]);

	page.type("x".repeat(70_000));
	const { code } = page.field.getState().refused ?? {};
	assert.equal(code, "limit_message", "what the client itself will not send, too");
	page.field.take();
	assert.deepEqual([page.state.text, page.state.refused === undefined], ["short", true]);
});

test("numbers: the text stays as it is typed, none clears the field, and what is none is not sent", async () => {
	const page = await open({ type: "number" });
	page.type("1.");
	await pass(300);
	const [sent] = page.said();
	assert.deepEqual([sent.selection.value, page.state.text], [1, "1."]);
	await page.apply(sent);
	page.type("1.x");
	await pass(300);
	assert.deepEqual([texts(page.said()), page.state.refused?.code, page.state.value], [[], "invalid_input", 1]);
	page.field.changed({ value: "", validity: { badInput: true } });
	await pass(300);
	assert.deepEqual([texts(page.said()), page.state.refused?.code], [[], "invalid_input"]);
	page.type("");
	await pass(300);
	assert.deepEqual(texts(page.said()), ["field_cleared"]);
	await page.bob(2.5);
});

test("a page's own way to read a text and to write a value", async () => {
	const list = {
		parse: (text: string) => text.split(",").filter(Boolean),
		format: (value: string[] | undefined) => (value ?? []).join(","),
	};
	const page = await open(list);
	page.type("a,");
	await pass(300);
	const [sent] = page.said();
	assert.deepEqual([sent.selection.value, page.state.text], [["a"], "a,"]);
	await page.apply(sent);
	page.field.leave();
	assert.equal(page.state.text, "a");
});

test("what is picked is final: a checkbox, a list", async () => {
	const page = await open();
	page.field.changed({ value: "on", type: "checkbox", checked: true });
	page.field.changed({ value: "PHP", type: "select-one" });
	await pass();
	assert.deepEqual(texts(page.said()), [true, "PHP"]);
});

test("what somebody else picks later is shown, and no offer to whoever picked before", async () => {
	const page = await open();
	page.element.type = "select-one";
	page.field.entered(page.element);
	page.type("PHP");
	await pass();
	const [sent] = page.said().filter(({ type }) => type === "field_selected");
	await page.apply(sent);
	await page.bob("EUR");
	assert.deepEqual([page.element.value, page.state.offer], ["EUR", undefined]);

	page.type("USD");
	await pass();
	const [late] = page.said();
	await page.bob("PHP");
	await page.late(late);
	assert.deepEqual([page.element.value, page.state.conflict?.mine.value], ["PHP", "USD"]);
});

test("who is in the field, and who is there as well", async () => {
	const page = await open();
	page.client.setPresence({ tool: "pen" });
	page.field.entered(page.element);
	await pass(50);
	assert.deepEqual(page.said(), [{ type: "presence", data: { tool: "pen", field: "note" } }]);
	const people = [
		{ connectionId: "1", userId: "bob", data: { field: "note" } },
		{ connectionId: "2", userId: "bob", data: { field: "note" } },
		{ connectionId: "3", userId: "ann", data: { field: "note" } },
		{ connectionId: "4", userId: "cyd", data: { field: "price" } },
		{ connectionId: "5", userId: "dan", data: "note" },
	];
	await page.network.last.say({ type: "user_joined", userId: "bob", userName: "Bob", joinedAt: 1 });
	await page.network.last.say({ type: "presence", presence: people });
	assert.deepEqual(page.state.focusedBy, [{ id: "bob", name: "Bob" }]);
	const before = page.state;
	await page.network.last.say({ type: "presence", presence: people.slice(3) });
	assert.equal(page.state, before, "nothing of the field has changed");
	page.field.leave();
	await pass(50);
	assert.deepEqual(page.said(), [{ type: "presence", data: { tool: "pen" } }]);
});

test("what was typed last is sent when the component goes", async () => {
	const page = await open();
	page.type("last words");
	page.leave();
	await pass();
	assert.deepEqual(texts(page.said()), ["last words"]);
});

test("K4 what happens to the input of a field that may not be written changes nothing, and it says so", async () => {
	const kind = kindOf({ fields: { note: { write: ["moderator"] } } });
	const form = new Form({}, "note", { kind });
	assert.equal(form.field.getState().canWrite, true, "the room has not said yet who this is");
	await form.enter();
	await form.bob("Bob's");
	assert.deepEqual([form.field.getState().canWrite, form.element.value], [false, "Bob's"]);
	form.type("Mine");
	form.element.type = "select-one";
	form.type("Mine");
	form.field.changed({ value: "on", type: "checkbox", checked: true });
	await pass(5_000);
	const { text, value, refused, pending } = form.field.getState();
	assert.deepEqual([text, value, refused, pending, form.said()], ["Bob's", "Bob's", undefined, false, []]);
	const outcome = await form.field.set("Mine");
	assert.deepEqual([outcome.code, form.field.getState().refused?.code], ["forbidden", "forbidden"]);
});

test("K3 what the kind refuses stays in the input with the reason, until it is mended or given up", async () => {
	const kind = kindOf({ fields: { note: { schema: { type: "string", maxLength: 4 } } } });
	const form = new Form({}, "note", { kind });
	await form.enter();
	await form.bob("Bob");
	form.type("Too long");
	const { text, refused } = form.field.getState();
	assert.deepEqual(
		[text, refused?.code, refused?.keyword, refused?.path],
		["Too long", "invalid_value", "maxLength", ""],
	);
	form.type("Mine");
	assert.equal(form.field.getState().refused, undefined);
	await pass(300);
	assert.deepEqual(
		form.said().map(({ selection }) => selection.value),
		["Mine"],
	);
	form.type("Too long");
	form.field.leave();
	assert.equal(form.field.getState().text, "Too long", "leaving does not throw it away");
	form.field.take();
	assert.deepEqual([form.field.getState().text, form.field.getState().refused], ["Mine", undefined]);
});

test("K3 of a text that stops to fit nothing is sent, neither what fitted and waited, nor is what was sent an offer", async () => {
	const kind = kindOf({ fields: { note: { schema: { type: "string", maxLength: 4 } } } });
	const form = new Form({}, "note", { kind });
	await form.enter();
	form.type("Four");
	form.type("Fours");
	await pass(5_000);
	assert.deepEqual([form.said(), form.field.getState().text, form.client.pending()], [[], "Fours", []]);
	form.type("Four");
	await pass(300);
	const [sent] = form.said();
	form.type("Fours");
	const offers: unknown[] = [];
	form.field.subscribe(() => offers.push(form.field.getState().offer));
	await form.apply(sent);
	const { text, refused, pending } = form.field.getState();
	assert.deepEqual([text, refused?.code, pending], ["Fours", "invalid_value", false]);
	assert.ok(offers.length > 0 && offers.every((offer) => offer === undefined), JSON.stringify(offers));
	await form.bob("Bob");
	assert.equal(form.field.getState().offer?.value, "Bob");
});
