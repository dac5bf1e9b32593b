// Keeps a client connected and shown: does what follows from the connection's states, takes what the room says, and tells
// what came of each change.

import { addressOf } from "./address.ts";
import { type ConnectionEvent, type ConnectionState, idle, isLetIn, isOn, isPolled, next } from "./connection.ts";
import { Emitter } from "./emitter.ts";
import type { ServerFrame, SyncResponseFrame, WelcomeFrame } from "./generated/protocol.ts";
import { named } from "./input.ts";
import { Keeper } from "./keeper.ts";
import { Link, type LinkOwner } from "./link.ts";
import * as box from "./outbox.ts";
import { Poller, type PollerOwner } from "./poller.ts";
import { Replica } from "./replica.ts";
import { Sender, type SenderOwner } from "./sender.ts";
import { canShare, storageOf } from "./storage.ts";
import { type Notice, Tabs } from "./tabs.ts";
import type * as api from "./types.ts";
import { type Shown, View } from "./view.ts";

/** What is shown besides the room, what is pending, and where the connection stands. */
type Facts = Omit<Shown, "status" | "reason" | "connectionId">;

/** What an engine tells of. */
type Heard = api.Events & { change: () => void };

/** After this many milliseconds the user is announced once more, if the room could not hear it before. */
const AGAIN = 1_000;
/** A presence is sent at most this often, in milliseconds, as the room tells it (PROTOCOL.md, P1). */
const PRESENCE_EVERY = 50;

