// The WebSocket to a room: made again whenever it breaks off, and given up when it is dead.

import { type ConnectionEvent, type ConnectionState, delayOf, isLetIn } from "./connection.ts";
import type { ServerFrame } from "./generated/protocol.ts";

/** How often the room is asked for a sign of life, in milliseconds. It takes silence of 150 s for death. */
const PING_EVERY = 25_000;
/** How long that sign may take, in milliseconds; the first answer to a new connection too. */
const PATIENCE = 10_000;
/** How long a socket may take to open, in milliseconds. */
const OPENING = 4_000;
/** The shortest time between attempts is between these, in milliseconds. */
const LEAST = [400, 1_200] as const;

/** Whose connection it is. */
export interface LinkOwner {
	/** Where it stands. */
	readonly state: ConnectionState;
	/** Takes what happens to it. */
	dispatch(event: ConnectionEvent): void;
	/** Called in each attempt. What it throws fails that. */
	token(): Promise<string | undefined>;
	/** The connection is open, and nothing was said. */
	greet(token: string | undefined): void;
	frame(frame: ServerFrame): void;
}

type Timer = ReturnType<typeof setTimeout>;

export class Link {
	readonly #url: string;
	readonly #implementation: unknown;
	readonly #owner: LinkOwner;
	readonly #least = LEAST[0] + Math.random() * (LEAST[1] - LEAST[0]);
	/** Each attempt has its own: what still comes of an earlier one is of no use. */
	#attempt: object | undefined;
	#socket: WebSocket | undefined;
	/** Until the next attempt, or until this one has taken too long. */
	#timer: Timer | undefined;
	#pings: Timer | undefined;
	#patience: Timer | undefined;

	/** @param implementation Of WebSocket, in place of the platform's. */
	constructor(url: string, implementation: unknown, owner: LinkOwner) {
		this.#url = url;
		this.#implementation = implementation;
		this.#owner = owner;
	}

	/** Connects, anew if there is a connection. */
	async connect(isAtOnce = true): Promise<void> {
		this.close();
		const owner = this.#owner;
		const attempt = {};
		this.#attempt = attempt;
		const isThis = () => attempt === this.#attempt;
		let problem = "no_token";
		owner.dispatch({ type: "attempt", isAtOnce });
		try {
			const token = await owner.token();
			if (!isThis()) return;
			problem = "unreachable";
			const socket = new ((this.#implementation ?? WebSocket) as typeof WebSocket)(this.#url);
			this.#socket = socket;
			this.#timer = setTimeout(() => this.#lost(problem), OPENING);
			socket.addEventListener("open", () => isThis() && this.#opened(token));
			socket.addEventListener("message", ({ data }) => isThis() && this.#received(data));
			// An error is told without a code.
			const ended = ({ code, reason }: Partial<CloseEvent>) =>
				isThis() && this.#lost((code && code > 4000 && reason) || problem, code, !!token);
			socket.addEventListener("close", ended);
			socket.addEventListener("error", ended as () => void);
		} catch {
			if (isThis()) this.#lost(problem);
		}
	}

	close(): void {
		const socket = this.#socket;
		this.#attempt = this.#socket = undefined;
		clearTimeout(this.#timer);
		clearInterval(this.#pings);
		this.calm();
		socket?.close();
	}

	/** Sends a frame. False when there is no connection: it is not kept for later. */
	send(frame: object): boolean {
		return this.#send(JSON.stringify(frame));
	}

	/** Looks whether the connection lives. */
	ping(): void {
		this.#send("ping");
		this.#expect();
	}

	/** There was a sign of life. */
	calm(): void {
		clearTimeout(this.#patience);
		this.#patience = undefined;
	}

	#send(text: string): boolean {
		if (this.#socket?.readyState !== 1) return false;
		this.#socket.send(text);
		return true;
	}

	#opened(token: string | undefined): void {
		clearTimeout(this.#timer);
		this.#pings = setInterval(() => this.ping(), PING_EVERY);
		this.#expect();
		this.#owner.dispatch({ type: "opened", at: Date.now() });
		this.#owner.greet(token);
	}

	#received(data: any): void {
		if (isLetIn(this.#owner.state)) this.calm();
		let frame: ServerFrame | undefined;
		try {
			frame = JSON.parse(data);
		} catch {
			// A pong, or no word of the room's: whoever stands in between is not believed.
		}
		if (frame?.type) this.#owner.frame(frame);
	}

	/** Gives the connection up, and makes another one after a while, unless that would be of no use. */
	#lost(reason: string, code?: number, hasToken?: boolean): void {
		this.close();
		this.#owner.dispatch({ type: "lost", at: Date.now(), reason, code, hasToken });
		const { state } = this.#owner;
		// Whoever heard of it may have closed it, and connected again.
		if (state.name !== "waiting") return;
		this.#timer = setTimeout(() => this.connect(false), delayOf(state, this.#least));
	}

	/** Something must come soon. */
	#expect(): void {
		this.#patience ??= setTimeout(() => {
			this.#lost("silent");
			if (this.#owner.state.name === "waiting") void this.connect();
		}, PATIENCE);
	}
}
