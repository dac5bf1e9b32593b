// Declared kinds of rooms on every way in: values, rights, rooms that are a user's own, and what an older version stored.
// What they are is in tests/worker/kinds/.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { type Frame, newRoom, type Served, serve } from "./harness.ts";
import { AUTH_KEYS, bearer, token } from "./tokens.ts";

let open: Served;
let locked: Served;
before(async () => {
	open = await serve({ kinds: "rooms", party: "order" });
	locked = await serve({ kinds: "rooms", party: "order", vars: { AUTH_KEYS } });
});
after(() => Promise.all([open.close(), locked.close()]));

const path = (party: string, room: string, rest = "") => `/parties/${party}/${encodeURIComponent(room)}${rest}`;

interface Answer {
	status: number;
	etag: string | null;
	body: Frame;
}

async function ask(server: Served, method: string, at: string, body?: object, token?: string): Promise<Answer> {
	const headers = token === undefined ? {} : bearer(token);
	const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
	const response = await server.get(at, init);
	const text = await response.text();
	return {
		status: response.status,
		etag: response.headers.get("etag"),
		body: text === "" ? undefined : JSON.parse(text),
	};
}

/** A socket to a room of some kind, and what comes over it. */
class Line {
	readonly frames: Frame[] = [];
	readonly #socket: WebSocket;
	readonly closed: Promise<{ code: number; reason: string }>;

	constructor(server: Served, party: string, room: string, token?: string) {
		const query = token === undefined ? "" : `?token=${token}`;
		this.#socket = new WebSocket(`ws://${server.host}${path(party, room)}${query}`);
		this.#socket.on("message", (text) => this.frames.push(JSON.parse(String(text))));
		this.closed = new Promise((resolve) => {
			this.#socket.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
		});
	}

