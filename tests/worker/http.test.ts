// Fields written over HTTP, and a client that has nothing but HTTP beside those with sockets.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Client, type Frame, Mirror, newRoom, Page, type Served, serve, sleep } from "./harness.ts";

let server: Served;
before(async () => {
	server = await serve();
});
after(() => server.close());

const path = (room: string, rest: string) => `/parties/collaboration/${encodeURIComponent(room)}/${rest}`;

interface Answer {
	status: number;
	type: string | null;
	body: Frame;
}

/** Writes a field and returns what came of it; `body` goes out as it is when it is no object. */
async function write(
	method: "PUT" | "DELETE",
	room: string,
	field: string,
	body: object | string | undefined,
	headers: Record<string, string> = {},
	to: Served = server,
): Promise<Answer> {
	const raw = typeof body === "string" || body instanceof Uint8Array || body === undefined;
	const init = { method, headers, body: raw ? (body as string | undefined) : JSON.stringify(body) };
	const response = await to.get(path(room, `fields/${field}`), init);
	const type = response.headers.get("content-type");
	return { status: response.status, type, body: await response.json() };
}

const put = (room: string, field: string, body: object | string, headers?: Record<string, string>, to?: Served) =>
	write("PUT", room, encodeURIComponent(field), body, headers, to);

test("H3 a PUT into a room that nobody is in is stored, and a DELETE clears it", async () => {
	const room = newRoom();
	const done = await put(room, "price", { value: { n: 1.5 }, userId: "ann", timestamp: 7, note: "x" });
	assert.deepEqual([done.status, done.type, done.body.version], [200, "application/json", 1]);
	const { updatedAt, ...selection } = done.body.selection;
	const expected = { field: "price", value: { n: 1.5 }, userId: "ann", timestamp: 7, version: 1, note: "x" };
	assert.deepEqual(selection, expected);
	assert.ok(Math.abs(updatedAt - Date.now()) < 5000);
	const before = await server.state(room);
	await server.evict(room);
	const state = await server.state(room);
	assert.deepEqual([state.version, state.epoch, state.participants], [1, before.epoch, []]);
	assert.deepEqual(state.selections, { price: done.body.selection });
	const cleared = await write("DELETE", room, "price?userId=ann&baseVersion=1", undefined);
	assert.deepEqual([cleared.status, cleared.body], [200, { version: 2, selection: null }]);
	const absent = await write("DELETE", room, "price", { userId: "ann" });
	assert.deepEqual([absent.status, absent.body], [200, { version: 2, selection: null }], "not counted");
	assert.deepEqual((await server.state(room)).selections, {});
});

test("H3 S4 a write that comes too late is 409 with all there is to know, and changes nothing", async () => {
	const room = newRoom();
	await put(room, "f", { value: 1, userId: "ann", baseVersion: 0 });
	await put(room, "f", { value: 2, userId: "ben", baseVersion: 1 });
	const late = await put(room, "f", { value: 3, userId: "ann", baseVersion: 1 });
	const { detail, current, ...members } = late.body;
	assert.deepEqual([late.status, late.type, current.value], [409, "application/problem+json", 2]);
	assert.deepEqual(members, {
		title: "Conflict",
		status: 409,
		code: "E_CONFLICT",
		field: "f",
		clientVersion: 1,
		serverVersion: 2,
	});
	assert.ok(detail.length > 10);
	assert.equal((await write("DELETE", room, "f?userId=ann&baseVersion=1", undefined)).status, 409);
	assert.equal((await write("DELETE", room, "f", { userId: "ann", baseVersion: 1 })).status, 409);
	assert.equal((await write("DELETE", room, "f?userId=ann&baseVersion=2", undefined)).status, 200);
	const gone = await put(room, "f", { value: 4, userId: "ann", baseVersion: 2 });
	assert.deepEqual([gone.status, gone.body.serverVersion, gone.body.current], [409, 3, null]);
	assert.equal((await server.state(room)).version, 3);
	assert.equal((await put(room, "f", { value: 5, userId: "ann", baseVersion: 3 })).status, 200);
});

