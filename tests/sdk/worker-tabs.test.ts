// Tabs that share an outbox, pages that end before they could send, and the service worker that does it for them.

import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { indexedDbStorage, type RoomClient } from "../../packages/sdk/src/index.ts";
import { sendOnSync, sendPending } from "../../packages/sdk/src/service-worker.ts";
import type { Outcome } from "../../packages/sdk/src/types.ts";
import { newRoom, type Served, serve } from "../worker/harness.ts";
import {
	applied,
	closeAll,
	converged,
	enter,
	eventually,
	held,
	isPolling,
	isSynced,
	make,
	told,
	until,
	values,
	witness,
} from "./worker-client.ts";
import { fileStorage } from "./worker-crash.ts";
import { Net } from "./worker-net.ts";

let server: Served;
const folder = mkdtempSync(join(tmpdir(), "roomkeep-"));
before(async () => {
	server = await serve();
});
after(async () => {
	closeAll();
	await server.close();
	rmSync(folder, { recursive: true });
});

const numbered = (net: Net) => net.sent.filter(({ seq }) => seq !== undefined);

let databases = 0;

/** Two tabs of ann's, of which the first leads, and bob. */
async function tabs() {
	const room = newRoom();
	const database = `tabs ${++databases}`;
	const nets = [new Net(), new Net()] as const;
	const open = async (net: Net) => enter(server, room, "ann", { ...net.options, storage: indexedDbStorage(database) });
	const [first, second] = [await open(nets[0]), await open(nets[1])];
	const bob = await enter(server, room, "bob");
	return { room, database, nets, first, second, bob };
}

/** Runs a script of its own, which may import the package's sources, and gives what it printed. */
function script(text: string): Promise<{ output: string; signal: string | null; ms: number }> {
	const began = Date.now();
	const sources = `const source = (name) => import(${JSON.stringify(new URL("../../", import.meta.url).href)} + name);\n`;
	return new Promise((resolve, reject) => {
		const args = ["--no-warnings", "--input-type=module", "-e", sources + text];
		const child = execFile(process.execPath, args, { timeout: 60_000 }, (error, stdout, stderr) => {
			const { signal = null } = (error ?? {}) as { signal?: string };
			if (error && !stdout.includes("crash")) reject(new Error(`${error} ${stderr}`));
			else resolve({ output: stdout, signal, ms: Date.now() - began });
		});
		child.stdin?.end();
	});
}

