// A room as one user has it: what the room says and what the user does, brought together and shown.

import { addressOf } from "./address.ts";
import { Emitter } from "./emitter.ts";
import type { BatchChange, ServerFrame, SyncResponseFrame, WelcomeFrame } from "./generated/protocol.ts";
import { copied, named } from "./input.ts";
import { Keeper } from "./keeper.ts";
import { Link } from "./link.ts";
import * as box from "./outbox.ts";
import { Poller } from "./poller.ts";
import { Replica } from "./replica.ts";
import { Sender } from "./sender.ts";
import { canShare, storageOf } from "./storage.ts";
import { type Notice, Tabs } from "./tabs.ts";
import type * as api from "./types.ts";
import { type Shown, View } from "./view.ts";

/** After this many attempts without an answer the room is asked over HTTP. */
const ATTEMPTS = 2;
/** After this many milliseconds the user is announced once more, if the room could not hear it before. */
const AGAIN = 1_000;
/** A presence is sent at most this often, in milliseconds, as the room tells it (PROTOCOL.md, P1). */
const PRESENCE_EVERY = 50;

const isLeft: api.Outcome = { outcome: "withdrawn" };

/** What `transaction` gathers. */
export interface Transaction {
	select(field: string, value: api.Json): unknown;
	clear(field: string): unknown;
}

/** A room as one user has it. Made once, it is connected, closed and connected again as often as needed. */
export class RoomClient {
	/** Who this client speaks for. */
	readonly user: api.User;
	readonly #options: api.RoomClientOptions;
	readonly #emitter = new Emitter<api.Events & { change: () => void }>();
	readonly #replica = new Replica();
	readonly #keeper: Keeper;
	readonly #sender: Sender;
	readonly #view: View;
	readonly #link: Link;
	readonly #poller: Poller;
	readonly #tabs: Tabs | undefined;
	/** Who waits for what becomes of an entry. */
	readonly #waiting = new Map<string, ((outcome: api.Outcome) => void)[]>();
	/** In whose name this client says hello while another tab leads. */
	readonly #ownId = box.randomId();
	#shown = { status: "offline", persistence: "memory", clockSkew: 0 } as Shown;
	/** From `connect` to the end of it. */
	#run: object | undefined;
	#failures = 0;
	#gathered: box.FieldMessage[] | undefined;
	#presence: { data: api.Json } | undefined;
	#presenceTimer: ReturnType<typeof setTimeout> | undefined;
	#dueTimer: ReturnType<typeof setTimeout> | undefined;
	readonly #wake = () => globalThis.document?.visibilityState !== "hidden" && this.#link.wake();

	/** Does nothing yet but look at the options. */
	constructor(options: api.RoomClientOptions) {
		const { host, party = "collaboration", room, user, initial } = options;
		for (const text of [host, party, room, user?.id, user?.name]) named(text);
		this.#options = options;
		this.user = user;
		// An answer that is none of a state, such as a refusal, shows nothing.
		if ((initial as SyncResponseFrame | undefined)?.selections)
			this.#replica.receive({ ...(initial as SyncResponseFrame), type: "sync_response" });
		const storage = storageOf(options.storage);
		const address = addressOf(host, party, room);
		const key = JSON.stringify([address.http, user.id]);
		const empty = { address: { host, party, room, user }, clientId: box.randomId(), lastSeq: 0, entries: [] };
		this.#keeper = new Keeper(
			storage,
			key,
			empty,
			(isChanged) => this.#stored(isChanged),
			(error) => {
				// Each tab is by itself then, and needs a name of its own.
				if (this.#tabs?.isLeader === false) void this.#keeper.do(box.renew(box.randomId()));
				this.#error("storage_failed", `Pending changes are in memory only: ${error}`);
			},
		);
		this.#tabs = storage.isDurable && canShare() ? new Tabs(key, (notice) => this.#heard(notice)) : undefined;
		this.#view = new View(this.#replica, empty, this.#shown, user.id);
		const handlers = {
			token: () => this.#askToken(),
			opened: (token: string | undefined) => this.#opened(token),
			frame: (frame: ServerFrame) => this.#frame(frame),
			lost: (reason: string, isFinal: boolean) => this.#lost(reason, isFinal),
			send: (frame: object) => this.#link.send(frame),
			settled: (entry: box.Entry, outcome: api.Outcome) => this.#settled(entry, outcome),
			renew: () => this.#renew(),
			polled: () => this.#arrived("polling"),
			failed: (reason: string, isFinal: boolean) => this.#failed(reason, isFinal),
		};
		this.#link = new Link(address.socket, options.WebSocket, handlers);
		this.#sender = new Sender(this.#keeper, this.#replica, handlers);
		this.#poller = new Poller(address.http, options.fetch, this.#replica, this.#sender, handlers);
	}