test("H3 S8 Y6 hello clients and plain pages hear of it at once", async () => {
	const room = newRoom();
	const plain = await Page.joined(server.host, room, "plain");
	const hello = await Client.greeted(server.host, room, "hello");
	const done = await put(room, "f", { value: 1, userId: "ann" });
	const frame = await plain.next("field_selected");
	assert.deepEqual(frame, { type: "field_selected", version: 2, selection: done.body.selection });
	assert.deepEqual((await hello.next("changes")).changes[0].selection, done.body.selection);
	// The page's own user is one like any other here: what comes over HTTP is told to every socket.
	await write("DELETE", room, "f?userId=plain", undefined);
	const cleared = { type: "field_cleared", field: "f", userId: "plain", version: 3 };
	assert.deepEqual(await plain.next("field_cleared"), cleared);
	await hello.until(() => hello.mirror.version === 3, "the clearing");
	assert.deepEqual([hello.mirror.known(), hello.mirror.gaps], [Mirror.of(await server.state(room)), []]);
	for (const peer of [plain, hello]) peer.leave();
});

test("H3 E1 E2 an outbox goes over from the socket to HTTP and back, and nothing is done twice", async () => {
	const room = newRoom();
	const alice = await Client.greeted(server.host, room, "alice");
	const plain = await Page.joined(server.host, room, "plain");
	const over = (seq: number, field: string, value: unknown, more: object = {}) =>
		put(room, field, { value, userId: "alice", clientId: "alice", seq, ...more });
	alice.set(1, "f", "one");
	assert.equal((await alice.next("ack")).version, 2);
	const first = await over(1, "f", "one");
	assert.deepEqual([first.status, first.body.version, first.body.duplicate], [200, 2, true]);
	const second = await over(2, "f", "two");
	assert.deepEqual([second.status, second.body.version, "duplicate" in second.body], [200, 3, false]);
	alice.set(2, "f", "two");
	assert.deepEqual(await alice.next("ack"), { type: "ack", seq: 2, version: 3, duplicate: true });
	// A conflict is recorded as well, and told again on either way.
	await put(room, "f", { value: "ben's", userId: "ben" });
	const late = await over(3, "f", "late", { baseVersion: 3 });
	assert.deepEqual([late.status, late.body.code, "duplicate" in late.body], [409, "E_CONFLICT", false]);
	alice.set(3, "f", "late", { baseVersion: 3 });
	const conflict = await alice.next("conflict");
	assert.deepEqual([conflict.seq, conflict.duplicate, conflict.current.value], [3, true, "ben's"]);
	assert.deepEqual((await over(3, "f", "late", { baseVersion: 3 })).body.duplicate, true);
	const query = "f?userId=alice&clientId=alice&seq=4";
	assert.equal((await write("DELETE", room, query, undefined)).body.version, 5);
	alice.send({ type: "field_cleared", field: "f", userId: "alice", seq: 4 });
	assert.equal((await alice.until(() => alice.all("ack")[2], "the clearing's ack")).duplicate, true);

	const reused = await over(2, "f", "another");
	assert.deepEqual([reused.status, reused.body.code], [422, "seq_reused"]);
	const early = await over(9, "f", "early");
	assert.deepEqual([early.status, early.body.code, early.body.expected], [409, "out_of_order", 5]);
	const other = await put(room, "f", { value: 1, userId: "mallory", clientId: "alice", seq: 5 });
	assert.deepEqual([other.status, other.body.code], [403, "identity_mismatch"]);
	const lone = await put(room, "f", { value: 1, userId: "alice", seq: 5 });
	assert.deepEqual([lone.status, lone.body.code], [400, "bad_message"]);
	// What lies in the content is recorded too, so the outbox goes on behind it.
	assert.equal((await over(5, "f".repeat(200), 1)).status, 413);
	assert.equal((await over(5, "f".repeat(200), 1)).body.duplicate, true);
	const same = await Promise.all(Array.from({ length: 20 }, () => over(6, "g", "once")));
	assert.deepEqual(new Set(same.map(({ status, body }) => `${status} ${body.version}`)), new Set(["200 6"]));
	assert.equal(same.filter(({ body }) => !body.duplicate).length, 1);
	await server.evict(room);
	assert.equal((await over(6, "g", "once")).body.duplicate, true);
	const values = (await plain.sync()) && plain.all("field_selected").map((frame) => frame.selection.value);
	assert.deepEqual(values, ["one", "two", "ben's", "once"]);
	assert.deepEqual([alice.mirror.known(), alice.mirror.gaps], [Mirror.of(await server.state(room)), []]);
	for (const peer of [alice, plain]) peer.leave();
});

