// Sends what is pending and takes the answers: each change once, in order, however often the connection breaks.

import * as box from "./outbox.ts";
import type { AckFrame, ConflictFrame, ErrorFrame, Limits, StoredSelection } from "./protocol.ts";
import type { Replica } from "./replica.ts";
import type { Outcome } from "./types.ts";

/** What is not answered after this long, in milliseconds, is sent again: doing so is never wrong (PROTOCOL.md, E5). */
const ANSWER = 10_000;
/** How long the room is left alone when it can't take a change now, in milliseconds. */
const PAUSE = 1_000;
/** What a message gets beside its own members: its number, twice. */
const TAG = 50;

export interface SenderHandlers {
	send(frame: object): boolean;
	/** An entry is answered, and no longer pending. */
	settled(entry: box.Entry, outcome: Outcome): void;
	/** The room knows this outbox no more, or not as it is. */
	renew(): void;
}

export class Sender {
	readonly #keeper: box.Keeper;
	readonly #replica: Replica;
	readonly #handlers: SenderHandlers;
	#isOn = false;
	/** The highest number that was sent on this connection. */
	#sent = 0;
	#messageBytes = 64 * 1024;
	#pause: ReturnType<typeof setTimeout> | undefined;
	#answer: ReturnType<typeof setTimeout> | undefined;

	constructor(keeper: box.Keeper, replica: Replica, handlers: SenderHandlers) {
		this.#keeper = keeper;
		this.#replica = replica;
		this.#handlers = handlers;
	}

	/** There is a connection, on which nothing was sent yet. */
	start(): void {
		this.stop();
		this.#isOn = true;
		this.#sent = 0;
	}

