// Sends what is pending and takes the replies: each change once, in order, however often the connection breaks.

import type { AckFrame, ConflictFrame, ErrorFrame, StoredSelection } from "./generated/protocol.ts";
import { copied } from "./input.ts";
import type { Keeper } from "./keeper.ts";
import type { Problem } from "./kind.ts";
import * as box from "./outbox.ts";
import type { Replica } from "./replica.ts";
import type { Outcome } from "./types.ts";
import { applied } from "./undo.ts";

/** How long to wait for a reply before the connection is checked, in milliseconds. */
const LATE = 3_000;
/** How long to wait for a reply before sending again, in milliseconds: doing so is never wrong (PROTOCOL.md, E5). */
const ANSWER = 10_000;
/** How long to leave the room alone when it cannot take a change, in milliseconds. */
const PAUSE = 1_000;
/** How long to wait for a room that is older than this page, in milliseconds: a new Worker reaches it by and by. */
const OLDER = 30_000;
/** The bytes that a message's number, key and kind add to it. */
const TAG = 100;

/** The outcome of a change that is refused, here or by the room. */
export const rejected = ({ code, message, field, path, keyword, list }: Problem): Outcome =>
	copied({ outcome: "rejected", code, message, field, path, keyword, list });

/** For whom changes are sent. */
export interface SenderOwner {
	send(frame: object): boolean;
	/** A reply is late: the connection has so many milliseconds for a sign of life. */
	doubt(patience: number): void;
	/** An entry is answered, and no longer pending. */
	settled(entry: box.Entry, outcome: Outcome): void;
	/** The room no longer knows this outbox, or knows it differently. */
	renew(): void;
}

export class Sender {
	readonly #keeper: Keeper;
	readonly #replica: Replica;
	readonly #tab: string;
	readonly #owner: SenderOwner;
	/** By field and the version that its changes were based on: the version on top of which they are sent again. */
	readonly #moved = new Map<string, number>();
	#isOn = false;
	/** The highest number that was sent on this connection. */
	#sent = 0;
	/** The longest message that the room accepts. */
	messageBytes = 64 * 1024;
	#pause: ReturnType<typeof setTimeout> | undefined;
	#answer: ReturnType<typeof setTimeout> | undefined;

	/** @param tab Who leads while this sends. */
	constructor(keeper: Keeper, replica: Replica, tab: string, owner: SenderOwner) {
		this.#keeper = keeper;
		this.#replica = replica;
		this.#tab = tab;
		this.#owner = owner;
	}

	/** There is a connection, on which nothing has been sent yet. */
	start(): void {
		this.stop();
		this.#isOn = true;
		this.#sent = 0;
		this.#moved.clear();
	}