test("H3 an Idempotency-Key makes a repeated request harmless: one a user, over sleep, and for one content", async () => {
	const room = newRoom();
	const keyed = (value: unknown, userId: string, more: object = {}) =>
		put(room, "f", { value, userId, ...more }, { "idempotency-key": "k1" });
	const same = await Promise.all(Array.from({ length: 10 }, () => keyed(1, "ann")));
	assert.deepEqual(new Set(same.map(({ status, body }) => `${status} ${body.version}`)), new Set(["200 1"]));
	assert.equal(same.filter(({ body }) => body.duplicate).length, 9);
	assert.equal((await keyed(1, "ben")).body.version, 2, "another user's key is another key");
	await server.evict(room);
	const again = await keyed(1, "ann");
	assert.deepEqual([again.status, again.body.version, again.body.duplicate], [200, 1, true]);
	assert.equal(again.body.selection.userId, "ben", "what the field holds is told as it stands");
	const other = await keyed(2, "ann");
	assert.deepEqual([other.status, other.type], [422, "application/problem+json"]);
	assert.equal(other.body.code, "idempotency_key_reused");
	const cleared = await write("DELETE", room, "f?userId=ann", undefined, { "idempotency-key": "k1" });
	assert.equal(cleared.status, 422);
	const late = () => put(room, "f", { value: 3, userId: "ann", baseVersion: 1 }, { "idempotency-key": "k2" });
	assert.deepEqual([(await late()).status, (await late()).body.duplicate], [409, true]);
	for (const key of [" ", "k".repeat(257)]) {
		const refused = await put(room, "f", { value: 1, userId: "ann" }, { "idempotency-key": key });
		assert.deepEqual([refused.status, refused.body.code], [400, "bad_message"], key);
	}
	assert.equal((await server.state(room)).version, 2);
});

test("H3 E1 an Idempotency-Key beside a clientId without a number leaves the outbox alone", async () => {
	const room = newRoom();
	const keyed = (value: number, key: string) =>
		put(room, "f", { value, userId: "ann", clientId: "ann" }, { "idempotency-key": key });
	assert.deepEqual([(await keyed(1, "k1")).status, (await keyed(2, "k2")).status], [200, 200]);
	assert.deepEqual([(await keyed(2, "k2")).body.duplicate, (await keyed(3, "k2")).status], [true, 422]);
	const ann = await Client.greeted(server.host, room, "ann");
	assert.equal((await ann.next("welcome")).lastSeq, 0);
	ann.set(1, "f", "numbered");
	assert.equal((await ann.next("ack")).version, 3);
	ann.leave();
});