	/** Connects, and comes back by itself from then on. */
	connect(): void {
		if (this.#run) return;
		this.#run = {};
		this.#failures = 0;
		globalThis.addEventListener?.("online", this.#wake);
		globalThis.document?.addEventListener("visibilitychange", this.#wake);
		void this.#start();
		// Whoever hears of it may close it.
		this.#show({ status: "connecting", reason: undefined });
	}

	/** Ends the connection. What is pending is kept, and sent once there is a connection again. */
	close(): void {
		if (this.#run) this.#end("closed");
	}

	/** What is known now. The same object until something changes. */
	getSnapshot(): api.Snapshot {
		return this.#view.snapshot;
	}

	/** Calls `listener` after each change of the snapshot. Returns what stops that. */
	subscribe(listener: () => void): () => void {
		return this.#emitter.on("change", listener);
	}

	/** Calls `listener` at each such event. Returns what stops that. */
	on<E extends keyof api.Events>(event: E, listener: api.Events[E]): () => void {
		return (this.#emitter as Emitter<api.Events>).on(event, listener);
	}

	/** Sets a field. Shown at once; the promise tells what became of it, after however many connections. */
	select(field: string, value: api.Json, options: api.SelectOptions = {}): Promise<api.Outcome> {
		return this.#field({ type: "field_selected", selection: this.#selection(field, value) }, options);
	}

	/** Empties a field, as `select` sets it. */
	clear(field: string, options: api.ChangeOptions = {}): Promise<api.Outcome> {
		return this.#field({ type: "field_cleared", field: named(field), userId: this.user.id }, options);
	}

	/** Makes all changes that `make` makes, or none of them. */
	transaction(make: (transaction: Transaction) => void, options: api.ChangeOptions = {}): Promise<api.Outcome> {
		const changes: box.FieldMessage[] = [];
		const outer = this.#gathered;
		this.#gathered = changes;
		let made: unknown;
		try {
			made = make(this);
		} finally {
			this.#gathered = outer;
		}
		if (made instanceof Promise) throw new TypeError("A transaction is not async.");
		const [first] = changes;
		if (!first) return Promise.resolve({ outcome: "applied", version: this.#replica.version });
		return this.#change(changes.length > 1 ? { type: "batch", changes } : first, options);
	}

	/** Says whether the user is ready. */
	setReady(isReady: boolean, options: api.ChangeOptions = {}): Promise<api.Outcome> {
		return this.#change({ type: "user_ready", userId: this.user.id, isReady: !!isReady }, options);
	}

	/** Tells others what the user looks at: any JSON up to 4 KiB, null for nothing. Not stored, gone with the connection. */
	setPresence(data: api.Json): void {
		this.#presence = { data: copied(data) };
		// One after another at the room's own pace, the newest only.
		this.#presenceTimer ??= setTimeout(() => {
			this.#presenceTimer = undefined;
			this.#sendPresence();
		}, PRESENCE_EVERY);
	}

	/**
	 * Asks for a permission. The outcome is that of the asking, and has the `requestId`; the answer shows up in `requests`.
	 * @param options `ttlMs`: how long it may be answered, 5 minutes when left out.
	 */
	request(
		action: string,
		detail?: api.Json,
		{ ttlMs, ...options }: api.ChangeOptions & { ttlMs?: number } = {},
	): Promise<api.Outcome> {
		return this.#change({ type: "permission_request", requestId: box.randomId(), action, detail, ttlMs }, options);
	}

	/** Answers somebody's request. Allowed for `once` when not said otherwise. */
	respond(
		{ requestId, userId }: { requestId: string; userId: string },
		decision: "allow" | "deny",
		{ scope = "once", reason, ...options }: api.ChangeOptions & { scope?: "once" | "session"; reason?: string } = {},
	): Promise<api.Outcome> {
		return this.#change({ type: "permission_response", requestId, userId, decision, scope, reason }, options);
	}

	/** Takes the user's own request back. */
	cancelRequest(requestId: string): Promise<api.Outcome> {
		return this.#change({ type: "permission_cancelled", requestId }, {});
	}

	/** Takes a permission back. */
	revoke({ action, userId }: { action: string; userId: string }): Promise<api.Outcome> {
		return this.#change({ type: "permission_revoked", action, userId }, {});
	}

	/**
	 * Sends a message of the page's own to all others, as `{type, data}`. It is not stored.
	 * @returns False when there is no connection: it is not kept for later.
	 */
	send(type: string, data?: api.Json): boolean {
		return this.#link.send({ type, data });
	}

	/**
	 * Decides a conflict: one's own value again, on top of the room's, or the room's, or another one, as `select` does, which
	 * can also set a field to the texts "mine" and "theirs". Of a transaction that came too late, `"theirs"` drops all.
	 */
	resolve(field: string, choice: "mine" | "theirs" | api.Json): Promise<api.Outcome> {
		const held = this.#held(field);
		if (!held) return Promise.resolve({ outcome: "rejected", code: "no_conflict", message: "There is no conflict." });
		if (choice === "theirs") return this.#take(held.key).then(() => isLeft);
		return choice === "mine" ? this.#again(held, field) : this.select(field, choice);
	}

	/** Gives the user another name, which others are told. */
	rename(name: string): void {
		(this as { user: api.User }).user = { ...this.user, name: named(name) };
		this.#join();
	}

	/** What waits for the room's answer, in the order in which it goes out. */
	pending(): api.Pending[] {
		const waiting = this.#keeper.shown.entries.filter(({ conflict }) => !conflict);
		return waiting.map(({ key, message, at, seq }) => {
			return {
				key,
				type: message.type,
				fields: box.fieldMessages(message).map(box.fieldOf),
				at,
				isSent: seq !== undefined,
			};
		});
	}

	/** Takes a change back that was not sent, by its key in `pending`. False when it was too late. */
	async drop(key: string): Promise<boolean> {
		const entry = this.#keeper.shown.entries.find((one) => one.key === key);
		if (!entry || !(await this.#take(key))) return false;
		this.#settled(entry, isLeft);
		return true;
	}

	// What the user does.

	#selection(field: string, value: api.Json) {
		return { field: named(field), value: copied(value), userId: this.user.id, timestamp: Date.now() };
	}

	#field(message: BatchChange, options: api.SelectOptions): Promise<api.Outcome> {
		const field = box.fieldOf(message);
		const { entries } = this.#keeper.shown;
		if (this.#gathered) {
			this.#gathered.push({ ...message, baseVersion: this.#base(field) });
			return Promise.resolve(isLeft);
		}
		// Who chooses anew has seen what there is.
		const held = this.#held(field);
		if (held) return this.#again(held, field, message);
		const last = entries.at(-1);
		// Another tab's is not for this one to take away: somebody there waits for what becomes of it.
		const isNext = last?.due && box.isRival(last, field) && this.#waiting.has(last.key);
		return this.#change({ ...message, baseVersion: this.#base(field) }, options, isNext ? last.key : "");
	}

	/** The version of a field that the user sees: with a change pending, the one that that is based on. */
	#base(field: string): number {
		const waiting = this.#keeper.shown.entries.flatMap((one) => (one.conflict ? [] : box.fieldMessages(one.message)));
		return waiting.find((one) => box.fieldOf(one) === field)?.baseVersion ?? this.#replica.fieldVersion(field);
	}

	#held(field: string): box.Entry | undefined {
		return this.#keeper.shown.entries.find(({ conflict }) => conflict?.field === field);
	}

	/** Makes a change that was held anew, on top of what the user sees now. */
	#again(held: box.Entry, field: string, change?: BatchChange): Promise<api.Outcome> {
		const message = change ? box.withField(held.message, field, change) : held.message;
		const seen = Math.max(this.#replica.fieldVersion(field), held.conflict?.version ?? 0);
		const base = (one: string, before: number) => (one === field ? seen : before);
		// Who waits for what was held hears of the conflict yet, from the tab that sent it.
		return this.#change(box.rebased(message, base), {}, held.key, "");
	}

	/**
	 * @param over The key of what it takes the place of, if that was not sent.
	 * @param joined The same, if who waits for that is told of this.
	 */
	#change(
		made: box.Message,
		{ debounceMs, signal }: api.SelectOptions,
		over = "",
		joined = over,
	): Promise<api.Outcome> {
		const message = copied(made);
		const key = box.randomId();
		const at = Date.now();
		const entry: box.Entry = { key, at, message, size: new Blob([JSON.stringify(message)]).size };
		if (debounceMs) entry.due = at + debounceMs;
		const problem = box.isFull(this.#keeper.shown, entry)
			? { code: "outbox_full", message: "Too many changes are pending." }
			: this.#sender.problem(entry);
		if (problem) return Promise.resolve({ outcome: "rejected", ...problem });
		const promise = new Promise<api.Outcome>((resolve) => {
			this.#waiting.set(key, [...(this.#waiting.get(joined) ?? []), resolve]);
		});
		this.#waiting.delete(joined);
		void this.#keeper.do(...(debounceMs ? [] : [box.hurry]), box.add(entry, over));
		this.#changed();
		const withdraw = () => void this.drop(key);
		if (signal?.aborted) withdraw();
		signal?.addEventListener("abort", withdraw);
		// It may be the signal of many.
		void promise.then(() => signal?.removeEventListener("abort", withdraw));
		if (this.#shown.status !== "synced") askForSync();
		return promise;
	}

	/** Removes an entry that was not sent. False when it was, or is gone. */
	async #take(key: string): Promise<boolean> {
		let isTaken = false;
		const step: box.Step = (outbox) => {
			isTaken = outbox.entries.some((entry) => entry.key === key && entry.seq === undefined);
			return isTaken ? box.remove([key])(outbox) : outbox;
		};
		const stored = this.#keeper.do(step);
		this.#changed();
		await stored;
		return isTaken;
	}

	// What becomes of it.

	#settled(entry: box.Entry, outcome: api.Outcome): void {
		this.#settle(entry, outcome);
		// They look at what is stored, so it has to be there.
		void this.#keeper.do().then(() => this.#tabs?.tell({ entry, outcome }));
	}

	#settle({ key, message }: box.Entry, outcome: api.Outcome): void {
		this.#changed();
		const isAsked = message.type === "permission_request";
		const full = isAsked ? { ...outcome, requestId: message.requestId } : outcome;
		const conflicts = this.getSnapshot().conflicts;
		for (const resolve of this.#waiting.get(key) ?? []) resolve(full);
		this.#waiting.delete(key);
		if (outcome.outcome !== "conflict") return;
		const fields = box.fieldMessages(message).map(box.fieldOf);
		const conflict = conflicts.find(({ field }) => fields.includes(field));
		if (conflict) this.#emitter.emit("conflict", conflict);
	}

	#heard(notice: Notice): void {
		const read = this.#keeper.do();
		if (!notice) return;
		const { entry, outcome } = notice;
		if (outcome.outcome === "applied") this.#sender.provide(entry, outcome.version);
		void read.then(() => this.#settle(entry, outcome));
	}

	#stored(isChanged: boolean): void {
		if (isChanged) this.#tabs?.tell(null);
		this.#show({ persistence: this.#keeper.storage.isDurable ? "durable" : "memory" });
		this.#pump();
	}

	/** Sends what is to be sent, in whichever way there is. */
	#pump(): void {
		clearTimeout(this.#dueTimer);
		if (!this.#run || !this.#leads) return;
		if (this.#shown.status === "synced") this.#sender.pump();
		else if (this.#shown.status === "polling") void this.#poller.write();
		// What is due already goes out as soon as anything does.
		const now = Date.now();
		const waits = this.#keeper.stored.entries.flatMap(({ due = 0, at }) => (due > now && at <= now ? due - now : []));
		if (waits[0]) this.#dueTimer = setTimeout(() => this.#pump(), Math.min(...waits));
	}

	get #leads(): boolean {
		// What is in memory no other tab can send.
		return !this.#tabs || this.#tabs.isLeader || !this.#keeper.storage.isDurable;
	}

	// The connection.

	async #start(): Promise<void> {
		const run = this.#run;
		// It may have been closed meanwhile, and connected again.
		const isOn = () => run === this.#run;
		await this.#keeper.do();
		// Who leads only later connects anew, under the name of the outbox.
		if (isOn()) await this.#tabs?.enter(() => this.#reconnect("leading"));
		// Whoever led before may have given numbers until then.
		await this.#keeper.do();
		if (isOn()) this.#link.connect();
	}

	/** Stops everything, for good or until `connect`. */
	#end(reason: string): void {
		this.#run = undefined;
		this.#link.close();
		this.#poller.stop();
		this.#sender.stop();
		this.#tabs?.leave(this.#waiting.size === 0);
		clearTimeout(this.#dueTimer);
		clearTimeout(this.#presenceTimer);
		this.#presenceTimer = undefined;
		globalThis.removeEventListener?.("online", this.#wake);
		globalThis.document?.removeEventListener("visibilitychange", this.#wake);
		this.#replica.presence.clear();
		this.#show({ status: "closed", reason, connectionId: undefined });
	}

	async #askToken(): Promise<string | undefined> {
		try {
			return await this.#options.token?.();
		} catch (error) {
			this.#error("token", `${error}`);
			// It may have thrown anything.
			throw new Error();
		}
	}

	#opened(token: string | undefined): void {
		const clientId = this.#leads ? this.#keeper.stored.clientId : this.#ownId;
		this.#link.send({ type: "hello", protocol: 1, clientId, ...this.#known(), token, id: "hello" });
		this.#join();
	}

	/** From where on the room is to tell. */
	#known() {
		const { epoch, version } = this.#replica;
		return epoch && { since: version, epoch };
	}

	#join(): void {
		const { id, name } = this.user;
		if (this.#options.join !== false) this.#link.send({ type: "user_joined", userId: id, userName: name, id: "join" });
	}

	#frame(frame: ServerFrame): void {
		switch (frame.type) {
			case "welcome":
				this.#welcomed(frame);
				return;
			case "ack":
				if (frame.id === "hello") this.#synced();
				else if (frame.id === "join") this.#joined();
				else this.#sender.answered(frame);
				break;
			case "conflict":
				this.#sender.answered(frame);
				break;
			case "error":
				if (frame.seq !== undefined) this.#sender.answered(frame);
				// Nobody would see the user for as long as the connection holds.
				else if (frame.id === "join" && frame.retry) setTimeout(() => this.#join(), AGAIN);
				else this.#error(frame.code, frame.message);
				break;
			default:
				this.#told(frame);
		}
		this.#changed();
	}

	/** Takes what the room tells of itself. */
	#told(frame: ServerFrame): void {
		const receipt = this.#replica.receive(frame);
		if (receipt === "other") this.#emitter.emit("message", frame);
		else if (receipt === "gap") this.#link.send({ type: "sync_request", ...this.#known() });
		else if (receipt === "taken" && this.#shown.status === "synced") this.#show({ lastSyncedAt: Date.now() });
	}

	#welcomed(welcome: WelcomeFrame): void {
		const { userId, connectionId, role, time, lastSeq, limits } = welcome;
		if (userId !== null && userId !== this.user.id) {
			this.#error("identity_mismatch", `The token is of ${userId}.`);
			this.#end("identity_mismatch");
			return;
		}
		this.#link.ready();
		this.#show({ connectionId, role, clockSkew: time - Date.now() });
		this.#sender.messageBytes = limits.messageBytes;
		// A number that the room knows and the outbox does not was given before what is stored was lost.
		// One that was never used may be unknown.
		const given = this.#keeper.stored.lastSeq;
		if (this.#leads && (lastSeq === null ? given > 0 : lastSeq > given)) this.#renew();
	}

	#synced(): void {
		this.#failures = 0;
		this.#poller.stop();
		this.#sender.start();
		this.#arrived("synced");
		this.#sendPresence();
	}

	/** All that the room knows is here. */
	#arrived(status: "synced" | "polling"): void {
		const isNews = this.#shown.status !== status;
		const { epoch } = this.#replica;
		if (epoch && epoch !== this.#keeper.shown.epoch && this.#leads) void this.#keeper.do(box.settleIn(epoch));
		const reason = status === "polling" ? this.#shown.reason : undefined;
		this.#show({ status, reason, lastSyncedAt: Date.now() });
		// Whoever hears of it may close it.
		if (isNews && this.#run) this.#emitter.emit("synced", this.getSnapshot());
		this.#pump();
	}

	#joined(): void {
		const { id, name } = this.user;
		const known = this.#replica.participants.get(id);
		if (known) this.#replica.participants.set(id, { ...known, name, online: true });
	}

	/** Starts over with a name that the room knows nothing under. */
	#renew(): void {
		this.#reconnect(undefined, box.renew(box.randomId()));
	}