	stop(): void {
		this.#isOn = false;
		clearTimeout(this.#answer);
		clearTimeout(this.#pause);
		this.#pause = undefined;
	}

	/** Takes the room's limits. */
	limits({ messageBytes }: Limits): void {
		this.#messageBytes = messageBytes;
	}

	/** Why the room would not even read a change. */
	problem({ message }: box.Entry): { code: string; message: string } | undefined {
		if (new Blob([JSON.stringify(message)]).size + TAG <= this.#messageBytes) return undefined;
		return { code: "limit_message", message: `It has more than ${this.#messageBytes} bytes.` };
	}

	/** Sends what is stored and may be sent. */
	pump(): void {
		if (!this.#isOn || this.#pause) return;
		for (const entry of this.#underWay()) {
			const { message, seq = 0 } = entry;
			if (seq <= this.#sent) continue;
			if (!this.#handlers.send({ ...message, seq, id: seq })) return;
			this.#sent = seq;
			this.#expect();
		}
		const { stored } = this.#keeper;
		const next = box.ready(stored, Date.now(), () => true);
		// It is sent when its number is stored: a number may stand for one message only, whatever crashes.
		if (next.length > 0) void this.#keeper.do(box.number(next.map(({ key }) => key)));
	}

	/** What to send next where one goes at a time and fields alone can be changed. */
	async next(): Promise<{ message: box.FieldMessage; seq: number | undefined; clientId: string } | undefined> {
		if (!this.#underWay()[0]) {
			const [next] = box.ready(this.#keeper.stored, Date.now(), box.isOfField);
			await this.#keeper.do(...(next ? [box.number([next.key])] : []));
		}
		// What was sent in another way and not answered comes first, or its number would be missing.
		const [{ message, seq } = {}] = this.#underWay() as Partial<box.Entry>[];
		return message && box.isOfField(message) ? { message, seq, clientId: this.#keeper.stored.clientId } : undefined;
	}

	/** Takes an answer to something numbered. */
	answered(frame: AckFrame | ConflictFrame | ErrorFrame): void {
		const { seq } = frame;
		const entry = this.#keeper.shown.entries.find((one) => one.seq === seq);
		if (frame.type === "error" && frame.retry) this.#retry(frame, entry);
		else if (frame.type === "error" && frame.code === "seq_reused") this.#handlers.renew();
		else if (entry) {
			// Each message asks for an answer of its own, so that an `ack` for others tells nothing new.
			if (frame.type === "ack") this.#acked(entry, frame);
			else if (frame.type === "conflict") this.#conflict(entry, frame);
			else this.#done(entry, { outcome: "rejected", code: frame.code, message: frame.message });
		}
		this.#expect();
	}

	/** Shows an entry that was done before the room's own word on it is here. */
	provide({ message, at }: box.Entry, version = 0): void {
		const messages = box.fieldMessages(message);
		messages.forEach((one, i) => {
			const own = version - messages.length + 1 + i;
			const field = box.fieldOf(one);
			if (own <= this.#replica.fieldVersion(field)) return;
			const selection = one.type === "field_selected" ? { timestamp: null, ...one.selection } : null;
			this.#replica.takeField(
				field,
				own,
				selection && ({ ...selection, version: own, updatedAt: at } as StoredSelection),
			);
		});
	}

	/** What may have been sent, is stored, and has no answer. */
	#underWay(): box.Entry[] {
		const open = new Set(box.underWay(this.#keeper.shown).map(({ seq }) => seq));
		return box.underWay(this.#keeper.stored).filter(({ seq }) => open.has(seq));
	}

	#acked(entry: box.Entry, { version, duplicate, status, decision, scope, reason, resolvedBy }: AckFrame): void {
		if (!duplicate) this.provide(entry, version);
		const settled = status && { settled: { status, decision, scope, reason, resolvedBy } };
		this.#done(entry, { outcome: "applied", version, ...settled });
	}

	#conflict(entry: box.Entry, { field, serverVersion: version, current }: ConflictFrame): void {
		this.#replica.takeField(field, version, current);
		const verdict = box.judge(entry, field, current);
		if (verdict === "same") {
			this.#done(entry, { outcome: "applied", version });
			return;
		}
		if (verdict === "again") {
			const base = (one: string, before: number) => (one === field ? version : before);
			const again = (one: box.Entry) => box.changed(one, { message: box.rebased(one.message, base), seq: undefined });
			void this.#keeper.do(box.replace(entry.key, again));
			return;
		}
		const isLater = (one: box.Entry) => !one.conflict && box.isRival(one, field);
		const later = this.#keeper.shown.entries.filter(isLater);
		void this.#keeper.do(box.hold(entry.key, { field, version, current }));
		for (const one of [entry, ...later]) this.#handlers.settled(one, { outcome: "conflict", current });
	}

	#retry({ seq = 0, code, message, expected = seq }: ErrorFrame, entry: box.Entry | undefined): void {
		if (code === "forbidden") {
			if (!entry) return;
			// The room does not count it, so the ones after it get its number and so on.
			this.#sent = Math.min(this.#sent, seq - 1);
			void this.#keeper.do(box.unnumber(seq));
			this.#done(entry, { outcome: "rejected", code, message });
			return;
		}
		const [first] = box.underWay(this.#keeper.shown);
		if (first?.seq !== undefined && expected < first.seq) {
			this.#handlers.renew();
			return;
		}
		if (entry) this.#again(PAUSE);
	}

	/** Sends all that is not answered once more, after a while. */
	#again(wait: number): void {
		if (!this.#isOn) return;
		this.#pause ??= setTimeout(() => {
			this.#pause = undefined;
			this.#sent = 0;
			this.pump();
		}, wait);
	}

	#done(entry: box.Entry, outcome: Outcome): void {
		void this.#keeper.do(box.remove([entry.key]));
		this.#handlers.settled(entry, outcome);
	}

	/** Waits for an answer to what is under way. */
	#expect(): void {
		clearTimeout(this.#answer);
		if (this.#isOn && box.underWay(this.#keeper.shown).length > 0)
			this.#answer = setTimeout(() => this.#again(0), ANSWER);
	}
}