test("H3 U2 a field's name is percent-decoded once, whatever is in it", async () => {
	const room = newRoom();
	const names = ["a/b", "a%2Fb", "100 %", "grüße", "日本語", "😀", 'q"u\\o', "a?b#c&d=e", " ", "__proto__", "..."];
	for (const [i, name] of names.entries()) {
		const done = await put(room, name, { value: i, userId: "ann" });
		assert.deepEqual([done.status, done.body.selection.field], [200, name]);
		const query = `${encodeURIComponent(name)}?userId=ann&baseVersion=${i + 2}`;
		const conflict = await write("DELETE", room, query, undefined);
		assert.deepEqual([conflict.status, conflict.body.field], [409, name]);
	}
	// Read as text: an object in JavaScript would lose `__proto__`.
	const text = await (await server.get(path(room, "state"))).text();
	for (const name of names) assert.ok(text.includes(`${JSON.stringify(name)}:{"field":`), name);
	const query = `${encodeURIComponent("grüße/&?")}?userId=${encodeURIComponent("jürgen & co")}`;
	assert.equal((await write("DELETE", room, query, undefined)).status, 200);
	for (const nothing of ["", "%ff", "%", "a/b", "."]) {
		assert.deepEqual((await write("DELETE", room, nothing, { userId: "ann" })).body.code, "not_found", nothing);
	}
	const long = await put(room, "ä".repeat(65), { value: 1, userId: "ann" });
	assert.deepEqual([long.status, long.body.code], [413, "limit_name"]);
});

test("H3 H5 F1 a body that is rubbish or too large is refused, and nothing changes", async () => {
	const room = newRoom();
	await put(room, "f", { value: "kept", userId: "ann" });
	const before = await server.state(room);
	const deep = `{"userId":"ann","value":${"[".repeat(200)}${"]".repeat(200)}}`;
	const bodies: [string | Uint8Array, number, string][] = [
		["", 400, "bad_message"],
		["null", 400, "bad_message"],
		["[]", 400, "bad_message"],
		["{", 400, "bad_message"],
		['{"value":1}', 400, "bad_message"],
		['{"userId":"ann"}', 400, "bad_message"],
		['{"value":1,"userId":""}', 400, "bad_message"],
		['{"value":1,"userId":5}', 400, "bad_message"],
		['{"value":1,"value":2,"userId":"ann"}', 400, "bad_message"],
		['{"value":"\\ud800","userId":"ann"}', 400, "bad_message"],
		['{"value":1,"userId":"ann","baseVersion":-1}', 400, "bad_message"],
		['{"value":1,"userId":"ann","baseVersion":"1"}', 400, "bad_message"],
		['{"value":1,"userId":"ann","timestamp":"now"}', 400, "bad_message"],
		['{"value":1,"userId":"ann","clientId":"c","seq":0}', 400, "bad_message"],
		['{"value":1,"userId":"ann","clientId":"c","seq":"1"}', 400, "bad_message"],
		['{"value":1,"userId":"ann","clientId":""}', 400, "bad_message"],
		[new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), 400, "bad_message"],
		[deep, 413, "limit_depth"],
		[JSON.stringify({ value: 1, userId: "u".repeat(256) }), 413, "limit_name"],
		[JSON.stringify({ value: "x".repeat(33_000), userId: "ann" }), 413, "limit_value"],
		[JSON.stringify({ value: "x".repeat(70_000), userId: "ann" }), 413, "limit_message"],
		[JSON.stringify({ value: "x".repeat(3_000_000), userId: "ann" }), 413, "limit_message"],
	];
	for (const [body, status, code] of bodies) {
		const refused = await put(room, "f", body as string);
		const name = String(body).slice(0, 60);
		assert.deepEqual([refused.status, refused.type], [status, "application/problem+json"], name);
		assert.deepEqual([refused.body.status, refused.body.code], [status, code], name);
		assert.doesNotMatch(refused.body.detail, /src\/|\.rs|wasm|panic|stack/i);
	}
	for (const query of ["", "?userId=", "?userId=ann&baseVersion=x", "?userId=ann&seq=1", "?userId=ann&baseVersion="]) {
		const refused = await write("DELETE", room, `f${query}`, undefined);
		assert.deepEqual([refused.status, refused.body.code], [400, "bad_message"], query);
	}
	assert.deepEqual({ ...(await server.state(room)), time: 0 }, { ...before, time: 0 });
	// The type of the body is not asked for: a form cannot say anything that a PUT may not.
	const plain = await put(room, "f", '{"value":1,"userId":"ann"}', { "content-type": "text/plain" });
	assert.equal(plain.status, 200);
});

