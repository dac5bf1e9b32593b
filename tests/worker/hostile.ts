// Good members who measure what a hostile one does to them, and the process that is attacked.

import { type ChildProcess, fork } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import WebSocket from "ws";
import { type Frame, newRoom, type Served, sleep } from "./harness.ts";
import type { Order, Report } from "./hostile-attacker.ts";
import { token } from "./tokens.ts";

/** A good member writes this often, in milliseconds: five times a second. */
export const BEAT = 200;

/** Does something five times a second and takes the time of each. */
abstract class Good {
	/** How long each took since the last look, in milliseconds. */
	readonly times: number[] = [];
	/** What went wrong. */
	readonly faults: string[] = [];
	#timer: NodeJS.Timeout | undefined;

	protected abstract act(): void;
	abstract get pending(): number;

	start(): void {
		this.times.length = 0;
		this.#timer = setInterval(() => this.act(), BEAT);
	}

	/** Stops, and waits for what is still to be answered. */
	async stop(): Promise<void> {
		clearInterval(this.#timer);
		for (let waited = 0; this.pending > 0 && waited < 5000; waited += 20) await sleep(20);
		if (this.pending > 0) this.faults.push(`${this.pending} unanswered`);
	}
}

/** Writes to a room and waits for its acks. */
export class Writer extends Good {
	readonly room: string;
	readonly field: string;
	seq = 0;
	/** The types of the frames that came, with how many. */
	readonly heard: Record<string, number> = {};
	readonly #socket: WebSocket;
	readonly #sent = new Map<number, number>();
	#version = -1;

	private constructor(socket: WebSocket, room: string, field: string) {
		super();
		this.room = room;
		this.field = field;
		this.#socket = socket;
		socket.on("message", (data) => this.#take(String(data)));
		socket.on("close", (code) => this.faults.push(`closed with ${code}`));
	}

	static async enter(server: Served, room: string, user: string): Promise<Writer> {
		const pass = await token({ claims: { sub: user } });
		const address = `ws://${server.host}/parties/collaboration/${encodeURIComponent(room)}?token=${pass}`;
		const socket = new WebSocket(address, { perMessageDeflate: false });
		await new Promise((resolve, reject) => {
			socket.once("open", resolve);
			socket.once("error", reject);
		});
		const writer = new Writer(socket, room, `of-${user}`);
		socket.send(JSON.stringify({ type: "user_joined", userId: user, userName: user }));
		socket.send(JSON.stringify({ type: "hello", protocol: 1, clientId: `${user}-client` }));
		writer.act();
		await writer.stop();
		return writer;
	}

	get pending(): number {
		return this.#sent.size;
	}

	act(): void {
		this.seq += 1;
		this.#sent.set(this.seq, performance.now());
		const selection = { field: this.field, value: this.seq, userId: this.field.slice(3) };
		this.#socket.send(JSON.stringify({ type: "field_selected", seq: this.seq, selection }));
	}

	leave(): void {
		this.#socket.removeAllListeners("close");
		this.#socket.close();
	}

	#take(text: string): void {
		const frame: Frame = JSON.parse(text);
		this.heard[frame.type] = (this.heard[frame.type] ?? 0) + 1;
		if (frame.type === "ack") {
			const now = performance.now();
			for (const [seq, sent] of this.#sent) {
				if (seq > frame.seq) continue;
				this.times.push(now - sent);
				this.#sent.delete(seq);
			}
		} else if (frame.type === "error" || frame.type === "conflict") this.faults.push(text.slice(0, 200));
		else if (frame.type === "sync_response") this.#version = frame.version;
		else if (frame.type === "changes") {
			if (frame.from !== this.#version) this.faults.push(`from ${frame.from} after ${this.#version}`);
			this.#version = frame.to;
		}
	}
}

/** Reads the state of a room over HTTP. */
export class Poller extends Good {
	pending = 0;
	readonly #server: Served;
	readonly #path: string;
	readonly #pass: string;

	private constructor(server: Served, path: string, pass: string) {
		super();
		this.#server = server;
		this.#path = path;
		this.#pass = pass;
	}

	static async of(server: Served, room: string): Promise<Poller> {
		const pass = await token({ claims: { sub: "poller" } });
		return new Poller(server, `/parties/collaboration/${encodeURIComponent(room)}/state`, pass);
	}

	/** Reads it once. */
	async read(): Promise<Frame> {
		const response = await this.#server.get(this.#path, { headers: { authorization: `Bearer ${this.#pass}` } });
		const body = await response.json();
		if (response.status !== 200) this.faults.push(`${response.status} ${JSON.stringify(body)}`);
		return body;
	}

