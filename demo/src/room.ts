// The connection to a room, and what this page knows of the room.

import PartySocket from "partysocket";
import { type ClientFrame, type Participant, parse, type ServerFrame, type State } from "./wire.ts";

export interface Me {
	id: string;
	name: string;
}

/** What is known of a field that somebody has touched. `value` is null when it was cleared. */
export interface FieldState {
	value: unknown;
	userId: string;
	/** In milliseconds of this page's clock. */
	at: number;
	version: number;
	/** Whether the room has yet to say that it has this. */
	isPending: boolean;
}

export type Link = "connecting" | "live" | "reconnecting" | "ended";

/** A change of this page's that the room has not answered yet. */
type Change =
	| { kind: "field"; field: string; state: FieldState; base: FieldState | undefined }
	| { kind: "ready"; isReady: boolean };

export interface Listener {
	/** Something that the page shows has changed. */
	changed(): void;
	/** Something happened that is worth a line of text. */
	news(text: string): void;
}

// A room in which nothing comes from a connection for long takes its person for gone.
const PING_EVERY = 25_000;

// After these codes the same connection would end in the same way, so that trying again is of no use.
const FINAL: Record<number, string> = {
	4400: "The name of this room cannot be used. Leave it out of the address to get another.",
	4401: "This server asks for a token, which this page does not have.",
	4403: "You may not enter this room.",
	4404: "This server has no such rooms.",
	4409: "This room was deleted. Reload to begin it anew.",
	4410: "This page was replaced by another.",
	4413: "A message was too large for the room.",
	4426: "This server speaks another protocol than this page.",
};

export class Room {
	link: Link = "connecting";
	/** Why the link has ended for good. */
	reason = "";
	/** Whether the room has told its state since this page was loaded. */
	isKnown = false;
	readonly me: Me;
	readonly #socket: PartySocket;
	readonly #listener: Listener;
	#fields = new Map<string, FieldState>();
	#people = new Map<string, Participant>();
	// The room does not send back what this page did. So each change has an id, and counts as the room's from its
	// `ack` on. The version in there tells whether it came before or after what others did at the same time.
	readonly #pending = new Map<number, Change>();
	#lastId = 0;
	/** For each `sync_request` that waits for its answer, the last id before it. */
	#syncs: number[] = [];
	/** How far the room's clock is ahead of this page's. */
	#skew = 0;

