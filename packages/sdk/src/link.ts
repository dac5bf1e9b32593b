// The WebSocket to a room: it comes back by itself, notices when it is dead, and gives up where that is of no use.

import ReconnectingWebSocket from "partysocket/ws";
import type { ServerFrame } from "./generated/protocol.ts";

/** How often the room is asked for a sign of life, in milliseconds. It takes silence of 150 s for death. */
const PING_EVERY = 25_000;
/** How long that sign may take, in milliseconds; the first answer to a new connection too. */
const PATIENCE = 10_000;

/** Close codes after which another connection would end in the same way (PROTOCOL.md, X2). */
const FINAL = /^44(?!01|08|29)/;
const UNAUTHORIZED = 4401;

export interface LinkHandlers {
	/** Called before each attempt. What it throws fails the attempt. */
	token(): Promise<string | undefined>;
	/** The connection is open, and nothing was said. */
	opened(token: string | undefined): void;
	frame(frame: ServerFrame): void;
	/** It broke off, or could not be made; another attempt follows unless `isFinal`. */
	lost(reason: string, isFinal: boolean): void;
}

export class Link {
	readonly #url: string;
	readonly #implementation: unknown;
	readonly #handlers: LinkHandlers;
	#socket: ReconnectingWebSocket | undefined;
	#isReady = false;
	/** Until the next attempt. */
	#isWaiting = false;
	/** Whether a token was refused since one was taken. */
	#isRefused = false;
	#pings: ReturnType<typeof setInterval> | undefined;
	#patience: ReturnType<typeof setTimeout> | undefined;

	/** @param implementation Of WebSocket, in place of the platform's. */
	constructor(url: string, implementation: unknown, handlers: LinkHandlers) {
		this.#url = url;
		this.#implementation = implementation;
		this.#handlers = handlers;
	}

	/**
	 * Connects at once, anew if there is a connection.
	 * @param reason Why that one is given up.
	 */
	connect(reason?: string): void {
		this.close();
		let token: string | undefined;
		let problem: string;
		const prepared = async () => {
			// It was closed while it waited for this attempt.
			if (socket !== this.#socket) throw new Error();
			this.#isWaiting = false;
			problem = "no_token";
			token = await this.#handlers.token();
			problem = "unreachable";
			return this.#url;
		};
		// Each client has its own delays, so that those who were cut off together do not all come back at once. An attempt
		// may take 4 s, as partysocket has it.
		const socket = new ReconnectingWebSocket(prepared, undefined, {
			WebSocket: this.#implementation,
			minReconnectionDelay: 400 + Math.random() * 800,
			maxReconnectionDelay: 5_000,
			maxEnqueuedMessages: 0,
			shouldReconnectOnClose: ({ code }) =>
				!FINAL.test(`${code}`) && !(code === UNAUTHORIZED && (!token || this.#isRefused)),
		});
		socket.onopen = () => this.#opened(token);
		socket.onmessage = ({ data }) => this.#received(data);
		socket.onclose = ({ code, reason }) =>
			this.#closed(code, (code > 4000 && reason) || problem, !socket.shouldReconnect);
		// Where there never was a WebSocket none is closed.
		socket.onerror = () => socket.readyState || this.#closed(0, problem, false);
		this.#socket = socket;
		// Whoever hears of it may close this one.
		if (reason) this.#handlers.lost(reason, false);
	}

	close(): void {
		this.#quiet();
		this.#isRefused = false;
		const socket = this.#socket;
		this.#socket = undefined;
		if (!socket) return;
		socket.onclose = null;
		socket.close();
	}

	send(frame: object): boolean {
		return !!this.#socket?.send(JSON.stringify(frame));
	}

	/** The room has let this client in. */
	ready(): void {
		this.#isReady = true;
		this.#isRefused = false;
		this.#calm();
	}

	/** Something has changed with the network: looks whether the connection lives, or tries again at once. */
	wake(): void {
		if (this.#isReady) this.#ping();
		else if (this.#isWaiting) this.connect();
	}

	#opened(token: string | undefined): void {
		this.#expect();
		this.#pings = setInterval(() => this.#ping(), PING_EVERY);
		this.#handlers.opened(token);
	}

	#received(data: any): void {
		if (this.#isReady) this.#calm();
		let frame: ServerFrame | undefined;
		try {
			frame = JSON.parse(data);
		} catch {
			// A pong, or no word of the room's: whoever stands in between is not believed.
		}
		if (frame?.type) this.#handlers.frame(frame);
	}

	#closed(code: number, reason: string, isFinal: boolean): void {
		this.#quiet();
		this.#isWaiting = true;
		if (code === UNAUTHORIZED) this.#isRefused = true;
		this.#handlers.lost(reason, isFinal);
	}

	#ping(): void {
		this.#socket?.send("ping");
		this.#expect();
	}

	/** Something must come soon. */
	#expect(): void {
		this.#patience ??= setTimeout(() => this.connect("silent"), PATIENCE);
	}

	#calm(): void {
		clearTimeout(this.#patience);
		this.#patience = undefined;
	}

	#quiet(): void {
		this.#isReady = this.#isWaiting = false;
		this.#calm();
		clearInterval(this.#pings);
	}
}
