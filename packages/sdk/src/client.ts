// What a page calls: checks its input, makes changes of it, and reports what comes of them.

import type { Emitter } from "./emitter.ts";
import { askForSync, Engine } from "./engine.ts";
import type { BatchChange } from "./generated/protocol.ts";
import { copied, named } from "./input.ts";
import type { FieldName, FieldValue, Open } from "./kind.ts";
import * as box from "./outbox.ts";
import { rejected } from "./sender.ts";
import type * as api from "./types.ts";
import { begun, newest, restored, reversal, taken, unmade } from "./undo.ts";
import { kept } from "./view.ts";

/** The longest wait for a pause in a field's changes, in milliseconds, unless the pause itself is longer. */
const MAX_WAIT = 1_500;

/** How long to wait for the outcome of another tab's change before looking again, in milliseconds. */
const AGAIN = 200;

const isLeft: api.Outcome = { outcome: "withdrawn" };

/** What a field of a kind may be set to: in rooms of no declared kind, any JSON. */
export type NextOf<Definition, Name extends FieldName<Definition>, T> = Open extends Definition
	? api.Next<T>
	:
			| FieldValue<Definition, Name>
			| ((previous: FieldValue<Definition, Name> | undefined) => FieldValue<Definition, Name>);

/** A field of a kind: what it is set to fits its schema. */
export type FieldOf<Definition, Name extends FieldName<Definition>> = Open extends Definition
	? api.Field
	: Omit<api.Field, "selection"> & { selection: api.SelectionOf<FieldValue<Definition, Name>> | undefined };

/** What `transaction` collects. */
export interface Transaction<Definition = Open> {
	select<Name extends FieldName<Definition>, T>(
		field: Name,
		value: NextOf<Definition, Name, T>,
		options?: api.Based,
	): unknown;
	clear(field: FieldName<Definition>, options?: api.Based): unknown;
}

/**
 * A room from one user's point of view. Once made, it can be connected, closed and connected again as often as needed.
 * Given a `kind`, it is typed by it: `RoomClient<typeof rooms.trade>`.
 */
export class RoomClient<Definition = Open> {
	/** The user that this client acts for. */
	readonly user: api.User;
	/** The field that `setFocus` was called with. */
	readonly focus: string | undefined;
	/** Vue takes it as it is, and nothing in it is its to observe. */
	readonly __v_skip = true;
	readonly #engine: Engine;
	readonly #fields = new Map<string, api.Field>();
	#gathered: box.FieldMessage[] | undefined;
	/** The parts of the presence, by owner. */
	readonly #presence = new Map<unknown, api.Json>();
	#turning: Promise<api.Outcome> | undefined;

	/** Only checks the options; nothing starts yet. */
	constructor(options: api.RoomClientOptions<Definition>) {
		this.#engine = new Engine(options);
		this.user = options.user;
		// A method can be passed around on its own, and called on a proxy such as Vue makes of what it is given.
		for (const name of Object.getOwnPropertyNames(RoomClient.prototype) as "close"[]) {
			if (typeof this[name] === "function") this[name] = this[name].bind(this);
		}
	}

	/** Connects, and from then on reconnects by itself. */
	connect(): void {
		this.#engine.connect();
	}

	/** Ends the connection. What is pending is kept, and sent once there is a connection again. */
	close(): void {
		this.#engine.sendLast(false);
		this.#engine.close("closed");
	}

	/**
	 * Ends the connection, and removes all that is stored on this device for this user, in all rooms: for when the user
	 * logs out. What is pending is not sent any more. Rejects if storage fails.
	 */
	forget(): Promise<void> {
		return this.#engine.forget();
	}

	/** The current snapshot. It is the same object until something changes. */
	getSnapshot(): api.Snapshot {
		return this.#engine.view.snapshot;
	}

	/** Calls `listener` after each change of the snapshot. Returns a function that unsubscribes. */
	subscribe(listener: () => void): () => void {
		return this.#engine.on("change", listener);
	}

