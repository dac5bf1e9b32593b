// The built Worker under workerd, and clients that talk to it over real sockets.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import PartySocket, { type PartySocketOptions } from "partysocket";
import WebSocket, { type ClientOptions } from "ws";

export { sleep };

/** Frames are data: the tests look at their members without knowing the type. */
export type Frame = any;

export interface Served {
	/** `127.0.0.1:PORT` */
	host: string;
	miniflare: Miniflare;
	/** What the Worker has logged. */
	logs: string[];
	/** Puts a room's object out of memory while its sockets stay open, as sleeping does, or with its sockets. */
	evict(room: string, webSockets?: "hibernate" | "close"): Promise<void>;
	/** Runs SQL inside a room's object. */
	sql(room: string, query: string): Promise<Record<string, unknown>[]>;
	get(path: string, init?: RequestInit): Promise<Response>;
	/** The parsed body of `GET /state`. */
	state(room: string): Promise<Frame>;
	close(): Promise<void>;
}

export interface ServeOptions {
	/** The build that can be broken on purpose. */
	faults?: boolean;
	/** The kinds that tests/worker/kinds declares: `rooms`, or `before` with the older version of one. */
	kinds?: "rooms" | "before";
	/** The kind of the rooms that `evict`, `sql` and `state` are about. */
	party?: string;
	vars?: Record<string, string>;
	persist?: string;
}

/** Tests type faster than people. Those of the rate set it themselves. */
const FAST = { LIMIT_MESSAGES_PER_SECOND: "1000000", LIMIT_MESSAGES_BURST: "1000000" };

const root = join(import.meta.dirname, "../..");

/** Starts the Worker as `npm run build` left it. */
export async function serve(options: ServeOptions = {}): Promise<Served> {
	const { faults = false, kinds, party = "collaboration", vars = {}, persist } = options;
	const dist = join(root, kinds ? `build/dist-kinds-${kinds}` : faults ? "build/dist-faults" : "dist");
	const wasm = readdirSync(dist).find((name) => name.endsWith(".wasm"));
	if (wasm === undefined) throw new Error(`${dist} holds no WebAssembly. Run \`npm test\`, which builds it.`);
	const modules = [
		{ type: "ESModule" as const, path: "entry.js", contents: readFileSync(join(dist, "entry.js"), "utf8") },
		{ type: "CompiledWasm" as const, path: wasm, contents: new Uint8Array(readFileSync(join(dist, wasm))) },
	];
	const logs: string[] = [];
	const miniflare = new Miniflare(
		convertV4MiniflareOptions({
			name: "roomkeep",
			host: "127.0.0.1",
			port: 0,
			log: new Log(LogLevel.NONE),
			// What a room reports belongs to the tests that break it, not into their output.
			handleStructuredLogs: ({ message }) => logs.push(message),
			modules,
			unsafeInspectDurableObjects: true,
			// Straight to the Worker: Miniflare's own entry would stand between a slow reader and the room.
			unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
			compatibilityDate: "2026-11-17",
			bindings: { PARTIES: "collaboration", ALLOW_ANONYMOUS: "true", ...FAST, ...vars },
			durableObjects: {
				ROOMS: { className: "Room", useSQLite: true },
				USERS: { className: "User", useSQLite: true },
			},
			...(persist === undefined ? {} : { resourcePersistencePath: persist }),
		}),
	);
	await miniflare.ready;
	const { host } = await miniflare.unsafeGetDirectURL("roomkeep");
	const name = (room: string) => ({ name: `${party}/${room}` });
	const get = (path: string, init?: RequestInit) => fetch(`http://${host}${path}`, init);
	return {
		host,
		miniflare,
		logs,
		get,
		evict: (room, webSockets = "hibernate") =>
			miniflare.unsafeEvictDurableObject("roomkeep", "Room", { ...name(room), webSockets }),
		sql: async (room, query) =>
			(await miniflare.unsafeGetDurableObjectStorage("roomkeep", "Room", name(room))).exec(query),
		state: async (room) => (await get(`/parties/${party}/${encodeURIComponent(room)}/state`)).json(),
		close: () => miniflare.dispose(),
	};
}