test("H3 H5 other methods on a field, preflights and headers for pages of other origins", async () => {
	const room = newRoom();
	const field = path(room, "fields/f");
	const refused = await server.get(field, { method: "PATCH" });
	assert.deepEqual([refused.status, refused.headers.get("allow")], [405, "GET, HEAD, PUT, POST, DELETE"]);
	const headers = { origin: "https://a.example", "access-control-request-method": "PUT" };
	const closed = await serve({ vars: { ALLOW_ANONYMOUS: "false" } });
	for (const from of [server, closed]) {
		for (const rest of ["fields/f", "state", "changes", "events"]) {
			const response = await from.get(path(room, rest), { method: "OPTIONS", headers });
			assert.deepEqual([response.status, await response.text()], [204, ""], rest);
			assert.equal(response.headers.get("access-control-allow-origin"), "*");
			assert.match(response.headers.get("access-control-allow-methods") ?? "", /PUT, PATCH, POST, DELETE/);
			assert.match(response.headers.get("access-control-allow-headers") ?? "", /content-type.*idempotency-key/);
		}
	}
	assert.equal((await put(room, "f", { value: 1, userId: "ann" }, {}, closed)).status, 503);
	await closed.close();
	const done = await server.get(field, { method: "PUT", body: '{"value":1,"userId":"ann"}' });
	assert.equal(done.headers.get("access-control-allow-origin"), "*");
	assert.equal(done.headers.get("cache-control"), "no-cache");
	await done.body?.cancel();
});

test("S7 H3 a write that storage refused is 503 and is done once when it is sent again", async () => {
	const faulty = await serve({ faults: true });
	const room = newRoom();
	const alice = await Client.greeted(faulty.host, room, "alice");
	const over = (seq: number) => {
		const body = { value: seq, userId: "alice", clientId: "alice", seq };
		return put(room, "f", body, {}, faulty);
	};
	assert.equal((await over(1)).status, 200);
	alice.send({ fault: "fail_commit" });
	await alice.next("armed");
	const failed = await over(2);
	assert.deepEqual([failed.status, failed.type, failed.body.code], [503, "application/problem+json", "storage"]);
	assert.equal((await faulty.state(room)).selections.f.value, 1);
	assert.deepEqual((await over(2)).body.version, 2);
	assert.deepEqual((await over(2)).body.duplicate, true);
	alice.send({ fault: "fail_commit" });
	await alice.next("armed");
	const keyed = () => put(room, "f", { value: 3, userId: "alice" }, { "idempotency-key": "k" }, faulty);
	assert.equal((await keyed()).status, 503);
	const done = await keyed();
	assert.deepEqual([done.status, done.body.version, "duplicate" in done.body], [200, 3, false]);
	await alice.until(() => alice.mirror.version === 3, "all");
	assert.deepEqual([alice.mirror.known(), alice.mirror.gaps], [Mirror.of(await faulty.state(room)), []]);
	alice.leave();
	await faulty.close();
});

test("S6 H5 what is under way while a room panics is done or answered with a problem", async () => {
	const faulty = await serve({ faults: true });
	const room = newRoom();
	const alice = await Client.greeted(faulty.host, room, "alice");
	for (let round = 0; round < 5; round += 1) {
		const many = (from: number) =>
			Array.from({ length: 20 }, async (_, i) => {
				const body = JSON.stringify({ value: from + i, userId: "ann" });
				const response = await faulty.get(path(room, `fields/f${i}`), { method: "PUT", body });
				return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
			});
		const answers = many(0);
		await sleep(round * 2);
		alice.send({ fault: "panic" });
		answers.push(...many(20));
		for (const { status, type, text } of await Promise.all(answers)) {
			if (status === 200) continue;
			assert.deepEqual([status >= 500, type], [true, "application/problem+json"], text);
			assert.match(JSON.parse(text).code, /^(internal|unavailable)$/);
		}
	}
	const state = await faulty.state(room);
	await alice.until(() => alice.mirror.version === state.version, "all");
	assert.deepEqual([alice.mirror.known(), alice.mirror.gaps], [Mirror.of(state), []]);
	alice.leave();
	await faulty.close();
});

