// What a page calls: looks at what it gives, makes changes of that, and tells what becomes of them.

import type { Emitter } from "./emitter.ts";
import { Engine } from "./engine.ts";
import type { BatchChange } from "./generated/protocol.ts";
import { copied, named } from "./input.ts";
import * as box from "./outbox.ts";
import type * as api from "./types.ts";

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
	readonly #engine: Engine;
	#gathered: box.FieldMessage[] | undefined;

	/** Does nothing yet but look at the options. */
	constructor(options: api.RoomClientOptions) {
		this.#engine = new Engine(options);
		this.user = options.user;
	}

	/** Connects, and comes back by itself from then on. */
	connect(): void {
		this.#engine.connect();
	}

	/** Ends the connection. What is pending is kept, and sent once there is a connection again. */
	close(): void {
		this.#engine.close("closed");
	}

	/** What is known now. The same object until something changes. */
	getSnapshot(): api.Snapshot {
		return this.#engine.view.snapshot;
	}

	/** Calls `listener` after each change of the snapshot. Returns what stops that. */
	subscribe(listener: () => void): () => void {
		return this.#engine.on("change", listener);
	}

	/** Calls `listener` at each such event. Returns what stops that. */
	on<E extends keyof api.Events>(event: E, listener: api.Events[E]): () => void {
		return (this.#engine as Emitter<api.Events>).on(event, listener);
	}

	/** Sets a field. Shown at once; the promise tells what became of it, after however many connections. */
	select(field: string, value: api.Json, options: api.SelectOptions = {}): Promise<api.Outcome> {
		const selection = { field: named(field), value: copied(value), userId: this.user.id, timestamp: Date.now() };
		return this.#field({ type: "field_selected", selection }, options);
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
		if (!first) return Promise.resolve({ outcome: "applied", version: this.#engine.replica.version });
		return this.#change(changes.length > 1 ? { type: "batch", changes } : first, options);
	}

	/** Says whether the user is ready. */
	setReady(isReady: boolean, options: api.ChangeOptions = {}): Promise<api.Outcome> {
		return this.#change({ type: "user_ready", userId: this.user.id, isReady: !!isReady }, options);
	}

	/** Tells others what the user looks at: any JSON up to 4 KiB, null for nothing. Not stored, gone with the connection. */
	setPresence(data: api.Json): void {
		this.#engine.setPresence(copied(data));
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
		return this.#engine.send({ type, data });
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
		(this as { user: api.User }).user = this.#engine.user = { ...this.user, name: named(name) };
		this.#engine.join();
	}

	/** What waits for the room's answer, in the order in which it goes out. */
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

	/** Takes a change back that was not sent, by its key in `pending`. False when it was too late. */
	async drop(key: string): Promise<boolean> {
		const entry = this.#engine.keeper.shown.entries.find((one) => one.key === key);
		if (!entry || !(await this.#take(key))) return false;
		this.#engine.settled(entry, isLeft);
		return true;
	}

	// What the user does.

	#field(message: BatchChange, options: api.SelectOptions): Promise<api.Outcome> {
		const field = box.fieldOf(message);
		const { entries } = this.#engine.keeper.shown;
		if (this.#gathered) {
			this.#gathered.push({ ...message, baseVersion: this.#base(field) });
			return Promise.resolve(isLeft);
		}
		// Who chooses anew has seen what there is.
		const held = this.#held(field);
		if (held) return this.#again(held, field, message);
		const last = entries.at(-1);
		// Another tab's is not for this one to take away: somebody there waits for what becomes of it.
		const isNext = last?.due && box.isRival(last, field) && this.#engine.waiting.has(last.key);
		return this.#change({ ...message, baseVersion: this.#base(field) }, options, isNext ? last.key : "");
	}

	/** The version of a field that the user sees: with a change pending, the one that that is based on. */
	#base(field: string): number {
		const waiting = this.#engine.keeper.shown.entries.flatMap((one) =>
			one.conflict ? [] : box.fieldMessages(one.message),
		);
		return waiting.find((one) => box.fieldOf(one) === field)?.baseVersion ?? this.#engine.replica.fieldVersion(field);
	}

	#held(field: string): box.Entry | undefined {
		return this.#engine.keeper.shown.entries.find(({ conflict }) => conflict?.field === field);
	}

	/** Makes a change that was held anew, on top of what the user sees now. */
	#again(held: box.Entry, field: string, change?: BatchChange): Promise<api.Outcome> {
		const message = change ? box.withField(held.message, field, change) : held.message;
		const seen = Math.max(this.#engine.replica.fieldVersion(field), held.conflict?.version ?? 0);
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
		const problem = box.isFull(this.#engine.keeper.shown, entry)
			? { code: "outbox_full", message: "Too many changes are pending." }
			: this.#engine.sender.problem(entry);
		if (problem) return Promise.resolve({ outcome: "rejected", ...problem });
		const promise = new Promise<api.Outcome>((resolve) => {
			this.#engine.waiting.set(key, [...(this.#engine.waiting.get(joined) ?? []), resolve]);
		});
		this.#engine.waiting.delete(joined);
		void this.#engine.keeper.do(...(debounceMs ? [] : [box.hurry]), box.add(entry, over));
		this.#engine.show();
		const withdraw = () => void this.drop(key);
		if (signal?.aborted) withdraw();
		signal?.addEventListener("abort", withdraw);
		// It may be the signal of many.
		void promise.then(() => signal?.removeEventListener("abort", withdraw));
		if (this.getSnapshot().status !== "synced") askForSync();
		return promise;
	}

	/** Removes an entry that was not sent. False when it was, or is gone. */
	async #take(key: string): Promise<boolean> {
		let isTaken = false;
		const step: box.Step = (outbox) => {
			isTaken = outbox.entries.some((entry) => entry.key === key && entry.seq === undefined);
			return isTaken ? box.remove([key])(outbox) : outbox;
		};
		const stored = this.#engine.keeper.do(step);
		this.#engine.show();
		await stored;
		return isTaken;
	}
}

/** Has the service worker send what is pending, should the page be closed before it could. */
function askForSync(): void {
	const ready: Promise<any> | undefined = globalThis.navigator?.serviceWorker?.ready;
	ready?.then(({ sync }) => sync?.register("roomkeep")).catch(() => {});
}