	async say(message: object): Promise<Frame> {
		if (this.#socket.readyState === WebSocket.CONNECTING) await new Promise((go) => this.#socket.once("open", go));
		const id = String(Math.random());
		this.#socket.send(JSON.stringify({ ...message, id }));
		for (let waited = 0; waited < 5_000; waited += 5) {
			const reply = this.frames.find((frame) => frame.id === id);
			if (reply) return reply;
			await new Promise((go) => setTimeout(go, 5));
		}
		throw new Error(`no reply to ${JSON.stringify(message)}`);
	}

	set(field: string, value: unknown, userId: string, more: object = {}): Promise<Frame> {
		return this.say({ type: "field_selected", selection: { field, value, userId }, ...more });
	}

	end(): void {
		this.#socket.close();
	}
}

/** A token of an editor of every room of the kinds, with other claims. */
const of = (claims: Record<string, unknown> = {}) =>
	token({ claims: { rooms: ["order/*", "loose/*", "own/*", "shared/*"], ...claims } });

test("K3 a value that does not fit is refused in the same words on every way in, and nothing changes", async () => {
	const room = newRoom();
	const line = new Line(open, "order", room);
	const wrong = { amount: 1.005, currency: "EUR" };
	const told = { code: "invalid_value", field: "price", path: "/amount", keyword: "multipleOf" };
	const message = "`price` cannot hold this value: it breaks `multipleOf` at `/amount` of the field's schema.";
	const framed = await line.set("price", wrong, "ann");
	assert.deepEqual({ ...framed, id: undefined }, { type: "error", message, ...told, id: undefined });
	const change = { type: "field_selected", selection: { field: "price", value: wrong } };
	for (const [method, rest, body] of [
		["PUT", "/fields/price", { userId: "ann", value: wrong }],
		["POST", "/fields/price", { userId: "ann", value: wrong }],
		["PATCH", "/state", { userId: "ann", changes: [{ ...change, selection: { field: "note", value: 1 } }, change] }],
	] as const) {
		const { status, body: problem } = await ask(open, method, path("order", room, rest), body);
		assert.deepEqual([status, problem.detail], [422, message], method);
		for (const [member, value] of Object.entries(told)) assert.equal(problem[member], value, `${method} ${member}`);
	}
	const unknown = await ask(open, "PUT", path("order", room, "/fields/colour"), { userId: "ann", value: 1 });
	assert.deepEqual([unknown.status, unknown.body.code, unknown.body.field], [422, "unknown_field", "colour"]);
	assert.equal((await open.state(room)).version, 0);
	for (const value of ['{"__proto__":1}', '{"constructor":1}', "[[[[1]]]]", "null", '"€"', "1e400", "-0"]) {
		const put = { userId: "ann", value: "REPLACED" };
		const body = JSON.stringify(put).replace('"REPLACED"', value);
		const response = await open.get(path("order", room, "/fields/price"), { method: "PUT", body });
		assert.equal(response.status, 422, `${value}: ${await response.text()}`);
	}
	const fits = await line.set("price", { amount: 4.35, currency: "EUR" }, "ann");
	assert.equal(fits.type, "ack");
	line.end();
});

test("K4 rules hold for every way in, whatever the role, and a rule may let a viewer write", async () => {
	const room = newRoom();
	const tokens = {
		viewer: await of({ role: "viewer" }),
		editor: await of(),
		moderator: await of({ role: "moderator" }),
		admin: await of({ role: "admin" }),
		service: await of({ role: "viewer", service: "pricing" }),
		services: await of({ role: "viewer", service: ["other", "pricing"] }),
		forged: await of({ role: "editor", service: "Pricing" }),
	};
	const may: [field: string, value: unknown, who: (keyof typeof tokens)[]][] = [
		["note", "x", ["editor", "moderator", "admin", "forged"]],
		["approved", true, ["moderator", "admin"]],
		["rate", 1.5, ["admin", "service", "services"]],
		["ready/alice", true, ["viewer", "editor", "moderator", "admin", "service", "services", "forged"]],
		["ready/bob", true, []],
		["seen/a/b", 1, ["viewer", "editor", "moderator", "admin", "service", "services", "forged"]],
	];
	for (const [who, token] of Object.entries(tokens)) {
		const line = new Line(locked, "order", room, token);
		for (const [field, value, writers] of may) {
			const may = (writers as string[]).includes(who);
			const at = path("order", room, `/fields/${encodeURIComponent(field)}`);
			const change = { type: "field_selected", selection: { field, value, userId: "alice" } };
			const framed = [await line.say(change), await line.say({ type: "batch", changes: [change] })];
			for (const frame of framed) {
				assert.deepEqual(
					[frame.type, frame.code, frame.retry],
					may ? ["ack", undefined, undefined] : ["error", "forbidden", undefined],
					`${who} ${field}`,
				);
			}
			const answers = [
				await ask(locked, "PUT", at, { value }, token),
				await ask(locked, "PATCH", path("order", room, "/state"), { changes: [change] }, token),
				await ask(locked, "DELETE", at, undefined, token),
			];
			for (const { status, body } of answers) {
				assert.deepEqual(
					[status, body.code, body.field],
					may ? [200, undefined, undefined] : [403, "forbidden", field],
					`${who} ${field}`,
				);
			}
		}
		// What is no field is the role's still.
		const messages = await ask(locked, "POST", path("order", room, "/messages"), { type: "wave" }, token);
		assert.equal(messages.status, ["viewer", "service", "services"].includes(who) ? 403 : 200, who);
		line.end();
	}
	assert.equal((await ask(locked, "PUT", path("order", room, "/fields/note"), { value: 1 })).status, 401);
});

test("K5 a room that is named after its user is that user's, on every way in", async () => {
	const ways = async (party: string, room: string, token: string) => {
		const line = new Line(locked, party, room, token);
		const said = await Promise.race([
			line.say({ type: "sync_request" }).then(() => 101),
			line.closed.then(({ code }) => code),
		]);
		line.end();
		// The token in its `hello`, and not in its address (A9).
		const late = new Line(locked, party, room);
		const hello = { type: "hello", protocol: 1, clientId: `c${Math.random()}`, token };
		const greeted = await Promise.race([late.say(hello).then(() => 101), late.closed.then(({ code }) => code)]);
		late.end();
		const state = (await ask(locked, "GET", path(party, room, "/state"), undefined, token)).status;
		const since = path(party, room, "/changes?since=2020-01-01T00:00:00Z");
		const changes = (await ask(locked, "GET", since, undefined, token)).status;
		const put = (await ask(locked, "PUT", path(party, room, "/fields/theme"), { value: "dark" }, token)).status;
		return [said, greeted, state, changes, put];
	};
	const [came, kept] = [
		[101, 101, 200, 200, 200],
		[4403, 4403, 403, 403, 403],
	];
	const owner = await of({ rooms: undefined });
	assert.deepEqual(await ways("own", "alice", owner), came);
	assert.deepEqual(await ways("own", "bob", owner), kept);
	assert.deepEqual(await ways("own", "bob", await of({ role: "moderator" })), kept);
	assert.deepEqual(await ways("own", "bob", await of({ role: "admin" })), came);
	assert.deepEqual(await ways("own", "bob", await of({ role: "admin", rooms: ["order/*"] })), kept);
	assert.deepEqual(await ways("shared", "alice", owner), came);
	assert.deepEqual(await ways("shared", "team", await of()), came);
	assert.deepEqual(await ways("shared", "team", owner), kept);
	assert.deepEqual(await ways("order", "alice", owner), kept);
});

test("K7 U3 a kind is read by any token that counts, and a tag says whether it changed", async () => {
	const outsider = await of({ role: "viewer", rooms: [] });
	assert.equal((await ask(locked, "GET", "/kinds/order")).status, 401);
	const { status, etag, body } = await ask(locked, "GET", "/kinds/order", undefined, outsider);
	assert.deepEqual([status, body.version, body.fields.status.write], [200, 3, ["editor"]]);
	assert.deepEqual(body.fields.rate.write, ["claim:service=pricing", "admin"]);
	assert.equal(body.lenses.length, 2);
	assert.match(etag ?? "", /^"[0-9a-f]+"$/);
	const headers = { ...bearer(outsider), "if-none-match": etag ?? "" };
	assert.equal((await locked.get("/kinds/order", { headers })).status, 304);
	const openKind = await ask(open, "GET", "/kinds/collaboration");
	assert.deepEqual([openKind.status, openKind.body], [200, { version: 0, others: "any" }]);
	for (const [method, at, status, code] of [
		["GET", "/kinds/nothing", 404, "unknown_party"],
		["GET", "/kinds", 404, "not_found"],
		["GET", "/kinds/order/x", 404, "not_found"],
		["POST", "/kinds/order", 405, "method_not_allowed"],
		["GET", "/parties/nothing/x/state", 404, "unknown_party"],
	] as const) {
		const answer = await ask(open, method, at);
		assert.deepEqual([answer.status, answer.body.code], [status, code], `${method} ${at}`);
	}
});

test("K6 a stored room goes forward when it wakes, and a page or an outbox from before is known for what it is", async () => {
	const persist = mkdtempSync(join(tmpdir(), "roomkeep-kinds-"));
	const room = newRoom();
	const older = await serve({ kinds: "before", party: "order", persist });
	const line = new Line(older, "order", room);
	for (const [field, value] of Object.entries({ name: "A", status: "open", legacy: 1, "label/x": "y", price: 7 })) {
		assert.equal((await line.set(field, value, "ann")).type, "ack");
	}
	line.end();
	const { version, epoch } = await older.state(room);
	await older.close();
	const newer = await serve({ kinds: "rooms", party: "order", persist });
	try {
		const since = await ask(newer, "GET", path("order", room, `/changes?since=${version}&epoch=${epoch}`));
		const told = Object.fromEntries(
			since.body.changes.map((change: Frame) => [change.field, [change.selection?.value ?? null, change.via]]),
		);
		assert.deepEqual(told, {
			approved: [false, "lens"],
			"label/x": [null, "lens"],
			legacy: [null, "lens"],
			name: [null, "lens"],
			status: ["draft", "lens"],
			"tag/x": ["y", "lens"],
			title: ["A", "lens"],
		});
		// What does not fit stays, and the log says so.
		assert.equal((await newer.state(room)).selections.price.value, 7);
		assert.ok(
			newer.logs.some((line) => line.includes('the field "price"')),
			newer.logs.join("\n"),
		);
		const late = new Line(newer, "order", room);
		const clash = await late.set("name", "B", "ann", { kind: 1, baseVersion: 0 });
		assert.deepEqual([clash.type, clash.field], ["conflict", "title"]);
		assert.equal((await late.set("name", "B", "ann", { kind: 1, baseVersion: 1 })).type, "ack");
		assert.equal((await late.set("legacy", 2, "ann", { kind: 1 })).type, "ack");
		assert.deepEqual(await late.set("title", "C", "ann", { kind: 4 }).then(({ code, retry }) => [code, retry]), [
			"bad_message",
			true,
		]);
		const put = await ask(newer, "PUT", path("order", room, "/fields/status"), {
			userId: "ann",
			value: "open",
			kind: 2,
		});
		assert.deepEqual([put.status, put.body.selection.value, put.body.selection.kind], [200, "draft", undefined]);
		late.end();
		for (const [kind, code] of [
			[1, 4427],
			[2, 4427],
			[3, 101],
			[undefined, 101],
		] as const) {
			const page = new Line(newer, "order", room);
			const hello = { type: "hello", protocol: 1, clientId: `c${kind}`, ...(kind ? { kind } : {}) };
			const came = page.say(hello).then(() => page.frames.find(({ type }) => type === "welcome")?.kind);
			const met = await Promise.race([came, page.closed]);
			assert.deepEqual(met, code === 101 ? { party: "order", version: 3 } : { code, reason: "outdated" }, String(kind));
			page.end();
		}
	} finally {
		await newer.close();
	}
	// The older version does not know what to make of it, and leaves it as it is.
	const again = await serve({ kinds: "before", party: "order", persist });
	const refused = await ask(again, "GET", path("order", room, "/state"));
	assert.deepEqual([refused.status, refused.body.code], [503, "storage"]);
	await again.close();
	const whole = await serve({ kinds: "rooms", party: "order", persist });
	assert.equal((await whole.state(room)).selections.title.value, "B");
	await whole.close();
	rmSync(persist, { recursive: true });
});