describe("tabs that share an outbox", { concurrency: true }, () => {
	test("E1: one tab sends for both, and each promise settles where it was made", async () => {
		const { room, nets, first, second, bob } = await tabs();
		assert.equal(first.getSnapshot().persistence, "durable");
		const version = applied(
			await second.select("price", 1).then((outcome) => {
				assert.equal(values(second).price, 1);
				assert.equal(second.getSnapshot().pendingCount, 0);
				return outcome;
			}),
		);
		assert.equal(second.getSnapshot().selections.price?.version, version);
		applied(await first.select("note", "x"));
		assert.deepEqual([numbered(nets[0]).length, numbered(nets[1]).length], [2, 0]);
		nets[0].block();
		const all = [second.select("a", 1), first.select("b", 2), second.clear("note"), second.request("finish")];
		await eventually(() => first.pending().length === 4 && second.pending().length === 4, "both to list it all");
		const keys = (client: RoomClient) => client.pending().map(({ key, fields }) => [key, fields]);
		assert.deepEqual(keys(first).toSorted(), keys(second).toSorted());
		nets[0].heal();
		for (const outcome of await Promise.all(all)) applied(outcome);
		assert.ok((await all[3])?.requestId);
		assert.deepEqual(await converged(server, room, first, second, bob), { price: 1, a: 1, b: 2 });
		assert.equal(numbered(nets[1]).length, 0);
		const { participants } = await server.state(room);
		assert.equal(participants.find(({ id }: { id: string }) => id === "ann").connections, 2);
	});

	test("E1, E5: the leading tab closes with changes under way, and the other one goes on under the same name", async () => {
		const { room, nets, first, second, bob } = await tabs();
		const log = await witness(server, room);
		applied(await first.select("price", 0));
		nets[0].incoming = (frame) => (frame.type === "ack" ? [] : [frame]);
		const mine = second.select("price", "second");
		const theirs = first.select("note", "first");
		await until(bob, () => values(bob).price === "second" && values(bob).note === "first", "to see both");
		first.close();
		applied(await mine);
		// Its own promise waits for whoever sends it.
		applied(await theirs);
		assert.deepEqual([told(log, "second"), told(log, "first")], [1, 1]);
		const [{ clientId }] = nets[0].all("hello");
		assert.equal(nets[1].all("hello").at(-1).clientId, clientId);
		applied(await second.select("price", "third"));
		assert.deepEqual(await converged(server, room, second, bob), { price: "third", note: "first" });
		nets[0].heal();
		first.connect();
		await until(first, isSynced, "to be synced");
		applied(await first.select("price", "fourth"));
		assert.deepEqual(await converged(server, room, first, second, bob), { price: "fourth", note: "first" });
		log.leave();
	});

	test("S4: both tabs see a conflict, and one decides it for both", async () => {
		const { room, nets, first, second, bob } = await tabs();
		applied(await bob.select("price", 0));
		await until(second, () => values(second).price === 0, "to see the price");
		const seen: string[] = [];
		first.on("conflict", () => seen.push("first"));
		second.on("conflict", () => seen.push("second"));
		nets[0].block();
		const late = second.select("price", "mine");
		applied(await bob.select("price", "theirs"));
		nets[0].heal();
		assert.equal((await late).outcome, "conflict");
		await eventually(() => seen.length === 2, "both to be told");
		for (const tab of [first, second]) {
			const { conflicts } = tab.getSnapshot();
			assert.deepEqual([conflicts.length, conflicts[0]?.mine.value, conflicts[0]?.theirs.value], [1, "mine", "theirs"]);
		}
		applied(await first.resolve("price", "mine"));
		for (const tab of [first, second]) await until(tab, ({ conflicts }) => conflicts.length === 0, "to see it decided");
		assert.deepEqual(await converged(server, room, first, second, bob), { price: "mine" });
	});

	test("what one tab sends the other cannot drop, and what waits it can", async () => {
		const { room, nets, first, second, bob } = await tabs();
		nets[0].block();
		const late = first.select("a", 1);
		const kept = first.select("b", 1);
		const key = await eventually(() => second.pending()[0]?.key, "the other to list it");
		assert.equal(await second.drop(key), true);
		assert.deepEqual(await late, { outcome: "withdrawn" });
		nets[0].heal();
		applied(await kept);
		assert.deepEqual(await converged(server, room, first, second, bob), { b: 1 });
	});

	test("the second tab polls when it has to, and the one that leads sends for it", async () => {
		const { room, nets, first, second, bob } = await tabs();
		nets[1].noSockets = true;
		nets[1].cut();
		await until(second, isPolling, "to poll");
		applied(await second.select("price", 1));
		assert.ok(nets[1].asked.every(({ method }) => method === "GET"));
		first.close();
		applied(await second.select("price", 2));
		assert.ok(nets[1].asked.some(({ method, body }) => method === "PUT" && body.clientId));
		assert.deepEqual(await converged(server, room, bob), { price: 2 });
	});

	test("a tab that is opened and closed many times in a row is there once, and lets others lead", async () => {
		const { room, nets, first, second, bob } = await tabs();
		for (const tab of [first, second, first, first, second]) {
			tab.close();
			tab.connect();
			tab.close();
			tab.connect();
		}
		for (const tab of [first, second]) applied(await tab.select("price", tab === first ? 1 : 2));
		first.close();
		applied(await second.select("price", 3));
		second.close();
		first.connect();
		applied(await first.select("price", 4));
		assert.deepEqual(await converged(server, room, first, bob), { price: 4 });
		const clients = new Set(nets.flatMap((net) => numbered(net)).map(({ seq }) => seq));
		assert.equal(clients.size, 4);
		await eventually(async () => {
			const { participants } = await server.state(room);
			return participants.find(({ id }: { id: string }) => id === "ann").connections === 1;
		}, "one connection to be left");
	});

	test("what both tabs type into one field is sent in order, and both are told", async () => {
		const { room, first, second, bob } = await tabs();
		const all: Promise<Outcome>[] = [];
		for (let i = 0; i < 4; i++) {
			all.push(first.select("price", `first ${i}`, { debounceMs: 50 }));
			await until(second, () => values(second).price === `first ${i}`, "to see it");
			all.push(second.select("price", `second ${i}`, { debounceMs: 50 }));
			await until(first, () => values(first).price === `second ${i}`, "to see it");
		}
		for (const outcome of await Promise.all(all)) applied(outcome);
		assert.deepEqual(await converged(server, room, first, second, bob), { price: "second 3" });
	});

	test("a tab that was never connected is sent for by the one that is", async () => {
		const { room, database, first, bob } = await tabs();
		const idle = make(server, room, "ann", { storage: indexedDbStorage(database) });
		applied(await idle.select("price", 1));
		assert.deepEqual(await converged(server, room, first, bob), { price: 1 });
	});

	test("a page that comes back has what it left: its changes, and a conflict that was not decided", async () => {
		const room = newRoom();
		const storage = () => indexedDbStorage(`pages ${room}`);
		const bob = await enter(server, room, "bob");
		const net = new Net();
		const ann = await enter(server, room, "ann", { ...net.options, storage: storage() });
		net.block();
		const late = ann.select("price", "mine");
		applied(await bob.select("price", "theirs"));
		net.heal();
		assert.equal((await late).outcome, "conflict");
		ann.close();
		void ann.select("note", "left");
		const again = new Net();
		again.block();
		const next = make(server, room, "ann", { ...again.options, storage: storage() });
		next.connect();
		await until(next, ({ conflicts, pendingCount }) => conflicts.length === 1 && pendingCount === 1, "to have it");
		assert.equal(values(next).note, "left");
		// Nothing of the room is known, and the decision is on top of what the conflict shows.
		const decided = next.resolve("price", "mine");
		again.heal();
		applied(await decided);
		assert.deepEqual(await converged(server, room, next, bob), { price: "mine", note: "left" });
	});

	test("E1, E5: a process that is killed with changes under way, and the next one sends them once", async () => {
		const room = newRoom();
		const log = await witness(server, room);
		const path = join(folder, `${room}.json`);
		const { signal } = await script(`
			const { RoomClient } = await source("packages/sdk/src/index.ts");
			const { fileStorage, Net } = await source("tests/sdk/worker-crash.ts");
			const net = new Net();
			const user = { id: "ann", name: "Ann" };
			const storage = fileStorage(${JSON.stringify(path)});
			const ann = new RoomClient({ host: "${server.host}", room: "${room}", user, storage, ...net.options });
			ann.connect();
			await ann.select("price", "first");
			net.incoming = (frame) => {
				if (frame.type !== "ack") return [frame];
				console.log("crash");
				process.kill(process.pid, "SIGKILL");
				return [];
			};
			ann.select("price", "second");
			ann.select("note", "x");
		`);
		assert.equal(signal, "SIGKILL");
		const bob = await enter(server, room, "bob");
		await until(bob, () => values(bob).price === "second", "to see what was under way");
		applied(await bob.select("price", "theirs"));
		const ann = make(server, room, "ann", { storage: fileStorage(path) });
		ann.connect();
		await until(ann, (now) => isSynced(now) && now.pendingCount === 0, "to send what was left");
		assert.deepEqual(ann.getSnapshot().conflicts, []);
		assert.deepEqual(await converged(server, room, ann, bob), { price: "theirs", note: "x" });
		assert.deepEqual([told(log, "first"), told(log, "second"), told(log, "x")], [1, 1, 1]);
		log.leave();
	});

	test("a storage that fails is told of, and nothing is lost as long as the page lives", async () => {
		const room = newRoom();
		const codes: string[] = [];
		let isBroken = false;
		const kept = indexedDbStorage(`broken ${room}`);
		const ann = await enter(server, room, "ann", {
			storage: {
				isDurable: true,
				update: (...args) => (isBroken ? Promise.reject(new Error("The disk is full.")) : kept.update(...args)),
			},
		});
		ann.on("error", ({ code }) => codes.push(code));
		applied(await ann.select("price", 1));
		assert.equal(ann.getSnapshot().persistence, "durable");
		isBroken = true;
		applied(await ann.select("price", 2));
		assert.equal(ann.getSnapshot().persistence, "memory");
		assert.deepEqual(codes, ["storage_failed"]);
		assert.deepEqual(await converged(server, room, ann), { price: 2 });
	});

	test("where a page may neither store nor agree with other tabs, it is told so and still sends", async () => {
		const room = newRoom();
		const { output } = await script(`
			await source("node_modules/fake-indexeddb/auto/index.mjs");
			const { RoomClient } = await source("packages/sdk/src/index.ts");
			const refuse = () => {
				throw new DOMException("Access is denied.", "SecurityError");
			};
			indexedDB.open = refuse;
			navigator.locks.request = navigator.locks.query = async () => refuse();
			const user = { id: "ann", name: "Ann" };
			const ann = new RoomClient({ host: "${server.host}", room: "${room}", user });
			const codes = [];
			ann.on("error", ({ code }) => codes.push(code));
			ann.connect();
			const { outcome } = await ann.select("price", 1);
			console.log(outcome, ann.getSnapshot().persistence, codes);
			ann.close();
		`);
		assert.equal(output.trim(), "applied memory [ 'storage_failed' ]");
	});

	for (const storage of ["memory", "indexeddb"])
		test(`there is no DOM, and the process ends by itself after close(), with ${storage}`, async () => {
			const room = newRoom();
			const { output, ms } = await script(`
				${storage === "indexeddb" ? `await source("node_modules/fake-indexeddb/auto/index.mjs");` : ""}
				const { RoomClient } = await source("packages/sdk/src/index.ts");
				const options = { host: "${server.host}", room: "${room}", storage: "${storage}" };
				const ann = new RoomClient({ ...options, user: { id: "ann", name: "Ann" } });
				const bob = new RoomClient({ ...options, user: { id: "bob", name: "Bob" } });
				ann.connect();
				bob.connect();
				const { outcome } = await ann.select("price", 1);
				ann.setPresence(1);
				bob.select("note", 1);
				ann.close();
				bob.close();
				console.log(outcome, typeof document, typeof window);
			`);
			assert.equal(output.trim(), "applied undefined undefined");
			assert.ok(ms < 30_000, `it took ${ms} ms`);
		});
});

