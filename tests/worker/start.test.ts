// `npm start -- --rooms FILE`, from the first request to a definition that is changed while it runs.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../ports.ts";
import { sleep } from "./harness.ts";

const root = join(import.meta.dirname, "../..");

/** A server as `npm start` starts it for a file in a folder of its own. */
async function start(name: string, content: string) {
	const folder = mkdtempSync(join(tmpdir(), "roomkeep-start-"));
	const write = (text: string) => writeFileSync(join(folder, name), text);
	write(content);
	const port = await freePort();
	const args = ["scripts/start.mjs", "--rooms", name, "--port", `${port}`, "--persist-to", join(folder, "state")];
	const env = { ...process.env, INIT_CWD: folder };
	const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
	let output = "";
	for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
	const until = async <T>(what: string, find: () => Promise<T | undefined> | T | undefined): Promise<T> => {
		const deadline = Date.now() + 120_000;
		for (;;) {
			const found = await find();
			if (found !== undefined) return found;
			assert.ok(Date.now() < deadline && child.exitCode === null, `waited in vain for ${what}:\n${output}`);
			await sleep(100);
		}
	};
	const ask = async (path: string, init?: RequestInit) => {
		const response = await fetch(`http://127.0.0.1:${port}${path}`, init).catch(() => undefined);
		return response && { status: response.status, body: await response.json() };
	};
	const stop = async () => {
		child.kill();
		if (child.exitCode === null) await once(child, "exit");
		rmSync(folder, { recursive: true, force: true });
	};
	return { write, until, ask, stop, output: () => output };
}

const kind = (more: object) =>
	JSON.stringify({ order: { fields: { price: { schema: { type: "number" } } }, ...more } });

test("K1 K3 K7 npm start serves the rooms of another module, and follows it when it changes", async (t) => {
	const server = await start("kinds.json", kind({}));
	t.after(server.stop);
	const version = async () => (await server.ask("/kinds/order"))?.body.version;
	await server.until("the first version", async () => (await version()) === 1 || undefined);

	const put = (value: unknown) => {
		const body = JSON.stringify({ value, userId: "ann" });
		return server.ask("/parties/order/a/fields/price", { method: "PUT", body });
	};
	assert.equal((await put(5))?.status, 200);
	const refused = await put("five");
	assert.deepEqual([refused?.status, refused?.body.code, refused?.body.keyword], [422, "invalid_value", "type"]);
	assert.equal((await server.ask("/parties/trade/a/state"))?.status, 404, "the project's own rooms are not among them");
	assert.equal((await server.ask("/parties/collaboration/a/state"))?.status, 200);

	server.write(kind({ version: 0 }));
	await server.until("the fault", () => server.output().includes("rooms.order.version: must be") || undefined);
	assert.equal(await version(), 1, "what makes no sense changes nothing");

	server.write(kind({ version: 2, lenses: [{ to: 2 }] }));
	await server.until("the second version", async () => (await version()) === 2 || undefined);
	const state = await server.ask("/parties/order/a/state");
	assert.equal(state?.body.selections.price.value, 5);
});
