// What stands in for the world around a client: time that goes only when it is told to, sockets that a test opens,
// answers and breaks, and a page that may be hidden.

import assert from "node:assert/strict";
import { afterEach, beforeEach } from "node:test";
import { type Clock, install } from "@sinonjs/fake-timers";
import { RoomClient } from "../../packages/sdk/src/client.ts";
import type { RoomClientOptions } from "../../packages/sdk/src/types.ts";

export let clock: Clock;
/** What nobody caught. */
const uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);

/** Every test of the file has a clock of its own, and fails on a rejection that nobody handles. */
export function onVirtualTime(): void {
	beforeEach(() => {
		const toFake = ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] as const;
		clock = install({ now: 1_000_000, toFake: [...toFake] });
		process.on("unhandledRejection", note);
	});
	afterEach(async () => {
		// Rejections are told of when the microtasks are through.
		await clock.tickAsync(0);
		clock.uninstall();
		await new Promise(setImmediate);
		process.off("unhandledRejection", note);
		Reflect.deleteProperty(globalThis, "document");
		Reflect.deleteProperty(globalThis, "addEventListener");
		Reflect.deleteProperty(globalThis, "removeEventListener");
		assert.deepEqual(uncaught.splice(0), []);
	});
}

/** Lets time go by, and all that follows from it happen. */
export const pass = (milliseconds = 0) => clock.tickAsync(milliseconds);

/** Gives the globals of a page. */
export function page(): { window: EventTarget; document: EventTarget & { visibilityState: string } } {
	const window = new EventTarget();
	const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
	Object.assign(globalThis, {
		document,
		addEventListener: window.addEventListener.bind(window),
		removeEventListener: window.removeEventListener.bind(window),
	});
	return { window, document };
}

/** One socket, seen from the client's end as a WebSocket and from the test's as the room's end. */
export class ScriptedSocket extends EventTarget {
	readyState = 0;
	binaryType = "blob";
	bufferedAmount = 0;
	/** What the client closed it with. */
	closedWith: number | undefined;
	/** All that the client said and was not looked at. */
	readonly #said: string[] = [];
	readonly url: string;

	constructor(url: string) {
		super();
		this.url = url;
	}

	send(text: string): void {
		assert.equal(this.readyState, 1, "nothing is sent on a socket that is not open");
		this.#said.push(text);
	}

	close(code = 1000): void {
		if (this.readyState >= 2) return;
		this.closedWith = code;
		this.readyState = 2;
		queueMicrotask(() => this.end(code));
	}

	/** What the client said since the last call. */
	said(): any[] {
		return this.#said.splice(0).map((text) => (text === "ping" ? text : JSON.parse(text)));
	}

	async open(): Promise<void> {
		this.readyState = 1;
		this.dispatchEvent(new Event("open"));
		await pass();
	}

	/** The room says frames, or a text. */
	async say(...frames: (object | string)[]): Promise<void> {
		for (const frame of frames) {
			if (this.readyState !== 1) return;
			const data = typeof frame === "string" ? frame : JSON.stringify(frame);
			this.dispatchEvent(new MessageEvent("message", { data }));
		}
		await pass();
	}

	/** The room, or the network, ends it. */
	async end(code = 1006, reason = ""): Promise<void> {
		if (this.readyState === 3) return;
		this.readyState = 3;
		this.dispatchEvent(Object.assign(new Event("close"), { code, reason, wasClean: code !== 1006 }));
		await pass();
	}

	/** It cannot be opened: a browser tells an error and then the close. */
	async fail(): Promise<void> {
		this.readyState = 3;
		this.dispatchEvent(new Event("error"));
		await this.end();
		await pass();
	}
}

/** A WebSocket class, and the sockets that were made with it. */
export class Network {
	readonly sockets: ScriptedSocket[] = [];
	readonly WebSocket: unknown;

	constructor() {
		const { sockets } = this;
		this.WebSocket = class extends ScriptedSocket {
			constructor(url: string) {
				super(url);
				sockets.push(this);
			}
		};
	}

	/** The newest socket. */
	get last(): ScriptedSocket {
		const socket = this.sockets.at(-1);
		assert.ok(socket, "a socket was made");
		return socket;
	}

	/** How many sockets are neither closed nor being closed. */
	get live(): number {
		return this.sockets.filter(({ readyState }) => readyState < 2).length;
	}

	/** Waits for the next socket. Returns how long that took, in milliseconds. */
	async next(limit = 10_000): Promise<number> {
		const { length } = this.sockets;
		const since = Date.now();
		while (this.sockets.length === length) {
			assert.ok(Date.now() - since <= limit, `no attempt within ${limit} ms`);
			await pass(10);
		}
		return Date.now() - since;
	}
}