/** What came over a socket, and how to wait for it. */
abstract class Peer {
	readonly frames: Frame[] = [];
	readonly closes: { code: number; reason: string }[] = [];
	#looked = 0;
	#waiting: (() => void)[] = [];

	abstract send(message: unknown): void;
	abstract open(): Promise<boolean>;

	/** Something happened: whoever waits looks again. */
	protected wake(): void {
		for (const wake of this.#waiting.splice(0)) wake();
	}

	select(field: string, value: unknown, userId: string, more: object = {}): void {
		this.send({ type: "field_selected", selection: { field, value, userId, timestamp: Date.now() }, ...more });
	}

	/** Waits until `find` returns something. */
	async until<T>(find: () => T | undefined | false, what: string, timeout = 15_000): Promise<T> {
		const deadline = Date.now() + timeout;
		for (;;) {
			const found = find();
			if (found !== undefined && found !== false) return found as T;
			const left = deadline - Date.now();
			if (left <= 0) throw new Error(`waited in vain for ${what}; came: ${JSON.stringify(this.frames.slice(-5))}`);
			await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), sleep(Math.min(left, 200))]);
		}
	}

	/** The next frame of this type that was not looked at before. */
	async next(type: string, timeout?: number): Promise<Frame> {
		return this.until(
			() => {
				const at = this.frames.findIndex((frame, i) => i >= this.#looked && frame.type === type);
				if (at < 0) return undefined;
				this.#looked = at + 1;
				return this.frames[at];
			},
			type,
			timeout,
		);
	}

	/** Asks for the state; whatever came before the answer has come. */
	async sync(): Promise<Frame> {
		const before = this.all("sync_response").length;
		this.send({ type: "sync_request" });
		return this.until(() => this.all("sync_response")[before], "a sync_response");
	}

	/** Which life of the object in memory answers. The build with faults tells. */
	async instance(): Promise<string> {
		this.send({ fault: "inspect" });
		return (await this.next("instance")).instance;
	}

	types(): string[] {
		return this.frames.map((frame) => frame.type);
	}

	all(type: string): Frame[] {
		return this.frames.filter((frame) => frame.type === type);
	}

	closed(timeout?: number): Promise<{ code: number; reason: string }> {
		return this.until(() => this.closes.at(-1), "a close", timeout);
	}
}

/** A page with the stock client, as a front-end team has it. */
export class Page extends Peer {
	readonly socket: PartySocket;

	constructor(host: string, room: string, options: Partial<PartySocketOptions> = {}) {
		super();
		this.socket = new PartySocket({ host, room, party: "collaboration", ...options });
		this.socket.addEventListener("message", (event) => {
			this.frames.push(event.data === "pong" ? "pong" : JSON.parse(String(event.data)));
			this.wake();
		});
		this.socket.addEventListener("close", (event) => {
			this.closes.push({ code: event.code, reason: event.reason });
			this.wake();
		});
		this.socket.addEventListener("open", () => this.wake());
	}

	/** A page that has joined and knows the state. */
	static async joined(host: string, room: string, userId: string, userName = userId): Promise<Page> {
		const page = new Page(host, room);
		page.send({ type: "user_joined", userId, userName });
		await page.sync();
		return page;
	}

	send(message: unknown): void {
		this.socket.send(JSON.stringify(message));
	}

	open(): Promise<boolean> {
		return this.until(() => this.socket.readyState === PartySocket.OPEN, "the socket to open");
	}

	/** Closes the page: no reconnecting. */
	leave(): void {
		this.socket.close();
	}
}

/** A client that says `hello`, over a bare socket: it sends nothing again and never reconnects by itself. */
export class Client extends Peer {
	readonly socket: WebSocket;
	readonly userId: string;
	/** The frames as they came. */
	readonly texts: string[] = [];
	/** What it knows of the room. A client that comes back goes on with the mirror it had. */
	readonly mirror: Mirror;

