// A client for what is counted or timed in this process: one connection that speaks a contender's dialect.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";

/** A contender that is asked and says nothing for so long says nothing at all. */
const ANSWER_WITHIN_MS = 15_000;

/** Numbered clients join with their first message. */
const JOIN_SEQ = 1;

export class Client {
	/** What has ended the connection, unless we did. @type {string | undefined} */
	closed;
	/** The codes of what was refused. @type {string[]} */
	refused = [];
	#leaving = false;
	/** @type {Set<(frame: any) => void>} */
	#listeners = new Set();

	/** @param {WebSocket} socket @param {string} dialect @param {string} user */
	constructor(socket, dialect, user) {
		this.socket = socket;
		this.dialect = dialect;
		this.user = user;
		socket.on("message", (data) => this.#take(JSON.parse(String(data))));
		socket.on("close", (code) => {
			if (!this.#leaving) this.closed = String(code);
		});
	}

	/** Connects, and says nothing yet. */
	static async connect(url, dialect, user) {
		const socket = new WebSocket(url, { perMessageDeflate: false });
		const client = new Client(socket, dialect, user);
		await once(socket, "open");
		return client;
	}

	/** Has what is heard from now on given to `listener`. @param {(frame: any) => void} listener */
	hear(listener) {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Says something and waits for the first frame that is an answer. @param {object} frame @param {(frame: any) => boolean} isAnswer */
	async ask(frame, isAnswer) {
		const waiting = new AbortController();
		try {
			const answer = new Promise((resolve) => {
				const stop = this.hear((heard) => {
					if (!isAnswer(heard)) return;
					stop();
					resolve(heard);
				});
			});
			this.say(frame);
			const late = sleep(ANSWER_WITHIN_MS, undefined, { signal: waiting.signal }).then(() => {
				throw new Error(`No answer to ${frame.type} within ${ANSWER_WITHIN_MS / 1_000} s.`);
			});
			return await Promise.race([answer, late]);
		} finally {
			waiting.abort();
		}
	}

	/** Joins the room, so that what is written has an author. */
	async join() {
		const { user, dialect } = this;
		const joining = { type: "user_joined", userId: user, userName: user };
		if (dialect === "hello") {
			const hello = { type: "hello", protocol: 1, clientId: `${user}-${crypto.randomUUID().slice(0, 8)}` };
			await this.ask(hello, ({ type }) => type === "sync_response");
			this.say({ ...joining, seq: JOIN_SEQ });
		} else {
			this.say(joining);
		}
		await this.state();
	}

	/** The room's state. */
	state() {
		return this.ask({ type: "sync_request" }, ({ type }) => type === "sync_response");
	}

	/** Sets a field. The writes of one client count from 1. */
	write(field, value, number) {
		const selection = { field, value, userId: this.user, timestamp: Date.now() };
		const frame = { type: "field_selected", selection };
		this.say(this.dialect === "hello" ? { ...frame, seq: JOIN_SEQ + number } : frame);
	}

	say(frame) {
		this.socket.send(JSON.stringify(frame));
	}

	async leave() {
		this.#leaving = true;
		if (this.socket.readyState === WebSocket.CLOSED) return;
		this.socket.close();
		await once(this.socket, "close");
	}

	#take(frame) {
		if (frame.type === "error" || frame.type === "conflict") this.refused.push(frame.code);
		for (const listener of this.#listeners) listener(frame);
	}
}

/** What a frame tells about fields. @returns {{ field: string, value: any }[]} */
export function fieldsOf(frame) {
	if (frame.type === "changes") return frame.changes.flatMap(({ selection }) => selection ?? []);
	return frame.type === "field_selected" ? [frame.selection] : [];
}