/** What runs below a client, from its making on. */
export class Engine extends Emitter<Heard> implements LinkOwner, PollerOwner, SenderOwner {
	user: api.User;
	/** Where the connection stands. */
	state: ConnectionState = idle;
	readonly replica = new Replica();
	readonly keeper: Keeper;
	readonly sender: Sender;
	readonly view: View;
	/** Who waits for what becomes of an entry, by its key. */
	readonly waiting = new Map<string, ((outcome: api.Outcome) => void)[]>();
	readonly #options: api.RoomClientOptions;
	readonly #link: Link;
	readonly #poller: Poller;
	readonly #tabs: Tabs | undefined;
	/** In whose name this client says hello while another tab leads. */
	readonly #ownId = box.randomId();
	#facts = { persistence: "memory", clockSkew: 0 } as Facts;
	#presence: { data: api.Json } | undefined;
	#presenceTimer: ReturnType<typeof setTimeout> | undefined;
	#dueTimer: ReturnType<typeof setTimeout> | undefined;
	readonly #wake = () => {
		if (globalThis.document?.visibilityState === "hidden") return;
		if (isLetIn(this.state)) this.#link.ping();
		else if (this.state.name === "waiting") void this.#link.connect();
	};

	/** Does nothing yet but look at the options. */
	constructor(options: api.RoomClientOptions) {
		super();
		const { host, party = "collaboration", room, user, initial } = options;
		for (const text of [host, party, room, user?.id, user?.name]) named(text);
		this.#options = options;
		this.user = user;
		// An answer that is none of a state, such as a refusal, shows nothing.
		if ((initial as SyncResponseFrame | undefined)?.selections)
			this.replica.receive({ ...(initial as SyncResponseFrame), type: "sync_response" });
		const storage = storageOf(options.storage);
		const address = addressOf(host, party, room);
		const key = JSON.stringify([address.http, user.id]);
		const empty = { address: { host, party, room, user }, clientId: box.randomId(), lastSeq: 0, entries: [] };
		this.keeper = new Keeper(
			storage,
			key,
			empty,
			(isChanged) => {
				if (isChanged) this.#tabs?.tell(null);
				this.#facts.persistence = this.keeper.storage.isDurable ? "durable" : "memory";
				this.show();
				this.#pump();
			},
			(error) => {
				// Each tab is by itself then, and needs a name of its own.
				if (this.#tabs?.isLeader === false) void this.keeper.do(box.renew(box.randomId()));
				this.#error("storage_failed", `Pending changes are in memory only: ${error}`);
			},
		);
		this.#tabs = storage.isDurable && canShare() ? new Tabs(key, (notice) => this.#heard(notice)) : undefined;
		this.view = new View(this.replica, empty, this.#shown, user.id);
		this.#link = new Link(address.socket, options.WebSocket, this);
		this.sender = new Sender(this.keeper, this.replica, this);
		this.#poller = new Poller(address.http, options.fetch, this.replica, this.sender, this);
	}

	/** Connects, and comes back by itself from then on. */
	connect(): void {
		if (isOn(this.state)) return;
		this.#listen("addEventListener");
		void this.#prepare({ type: "connect" });
	}

	/** Stops everything, for good or until `connect`. */
	close(reason: string): void {
		this.dispatch({ type: "close", reason });
	}

	/** Sends a frame, if there is a connection. */
	send(frame: object): boolean {
		return this.#link.send(frame);
	}

	/** Tells the room who the user is. */
	join(): void {
		const { id, name } = this.user;
		if (this.#options.join !== false) this.send({ type: "user_joined", userId: id, userName: name, id: "join" });
	}

	setPresence(data: api.Json): void {
		this.#presence = { data };
		// One after another at the room's own pace, the newest only.
		this.#presenceTimer ??= setTimeout(() => {
			this.#presenceTimer = undefined;
			this.#sendPresence();
		}, PRESENCE_EVERY);
	}

	/** Shows what has changed. */
	show(): void {
		if (this.view.update(this.replica, this.keeper.shown, this.#shown, this.user.id)) this.emit("change");
	}

	get #shown(): Shown {
		const { status, reason, connectionId } = this.state;
		return { ...this.#facts, status, reason, connectionId };
	}

	/** An entry is answered or taken back: whoever waits for it in this tab is told, and then the other tabs. */
	settled(entry: box.Entry, outcome: api.Outcome): void {
		this.#settle(entry, outcome);
		// They look at what is stored, so it has to be there.
		void this.keeper.do().then(() => this.#tabs?.tell({ entry, outcome }));
	}

	/** Tells whoever waits for an entry what became of it, once that is shown. */
	#settle({ key, message }: box.Entry, outcome: api.Outcome): void {
		this.show();
		const isAsked = message.type === "permission_request";
		const full = isAsked ? { ...outcome, requestId: message.requestId } : outcome;
		const { conflicts } = this.view.snapshot;
		for (const resolve of this.waiting.get(key) ?? []) resolve(full);
		this.waiting.delete(key);
		if (outcome.outcome !== "conflict") return;
		const fields = box.fieldMessages(message).map(box.fieldOf);
		const conflict = conflicts.find(({ field }) => fields.includes(field));
		if (conflict) this.emit("conflict", conflict);
	}

	#heard(notice: Notice): void {
		const read = this.keeper.do();
		if (!notice) return;
		const { entry, outcome } = notice;
		if (outcome.outcome === "applied") this.sender.provide(entry, outcome.version);
		void read.then(() => this.#settle(entry, outcome));
	}

	/** Sends what is to be sent, in whichever way there is. */
	#pump(): void {
		clearTimeout(this.#dueTimer);
		if (!isOn(this.state) || !this.#leads) return;
		if (this.state.status === "polling") void this.#poller.write();
		else this.sender.pump();
		// What is due already goes out as soon as anything does.
		const now = Date.now();
		const waits = this.keeper.stored.entries.flatMap(({ due = 0, at }) => (due > now && at <= now ? due - now : []));
		if (waits[0]) this.#dueTimer = setTimeout(() => this.#pump(), Math.min(...waits));
	}

	get #leads(): boolean {
		// What is in memory no other tab can send.
		return !this.#tabs || this.#tabs.isLeader || !this.keeper.storage.isDurable;
	}

	// What follows from the states.

	/** Takes what happened, and does what follows from the new state. Returns that. */
	dispatch(event: ConnectionEvent): ConnectionState {
		const before = this.state;
		const now = next(before, event);
		this.state = now;
		const isAllHere = event.type === "synced" || event.type === "polled";
		if (now.name !== "live") this.sender.stop();
		else if (before.name !== "live") this.sender.start();
		if (now.name === "closed" && before.name !== "closed") this.#end();
		if (event.type === "lost") this.replica.presence.clear();
		if (isAllHere) this.#arrived();
		this.show();
		const isNews = now.status !== before.status;
		if (isNews || now.reason !== before.reason) this.emit("status", now.status, now.reason);
		// From here on it may be another state: whoever hears of it may close it.
		if (isPolled(this.state)) this.#poller.start();
		else this.#poller.stop();
		if (isAllHere && isNews && isOn(this.state)) this.emit("synced", this.view.snapshot);
		if (isAllHere) this.#pump();
		return now;
	}

	/** All that the room knows is here. */
	#arrived(): void {
		const { epoch } = this.replica;
		if (epoch && epoch !== this.keeper.shown.epoch && this.#leads) void this.keeper.do(box.settleIn(epoch));
		this.#facts.lastSyncedAt = Date.now();
	}

	/** Begins, anew or for the first time, with the outbox as it is stored by then. */
	async #prepare(event: ConnectionEvent, ...steps: box.Step[]): Promise<void> {
		// What still came on the connection that is given up would be about another name of the outbox.
		this.#link.close();
		const begun = this.dispatch(event);
		// It may have been closed meanwhile, and connected again.
		const isStill = () => this.state === begun;
		await this.keeper.do(...steps);
		if (event.type === "connect") {
			// Who leads only later connects anew, under the name of the outbox.
			if (isStill())
				await this.#tabs?.enter(() => {
					this.dispatch({ type: "lost", at: Date.now(), reason: "leading" });
					void this.#prepare({ type: "restart" });
				});
			// Whoever led before may have given numbers until then.
			await this.keeper.do();
		}
		if (isStill() && isOn(begun)) void this.#link.connect();
	}

	#end(): void {
		this.#link.close();
		this.#tabs?.leave(!this.waiting.size);
		clearTimeout(this.#dueTimer);
		clearTimeout(this.#presenceTimer);
		this.#presenceTimer = undefined;
		this.replica.presence.clear();
		this.#listen("removeEventListener");
	}

	/** Hears, or hears no more, when the network is back or the page is looked at. */
	#listen(how: "addEventListener" | "removeEventListener"): void {
		globalThis[how]?.("online", this.#wake);
		globalThis.document?.[how]("visibilitychange", this.#wake);
	}

	/** Starts over with a name that the room knows nothing under. */
	renew(): void {
		void this.#prepare({ type: "restart" }, box.renew(box.randomId()));
	}

	// What happens to the connection.

	async token(): Promise<string | undefined> {
		try {
			return await this.#options.token?.();
		} catch (error) {
			this.#error("token", `${error}`);
			// It may have thrown anything.
			throw new Error();
		}
	}

	greet(token: string | undefined): void {
		const clientId = this.#leads ? this.keeper.stored.clientId : this.#ownId;
		this.send({ type: "hello", protocol: 1, clientId, ...this.#known(), token, id: "hello" });
		this.join();
	}

	/** From where on the room is to tell. */
	#known() {
		const { epoch, version } = this.replica;
		return epoch && { since: version, epoch };
	}

	// What the room says.

	frame(frame: ServerFrame): void {
		const { type } = frame;
		if (type === "welcome") this.#welcomed(frame);
		else if (type !== "ack" && type !== "conflict" && type !== "error") this.#told(frame);
		else if (frame.seq !== undefined) this.sender.answered(frame);
		else if (type === "error") {
			// Nobody would see the user for as long as the connection holds.
			if (frame.id === "join" && frame.retry) setTimeout(() => this.join(), AGAIN);
			else this.#error(frame.code, frame.message);
		} else if (frame.id === "hello") {
			this.dispatch({ type: "synced" });
			this.#sendPresence();
		} else {
			const { id, name } = this.user;
			const known = this.replica.participants.get(id);
			if (known) this.replica.participants.set(id, { ...known, name, online: true });
		}
		this.show();
	}

	/** Takes what the room tells of itself. */
	#told(frame: ServerFrame): void {
		const receipt = this.replica.receive(frame);
		if (receipt === "other") this.emit("message", frame);
		else if (receipt === "gap") this.send({ type: "sync_request", ...this.#known() });
		else if (receipt === "taken" && this.state.status === "synced") this.#facts.lastSyncedAt = Date.now();
	}

	#welcomed(welcome: WelcomeFrame): void {
		const { userId, connectionId, role, time, lastSeq, limits } = welcome;
		if (userId !== null && userId !== this.user.id) {
			this.#error("identity_mismatch", `The token is of ${userId}.`);
			this.close("identity_mismatch");
			return;
		}
		this.#facts.role = role;
		this.#facts.clockSkew = time - Date.now();
		this.dispatch({ type: "welcomed", connectionId });
		this.sender.messageBytes = limits.messageBytes;
		// A number that the room knows and the outbox does not was given before what is stored was lost.
		// One that was never used may be unknown.
		const given = this.keeper.stored.lastSeq;
		if (this.#leads && (lastSeq === null ? given > 0 : lastSeq > given)) this.renew();
	}

	#sendPresence(): void {
		const { connectionId } = this.state;
		if (!this.#presence || !this.send({ type: "presence", ...this.#presence }) || !connectionId) return;
		// The room does not tell it to somebody who is alone.
		this.#told({ type: "presence", presence: [{ connectionId, userId: this.user.id, ...this.#presence }] });
		this.show();
	}

	#error(code: string, message: string): void {
		this.emit("error", { code, message });
	}
}
