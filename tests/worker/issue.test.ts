// What issues tokens: the README's back end, and `npm run token`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { serve } from "./harness.ts";

const root = join(import.meta.dirname, "../..");
const secret = { kty: "oct", kid: "main", k: Buffer.alloc(32, 7).toString("base64url") };
const AUTH_KEYS = JSON.stringify({ keys: [secret] });

test("A1 a token of the README's back end opens its room and no other", async (t) => {
	const server = await serve({ vars: { AUTH_KEYS } });
	t.after(() => server.close());
	const sample = readFileSync(join(root, "README.md"), "utf8").match(/In Node[^`]*```js\n(.*?)```/s)?.[1];
	assert.ok(sample, "the README shows how a back end in Node issues a token");
	// Beside the packages that it imports.
	const file = join(root, "build/readme-token.mjs");
	mkdirSync(join(root, "build"), { recursive: true });
	writeFileSync(file, sample);
	process.env.AUTH_KEYS = AUTH_KEYS;
	const { roomToken } = await import(pathToFileURL(file).href);
	const headers = { authorization: `Bearer ${await roomToken({ id: "alice", name: "Alice" }, "r")}` };
	const put = await server.get("/parties/collaboration/r/fields/f", { method: "PUT", headers, body: '{"value":1}' });
	assert.equal(put.status, 200, await put.text());
	assert.equal((await server.get("/parties/collaboration/other/state", { headers })).status, 403);
	const star = { authorization: `Bearer ${await roomToken({ id: "alice", name: "Alice" }, "*")}` };
	const state = async (room: string) =>
		(await server.get(`/parties/collaboration/${room}/state`, { headers: star })).status;
	assert.deepEqual([await state("*"), await state("r"), await state("%5C*")], [200, 403, 403]);
});

test("A2 npm run token prints a token that the server takes, for as long and as much as was asked", async (t) => {
	const vars = { AUTH_KEYS, AUTH_ISSUER: "https://issuer.example", AUTH_AUDIENCE: "roomkeep" };
	const server = await serve({ vars });
	t.after(() => server.close());
	const print = (...args: string[]) => {
		const env = { ...process.env, ...vars };
		return spawnSync(process.execPath, ["scripts/token.mjs", ...args], { cwd: root, env, encoding: "utf8" });
	};
	const { stdout } = print("--user", "alice", "--room", "collaboration/a:*", "--role", "viewer", "--ttl", "15m");
	const [header, claims] = stdout.split(".").map((part) => Buffer.from(part, "base64url").toString());
	assert.deepEqual(JSON.parse(header ?? ""), { alg: "HS256", kid: "main" });
	const { exp, iat, role, rooms, sub } = JSON.parse(claims ?? "");
	assert.deepEqual(
		{ lasts: exp - iat, role, rooms, sub },
		{ lasts: 900, role: "viewer", rooms: ["collaboration/a:*"], sub: "alice" },
	);
	const headers = { authorization: `Bearer ${stdout.trim()}` };
	const status = async (path: string, method: string) => (await server.get(path, { method, headers })).status;
	assert.equal(await status("/parties/collaboration/a:1/state", "GET"), 200);
	assert.equal(await status("/parties/collaboration/b/state", "GET"), 403);
	assert.equal(await status("/parties/collaboration/a:1/fields/f", "PUT"), 403);
	for (const wrong of [
		[],
		["--user", "a"],
		["--user", "a", "--room", "x"],
		["--user", "a", "--room", "p/x", "--role", "king"],
	]) {
		const { status, stdout, stderr } = print(...wrong);
		assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
		assert.match(stderr, /\S/);
	}
});