	constructor(
		host: string,
		room: string,
		userId: string,
		mirror = new Mirror(),
		{ query = "", headers = {}, party = "collaboration" } = {},
	) {
		super();
		this.userId = userId;
		this.mirror = mirror;
		// workerd ends the TCP connection of a closed socket that never said anything only when the object sleeps. The
		// close frame comes at once, and a browser does not wait for more for long either.
		const options: ClientOptions & { closeTimeout: number } = { headers, closeTimeout: 200 };
		this.socket = new WebSocket(`ws://${host}/parties/${party}/${encodeURIComponent(room)}${query}`, options);
		this.socket.on("message", (data) => {
			const frame = JSON.parse(String(data));
			this.texts.push(String(data));
			this.frames.push(frame);
			this.mirror.take(frame);
			this.wake();
		});
		this.socket.on("close", (code, reason) => {
			this.closes.push({ code, reason: String(reason) });
			this.wake();
		});
		this.socket.on("open", () => this.wake());
		// A broken connection is told by its close too.
		this.socket.on("error", () => {});
	}

	/** A client that was welcomed and has the state. `hello` says more than the least, or something else. */
	static async greeted(
		host: string,
		room: string,
		userId: string,
		hello: object = {},
		mirror?: Mirror,
	): Promise<Client> {
		const client = new Client(host, room, userId, mirror);
		await client.open();
		client.send({ type: "hello", protocol: 1, clientId: userId, ...hello });
		await client.until(() => client.frames.length > 1, "the welcome and the state");
		return client;
	}

	send(message: unknown): void {
		this.socket.send(JSON.stringify(message));
	}

	/** Sets a field under a number. */
	set(seq: number, field: string, value: unknown, more: object = {}): void {
		this.send({ type: "field_selected", seq, selection: { field, value, userId: this.userId }, ...more });
	}

	open(): Promise<boolean> {
		return this.until(() => this.socket.readyState === WebSocket.OPEN, "the socket to open");
	}

	/** Breaks off without a word. */
	cut(): void {
		this.socket.terminate();
	}

	leave(): void {
		this.socket.close();
	}
}

/** What one reader knows of a room, built from nothing but full answers and `changes`. */
export class Mirror {
	version = 0;
	epoch = "";
	readonly selections: Record<string, Frame> = {};
	readonly participants: Record<string, Frame> = {};
	/** The version in which each field was last set or cleared. */
	readonly versions: Record<string, number> = {};
	/** Frames that did not join up with the one before them (Y7). */
	readonly gaps: Frame[] = [];

	/** A `since` with its `epoch`, for coming back. */
	get since(): { since: number; epoch: string } {
		return { since: this.version, epoch: this.epoch };
	}

	take(frame: Frame): void {
		if ("selections" in frame) {
			this.#clear();
			for (const [field, selection] of Object.entries<Frame>(frame.selections)) {
				this.selections[field] = selection;
				this.versions[field] = selection.version;
			}
			for (const person of frame.participants) this.participants[person.id] = record(person);
			[this.version, this.epoch] = [frame.version, frame.epoch];
		} else if (Array.isArray(frame.changes)) {
			if (frame.reset) this.#clear();
			// An answer to a resume may overlap with what is known. A live frame follows the one before it.
			const joins = "participants" in frame ? frame.from <= this.version : frame.from === this.version;
			if (!joins || (!frame.reset && frame.epoch !== this.epoch)) this.gaps.push(frame);
			for (const change of frame.changes.filter((change: Frame) => change.version > this.version)) {
				if (change.kind === "participant") this.participants[change.participant.id] = record(change.participant);
				else this.#set(change);
			}
			[this.version, this.epoch] = [Math.max(this.version, frame.to), frame.epoch];
		}
	}

	/** The part of a full answer that is versioned, in the form of `known`. */
	static of(state: Frame): object {
		const mirror = new Mirror();
		mirror.take(state);
		return mirror.known();
	}

	known(): object {
		const { version, epoch, selections, participants } = this;
		return { version, epoch, selections, participants };
	}

	#set(change: Frame): void {
		this.versions[change.field] = change.version;
		if (change.selection === null) delete this.selections[change.field];
		else this.selections[change.field] = change.selection;
	}

	#clear(): void {
		for (const known of [this.selections, this.participants, this.versions]) {
			for (const key of Object.keys(known)) delete known[key];
		}
		this.version = 0;
	}
}

function record({ id, name, isReady, joinedAt }: Frame): Frame {
	return { id, name, isReady, joinedAt };
}

let rooms = 0;

/** A room of its own for each test. */
export function newRoom(): string {
	rooms += 1;
	return `conflict-resolution:${process.pid}-${rooms}`;
}