	/** Calls `listener` for each such event. Returns a function that unsubscribes. */
	on<E extends keyof api.Events>(event: E, listener: api.Events[E]): () => void {
		return (this.#engine as Emitter<api.Events>).on(event, listener);
	}

	/** One field as the snapshot has it. It is the same object until something of it changes. */
	field<Name extends FieldName<Definition>>(field: Name): FieldOf<Definition, Name> {
		return this.#seen(field) as FieldOf<Definition, Name>;
	}

	/** Whether the user may write a field: `canWrite` of `field`, or as of another snapshot. */
	canWrite(field: FieldName<Definition>, { role }: Pick<api.Snapshot, "role"> = this.getSnapshot()): boolean {
		return this.#engine.kind ? !this.#engine.check(field, undefined, role) : role !== "viewer";
	}

	#seen(field: string): api.Field {
		const { selections, conflicts, refused } = this.getSnapshot();
		const selection = Object.hasOwn(selections, field) ? selections[field] : undefined;
		// A field that was cleared here is missing from the selections before the room has heard of it.
		const change = this.#unanswered(field);
		const now = kept(this.#fields.get(field), {
			selection,
			version: this.#base(field),
			pending: change !== undefined,
			conflict: conflicts.find((one) => one.field === field),
			refused: Object.hasOwn(refused, field) ? refused[field] : undefined,
			canWrite: this.canWrite(field as FieldName<Definition>),
		});
		this.#fields.set(field, now);
		return now;
	}

	/** Calls `listener` after each change of one field. Returns a function that unsubscribes. */
	subscribeField<Name extends FieldName<Definition>>(
		field: Name,
		listener: (now: FieldOf<Definition, Name>) => void,
	): () => void {
		let seen = this.field(field);
		return this.subscribe(() => {
			const now = this.field(field);
			if (now === seen) return;
			seen = now;
			listener(now);
		});
	}

	/**
	 * Sets a field, to a value or to what a function makes of the one that is shown. It is shown at once; the promise tells
	 * what came of it, however many connections that takes.
	 */
	select<Name extends FieldName<Definition>, T>(
		field: Name,
		value: NextOf<Definition, Name, T>,
		options: api.SelectOptions = {},
	): Promise<api.Outcome> {
		return this.#select(field, value as api.Next, options);
	}

	#select(field: string, value: api.Next, options: api.SelectOptions = {}): Promise<api.Outcome> {
		const isDerived = typeof value === "function";
		const next = isDerived ? value(this.#shown(named(field))) : value;
		const selection = { field: named(field), value: copied(next), userId: this.user.id, timestamp: Date.now() };
		return this.#field({ type: "field_selected", selection }, options, isDerived);
	}

	/** Clears a field, in the same way as `select` sets it. */
	clear(field: FieldName<Definition>, options: api.SelectOptions = {}): Promise<api.Outcome> {
		return this.#field({ type: "field_cleared", field: named(field), userId: this.user.id }, options);
	}

	/** Makes all changes that `make` makes, or none of them. */
	transaction(
		make: (transaction: Transaction<Definition>) => void,
		options: api.ChangeOptions = {},
	): Promise<api.Outcome> {
		const changes: box.FieldMessage[] = [];
		const outer = this.#gathered;
		this.#gathered = changes;
		let made: unknown;
		try {
			made = make(this);
		} finally {
			this.#gathered = outer;
		}
		if (made instanceof Promise) throw new TypeError("A transaction must not be async.");
		const [first] = changes;
		if (!first) return Promise.resolve({ outcome: "applied", version: this.#engine.replica.version });
		return this.#change(changes.length > 1 ? { type: "batch", changes } : first, options);
	}

	/** Sets whether the user is ready. */
	setReady(isReady: boolean, options: api.ChangeOptions = {}): Promise<api.Outcome> {
		return this.#change({ type: "user_ready", userId: this.user.id, isReady: !!isReady }, options);
	}

	/**
	 * Tells others what the user is looking at: any JSON up to 4 KiB, null for nothing. Not stored, and gone with the
	 * connection.
	 * @param owner Whose part of it this is. Objects of several owners are told as one, with the members of all; anything
	 * else stands alone.
	 */
	setPresence<T>(data: api.Json | api.Given<T>, owner: unknown = undefined): void {
		const part = copied(data as api.Json);
		// What is set last comes last, where it counts.
		if (!this.#presence.delete(owner) && part === null) return;
		if (part !== null) this.#presence.set(owner, part);
		const parts = [...this.#presence.values()];
		const alone = parts.findLast((one) => typeof one !== "object" || Array.isArray(one));
		this.#engine.setPresence(alone ?? (parts[0] ? Object.assign({}, ...parts) : null));
	}

	/**
	 * Tells others in which field the user is: the member `field` of the presence, beside those that `setPresence` gives an
	 * object. Undefined: in none.
	 */
	setFocus(field: FieldName<Definition> | undefined): void {
		if (this.focus === field) return;
		(this as { focus: string | undefined }).focus = field;
		this.setPresence(field === undefined ? null : { field }, this.#presence);
	}

	/**
	 * Requests a permission. The outcome is that of making the request, and has the `requestId`; the response appears in
	 * `requests`.
	 * @param options `ttlMs`: how long the request stays open; 5 minutes by default.
	 */
	request<T>(
		action: string,
		detail?: api.Json | api.Given<T>,
		{ ttlMs, ...options }: api.ChangeOptions & { ttlMs?: number } = {},
	): Promise<api.Outcome> {
		return this.#change(
			{ type: "permission_request", requestId: box.randomId(), action, detail: detail as api.Json, ttlMs },
			options,
		);
	}

	/** Responds to somebody's request. The scope is `once` by default. */
	respond(
		{ requestId, userId }: { requestId: string; userId: string },
		decision: "allow" | "deny",
		{ scope = "once", reason, ...options }: api.ChangeOptions & { scope?: "once" | "session"; reason?: string } = {},
	): Promise<api.Outcome> {
		return this.#change({ type: "permission_response", requestId, userId, decision, scope, reason }, options);
	}

	/** Withdraws one of the user's own requests. */
	cancelRequest(requestId: string): Promise<api.Outcome> {
		return this.#change({ type: "permission_cancelled", requestId }, {});
	}

	/** Revokes a permission. */
	revoke({ action, userId }: { action: string; userId: string }): Promise<api.Outcome> {
		return this.#change({ type: "permission_revoked", action, userId }, {});
	}

	/**
	 * Sends one of the page's own messages to all others, as `{type, data}`. It is not stored.
	 * @returns False if there is no connection: it is not kept for later.
	 */
	send(type: string, data?: api.Json): boolean {
		return this.#engine.send({ type, data });
	}

	/**
	 * Resolves a conflict: with one's own value, on top of the room's, or with the room's, or with another one. `select`
	 * does the latter too, and can also set a field to the texts "mine" and "theirs". For a transaction that came too
	 * late, `"theirs"` drops all of it.
	 */
	resolve<Name extends FieldName<Definition>>(
		field: Name,
		choice: "mine" | "theirs" | FieldValue<Definition, Name>,
	): Promise<api.Outcome> {
		const held = this.#held(field);
		if (!held)
			return Promise.resolve({ outcome: "rejected", code: "no_conflict", message: "The field has no conflict." });
		if (choice === "theirs") return this.#take(held.key).then(() => isLeft);
		return choice === "mine" ? this.#again(held, field) : this.#select(field, choice as api.Json);
	}

	/** Sends at once whatever waits for a pause. Resolves when that is stored. */
	flush(): Promise<void> {
		const { keeper } = this.#engine;
		return keeper.shown.entries.some(({ due }) => due) ? keeper.do(box.hurry) : Promise.resolve();
	}

	/** Forgets that a change of a field was refused. */
	dismiss(field: FieldName<Definition>): void {
		this.#engine.accept([field]);
	}

	/**
	 * Takes back this user's last change, a transaction as one. If somebody has changed the same since, that is a conflict,
	 * with what was there before as `mine`. One that has not been sent is withdrawn. It knows a hundred changes, also after a
	 * reload.
	 */
	undo(): Promise<api.Outcome> {
		return this.#turn("undo");
	}

	/** Makes the change again that `undo` has taken back last, until there is another one. */
	redo(): Promise<api.Outcome> {
		return this.#turn("redo");
	}

	/** Gives the user another name, which others are told. */
	rename(name: string): void {
		(this as { user: api.User }).user = this.#engine.user = { ...this.user, name: named(name) };
		this.#engine.join();
	}

	/** The pending changes, in the order in which they are sent. */
	pending(): api.Pending[] {
		const waiting = this.#engine.keeper.shown.entries.filter(({ conflict }) => !conflict);
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

	/** Withdraws a change that has not been sent, by its key in `pending`. Returns false if it was too late. */
	async drop(key: string): Promise<boolean> {
		const entry = this.#engine.keeper.shown.entries.find((one) => one.key === key);
		if (!entry || !(await this.#take(key))) return false;
		this.#engine.settled(entry, isLeft);
		return true;
	}

	// What the user does.

	/** One after the other: what the next one takes back depends on the version that this one makes. */
	#turn(way: box.Way): Promise<api.Outcome> {
		const turn = this.#turning?.then(() => this.#turnNow(way)) ?? this.#turnNow(way);
		this.#turning = turn;
		void turn.then(() => {
			if (this.#turning === turn) this.#turning = undefined;
		});
		return turn;
	}

	async #turnNow(way: box.Way): Promise<api.Outcome> {
		const { keeper, waiting } = this.#engine;
		for (;;) {
			const last = way === "undo" ? newest(keeper.shown) : undefined;
			if (!last) break;
			if (await this.drop(last.key)) {
				void keeper.do(unmade(last));
				this.#engine.show();
				return isLeft;
			}
			// The room may have it, so what comes of it is known first.
			const told = waiting.get(last.key);
			if (told) await new Promise((resolve) => told.push(resolve));
			else await new Promise((resolve) => setTimeout(resolve, AGAIN));
		}
		const step = keeper.shown[way]?.at(-1);
		if (!step) return { outcome: "rejected", code: "nothing_to_undo", message: `There is nothing to ${way}.` };
		return this.#change(reversal(step, this.user.id, Date.now()), {}, undefined, { way, step });
	}

	#field(message: BatchChange, options: api.SelectOptions, isDerived = false): Promise<api.Outcome> {
		const field = box.fieldOf(message);
		const { debounceMs, baseVersion, signal } = options;
		const base = baseVersion ?? this.#base(field);
		if (this.#gathered) {
			this.#gathered.push({ ...message, baseVersion: base });
			return Promise.resolve(isLeft);
		}
		const { entries } = this.#engine.keeper.shown;
		const helds = entries.filter(({ conflict }) => conflict?.field === field);
		// Its user has not seen what the room has, so there is nothing decided: this is what waits for the decision now.
		const line = box.lineOf(entries, [field]);
		const isUnseen = ({ conflict, line: own }: box.Entry) =>
			(conflict?.version ?? 0) > base && (line === undefined ? baseVersion !== undefined : own === line);
		const unseen = helds.filter(isUnseen);
		// Of several it is the one that was gone on with. If that cannot be told, it is one more.
		const amended = unseen.find((one) => box.holds(message, box.changeOf(one.message, field)));
		const one = amended ?? (unseen.length === 1 ? unseen[0] : undefined);
		if (one) return this.#amend(one, field, message);
		if (unseen[0]) return this.#change({ ...message, baseVersion: base }, options);
		const [held] = helds;
		// A user who chooses again has seen what is there. One who types on, or whose value was made of the room's, has not
		// thereby given up what is held.
		const isChoice = !debounceMs && !isDerived;
		if (held && (isChoice || box.holds(message, box.changeOf(held.message, field))))
			return this.#again(held, field, message, options);
		const last = box.unsent(entries, field, (key) => this.#engine.waiting.has(key));
		// With a connection it is on its way. Of two changes with signals of their own, each can be withdrawn by itself.
		const { status } = this.getSnapshot();
		const isUnderWay = status === "synced" || status === "polling";
		const over = last?.due || !(isUnderWay || signal) ? last : undefined;
		return this.#change({ ...message, baseVersion: base }, options, over);
	}

	/** The version of a field that the user sees: with pending changes, the one that the first of them is based on. */
	#base(field: string): number {
		return this.#unanswered(field)?.baseVersion ?? this.#engine.replica.fieldVersion(field);
	}

	/** The pending change of a field below what the user sees: the first of its line. */
	#unanswered(field: string): box.FieldMessage | undefined {
		const { entries } = this.#engine.keeper.shown;
		const line = box.lineOf(entries, [field]);
		const changes = (one: box.Entry) => !one.conflict && one.line === line && box.changeOf(one.message, field);
		const first = entries.find(changes);
		return first && box.changeOf(first.message, field);
	}

	/** The value of a field that the user sees, or will see once a transaction is made. */
	#shown(field: string): api.Json | undefined {
		const change = this.#gathered?.findLast((one) => box.fieldOf(one) === field);
		return change ? box.chosenIn(change) : this.#seen(field).selection?.value;
	}

	#held(field: string): box.Entry | undefined {
		return this.#engine.keeper.shown.entries.find(({ conflict }) => conflict?.field === field);
	}

	/** Changes what a held change is about, which stays held. */
	#amend(held: box.Entry, field: string, message: BatchChange): Promise<api.Outcome> {
		const change = copied(message);
		const at = Date.now();
		const kind = this.#engine.kind?.version;
		const amended = (one: box.Entry) => {
			const message = box.withField(one.message, field, change);
			return box.changed(one, {
				message,
				at,
				size: box.sizeOf(message),
				kind: box.isOfField(message) ? kind : one.kind,
			});
		};
		void this.#engine.keeper.do(box.replace(held.key, amended));
		this.#engine.show();
		return Promise.resolve({ outcome: "conflict", current: held.conflict?.current ?? null });
	}

	/** Makes a held change again, on top of what the user sees now. */
	#again(held: box.Entry, field: string, change?: BatchChange, options: api.SelectOptions = {}): Promise<api.Outcome> {
		// The only one may have another name in the version of the kind that it was made for.
		const isOne = box.isOfField(held.message);
		const once = change && (isOne ? { ...change, baseVersion: 0 } : box.withField(held.message, field, change));
		const seen = options.baseVersion ?? Math.max(this.#engine.replica.fieldVersion(field), held.conflict?.version ?? 0);
		const base = (one: string, before: number) => (isOne || one === field ? seen : before);
		const kind = change && isOne ? this.#engine.kind?.version : held.kind;
		// Whoever waits for the held change still hears of the conflict from the tab that sent it.
		return this.#change(box.rebased(once ?? held.message, base), options, held, undefined, kind);
	}

	/**
	 * @param over The entry that it replaces, if that has not been sent: one that is held, or waits itself.
	 * @param turn Set if it undoes or redoes another change.
	 * @param kind The version of the room's kind that it is made for.
	 */
	#change(
		made: box.Message,
		options: api.SelectOptions,
		over?: box.Entry,
		turn?: box.Turn,
		kind = this.#engine.kind?.version,
	): Promise<api.Outcome> {
		const { debounceMs, maxWaitMs = Math.max(debounceMs ?? 0, MAX_WAIT), signal } = options;
		const message = copied(made);
		const key = box.randomId();
		const at = Date.now();
		const entry: box.Entry = { key, at, message, size: box.sizeOf(message) };
		// Whoever withdraws a decision has to decide again.
		const held = over?.conflict ? over : over?.held;
		if (held) entry.held = held;
		if (debounceMs) {
			entry.since = over && !over.conflict ? (over.since ?? over.at) : at;
			entry.due = Math.min(at + debounceMs, entry.since + maxWaitMs);
		}
		const fields = box.fieldMessages(message).map(box.fieldOf);
		if (fields.length && kind) entry.kind = kind;
		if (fields.length) entry.before = (!over?.conflict && over?.before) || this.#before(message);
		if (fields.length) entry.line = over?.line ?? box.lineOf(this.#engine.keeper.shown.entries, fields) ?? key;
		if (turn) entry.turn = turn;
		const problem = box.isFull(this.#engine.keeper.shown, entry, over)
			? { code: "outbox_full", message: "Too many changes are pending." }
			: this.#engine.problem(entry);
		if (problem) {
			// What waits for a pause is a part of what does not fit.
			if (problem.field && over?.due) void this.drop(over.key);
			// What cannot be undone is in nobody's way.
			if (turn) void this.#engine.keeper.do(taken(turn));
			const outcome = rejected(problem);
			this.#engine.refuse(entry, outcome);
			this.#engine.show();
			return Promise.resolve(outcome);
		}
		this.#engine.accept(fields);
		const { waiting } = this.#engine;
		// Whoever waits for a change that was held has been told of the conflict.
		const joined = over && !over.conflict ? over.key : "";
		const promise = new Promise<api.Outcome>((resolve) => {
			waiting.set(key, [...(waiting.get(joined) ?? []), resolve]);
		});
		waiting.delete(joined);
		const undoing = turn ? [taken(turn)] : fields.length ? [begun] : [];
		void this.#engine.keeper.do(...(debounceMs ? [] : [box.hurry]), ...undoing, box.add(entry, over?.key));
		this.#engine.show();
		const withdraw = () => void this.drop(key);
		if (signal?.aborted) withdraw();
		signal?.addEventListener("abort", withdraw);
		// The signal may belong to many changes.
		void promise.then(() => signal?.removeEventListener("abort", withdraw));
		if (this.getSnapshot().status !== "synced") askForSync();
		return promise;
	}

	/** What each field of a message is set to before it, as the user sees it. */
	#before(message: box.Message): { value: api.Json | undefined }[] {
		const made = new Map<string, api.Json | undefined>();
		return box.fieldMessages(message).map((change) => {
			const field = box.fieldOf(change);
			const value = made.has(field) ? made.get(field) : this.#seen(field).selection?.value;
			made.set(field, box.chosenIn(change));
			return { value };
		});
	}

	/** Removes an entry that has not been sent. Returns false if it has, or is gone. */
	async #take(key: string): Promise<boolean> {
		let isTaken = false;
		const step: box.Step = (outbox) => {
			const entry = outbox.entries.find((one) => one.key === key && one.seq === undefined);
			isTaken = entry !== undefined;
			// What a withdrawn change was to undo can be undone again.
			return [...(entry?.turn && !entry.conflict ? [restored(entry.turn)] : []), box.withdraw(key)].reduce(
				(box, step) => step(box),
				outbox,
			);
		};
		const stored = this.#engine.keeper.do(step);
		this.#engine.show();
		await stored;
		return isTaken;
	}
}
