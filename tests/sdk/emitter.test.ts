// Who is told what, and who is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Emitter } from "../../packages/sdk/src/emitter.ts";

type Events = { said: (word: string, count: number) => void; other: () => void };

test("listeners are called in their order, with what was told, and for their event alone", () => {
	const emitter = new Emitter<Events>();
	const heard: unknown[] = [];
	emitter.on("said", (...told) => heard.push(["first", ...told]));
	emitter.on("said", (...told) => heard.push(["second", ...told]));
	emitter.on("other", () => heard.push("other"));
	emitter.emit("said", "hi", 2);
	assert.deepEqual(heard, [
		["first", "hi", 2],
		["second", "hi", 2],
	]);
});

test("a listener that was put on twice is two, and each is taken off by itself, as often as one likes", () => {
	const emitter = new Emitter<Events>();
	let heard = 0;
	const listener = () => {
		heard += 1;
	};
	const first = emitter.on("other", listener);
	const second = emitter.on("other", listener);
	emitter.emit("other");
	assert.equal(heard, 2);
	first();
	first();
	emitter.emit("other");
	assert.equal(heard, 3);
	second();
	emitter.emit("other");
	assert.equal(heard, 3);
});

test("a listener that throws keeps nobody from hearing, and is told of", (t) => {
	const { mock } = t.mock.method(console, "error", () => {});
	const emitter = new Emitter<Events>();
	const fault = new Error("a listener's own");
	let heard = 0;
	emitter.on("other", () => {
		throw fault;
	});
	emitter.on("other", () => {
		heard += 1;
	});
	emitter.emit("other");
	assert.equal(heard, 1);
	assert.deepEqual(
		mock.calls.map((call) => call.arguments),
		[[fault]],
	);
});

test("who is taken off while an event is told hears nothing more, and who comes hears the next", () => {
	const emitter = new Emitter<Events>();
	const heard: string[] = [];
	emitter.on("other", () => {
		heard.push("first");
		off();
		emitter.on("other", () => heard.push("late"));
	});
	const off = emitter.on("other", () => heard.push("second"));
	emitter.emit("other");
	assert.deepEqual(heard, ["first"]);
	emitter.emit("other");
	assert.deepEqual(heard, ["first", "first", "late"]);
});
