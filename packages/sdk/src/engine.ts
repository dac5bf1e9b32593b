// Keeps a client connected and its snapshot current: acts on the connection's states, takes what the room sends, and
// reports what came of each change.

import { addressOf } from "./address.ts";
import { type ConnectionEvent, type ConnectionState, idle, isLetIn, isOn, isPolled, next } from "./connection.ts";
import { Emitter } from "./emitter.ts";
import type { ServerFrame, SyncResponseFrame, WelcomeFrame } from "./generated/protocol.ts";
import { copied, named } from "./input.ts";
import { Keeper, type KeeperOwner } from "./keeper.ts";
import type { Kind, Problem } from "./kind.ts";
import { Link, type LinkOwner } from "./link.ts";
import * as box from "./outbox.ts";
import { within } from "./patience.ts";
import { Poller, type PollerOwner } from "./poller.ts";
import { Replica } from "./replica.ts";
import { SavedReplica } from "./saved.ts";
import { Sender, type SenderOwner } from "./sender.ts";
import { indexedDbStorage, storageOf } from "./storage.ts";
import { type Notice, Tabs } from "./tabs.ts";
import type * as api from "./types.ts";
import { type Shown, View } from "./view.ts";

/** What is shown besides the room, the pending changes and the connection's state. */
type Facts = Omit<Shown, "status" | "reason" | "connectionId">;

/** What an engine reports. */
type Heard = api.Events & { change: () => void };

/** After this many milliseconds the user is announced again, if the room could not hear it before. */
const AGAIN = 1_000;
/** How long to wait for whoever leads to say so, in milliseconds: when a client connects, and when it sends nothing. */
const AT_FIRST = 200;
const LATER = 1_000;
/** After this many milliseconds a client that follows asks whether what is pending is still being sent. */
const STARVED = 2_000;
/** How long a page may take to come up with a token, in milliseconds. */
const TOKEN_PATIENCE = 10_000;
/** The close code of a connection whose name is used by a newer one. */
const REPLACED = 4410;
/** The least time between two presence frames, in milliseconds, as for the room's own (PROTOCOL.md, P1). */
const PRESENCE_EVERY = 50;

/** The name of the database for what rooms have told. */
const REPLICAS = "roomkeep-replicas";
/** Close codes and reasons after which what the room has told is no longer this user's to see. */
const GONE = /^(4403|4409|forbidden|revoked|identity_mismatch)$/;

