// What every platform owes the driver, asked of workerd's. The tests' own is asked the same in tests/it/contract.rs.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { newRoom, type Served, serve } from "./harness.ts";

let server: Served;
before(async () => {
	server = await serve({ faults: true });
});
after(() => server.close());

/** A socket, with all frames that it got. */
async function listener(room: string) {
	const socket = new WebSocket(`ws://${server.host}/parties/collaboration/${room}`);
	const frames: { type: string; [member: string]: unknown; text: string }[] = [];
	const texts: string[] = [];
	const closed = once(socket, "close").then(([code]) => code as number);
	socket.on("message", (data) => {
		texts.push(String(data));
		frames.push(JSON.parse(String(data)));
	});
	await once(socket, "open");
	return { socket, frames, texts, closed };
}

test("S6 workerd's platform keeps the contract", async () => {
	const room = newRoom();
	const [asker, ...others] = await Promise.all([listener(room), listener(room), listener(room)]);
	asker.socket.send(JSON.stringify({ fault: "contract" }));
	while (!asker.frames.some(({ type }) => type === "report")) await once(asker.socket, "message");
	const report = asker.frames.find(({ type }) => type === "report") as unknown as {
		failures: string[];
		expected: Record<string, string[]>;
	};
	assert.deepEqual(report.failures, []);
	assert.equal(await Promise.race(others.map(({ closed }) => closed)), 4409);
	for (const { socket, frames, texts } of [asker, ...others]) {
		const you = frames.find(({ type }) => type === "you")?.connection as string;
		const expected = report.expected[you] ?? assert.fail("each socket is told its name");
		const heard = () => texts.filter((text) => text.startsWith('{"type":"contract"'));
		while (heard().length < expected.length && socket.readyState === WebSocket.OPEN) await once(socket, "message");
		assert.deepEqual(heard(), expected);
		socket.terminate();
	}
});