	stop(): void {
		this.#isOn = false;
		clearTimeout(this.#answer);
		clearTimeout(this.#pause);
		this.#pause = undefined;
	}

	/** Why the room would reject a change unread. */
	problem({ size }: box.Entry): { code: string; message: string } | undefined {
		if (size + TAG <= this.messageBytes) return undefined;
		return { code: "limit_message", message: `The change is longer than ${this.messageBytes} bytes.` };
	}

	/** Sends what is stored and may be sent. */
	pump(): void {
		if (!this.#isOn || this.#pause) return;
		for (const entry of this.#underWay()) {
			const { seq = 0 } = entry;
			if (seq <= this.#sent) continue;
			if (!this.#owner.send(box.numbered(entry))) return;
			this.#sent = seq;
			this.#expect();
		}
		// Numbers follow the order that is shown: storage may still have some that were taken back.
		const next = box.ready(this.#keeper.shown, Date.now(), () => true);
		// It is sent once its number is stored: a number may stand for one message only, whatever crashes.
		if (next[0]) void this.#keeper.do(this.#fenced(box.number(next.map(({ key }) => key))));
	}

	/**
	 * Sends what is pending, since nothing of this page may run after this: what waits for a pause too, and with numbers
	 * that are not stored yet. If they never are, the room knows a later one than the outbox, which then takes another name.
	 * @returns What the room has not answered.
	 */
	last(): { clientId: string; entries: box.Entry[] } {
		const next = box.ready(box.hurry(this.#keeper.shown), Date.now(), () => true);
		void this.#keeper.do(box.hurry, this.#fenced(box.number(next.map(({ key }) => key))));
		const entries = box.underWay(this.#keeper.shown);
		for (const entry of entries) {
			const { seq = 0 } = entry;
			if (this.#isOn && seq > this.#sent && this.#owner.send(box.numbered(entry))) this.#sent = seq;
		}
		return { clientId: this.#keeper.shown.clientId, entries };
	}

	/** What to send next when changes go one at a time and only fields can be changed. */
	async next(): Promise<(box.Entry & { message: box.FieldMessage; clientId: string }) | undefined> {
		if (!this.#underWay()[0]) {
			const [next] = box.ready(this.#keeper.shown, Date.now(), box.isOfField);
			await this.#keeper.do(...(next ? [this.#fenced(box.number([next.key]))] : []));
		}
		// What was sent in another way and has no reply comes first, or its number would be missing.
		const [first] = this.#underWay() as (box.Entry & { message: box.FieldMessage })[];
		return first && box.isOfField(first.message) ? { ...first, clientId: this.#keeper.stored.clientId } : undefined;
	}

	/** Takes the reply to a numbered message. */
	answered(frame: AckFrame | ConflictFrame | ErrorFrame): void {
		const { seq, id } = frame;
		// A number that was taken back may belong to another entry by now.
		const entry = this.#keeper.shown.entries.find((one) => one.seq === seq && one.key === id);
		if (frame.type === "error" && frame.retry) this.#retry(frame, entry);
		else if (frame.type === "error" && frame.code === "seq_reused") this.#owner.renew();
		else if (entry) {
			// Each message asks for a reply of its own, so an `ack` for others says nothing new.
			if (frame.type === "ack") this.#acked(entry, frame);
			else if (frame.type === "conflict") this.#conflict(entry, frame);
			else this.#done(entry, rejected(frame));
		}
		this.#expect();
	}

	/** Shows an entry that was done before the room's own report of it arrives. */
	provide({ message, at, kind = 0 }: box.Entry, version = 0): void {
		// What became of it under a newer version of the kind, the room alone knows.
		if (kind < (this.#keeper.shown.kind ?? 0)) return;
		const messages = box.fieldMessages(message);
		messages.forEach((one, i) => {
			const own = version - messages.length + 1 + i;
			const field = box.fieldOf(one);
			const isSet = one.type === "field_selected";
			// Clearing what is not set has no version (PROTOCOL.md, S1).
			const isNone = !isSet && !this.#replica.fields.get(field)?.selection;
			if (isNone || own <= this.#replica.fieldVersion(field)) return;
			const selection = isSet ? { timestamp: null, ...one.selection, version: own, updatedAt: at } : null;
			this.#replica.takeField(field, own, selection as StoredSelection | null);
		});
	}

	#fenced(step: box.Step): box.Step {
		return box.ifLeading(this.#tab, step);
	}

	/** What may have been sent, is stored, and has no reply. */
	#underWay(): box.Entry[] {
		const open = new Map(this.#keeper.shown.entries.map(({ key, seq }) => [key, seq]));
		return box.underWay(this.#keeper.stored).filter(({ key, seq }) => open.get(key) === seq);
	}

	#acked(entry: box.Entry, { version, duplicate, status, decision, scope, reason, resolvedBy }: AckFrame): void {
		if (!duplicate) this.provide(entry, version);
		const settled = status && { settled: { status, decision, scope, reason, resolvedBy } };
		this.#done(entry, { outcome: "applied", version, ...settled }, applied(entry.key, version));
	}

	#conflict(entry: box.Entry, { field, clientVersion: from, serverVersion: version, current }: ConflictFrame): void {
		this.#replica.takeField(field, version, current);
		// The user's next choice is based on the same version, or the room would see a conflict with the one before it.
		const base = `${from} ${field}`;
		const verdict = this.#moved.has(base) ? "again" : box.judge(entry, field, current);
		const to = this.#moved.get(base) ?? version;
		if (verdict !== "conflict") this.#moved.set(base, to);
		if (verdict === "same") {
			this.#done(entry, { outcome: "applied", version });
			return;
		}
		if (verdict === "again") {
			const moved = (one: string, before: number) => (one === field ? to : before);
			const again = (one: box.Entry) => box.changed(one, { message: box.rebased(one.message, moved), seq: undefined });
			void this.#keeper.do(box.replace(entry.key, again));
			return;
		}
		let later: box.Entry[] = [];
		const hold: box.Step = (outbox) => {
			later = outbox.entries.filter((one) => !one.conflict && box.isRival(one, field));
			return box.hold(entry.key, { field, version, current })(outbox);
		};
		const settle = (one: box.Entry) => this.#owner.settled(one, { outcome: "conflict", current });
		const held = this.#keeper.do(hold);
		settle(entry);
		// Another tab may have added some of them, which only storage shows.
		void held.then(() => later.forEach(settle));
	}

	#retry(frame: ErrorFrame, entry: box.Entry | undefined): void {
		const { seq = 0, code, expected = seq, retryAfterMs = 0 } = frame;
		if (code === "forbidden") {
			if (!entry) return;
			// The room does not count it, so the next one gets its number, and so on.
			this.#sent = seq - 1;
			void this.#keeper.do(this.#fenced(box.unnumber(seq)));
			this.#done(entry, rejected(frame));
			return;
		}
		const [first] = box.underWay(this.#keeper.shown);
		if (expected < (first?.seq ?? 0)) this.#owner.renew();
		else if (entry) this.#again(Math.max(code === "bad_message" ? OLDER : PAUSE, retryAfterMs));
	}

	/** Sends everything without a reply again, after a while. */
	#again(wait: number): void {
		if (!this.#isOn) return;
		this.#pause ??= setTimeout(() => {
			this.#pause = undefined;
			this.#sent = 0;
			this.pump();
		}, wait);
	}

	#done(entry: box.Entry, outcome: Outcome, step = box.remove([entry.key])): void {
		void this.#keeper.do(step);
		this.#owner.settled(entry, outcome);
	}

	/** Waits for a reply to what is in flight. */
	#expect(): void {
		clearTimeout(this.#answer);
		if (!this.#isOn || this.#pause || !box.underWay(this.#keeper.shown)[0]) return;
		this.#answer = setTimeout(() => {
			// A room that is slow is not helped by connections that come anew.
			this.#owner.doubt(ANSWER - LATE);
			this.#answer = setTimeout(() => this.#again(0), ANSWER - LATE);
		}, LATE);
	}
}
