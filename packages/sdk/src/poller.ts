// The way to a room where WebSockets do not get through: polling every other second, writing by PUT and DELETE.

import type { ConnectionEvent } from "./connection.ts";
import type { ServerFrame } from "./generated/protocol.ts";
import { type Entry, type FieldMessage, fieldOf, isOfField } from "./outbox.ts";
import { within } from "./patience.ts";
import type { Replica } from "./replica.ts";
import type { Sender } from "./sender.ts";

/** The time between two polls, in milliseconds. */
const EVERY = 2_000;
/** The same while the page is hidden. */
const EVERY_HIDDEN = 30_000;
/** How long a response may take, in milliseconds. */
const PATIENCE = 10_000;
/** Statuses of refusals that another attempt would not change. */
const FINAL = [400, 401, 403, 404];
/** Statuses of retryable refusals of a change. */
const MAY_PASS = [401, 409, 429, 500, 503];

/** For whom the room is asked. */
export interface PollerOwner {
	token(): Promise<string | undefined>;
	/** The body of a response with the room's state or changes. */
	frame(frame: ServerFrame): void;
	/** Takes the result of a poll. */
	dispatch(event: ConnectionEvent): void;
}

export class Poller {
	readonly #address: string;
	readonly #fetch: typeof fetch | undefined;
	readonly #replica: Replica;
	readonly #sender: Sender;
	readonly #owner: PollerOwner;
	/** Each run has its own: anything that an earlier one still receives is ignored. */
	#run: object | undefined;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#isWriting = false;
	#token: { value: string | undefined } | undefined;

	/** @param implementation A function to use instead of the platform's fetch. */
	constructor(
		address: string,
		implementation: typeof fetch | undefined,
		replica: Replica,
		sender: Sender,
		owner: PollerOwner,
	) {
		this.#address = address;
		this.#fetch = implementation;
		this.#replica = replica;
		this.#sender = sender;
		this.#owner = owner;
	}

	/** Polls now, and from now on. */
	start(): void {
		if (this.#run) return;
		this.#run = {};
		void this.#poll(this.#run);
	}

	stop(): void {
		this.#run = undefined;
		clearTimeout(this.#timer);
	}

	/** Sends what is pending, one change after the other. */
	async write(): Promise<void> {
		const run = this.#run;
		if (!run || this.#isWriting) return;
		this.#isWriting = true;
		try {
			let goesOn = true;
			while (goesOn && run === this.#run) goesOn = await this.#writeNext(run);
		} catch {
			// No response: the same again after the next poll that gets one.
		} finally {
			this.#isWriting = false;
		}
	}

	async #poll(run: object): Promise<void> {
		try {
			const { epoch, version } = this.#replica;
			const path = epoch === undefined ? "/state" : `/changes?since=${version}&epoch=${epoch}`;
			const { status, body } = await this.#ask(path);
			if (run !== this.#run) return;
			if (status === 200) {
				this.#owner.frame({ ...body, type: body.selections ? "sync_response" : "changes" });
				this.#owner.dispatch({ type: "polled" });
			} else this.#owner.dispatch({ type: FINAL.includes(status) ? "close" : "unanswered", reason: body.code });
		} catch {
			const reason = this.#token ? "unreachable" : "no_token";
			if (run === this.#run) this.#owner.dispatch({ type: "unanswered", reason });
		}
		if (run !== this.#run) return;
		const isHidden = globalThis.document?.visibilityState === "hidden";
		this.#timer = setTimeout(() => void this.#poll(run), isHidden ? EVERY_HIDDEN : EVERY);
	}

	/** Sends one change. Returns whether there may be another. */
	async #writeNext(run: object): Promise<boolean> {
		const next = await this.#sender.next();
		// If it was stopped meanwhile, another tab may lead by now, before the entry was stored under its number.
		if (!next || run !== this.#run) return false;
		const { clientId, key: id, message, seq } = next;
		const answer = await this.#ask(pathOf(fieldOf(message)), requestOf(next, message, clientId));
		if (run !== this.#run) return false;
		const { status, body: told } = answer;
		// This package makes no bad messages: the room is older than the page.
		const isToCome = told.code === "bad_message" && next.kind !== undefined;
		const { code, selection, detail } = told;
		if (selection) this.#replica.takeField(selection.field, selection.version, selection);
		const type = code === undefined ? "ack" : code === "E_CONFLICT" ? "conflict" : "error";
		// What a kind forbids names the field and is final; what a token does not allow may be allowed later.
		const isOfToken = ["forbidden", "revoked", "identity_mismatch"].includes(code) && told.field === undefined;
		const retry = type === "error" && (isToCome || MAY_PASS.includes(status) || isOfToken);
		this.#sender.answered({ ...told, type, seq, id, message: detail, retry });
		return !retry;
	}

	/** Sends changes of fields by requests that outlive the page, and hears of none of them. */
	last(entries: Entry[], clientId: string, token: string | undefined): void {
		for (const entry of entries) {
			const { message } = entry;
			if (!isOfField(message)) continue;
			const request = { ...requestOf(entry, message, clientId), headers: headersOf(token), keepalive: true };
			// What is too long, or comes too early for its number, is sent by the next page.
			(this.#fetch ?? fetch)(this.#address + pathOf(fieldOf(message)), request).catch(() => {});
		}
	}

	/** Fetches once, and once more with a new token if the first was refused. */
	async #ask(path: string, init: RequestInit = {}): Promise<{ status: number; body: any }> {
		for (let isRenewed = false; ; isRenewed = true) {
			this.#token ??= { value: await this.#owner.token() };
			const { value } = this.#token;
			const given = new AbortController();
			const headers = headersOf(value);
			const request = { ...init, headers, signal: given.signal };
			const answer = async () => {
				const response = await (this.#fetch ?? fetch)(this.#address + path, request);
				// Anything that is not JSON comes from an intermediary and not from a room: it throws.
				return { status: response.status, body: await response.json() };
			};
			const { status, body } = await within(PATIENCE, answer()).finally(() => given.abort());
			if (!((status !== 200 ? "code" : init.body ? "selection" : "epoch") in body)) throw new TypeError();
			if (status !== 401) return { status, body };
			this.#token = undefined;
			if (isRenewed || value === undefined) return { status, body };
		}
	}
}

const pathOf = (field: string) => `/fields/${encodeURIComponent(field)}`;

/** The request that makes a change. */
function requestOf({ seq, kind }: Entry, message: FieldMessage, clientId: string): { method: string; body: string } {
	const isSet = message.type === "field_selected";
	const { baseVersion, exact } = message;
	const body = { ...(isSet ? message.selection : message), baseVersion, exact, kind, clientId, seq };
	return { method: isSet ? "PUT" : "DELETE", body: JSON.stringify(body) };
}

function headersOf(token: string | undefined): Record<string, string> {
	return { "Content-Type": "application/json", ...(token !== undefined && { Authorization: `Bearer ${token}` }) };
}