/** What runs below a client, from its construction on. */
export class Engine extends Emitter<Heard> implements LinkOwner, PollerOwner, SenderOwner, KeeperOwner {
	user: api.User;
	/** What is known of the room's kind. */
	readonly kind: Kind<any> | undefined;
	/** The state of the connection. */
	state: ConnectionState = idle;
	readonly replica = new Replica();
	readonly keeper: Keeper;
	readonly sender: Sender;
	readonly view: View;
	readonly #saved: SavedReplica | undefined;
	/** Those who wait for the outcome of an entry, by its key. */
	readonly waiting = new Map<string, ((outcome: api.Outcome) => void)[]>();
	readonly #options: api.RoomClientOptions<any>;
	readonly #empty: () => box.Outbox;
	readonly #link: Link;
	readonly #poller: Poller;
	readonly #tabs: Tabs | undefined;
	/** This client's own name: under it, it leads, and says hello while another one leads. */
	readonly #ownId = box.randomId();
	/** The name under which it said hello. */
	#said: string | undefined;
	#claiming: Promise<void> | undefined;
	#starving: ReturnType<typeof setTimeout> | undefined;
	#facts = { persistence: "memory", clockSkew: 0, refused: {} } as Facts;
	#presence: { data: api.Json } | undefined;
	#presenceTimer: ReturnType<typeof setTimeout> | undefined;
	#dueTimer: ReturnType<typeof setTimeout> | undefined;
	/** The newest token. */
	#token: string | undefined;
	readonly #noticed = ({ type, persisted }: { type: string; persisted?: boolean }) => {
		if (type === "pagehide") this.#leave(!!persisted);
		else if (type === "pageshow") {
			if (persisted) void this.#prepare({ type: "connect" });
		} else if (type === "offline") this.doubt();
		else if (globalThis.document?.visibilityState === "hidden") this.#hidden();
		else if (this.state.name === "waiting") void this.#link.connect();
		else this.doubt();
	};

	/** Only checks the options; nothing starts yet. */
	constructor(options: api.RoomClientOptions<any>) {
		super();
		const { host, party = "collaboration", room, user, initial } = options;
		for (const text of [host, party, room, user?.id, user?.name]) named(text);
		this.#options = options;
		this.user = user;
		this.kind = options.kind;
		// A response that is not a state, such as a refusal, shows nothing.
		if ((initial as SyncResponseFrame | undefined)?.selections)
			this.replica.receive({ ...copied(initial as SyncResponseFrame), type: "sync_response" });
		const storage = storageOf(options.storage);
		const address = addressOf(host, party, room);
		const key = JSON.stringify([address.http, user.id]);
		this.#empty = () => {
			return { address: { host, party, room, user }, clientId: box.randomId(), lastSeq: 0, entries: [] };
		};
		const empty = this.#empty();
		this.keeper = new Keeper(storage, key, empty, this);
		this.#tabs = storage.isDurable ? new Tabs(key, (notice) => this.#heard(notice)) : undefined;
		const kept = options.replica === "indexeddb" ? indexedDbStorage(REPLICAS) : options.replica;
		this.#saved = kept && new SavedReplica(kept, address.http, user.id, this.replica);
		this.view = new View(this.replica, empty, this.#shown, user.id);
		this.#link = new Link(address.socket, options.WebSocket, this);
		this.sender = new Sender(this.keeper, this.replica, this.#ownId, this);
		this.#poller = new Poller(address.http, options.fetch, this.replica, this.sender, this);
	}

	/** Connects, and from then on reconnects by itself. */
	connect(): void {
		if (isOn(this.state)) return;
		this.#listen("addEventListener");
		this.#tabs?.open();
		void this.#prepare({ type: "connect" });
	}

	/** Stops everything, permanently or until `connect`. */
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
		// One at a time at the room's own pace, and only the newest.
		this.#presenceTimer ??= setTimeout(() => {
			this.#presenceTimer = undefined;
			this.#sendPresence();
		}, PRESENCE_EVERY);
	}

	/** Forgets all that is known and pending, here, in storage and in other tabs. */
	forget(): Promise<void> {
		this.#tabs?.tell("forget");
		return this.#forget();
	}

	async #forget(): Promise<void> {
		this.close("forgotten");
		for (const resolve of [...this.waiting.values()].flat()) resolve({ outcome: "withdrawn" });
		this.waiting.clear();
		const { id } = this.user;
		const isTheirs = (record: unknown) => (record as Partial<box.Outbox> | null | undefined)?.address?.user?.id === id;
		try {
			await Promise.all([this.#saved?.forget(), this.keeper.forget(this.#empty(), isTheirs)]);
		} finally {
			this.replica.clear();
			this.show();
		}
	}

	/** Shows what has changed. */
	show(): void {
		if (this.view.update(this.replica, this.keeper.shown, this.#shown, this.user.id)) this.emit("change");
	}

	get #shown(): Shown {
		const { status, reason, connectionId } = this.state;
		return { ...this.#facts, status, reason, connectionId };
	}

	/** An entry is answered or withdrawn: whoever waits for it in this tab is told first, then the other tabs. */
	settled(entry: box.Entry, outcome: api.Outcome): void {
		this.#settle(entry, outcome);
		// They read what is stored, so it has to be there.
		void this.keeper.do().then(() => this.#tabs?.tell({ entry, outcome }));
	}

	/** Why the room would refuse a change, as far as that can be known here. */
	problem(entry: box.Entry): Problem | undefined {
		const { message, kind } = entry;
		// What was made for another version, the room alone can read.
		const changes = kind === this.kind?.version ? box.fieldMessages(message) : [];
		const each = changes.map((one) => this.check(box.fieldOf(one), box.chosenIn(one)));
		return this.sender.problem(entry) ?? each.find((problem) => problem);
	}

	/** The same of a field's value, for a user of this role. */
	check(field: string, value?: api.Json, role = this.#facts.role): Problem | undefined {
		return this.kind?.check(field, value, { userId: this.user.id, role, token: role && this.#token });
	}

	/** Keeps why a change was refused, and what it was, until the field is changed again. */
	refuse({ message, at }: box.Entry, problem: api.Outcome): void {
		const { code = "", message: reason = "", path, keyword } = problem;
		const changes = box.fieldMessages(message);
		for (const change of changes) {
			const field = box.fieldOf(change);
			const isIt = path !== undefined && (field === problem.field || !changes[1]);
			const where = isIt && { path, keyword: keyword as string };
			const refusal = { field, value: box.chosenIn(change), code, message: reason, at, ...where };
			this.#facts.refused = { ...this.#facts.refused, [field]: refusal };
			this.emit("refused", refusal);
		}
	}

	/** Forgets that changes of fields were refused. */
	accept(fields: string[]): void {
		if (!fields.some((field) => Object.hasOwn(this.#facts.refused, field))) return;
		const others = Object.entries(this.#facts.refused).filter(([field]) => !fields.includes(field));
		this.#facts.refused = Object.fromEntries(others);
		this.show();
	}

	/** Tells whoever waits for an entry what came of it, once that is shown. */
	#settle(entry: box.Entry, outcome: api.Outcome): void {
		const { key, message } = entry;
		if (outcome.outcome === "rejected") this.refuse(entry, outcome);
		this.show();
		const isAsked = message.type === "permission_request";
		const full = isAsked ? { ...outcome, requestId: message.requestId } : outcome;
		const { conflicts } = this.view.snapshot;
		for (const resolve of this.waiting.get(key) ?? []) resolve(full);
		this.waiting.delete(key);
		if (outcome.outcome !== "conflict") return;
		const fields = box.fieldMessages(message).map(box.fieldOf);
		const conflict = conflicts.findLast(({ field }) => fields.includes(field));
		if (conflict) this.emit("conflict", conflict);
	}

	#heard(notice: Exclude<Notice, "me">): void {
		if (notice === "who") {
			const canSend = isOn(this.state) && this.state.status !== "offline" && this.keeper.storage.isDurable;
			if (canSend && this.#leads) this.#tabs?.tell("me");
			return;
		}
		if (notice === "forget") {
			void this.#forget().catch((error) => this.#error("storage_failed", `${error}`));
			return;
		}
		if (notice && "gone" in notice) {
			if (isOn(this.state)) void this.keeper.do(box.lead(this.#ownId, notice.gone));
			return;
		}
		// Whoever reads what was forgotten would begin another record.
		if (!isOn(this.state) && !this.waiting.size) return;
		const read = this.keeper.do();
		if (!notice) return;
		const { entry, outcome } = notice;
		if (outcome.outcome === "applied") this.sender.provide(entry, outcome.version);
		void read.then(() => this.#settle(entry, outcome));
	}

	/** Sends what is due, in whichever way is available. */
	#pump(): void {
		clearTimeout(this.#dueTimer);
		const { status } = this.state;
		if (!isOn(this.state)) return;
		if (!this.#leads) {
			if (status === "synced" || status === "polling") this.#watch();
			return;
		}
		// Before what is due is looked for: what falls due in between would find neither a sender nor a timer.
		const now = Date.now();
		if (status === "polling") void this.#poller.write();
		else this.sender.pump();
		const waits = this.keeper.stored.entries.flatMap(({ due = 0, at }) => (due > now && at <= now ? due - now : []));
		if (waits[0]) this.#dueTimer = setTimeout(() => this.#pump(), Math.min(...waits));
	}

	// Who sends: one of a user's tabs leads, and storage says which.

	get #leads(): boolean {
		return this.keeper.stored.leader === this.#ownId;
	}

	/** The name under which it is to say hello. */
	get #name(): string {
		return this.#leads ? this.keeper.stored.clientId : this.#ownId;
	}

	/** Leads, unless another tab says that it does and can send. */
	#claim(patience: number): Promise<void> {
		const claim = async () => {
			const { leader } = this.keeper.stored;
			if (leader === this.#ownId || (leader && (await this.#tabs?.ask(patience)))) return;
			if (isOn(this.state)) await this.keeper.do(box.lead(this.#ownId, leader));
		};
		this.#claiming ??= claim().finally(() => {
			this.#claiming = undefined;
		});
		return this.#claiming;
	}

	/** Sees to it that what is pending is sent: a tab that leads may have been stopped. */
	#watch(): void {
		const isPending = () => this.keeper.shown.entries.some(({ conflict }) => !conflict);
		if (!isPending()) return;
		this.#starving ??= setTimeout(async () => {
			this.#starving = undefined;
			if (!isOn(this.state) || !isPending()) return;
			await this.#claim(LATER);
			this.#pump();
		}, STARVED);
	}

	/** Lets another tab lead. */
	#release(): Promise<void> {
		return this.#leads ? this.keeper.do(box.lead(undefined, this.#ownId)) : Promise.resolve();
	}

	/** Another connection uses the name. */
	async #replaced(): Promise<void> {
		await this.keeper.do();
		// If it is not a tab that has taken over, it is somebody who has a copy of the outbox.
		if (this.#leads) this.renew();
	}

	stored(isChanged: boolean): void {
		if (isChanged) this.#tabs?.tell(null);
		this.#facts.persistence = this.keeper.storage.isDurable ? "durable" : "memory";
		this.show();
		if (isOn(this.state) && this.state.name !== "preparing") {
			// Another tab has taken over, or let go, or the outbox has another name.
			if (this.#said && this.#said !== this.#name) this.#restart("leading");
			else if (!this.keeper.stored.leader) void this.#claim(0);
		}
		this.#pump();
	}

	failed(error: unknown): void {
		const { leader } = this.keeper.stored;
		// Then each tab is on its own, and needs a name of its own.
		if (!this.#leads) void this.keeper.do(box.renew(box.randomId()), box.lead(this.#ownId, leader));
		this.#error("storage_failed", `Pending changes are in memory only: ${error}`);
	}

	// What follows from the states.

	/** Takes what happened, and does what follows from the new state. Returns that state. */
	dispatch(event: ConnectionEvent): ConnectionState {
		const before = this.state;
		const now = next(before, event);
		this.state = now;
		const isAllHere = event.type === "synced" || event.type === "polled";
		if (now.name !== "live") this.sender.stop();
		else if (before.name !== "live") this.sender.start();
		if (now.name === "closed" && before.name !== "closed") {
			this.#end();
			if (GONE.test(`${event.type === "lost" ? event.code : now.reason}`)) this.#saved?.drop();
		}
		if (event.type === "lost") {
			this.replica.presence.clear();
			this.#said = undefined;
			if (event.code === REPLACED) void this.#replaced();
		}
		if (isAllHere) this.#arrived();
		this.show();
		const isNews = now.status !== before.status;
		if (isNews || now.reason !== before.reason) this.emit("status", now.status, now.reason);
		// From here on the state may be another: a listener may have closed the client.
		if (isPolled(this.state)) this.#poller.start();
		else this.#poller.stop();
		if (isAllHere && isNews && isOn(this.state)) this.emit("synced", this.view.snapshot);
		if (isAllHere) this.#pump();
		return now;
	}

	/** Everything that the room knows has arrived. */
	#arrived(): void {
		const { epoch } = this.replica;
		if (epoch && epoch !== this.keeper.shown.epoch)
			void this.keeper.do(box.ifLeading(this.#ownId, box.settleIn(epoch)));
		this.#facts.lastSyncedAt = Date.now();
	}

	/** Begins, again or for the first time, with the outbox as currently stored. */
	async #prepare(event: ConnectionEvent, ...steps: box.Step[]): Promise<void> {
		// Anything still arriving on the abandoned connection would concern the outbox's previous name.
		this.#link.close();
		this.#said = undefined;
		const begun = this.dispatch(event);
		// It may have been closed and connected again meanwhile.
		const isStill = () => this.state === begun;
		const recalled = this.#recall();
		await this.keeper.do(box.ofKind(this.kind?.version), ...steps);
		// The connection is made meanwhile.
		if (isStill() && event.type === "connect") void this.#claim(AT_FIRST);
		await recalled;
		if (isStill() && isOn(begun)) void this.#link.connect();
	}

	/** Shows what the last page knew, until the room says what has become of it. */
	async #recall(): Promise<void> {
		if (!this.#saved || this.replica.epoch) return;
		const at = await this.#saved.load();
		if (!this.replica.epoch) return;
		this.#facts.lastSyncedAt ??= at;
		this.show();
	}

	/** Connects anew under the name that it has by now. */
	#restart(reason: string, ...steps: box.Step[]): void {
		this.dispatch({ type: "lost", at: Date.now(), reason });
		void this.#prepare({ type: "restart" }, ...steps);
	}

	#end(): void {
		this.#link.close();
		this.#said = undefined;
		clearTimeout(this.#dueTimer);
		clearTimeout(this.#starving);
		clearTimeout(this.#presenceTimer);
		this.#starving = this.#presenceTimer = undefined;
		this.replica.presence.clear();
		this.#listen("removeEventListener");
		void this.#release().then(() => {
			// Whoever waits for an outcome hears it from another tab.
			if (!isOn(this.state) && !this.waiting.size) this.#tabs?.close();
		});
	}

	/** Starts or stops listening for what becomes of the network and of the page. */
	#listen(how: "addEventListener" | "removeEventListener"): void {
		for (const type of ["online", "offline", "pagehide", "pageshow"])
			globalThis[how]?.(type, this.#noticed as () => void);
		globalThis.document?.[how]("visibilitychange", this.#noticed);
	}

	/** The page may never be seen again, and goes on for now. */
	#hidden(): void {
		if (!this.keeper.shown.entries.some(({ conflict }) => !conflict)) return;
		void this.keeper.do(box.hurry);
		askForSync();
	}

	/**
	 * Sends what is pending before a connection ends on purpose.
	 * @param isLeft Whether the page goes as well. Then fields are sent by requests of their own, too.
	 */
	sendLast(isLeft: boolean): void {
		const isPending = this.keeper.shown.entries.some(({ conflict }) => !conflict);
		if (!isPending || !isOn(this.state)) return;
		if (isLeft) this.#hidden();
		if (!this.#leads) return;
		const { clientId, entries } = this.sender.last();
		if (isLeft) this.#poller.last(entries, clientId, this.#token);
	}

	/**
	 * The page is left. If it is kept, it may come back as it is: an open connection would be in the way of that, and so
	 * would a transaction that it does not end.
	 */
	#leave(isKept: boolean): void {
		this.sendLast(true);
		if (this.#leads) this.#tabs?.tell({ gone: this.#ownId });
		if (!isKept) return;
		this.#link.close();
		this.dispatch({ type: "lost", at: Date.now(), reason: "suspended" });
		this.dispatch({ type: "restart" });
		this.#poller.stop();
		this.#tabs?.close();
	}

	/** The connection may be dead. */
	doubt(patience?: number): void {
		if (isLetIn(this.state)) this.#link.doubt(patience);
	}

	/** Starts over under a name that the room does not know. */
	renew(): void {
		void this.#prepare({ type: "restart" }, box.ifLeading(this.#ownId, box.renew(box.randomId())));
	}

	// What happens to the connection.

	async token(): Promise<string | undefined> {
		const ask = this.#options.token;
		if (!ask) return undefined;
		let token: string | null;
		try {
			token = await within(TOKEN_PATIENCE, Promise.resolve(ask()));
		} catch (error) {
			this.#error("token", `${error}`);
			// Anything may have been thrown.
			throw new Error();
		}
		if (token !== null) {
			this.#token = token;
			return token;
		}
		// There will be none: the user has logged out.
		this.close("no_token");
		throw new Error();
	}

	async greet(token: string | undefined): Promise<void> {
		const { attempt } = this.#link;
		await this.#claiming;
		if (attempt !== this.#link.attempt) return;
		const clientId = this.#name;
		this.#said = clientId;
		const kind = this.kind?.version;
		this.send({ type: "hello", protocol: 1, clientId, kind, ...this.#known(), token, id: "hello" });
		this.join();
	}

	/** The position from which the room is to report. */
	#known() {
		const { epoch, version } = this.replica;
		return epoch && { since: version, epoch };
	}

	// What the room sends.

	frame(frame: ServerFrame): void {
		const { type } = frame;
		if (type === "welcome") this.#welcomed(frame);
		else if (type !== "ack" && type !== "conflict" && type !== "error") this.#told(frame);
		else if (frame.seq !== undefined) this.sender.answered(frame);
		else if (type === "error") {
			// Nobody would see the user for as long as the connection lasts.
			if (frame.id === "join" && frame.retry) setTimeout(() => this.join(), AGAIN);
			else this.#error(frame.code, frame.message);
			// A room that is older than this page will not be for long.
			if (frame.id === "hello" && frame.retry) this.#link.refused(frame.code);
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

	/** Takes what the room reports about itself. */
	#told(frame: ServerFrame): void {
		const receipt = this.replica.receive(frame);
		// The other tabs know the same.
		if (receipt === "taken" && frame.type !== "presence" && this.#leads) this.#saved?.save(Date.now());
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
		// If the room knows a number that the outbox does not, stored data was lost after it was given. A number that was
		// never used may be unknown to the room.
		const given = this.keeper.stored.lastSeq;
		if (this.#leads && (lastSeq === null ? given > 0 : lastSeq > given)) this.renew();
	}

	#sendPresence(): void {
		const { connectionId } = this.state;
		if (!this.#presence || !this.send({ type: "presence", ...this.#presence }) || !connectionId) return;
		// The room does not send it to somebody who is alone.
		this.#told({ type: "presence", presence: [{ connectionId, userId: this.user.id, ...this.#presence }] });
		this.show();
	}

	#error(code: string, message: string): void {
		this.emit("error", { code, message });
	}
}

/** Makes the service worker send what is pending if the page is closed first. */
export function askForSync(): void {
	try {
		const ready: Promise<any> | undefined = globalThis.navigator?.serviceWorker?.ready;
		ready?.then(({ sync }) => sync?.register("roomkeep")).catch(() => {});
	} catch {
		// A page in a sandbox may not even look.
	}
}