	/** Connects anew, with the outbox as it is stored by then. */
	#reconnect(reason?: string, ...steps: box.Step[]): void {
		// What comes on this connection is about another name.
		this.#sender.stop();
		this.#link.close();
		void this.#keeper.do(...steps).then(() => this.#run && this.#link.connect(reason));
	}

	#sendPresence(): void {
		const { connectionId } = this.#shown;
		if (!this.#presence || !this.#link.send({ type: "presence", ...this.#presence }) || !connectionId) return;
		// The room does not tell it to somebody who is alone.
		this.#told({ type: "presence", presence: [{ connectionId, userId: this.user.id, ...this.#presence }] });
	}

	#lost(reason: string, isFinal: boolean): void {
		this.#sender.stop();
		if (isFinal) {
			this.#end(reason);
			return;
		}
		const wasSynced = this.#shown.status === "synced";
		this.#failures = wasSynced ? 0 : this.#failures + 1;
		this.#replica.presence.clear();
		const { status } = this.#shown;
		if (status !== "polling")
			this.#show({ status: wasSynced ? "connecting" : "offline", reason, connectionId: undefined });
		if (this.#failures >= ATTEMPTS) this.#poller.start();
	}

	#failed(reason: string, isFinal: boolean): void {
		if (isFinal) this.#end(reason);
		else this.#show({ status: "offline", reason });
	}

	// What is shown.

	#show(link: Partial<Shown>): void {
		const { status, reason } = this.#shown;
		this.#shown = { ...this.#shown, ...link };
		this.#changed();
		const now = this.#shown;
		if (now.status !== status || now.reason !== reason) this.#emitter.emit("status", now.status, now.reason);
	}

	#changed(): void {
		if (this.#view.update(this.#replica, this.#keeper.shown, this.#shown, this.user.id)) this.#emitter.emit("change");
	}

	#error(code: string, message: string): void {
		this.#emitter.emit("error", { code, message });
	}
}

/** Has the service worker send what is pending, should the page be closed before it could. */
function askForSync(): void {
	const ready: Promise<any> | undefined = globalThis.navigator?.serviceWorker?.ready;
	ready?.then(({ sync }) => sync?.register("roomkeep")).catch(() => {});
}