	protected act(): void {
		const start = performance.now();
		this.pending += 1;
		this.read()
			.then(() => this.times.push(performance.now() - start))
			.catch((error) => this.faults.push(String(error)))
			.finally(() => (this.pending -= 1));
	}
}

/** The workerd that this process has started last. */
export function workerd(): number {
	const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
	const ours = pids.filter((pid) => {
		try {
			// After the name, which may hold anything in its brackets: the state and the parent.
			const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
			const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
			return parent === process.pid && readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd");
		} catch {
			return false;
		}
	});
	const pid = ours.at(-1);
	if (pid === undefined) throw new Error("no workerd among the children of this process");
	return pid;
}

/** The memory that a process holds, in megabytes. */
export function resident(pid: number): number {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** The value below which this share of the values lies. */
export function quantile(values: number[], share: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** What an attack did to the good members. */
export interface Outcome {
	attack: string;
	/** How long it lasted, in milliseconds: less than was asked for when the attacker was thrown out. */
	lasted: number;
	report: Report;
	room: number[];
	/** Of both the writer in another room and the reader of a third one. */
	others: number[];
	faults: string[];
	memory: { before: number; peak: number; after: number };
	/** How long this process was held up itself at most, in milliseconds. */
	stall: number;
	heard: Record<string, number>;
}

/** The good members, and the server that they are guests of. */
export class Scene {
	readonly server: Served;
	readonly #pid: number;
	readonly #neighbour: Writer;
	readonly #poller: Poller;

	private constructor(server: Served, neighbour: Writer, poller: Poller) {
		this.server = server;
		this.#pid = workerd();
		this.#neighbour = neighbour;
		this.#poller = poller;
	}

	static async of(server: Served): Promise<Scene> {
		const neighbour = await Writer.enter(server, newRoom(), "neighbour");
		return new Scene(server, neighbour, await Poller.of(server, newRoom()));
	}

	/** Runs an attack on a room of its own. `full`: what to do when the attacker says that it has come so far. */
	async under(
		attack: string,
		seconds: number,
		full?: (room: string) => Promise<void>,
		role = "editor",
	): Promise<Outcome> {
		const room = newRoom();
		const user = `mallory-${room}`;
		const good = await Writer.enter(this.server, room, "good");
		const pass = await token({ claims: { sub: user, role } });
		const attacker = fork(join(import.meta.dirname, "hostile-attacker.ts"), { execArgv: [] });
		// The good members are measured on the same machine, so the attacker's own work gives way.
		if (attacker.pid !== undefined) setPriority(attacker.pid, 10);
		const before = resident(this.#pid);
		let peak = before;
		const watch = setInterval(() => (peak = Math.max(peak, resident(this.#pid))), 50);
		const stall = monitorEventLoopDelay({ resolution: 5 });
		stall.enable();
		const all = [good, this.#neighbour, this.#poller];
		for (const one of all) one.start();
		const order: Order = { attack, host: this.server.host, room, user, token: pass, seconds };
		const start = performance.now();
		const report = await this.#run(attacker, order, () => full?.(room));
		const lasted = performance.now() - start;
		await Promise.all(all.map((one) => one.stop()));
		stall.disable();
		good.leave();
		await sleep(300);
		clearInterval(watch);
		const state = await Poller.of(this.server, room).then((poller) => poller.read());
		const kept = state.selections?.[good.field]?.value;
		if (kept !== good.seq) good.faults.push(`wrote ${good.seq}, and the room has ${kept}`);
		return {
			attack,
			lasted,
			report,
			room: [...good.times],
			others: [...this.#neighbour.times, ...this.#poller.times],
			faults: all.flatMap((one) => one.faults.splice(0)),
			memory: { before, peak, after: resident(this.#pid) },
			stall: stall.max / 1e6,
			heard: good.heard,
		};
	}

	close(): void {
		this.#neighbour.leave();
	}

	async #run(attacker: ChildProcess, order: Order, full: () => Promise<void> | undefined): Promise<Report> {
		let done: Promise<void> | undefined;
		const report = await new Promise<Report>((resolve, reject) => {
			attacker.on("message", (message: Report | "full") => {
				if (message === "full") done = full();
				else resolve(message);
			});
			attacker.once("exit", (code) => reject(new Error(`the attacker went away with ${code}`)));
			attacker.send(order);
		});
		await done;
		return report;
	}
}
