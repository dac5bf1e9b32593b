// The WebSocket to a room: reopened whenever it breaks off, and given up when it is dead.

import { type ConnectionEvent, type ConnectionState, delayOf, isLetIn } from "./connection.ts";
import type { ServerFrame } from "./generated/protocol.ts";

/** How often the room is pinged, in milliseconds. To the room, 150 s of silence mean that the client is gone. */
const PING_EVERY = 25_000;
/** How long the pong may take, in milliseconds, and the first reply on a new connection. */
const PATIENCE = 10_000;
/** The same when there is reason to think that the connection is dead. */
const DOUBT = 4_000;
/** How long a socket may take to open, in milliseconds. */
const OPENING = 4_000;
/** The shortest time between attempts is drawn from this range, in milliseconds. */
const LEAST = [400, 1_200] as const;

/** Whose connection it is. */
export interface LinkOwner {
	/** Where it stands. */
	readonly state: ConnectionState;
	/** Takes what happens to it. */
	dispatch(event: ConnectionEvent): void;
	/** Called for each attempt. If it throws, the attempt fails. */
	token(): Promise<string | undefined>;
	/** The connection is open, and nothing has been sent. */
	greet(token: string | undefined): void;
	frame(frame: ServerFrame): void;
}

type Timer = ReturnType<typeof setTimeout>;

export class Link {
	readonly #url: string;
	readonly #implementation: unknown;
	readonly #owner: LinkOwner;
	readonly #least = LEAST[0] + Math.random() * (LEAST[1] - LEAST[0]);
	/** Each attempt has its own: anything from an earlier one is ignored. */
	attempt: object | undefined;
	#socket: WebSocket | undefined;
	/** Until the next attempt, or until this one has taken too long. */
	#timer: Timer | undefined;
	#pings: Timer | undefined;
	#patience: Timer | undefined;
	/** When that ends. */
	#until = 0;

	/** @param implementation A WebSocket class to use instead of the platform's. */
	constructor(url: string, implementation: unknown, owner: LinkOwner) {
		this.#url = url;
		this.#implementation = implementation;
		this.#owner = owner;
	}

	/** Connects, or reconnects if there is a connection. */
	async connect(isAtOnce = true): Promise<void> {
		this.close();
		const owner = this.#owner;
		const attempt = {};
		this.attempt = attempt;
		const isThis = () => attempt === this.attempt;
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
			// An error comes without a code.
			const ended = ({ code, reason }: Partial<CloseEvent>) =>
				isThis() && this.#lost((code && code > 4000 && reason) || problem, code, !!token);
			socket.addEventListener("close", ended);
			socket.addEventListener("error", ended as () => void);
		} catch {
			if (isThis()) this.#lost(problem);
		}
	}

	/** Gives this attempt up, since the room does not welcome it for now. */
	refused(reason: string): void {
		this.#lost(reason);
	}

	close(): void {
		const socket = this.#socket;
		this.attempt = this.#socket = undefined;
		clearTimeout(this.#timer);
		clearInterval(this.#pings);
		this.calm();
		socket?.close();
	}

	/** Sends a frame. Returns false if there is no connection; it is not kept for later. */
	send(frame: object): boolean {
		return this.#send(JSON.stringify(frame));
	}

	/** Checks whether the connection is alive, which there is reason to doubt. */
	doubt(patience = DOUBT): void {
		this.#ping(patience);
	}

	#ping(patience: number): void {
		this.#send("ping");
		this.#expect(patience);
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
		this.#pings = setInterval(() => this.#ping(PATIENCE), PING_EVERY);
		this.#expect(PATIENCE);
		this.#owner.dispatch({ type: "opened", at: Date.now() });
		this.#owner.greet(token);
	}

	#received(data: any): void {
		if (isLetIn(this.#owner.state)) this.calm();
		let frame: ServerFrame | undefined;
		try {
			frame = JSON.parse(data);
		} catch {
			// A pong, or something not from the room: intermediaries are not believed.
		}
		if (frame?.type) this.#owner.frame(frame);
	}

	/** Gives the connection up, and opens another one after a while, unless that would be pointless. */
	#lost(reason: string, code?: number, hasToken?: boolean): void {
		this.close();
		this.#owner.dispatch({ type: "lost", at: Date.now(), reason, code, hasToken });
		const { state } = this.#owner;
		// A listener may have closed it and connected again.
		if (state.name !== "waiting") return;
		this.#timer = setTimeout(() => this.connect(false), delayOf(state, this.#least));
	}

	/** Expects something to arrive soon. */
	#expect(patience: number): void {
		const until = Date.now() + patience;
		if (this.#patience && this.#until <= until) return;
		clearTimeout(this.#patience);
		this.#until = until;
		this.#patience = setTimeout(() => {
			this.#lost("silent");
			if (this.#owner.state.name === "waiting") void this.connect();
		}, patience);
	}
}