/** A client, and a room that is played to it. */
export class Stage {
	readonly network = new Network();
	readonly client: RoomClient<any>;
	/** All events, in their order. */
	readonly told: unknown[][] = [];
	/** What was asked over HTTP. */
	readonly asked: { method: string; path: string; body: any; headers: any }[] = [];
	/** What is answered over HTTP. Undefined: nobody is there. */
	answer: (path: string, method: string, body: any) => { status: number; body: object } | undefined = () => undefined;
	version = 0;
	epoch = "e";

	constructor(options: Partial<RoomClientOptions<any>> = {}) {
		this.client = new RoomClient({
			...{ host: "room.example", room: "r", user: { id: "ann", name: "Ann" }, storage: "memory" },
			WebSocket: this.network.WebSocket,
			fetch: this.#fetch,
			...options,
		});
		for (const event of ["status", "error", "synced", "conflict", "message"] as const)
			this.client.on(event, (...args: unknown[]) => this.told.push([event, ...(event === "synced" ? [] : args)]));
	}

	readonly #fetch = async (url: any, { method = "GET", body, headers }: any = {}) => {
		const path = `${url}`.replace("https://room.example/parties/collaboration/r", "");
		const sent = body === undefined ? undefined : JSON.parse(body);
		this.asked.push({ method, path, body: sent, headers });
		const answer = this.answer(path, method, sent);
		if (answer === undefined) throw new TypeError("fetch failed");
		return Response.json(answer.body, { status: answer.status });
	};

	get status(): string {
		return this.client.getSnapshot().status;
	}

	/** What was told since the last call. */
	heard(): unknown[][] {
		return this.told.splice(0);
	}

	/** What the client said of late, without pings and the frames that it begins with. */
	said(): any[] {
		return this.network.last.said().filter((one) => !["hello", "user_joined"].includes(one.type) && one !== "ping");
	}

	/** Connects, and is let in. */
	async enter(more: object = {}): Promise<void> {
		this.client.connect();
		await pass(1);
		await this.letIn(more);
		this.heard();
	}

	/** Opens the newest socket and answers its hello: a state when it knew nothing of this life of the room, else changes. */
	async letIn(more: object = {}): Promise<any> {
		await this.network.last.open();
		const [hello] = this.network.last.said();
		assert.equal(hello?.type, "hello");
		await this.network.last.say(this.welcome(more));
		await this.network.last.say(...this.sync(hello.epoch), { type: "ack", id: "hello", version: this.version });
		return hello;
	}

	welcome(more: object = {}): object {
		const { version, epoch } = this;
		const who = { protocol: 1, connectionId: "c", userId: null, role: "editor" };
		const limits = { messageBytes: 65_536 };
		return { type: "welcome", ...who, version, epoch, lastSeq: 0, time: Date.now(), limits, ...more };
	}

	/** The answer to a hello, or to a question. */
	sync(since?: string): object[] {
		const { version, epoch } = this;
		const people = { participants: [], presence: [] };
		if (since === epoch) return [{ type: "changes", from: version, to: version, epoch, changes: [], ...people }];
		const lists = { requests: [], permissions: [], ...people };
		return [{ type: "sync_response", version, epoch, time: Date.now(), selections: {}, ...lists, reset: true }];
	}

	/** Does a change of a field, as the room does. */
	async apply({ type, selection, field: name, seq, id }: any): Promise<void> {
		const from = this.version;
		this.version += 1;
		const { version, epoch } = this;
		const stored = type === "field_selected" ? { ...selection, version, updatedAt: Date.now() } : null;
		const field = stored?.field ?? name;
		const change = { kind: "field", version, field, selection: stored, userId: "ann", updatedAt: Date.now() };
		await this.network.last.say({ type: "changes", from, to: version, epoch, changes: [change] });
		await this.network.last.say({ type: "ack", seq, id, version });
	}

	/** Refuses a message, with `retry` when it may be sent again. */
	async refuse({ seq, id }: any, code: string, more: object = {}): Promise<void> {
		await this.network.last.say({ type: "error", code, message: code, seq, id, ...more });
	}
}

/** The values that a client shows, by field. */
export const values = (stage: Stage) =>
	Object.fromEntries(Object.entries(stage.client.getSnapshot().selections).map(([field, { value }]) => [field, value]));

/** Whether a promise has settled, and as what. */
export function watched<T>(promise: Promise<T>): { value?: T } {
	const seen: { value?: T } = {};
	promise.then((value) => {
		seen.value = value;
	});
	return seen;
}