test("H2 H3 a client that only polls and PUTs has the same state as one on a socket, and nothing twice", async () => {
	const room = newRoom();
	const watcher = await Page.joined(server.host, room, "watcher");
	const socket = await Client.greeted(server.host, room, "socket");
	const mirror = new Mirror();
	const poll = async () => {
		const { since, epoch } = mirror.since;
		const response = await server.get(path(room, `changes?since=${since}${epoch && `&epoch=${epoch}`}`));
		const page = (await response.json()) as Frame;
		if (mirror.epoch === "") mirror.epoch = page.epoch;
		mirror.take(page);
	};
	const writes = 40;
	let conflicts = 0;
	const polling = async () => {
		for (let seq = 1; seq <= writes; seq += 1) {
			const field = seq % 2 === 0 ? "shared" : "polled";
			const baseVersion = seq % 3 === 0 ? { baseVersion: mirror.versions[field] ?? 0 } : {};
			const body = { value: `p${seq}`, userId: "poller", clientId: "poller", seq, ...baseVersion };
			// Some answers are late, and the request is made again meanwhile.
			const answers = await Promise.all(Array.from({ length: seq % 4 === 0 ? 2 : 1 }, () => put(room, field, body)));
			assert.equal(new Set(answers.map(({ status }) => status)).size, 1);
			assert.equal(answers.filter(({ body }) => !body.duplicate).length, 1);
			if (answers[0]?.status === 409) conflicts += 1;
			else assert.equal(answers[0]?.status, 200);
			await poll();
		}
	};
	const sending = async () => {
		for (let seq = 1; seq <= writes; seq += 1) {
			socket.set(seq, seq % 2 === 0 ? "shared" : "sent", `s${seq}`);
			await socket.until(() => socket.all("ack").at(-1)?.seq === seq, "the ack");
			if (seq === writes / 2) await server.evict(room);
		}
	};
	await Promise.all([polling(), sending()]);
	await poll();
	const state = await server.state(room);
	await socket.until(() => socket.mirror.version === state.version, "all");
	assert.deepEqual([mirror.known(), mirror.gaps], [Mirror.of(state), []]);
	assert.deepEqual([socket.mirror.known(), socket.mirror.gaps], [Mirror.of(state), []]);
	await watcher.sync();
	const values = watcher.all("field_selected").map((frame) => frame.selection.value);
	assert.deepEqual([values.length, new Set(values).size], [2 * writes - conflicts, 2 * writes - conflicts]);
	assert.equal(state.version, values.length + 1, "the watcher's joining was the first");
	for (const peer of [watcher, socket]) peer.leave();
});

