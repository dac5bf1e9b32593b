// What can go wrong between a client and a room: one client's frames and requests, and one port's bytes.

import { connect, createServer, type Server, type Socket } from "node:net";
import WebSocket, { type ClientOptions } from "ws";
import type { Frame } from "../worker/harness.ts";

/** One client's way to the room, at the level of frames. `WebSocket` and `fetch` are options of its client. */
export class Net {
	/** No WebSocket can be made: each attempt fails at once. */
	noSockets = false;
	/** WebSockets open, and nothing comes through them in either direction. */
	isSilent = false;
	/** No request over HTTP gets through. */
	noHttp = false;
	/** What becomes of a frame of the room's: the frames that arrive in its place. */
	incoming: (frame: Frame) => Frame[] = (frame) => [frame];
	/** Whether a frame of the client's gets through. */
	outgoing: (frame: Frame) => boolean = () => true;
	/** What becomes of an answer over HTTP, once the room has done what was asked. */
	answered: (request: Asked) => void = () => {};
	/** The frames that the client sent, whether or not they got through. */
	readonly sent: Frame[] = [];
	/** The frames that it got. */
	readonly received: Frame[] = [];
	/** What it asked for over HTTP. */
	readonly asked: Asked[] = [];
	/** How many WebSockets it has tried to open. */
	attempts = 0;
	readonly WebSocket: unknown;
	readonly fetch: typeof fetch;
	readonly #open = new Set<FaultySocket>();

	constructor() {
		const net = this;
		this.WebSocket = class extends FaultySocket {
			constructor(url: string) {
				super(url, net, net.#open);
			}
		};
		this.fetch = async (input, init = {}) => {
			const url = new URL(String(input));
			const { method = "GET", body } = init;
			const request = { method, path: url.pathname + url.search, body: body ? JSON.parse(String(body)) : undefined };
			this.asked.push({ ...request, at: Date.now() });
			if (this.noHttp) throw new TypeError("The network is down.");
			const response = await fetch(input, init);
			this.answered({ ...request, at: Date.now() });
			return response;
		};
	}

	/** What goes into a client's options. */
	get options() {
		return { WebSocket: this.WebSocket, fetch: this.fetch };
	}

	/** Breaks what is open, without a word to anyone. */
	cut(): void {
		for (const socket of this.#open) socket.cut();
	}

	/** Lets nothing through any more. */
	block(): void {
		this.noSockets = true;
		this.noHttp = true;
		this.cut();
	}

	/** All is well again. */
	heal(): void {
		this.noSockets = false;
		this.noHttp = false;
		this.isSilent = false;
		this.incoming = (frame) => [frame];
		this.outgoing = () => true;
		this.answered = () => {};
	}

	/** The frames of a type that the client sent. */
	all(type: string): Frame[] {
		return this.sent.filter((frame) => frame.type === type);
	}
}

interface Asked {
	method: string;
	path: string;
	body: Frame;
	at: number;
}

/** A WebSocket with the faults of its net. */
class FaultySocket extends EventTarget {
	binaryType = "blob";
	readyState = 0;
	readonly #net: Net;
	readonly #open: Set<FaultySocket>;
	readonly #socket: WebSocket | undefined;

	constructor(url: string, net: Net, open: Set<FaultySocket>) {
		super();
		this.#net = net;
		this.#open = open;
		net.attempts += 1;
		open.add(this);
		if (net.noSockets) {
			setTimeout(() => this.#end(1006, ""));
			return;
		}
		const options: ClientOptions & { closeTimeout: number } = { closeTimeout: 200 };
		this.#socket = new WebSocket(url, options);
		this.#socket.on("open", () => {
			if (this.readyState !== 0) return;
			this.readyState = 1;
			this.dispatchEvent(new Event("open"));
		});
		this.#socket.on("message", (data) => this.#received(String(data)));
		this.#socket.on("close", (code, reason) => this.#end(code, String(reason)));
		// A broken connection is told by its close too.
		this.#socket.on("error", () => {});
	}

	send(text: string): void {
		if (text === "ping") {
			if (!this.#net.isSilent) this.#socket?.send(text);
			return;
		}
		const frame = JSON.parse(text);
		this.#net.sent.push(frame);
		if (!this.#net.isSilent && this.#net.outgoing(frame) && this.readyState === 1) this.#socket?.send(text);
	}

	close(code?: number, reason?: string): void {
		if (this.readyState > 1) return;
		this.readyState = 2;
		if (this.#socket) this.#socket.close(code, reason);
		else this.#end(1006, "");
	}

	/** Breaks off without a word. */
	cut(): void {
		this.#end(1006, "");
		this.#socket?.terminate();
	}

	#received(text: string): void {
		if (this.#net.isSilent) return;
		if (text[0] !== "{") {
			this.dispatchEvent(new MessageEvent("message", { data: text }));
			return;
		}
		for (const frame of this.#net.incoming(JSON.parse(text))) {
			// Deciding on a frame may have cut the connection.
			if (this.readyState !== 1) return;
			this.#net.received.push(frame);
			this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
		}
	}

	#end(code: number, reason: string): void {
		if (this.readyState === 3) return;
		this.readyState = 3;
		this.#open.delete(this);
		this.dispatchEvent(new CloseEvent("close", { code, reason }));
	}
}

/** A port before a server's: what comes to it is passed on, as long as nothing is wrong. */
export class Port {
	/** Connections that ask for a WebSocket are closed. */
	noSockets = false;
	/** Connections are taken, and nothing is passed on. */
	isBlack = false;
	/** How long bytes are under way, in milliseconds. */
	delay = 0;
	host = "";
	readonly #server: Server;
	readonly #pairs = new Set<Socket>();

	private constructor(target: string) {
		const [name, port] = target.split(":");
		this.#server = createServer((client) => {
			const room = connect(Number(port), name);
			this.#pass(client, room, true);
			this.#pass(room, client, false);
		});
	}

	static async before(host: string): Promise<Port> {
		const proxy = new Port(host);
		await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
		const address = proxy.#server.address();
		if (address === null || typeof address === "string") throw new Error("no port");
		proxy.host = `127.0.0.1:${address.port}`;
		return proxy;
	}

	/** Breaks all connections. */
	cut(): void {
		for (const socket of this.#pairs) socket.destroy();
	}

	close(): void {
		this.cut();
		this.#server.close();
	}

	#pass(from: Socket, to: Socket, isClient: boolean): void {
		let isFirst = isClient;
		this.#pairs.add(from);
		from.setNoDelay(true);
		from.on("data", (data) => {
			const isUpgrade = isFirst && /upgrade: websocket/i.test(data.toString("latin1"));
			isFirst = false;
			if (isUpgrade && this.noSockets) from.destroy();
			else if (!this.isBlack) setTimeout(() => to.writable && to.write(data), this.delay);
		});
		from.on("error", () => {});
		from.on("close", () => {
			this.#pairs.delete(from);
			to.destroy();
		});
	}
}