	constructor(name: string, me: Me, listener: Listener) {
		this.me = me;
		this.#listener = listener;
		this.#socket = new PartySocket({
			host: location.host,
			protocol: location.protocol === "https:" ? "wss" : "ws",
			party: "collaboration",
			room: `conflict-resolution:${encodeURIComponent(name)}`,
			shouldReconnectOnClose: (event) => !(event.code in FINAL),
		});
		this.#socket.addEventListener("open", () => this.#opened());
		this.#socket.addEventListener("message", (event) => this.#received(parse(event.data)));
		this.#socket.addEventListener("close", (event) => this.#closed(event.code));
		setInterval(() => this.#ping(), PING_EVERY);
	}

	/** A field as this page shows it: with its own changes, answered or not. */
	field(name: string): FieldState | undefined {
		const own = [...this.#pending.values()].findLast((change) => change.kind === "field" && change.field === name);
		return own?.kind === "field" ? own.state : this.#fields.get(name);
	}

	people(): Participant[] {
		const ready = [...this.#pending.values()].findLast((change) => change.kind === "ready");
		const people = [...this.#people.values()];
		if (ready?.kind !== "ready") return people;
		return people.map((person) => (person.id === this.me.id ? { ...person, isReady: ready.isReady } : person));
	}

	nameOf(userId: string): string {
		return userId === this.me.id ? "You" : this.#recorded(userId);
	}

	select(field: string, value: string): void {
		const frame = { field, value, userId: this.me.id, timestamp: Date.now() };
		this.#change({ type: "field_selected", selection: frame }, this.#fieldChange(field, value));
	}

	clear(field: string): void {
		this.#change({ type: "field_cleared", field, userId: this.me.id }, this.#fieldChange(field, null));
	}

	setReady(isReady: boolean): void {
		this.#change({ type: "user_ready", userId: this.me.id, isReady }, { kind: "ready", isReady });
	}

	rename(name: string): void {
		this.me.name = name;
		// Without a connection there is nothing to do: the next one begins with the name.
		if (this.link !== "live") return;
		this.#send({ type: "user_joined", userId: this.me.id, userName: name });
		this.#sync();
	}

	#opened(): void {
		this.link = "live";
		this.#syncs = [];
		this.#send({ type: "user_joined", userId: this.me.id, userName: this.me.name });
		this.#sync();
		this.#listener.changed();
	}

	#closed(code: number): void {
		const reason = FINAL[code];
		this.link = reason !== undefined ? "ended" : this.isKnown ? "reconnecting" : "connecting";
		this.reason = reason ?? "";
		if (reason !== undefined) this.#listener.news(reason);
		this.#listener.changed();
	}

	#received(frame: ServerFrame | undefined): void {
		if (frame === undefined) return;
		this.#take(frame);
		this.#listener.changed();
	}

	#take(frame: ServerFrame): void {
		switch (frame.type) {
			case "sync_response":
				this.#takeState(frame);
				break;
			case "field_selected": {
				const { field, value, userId, version, updatedAt } = frame.selection;
				this.#takeField(field, { value, userId, version, at: this.#here(updatedAt), isPending: false });
				break;
			}
			case "field_cleared": {
				const { field, userId, version } = frame;
				this.#takeField(field, { value: null, userId, version, at: Date.now(), isPending: false });
				break;
			}
			case "user_joined":
				this.#takeJoined(frame.userId, frame.userName);
				break;
			case "user_left":
				this.#listener.news(`${this.#recorded(frame.userId)} left.`);
				this.#takePerson(frame.userId, { online: false, lastSeen: this.#here(frame.lastSeen) });
				break;
			case "user_ready":
				this.#listener.news(`${this.#recorded(frame.userId)} is ${frame.isReady ? "ready" : "not ready any more"}.`);
				this.#takePerson(frame.userId, { isReady: frame.isReady });
				break;
			case "ack":
				this.#takeAck(frame.id, frame.version);
				break;
			case "error":
				this.#takeError(frame.id, frame.code, frame.message);
				break;
		}
	}

	#takeState(state: State): void {
		this.#skew = state.time - Date.now();
		this.#fields = new Map();
		for (const [field, { value, userId, version, updatedAt }] of Object.entries(state.selections)) {
			this.#fields.set(field, { value, userId, version, at: this.#here(updatedAt), isPending: false });
		}
		const people = state.participants.map((person) => ({ ...person, lastSeen: this.#here(person.lastSeen) }));
		this.#people = new Map(people.map((person) => [person.id, person]));
		this.isKnown = true;
		this.#settle(this.#syncs.shift() ?? 0);
	}

	/** Looks after the changes up to `last`: answers come in order, so theirs were lost along with a connection. */
	#settle(last: number): void {
		const lost = new Map<string, Change>();
		for (const [id, change] of this.#pending) {
			if (id > last) continue;
			this.#pending.delete(id);
			lost.set(change.kind === "field" ? `field ${change.field}` : "ready", change);
		}
		for (const change of lost.values()) this.#repeat(change);
	}

	/** Sends a change again if the room does not have it and nobody else has changed the same thing since. */
	#repeat(change: Change): void {
		if (change.kind === "ready") {
			if (this.#people.get(this.me.id)?.isReady !== change.isReady) this.setReady(change.isReady);
			return;
		}
		const { field, state, base } = change;
		const now = this.#fields.get(field);
		const isUntouched = (now?.version ?? 0) === (base?.value == null ? 0 : base.version);
		if ((now?.value ?? null) === state.value || !(isUntouched || now?.userId === this.me.id)) return;
		if (typeof state.value === "string") this.select(field, state.value);
		else this.clear(field);
	}

	#takeField(field: string, state: FieldState): void {
		if (state.version > (this.#fields.get(field)?.version ?? 0)) this.#fields.set(field, state);
	}

	#takeJoined(id: string, name: string): void {
		const known = this.#people.get(id);
		const isRenamed = known?.online === true && known.name !== name;
		this.#listener.news(isRenamed ? `${known.name} is now called ${name}.` : `${name} is here.`);
		this.#people.set(id, { isReady: false, ...known, id, name, online: true, lastSeen: Date.now() });
	}

	#recorded(userId: string): string {
		return this.#people.get(userId)?.name ?? "Somebody";
	}

	#takePerson(id: string, change: Partial<Participant>): void {
		const person = this.#people.get(id);
		if (person !== undefined) this.#people.set(id, { ...person, ...change });
	}

	#takeAck(id: number, version: number): void {
		const change = this.#pending.get(id);
		this.#pending.delete(id);
		if (change?.kind === "field") this.#takeField(change.field, { ...change.state, version, isPending: false });
		if (change?.kind === "ready") this.#takePerson(this.me.id, { isReady: change.isReady });
	}

	#takeError(id: number | undefined, code: string, message: string): void {
		this.#listener.news(`The room did not take that (${code}): ${message}`);
		if (id !== undefined) this.#pending.delete(id);
	}

	#fieldChange(field: string, value: string | null): Change {
		const state = { value, userId: this.me.id, at: Date.now(), version: 0, isPending: true };
		return { kind: "field", field, state, base: this.#fields.get(field) };
	}

	#change(frame: ClientFrame, change: Change): void {
		this.#lastId += 1;
		this.#pending.set(this.#lastId, change);
		// The socket keeps what is sent without a connection, and sends it when the next one opens.
		this.#send({ ...frame, id: this.#lastId });
		this.#listener.changed();
	}

	#sync(): void {
		this.#syncs.push(this.#lastId);
		this.#send({ type: "sync_request" });
	}

	#send(frame: ClientFrame & { id?: number }): void {
		this.#socket.send(JSON.stringify(frame));
	}

	#ping(): void {
		if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send("ping");
	}

	/** A time of the room's as one of this page's clock. */
	#here(time: number): number {
		return time - this.#skew;
	}
}