test("H1 H2 the ETag is right in the moment after every write, whichever way it came", async () => {
	const room = newRoom();
	const alice = await Client.greeted(server.host, room, "alice");
	const ask = (rest: string, tag: string) => server.get(path(room, rest), { headers: { "if-none-match": tag } });
	let tag = (await server.get(path(room, "state"))).headers.get("etag") ?? "";
	for (let i = 1; i <= 10; i += 1) {
		if (i % 2 === 0) {
			await put(room, "f", { value: i, userId: "ann" });
		} else {
			alice.set((i + 1) / 2, "f", i);
			await alice.until(() => alice.all("ack").length === (i + 1) / 2, "the ack");
		}
		const [state, changes] = await Promise.all([ask("state", tag), ask(`changes?since=${i - 1}`, tag)]);
		assert.deepEqual([state.status, changes.status], [200, 200]);
		assert.equal(((await state.json()) as Frame).selections.f.value, i);
		assert.equal(((await changes.json()) as Frame).changes[0].selection.value, i);
		const next = state.headers.get("etag") ?? "";
		assert.equal(changes.headers.get("etag"), next);
		assert.notEqual(next, tag);
		assert.equal((await ask("state", next)).status, 304);
		// What was refused or done before made nothing new.
		assert.equal((await put(room, "f", { value: 0, userId: "ann", baseVersion: 0 })).status, 409);
		assert.equal((await ask(`changes?since=${i}`, next)).status, 304);
		tag = next;
	}
	alice.leave();
});

test("H3 If-Match and If-None-Match guard a field by the tag of what it holds", async () => {
	const room = newRoom();
	const call = async (method: string, headers: Record<string, string>) => {
		const response = await server.get(path(room, "fields/f"), { method, headers, body: '{"value":1,"userId":"ann"}' });
		const { code, version } = (await response.json()) as Frame;
		return { outcome: `${response.status} ${code ?? version}`, tag: response.headers.get("etag") ?? "none" };
	};
	const first = await call("PUT", { "if-none-match": "*" });
	const { epoch } = await server.state(room);
	assert.deepEqual(first, { outcome: "200 1", tag: `"${epoch}-1"` });
	assert.deepEqual(await call("PUT", { "if-none-match": "*" }), { ...first, outcome: "412 precondition_failed" });
	await server.evict(room);
	const second = await call("PUT", { "if-match": `W/${first.tag}, "x"` });
	assert.equal(second.outcome, "200 2");
	for (const method of ["PUT", "DELETE"]) {
		assert.deepEqual(await call(method, { "if-match": first.tag }), { ...second, outcome: "412 precondition_failed" });
		assert.equal((await call(method, { "if-match": "no tag" })).outcome, "400 bad_message");
	}
	assert.deepEqual(await call("DELETE", { "if-match": second.tag }), { outcome: "200 3", tag: "none" });
	assert.deepEqual(await call("DELETE", { "if-match": "*" }), { outcome: "412 precondition_failed", tag: "none" });
	assert.equal((await server.state(room)).version, 3);
});

test("H3 H5 a compressed body is 415 and says what is taken", async () => {
	const room = newRoom();
	const zipped = gzipSync('{"value":1,"userId":"ann"}');
	const init = { method: "PUT", body: zipped, headers: { "content-encoding": "gzip" } };
	const refused = await server.get(path(room, "fields/f"), init);
	assert.deepEqual([refused.status, refused.headers.get("accept-encoding")], [415, "identity"]);
	assert.equal(((await refused.json()) as Frame).code, "unsupported_encoding");
	assert.equal((await put(room, "f", { value: 1, userId: "ann" }, { "content-encoding": "identity" })).status, 200);
});

test("H2 a time whose plus was not escaped is a time", async () => {
	const room = newRoom();
	await put(room, "f", { value: 1, userId: "ann" });
	for (const [time, count] of [
		[Date.now() - 60_000, 1],
		[Date.now() + 60_000, 0],
	] as const) {
		const since = new Date(time).toISOString().replace("Z", "+00:00");
		const page = (await (await server.get(path(room, `changes?since=${since}`))).json()) as Frame;
		assert.equal(page.changes.length, count);
	}
});

test("A7 preflights allow what tracing and libraries add to requests", async () => {
	const { headers } = await server.get(path(newRoom(), "fields/f"), { method: "OPTIONS" });
	const allowed = headers.get("access-control-allow-headers")?.split(", ") ?? [];
	const added = ["traceparent", "baggage", "sentry-trace", "cache-control", "x-requested-with", "if-match"];
	assert.deepEqual(
		added.filter((name) => !allowed.includes(name)),
		[],
	);
});