describe("the service worker", () => {
	/** What a closed page left. */
	async function left(room: string): Promise<void> {
		const net = new Net();
		const ann = await enter(server, room, "ann", { ...net.options, storage: "indexeddb" });
		net.block();
		void ann.select("price", 1);
		void ann.select("note", "x");
		await eventually(() => ann.pending().length === 2, "it to be kept");
		ann.close();
	}

	test("E1: what a closed page left is sent once, without the user being there", async () => {
		assert.equal(await sendPending(), 0);
		const rooms = [newRoom(), newRoom()];
		for (const room of rooms) await left(room);
		const log = await witness(server, rooms[0] as string);
		assert.equal(await sendPending(), 2);
		for (const room of rooms) assert.deepEqual(await held(server, room), { price: 1, note: "x" });
		assert.equal(await sendPending(), 0);
		assert.deepEqual([told(log, 1), told(log, "x")], [1, 1]);
		assert.deepEqual(log.all("user_joined"), []);
		log.leave();
	});

	test("it says so when something still is pending, and the event lasts as long as the sending", async () => {
		const room = newRoom();
		await left(room);
		await server.get(`/parties/collaboration/${encodeURIComponent(room)}/state`);
		const listeners: ((event: unknown) => void)[] = [];
		const net = new Net();
		// A token that is refused ends it at once.
		sendOnSync({ ...net.options }, { addEventListener: (_, listener) => listeners.push(listener) });
		const lasting: Promise<unknown>[] = [];
		const event = (tag: string) => ({ tag, waitUntil: (promise: Promise<unknown>) => lasting.push(promise) });
		const [listener] = listeners;
		assert.ok(listener);
		listener(event("another"));
		assert.equal(lasting.length, 0);
		net.incoming = (frame) => {
			if (frame.type === "welcome") void server.get(`/parties/collaboration/${room}`, { method: "DELETE" });
			return frame.type === "ack" ? [] : [frame];
		};
		listener(event("roomkeep"));
		await assert.rejects(lasting[0] as Promise<unknown>, /pending/);
		net.heal();
		listener(event("roomkeep"));
		await lasting[1];
		assert.deepEqual(await held(server, room), { price: 1, note: "x" });
	});

	test("Q1: what needs the user to be there is sent with the user there, and an open page sends it itself", async () => {
		const room = newRoom();
		const net = new Net();
		const ann = await enter(server, room, "ann", { ...net.options, storage: "indexeddb" });
		net.block();
		void ann.request("finish");
		await eventually(() => ann.pending().length === 1, "it to be kept");
		ann.close();
		assert.equal(await sendPending(), 1);
		assert.equal((await server.state(room)).requests.length, 1);
		const other = newRoom();
		const open = new Net();
		const page = await enter(server, other, "ann", { ...open.options, storage: "indexeddb" });
		open.incoming = (frame) => (frame.type === "ack" && frame.seq ? [] : [frame]);
		const chosen = page.select("price", 1);
		await eventually(() => numbered(open).length === 1, "it to be sent");
		const worker = new Net();
		const sending = sendPending(worker.options);
		await eventually(() => worker.all("hello").length > 0, "the worker to come");
		open.heal();
		open.cut();
		assert.equal(await sending, 1);
		applied(await chosen);
		assert.equal(numbered(worker).length, 0);
	});
});
