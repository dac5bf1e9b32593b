// A hostile member, in a process of its own so that what is measured beside it is the server. It is told by its parent
// which attack to run, and answers with what came of it.

import { Agent, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

export interface Order {
	attack: string;
	/** `127.0.0.1:PORT` */
	host: string;
	room: string;
	user: string;
	token: string;
	seconds: number;
}

type Counts = Record<string, number>;

/** What came of an attack. */
export interface Report {
	/** Messages, requests or connections. */
	sent: number;
	/** Those that the server did or let in. */
	accepted: number;
	/** Errors by code, close codes, and what HTTP answered. */
	errors: Counts;
	closes: Counts;
	statuses: Counts;
	bytes: number;
}

const report: Report = { sent: 0, accepted: 0, errors: {}, closes: {}, statuses: {}, bytes: 0 };
const agent = new Agent({ keepAlive: true, maxSockets: 20 });
let order: Order;
let end = 0;
let count = 0;

const tally = (counts: Counts, key: string | number) => {
	counts[key] = (counts[key] ?? 0) + 1;
};
const path = (rest = "") => `/parties/collaboration/${encodeURIComponent(order.room)}${rest}`;
const id = () => `${++count}`;

/** Opens a socket; null if the server does not let it in. `token`: the hostile member's own unless told. */
function open(token: string | null = order.token): Promise<WebSocket | null> {
	report.sent += 1;
	const query = token === null ? "" : `?token=${token}`;
	const socket = new WebSocket(`ws://${order.host}${path()}${query}`, { perMessageDeflate: false });
	socket.on("message", (data) => {
		const head = data.slice(0, 300).toString();
		const type = /"type":"(\w+)"/.exec(head)?.[1];
		if (type === "ack") report.accepted += 1;
		if (type === "error") tally(report.errors, /"code":"(\w+)"/.exec(head)?.[1] ?? "none");
	});
	socket.on("error", () => {});
	return new Promise((resolve) => {
		socket.on("unexpected-response", (_, response) => {
			tally(report.statuses, response.statusCode ?? 0);
			response.resume();
			socket.terminate();
			resolve(null);
		});
		socket.on("open", () => {
			socket.on("close", (code) => tally(report.closes, code));
			resolve(socket);
		});
		socket.on("close", () => resolve(null));
	});
}

async function inside(): Promise<WebSocket> {
	const socket = await open();
	if (socket === null) throw new Error(`the hostile member was not let in: ${JSON.stringify(report)}`);
	report.sent = 0;
	return socket;
}

async function greeted(clientId = order.user): Promise<WebSocket> {
	const socket = await inside();
	socket.send(JSON.stringify({ type: "hello", protocol: 1, clientId }));
	return socket;
}

function send(socket: WebSocket, message: string | Uint8Array | object): void {
	if (socket.readyState !== WebSocket.OPEN) return;
	const data = typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message);
	report.sent += 1;
	report.bytes += data.length;
	socket.send(data);
}

/** Acts so many times a second until the time is over. */
async function paced(rate: number, act: () => unknown): Promise<void> {
	const start = Date.now();
	for (let done = 0; Date.now() < end; await sleep(5)) {
		for (const due = ((Date.now() - start) * rate) / 1000; done < due; done += 1) act();
	}
}

/** As fast as the network takes it. */
async function flatOut(socket: WebSocket, act: () => void): Promise<void> {
	while (Date.now() < end && socket.readyState === WebSocket.OPEN) {
		for (let i = 0; i < 200 && socket.bufferedAmount < 4_000_000; i += 1) act();
		await sleep(1);
	}
}

const write = (field: string, value: unknown) => ({
	type: "field_selected",
	id: id(),
	selection: { field, value, userId: order.user },
});

const batch = (field: (i: number) => string) => ({
	type: "batch",
	id: id(),
	changes: Array.from({ length: 100 }, (_, i) => {
		const { id: _id, ...change } = write(field(i), count);
		return change;
	}),
});

function ask(method: string, rest: string, body?: string): Promise<IncomingMessage | null> {
	report.sent += 1;
	report.bytes += body?.length ?? 0;
	return new Promise((resolve) => {
		const headers = { authorization: `Bearer ${order.token}` };
		const asked = request(`http://${order.host}${path(rest)}`, { method, agent, headers }, (response) => {
			tally(report.statuses, response.statusCode ?? 0);
			if (response.statusCode === 200) report.accepted += 1;
			resolve(response);
		});
		asked.on("error", () => {
			tally(report.statuses, "broken");
			resolve(null);
		});
		asked.end(body);
	});
}

/** Asks on so many connections at once, without a pause. */
async function storm(width: number, method: string, rest: string, body?: string): Promise<void> {
	const one = async () => {
		while (Date.now() < end) {
			const response = await ask(method, rest, body);
			response?.resume();
			await new Promise<void>((resolve) => (response === null ? resolve() : response.once("close", resolve)));
		}
	};
	await Promise.all(Array.from({ length: width }, one));
}

/** Writes the most that one message may change: for each one that is accepted, everyone is sent some 60 KiB. */
async function fat(): Promise<() => void> {
	const socket = await inside();
	const value = "z".repeat(30_000);
	return () => {
		const changes = [0, 1].map((i) => ({ ...write(`w${(count + i) % 100}`, value), id: undefined }));
		send(socket, { type: "batch", id: id(), changes });
	};
}

/** Fills the room with as much as the rate lets through at once. */
async function fill(socket: WebSocket): Promise<void> {
	for (let i = 0; i < 60; i += 1) send(socket, write(`fat-${i}`, "x".repeat(32_000)));
	while (report.accepted < 60 && Date.now() < end) await sleep(10);
}

const deep = (levels: number) => `{"type":"x","id":"${id()}","a":${"[".repeat(levels)}${"]".repeat(levels)}}`;
const mebibyte = 1024 * 1024;
/** A frame of so many bytes, of as many members as they hold. */
function manyMembers(bytes: number): string {
	let text = '{"type":"chat"';
	for (let i = 0; text.length < bytes - 20; i += 1) text += `,"${i.toString(36)}":0`;
	return `${text}}`;
}
const names = [
	"__proto__",
	"constructor",
	"hasOwnProperty",
	"toString",
	"👩‍👩‍👧‍👦",
	"\u0000",
	"\u202e",
	"n\nl",
	"\u007f",
	"'; --",
];

const attacks: Record<string, () => Promise<void>> = {
	nothing: async () => {
		process.send?.("full");
		await sleep(end - Date.now());
	},
	"600 writes/s": async () => {
		const socket = await inside();
		await paced(600, () => send(socket, write(`f${count % 50}`, count)));
	},
	"writes flat out": async () => {
		const socket = await inside();
		await flatOut(socket, () => send(socket, write(`f${count % 50}`, count)));
	},
	"64 KiB relayed, 100/s": async () => {
		const socket = await inside();
		const text = "x".repeat(65_000);
		await paced(100, () => send(socket, { type: "chat", id: id(), text }));
	},
	"1 MiB frames, 95/s": async () => {
		const socket = await inside();
		const text = JSON.stringify({ type: "chat", text: "x".repeat(mebibyte - 40) });
		await paced(95, () => send(socket, text));
	},
	"64 KiB of members, 95/s": async () => {
		const socket = await inside();
		const text = manyMembers(65_000);
		await paced(95, () => send(socket, text));
	},
	"1 MiB of members, 95/s": async () => {
		const socket = await inside();
		const text = manyMembers(mebibyte);
		await paced(95, () => send(socket, text));
	},
	"1 MiB flat out": async () => {
		const socket = await inside();
		const text = manyMembers(mebibyte);
		await flatOut(socket, () => send(socket, text));
	},
	"30 MiB frames": async () => {
		const socket = await inside();
		const text = JSON.stringify({ type: "chat", text: "x".repeat(30 * mebibyte) });
		await flatOut(socket, () => {
			if (socket.bufferedAmount === 0) send(socket, text);
		});
	},
	"room filled with 32 KiB values": async () => {
		const socket = await inside();
		await fill(socket);
		await paced(95, () => send(socket, write(`fat-${count % 130}`, "y".repeat(32_000))));
	},
	"sync_request/s in a full room": async () => {
		const socket = await inside();
		await fill(socket);
		await paced(95, () => send(socket, { type: "sync_request", id: id() }));
	},
	"GET /state of a full room": async () => {
		const socket = await inside();
		await fill(socket);
		await storm(10, "GET", "/state");
	},
	"10,000 fields in batches": async () => {
		const socket = await greeted();
		await paced(95, () =>
			send(
				socket,
				batch((i) => `${count}-${i}`),
			),
		);
	},
	"the same batch of 100, 95/s": async () => {
		const socket = await greeted();
		await paced(95, () =>
			send(
				socket,
				batch((i) => `same-${i}`),
			),
		);
	},
	"rubbish, 95/s": async () => {
		const socket = await inside();
		const rubbish = [
			() => deep(1000),
			() => deep(30_000),
			() => `{"a":`.repeat(10_000),
			() => '{"type":"chat","id":"a","id":"b"}',
			() => '{"type":"chat","\\u0074ype":"ack"}',
			() => '{"type":"chat","text":"\\ud83d"}',
			() => new Uint8Array(65_536),
			() => `"${"\\".repeat(50_001)}`,
			() => "[".repeat(60_000),
			() => `{"type":"sync_request","since":${"9".repeat(60_000)}}`,
		];
		await paced(95, () => send(socket, rubbish[report.sent % rubbish.length]?.() ?? ""));
	},
	"presence from 20 connections, 600/s": async () => {
		const sockets = await Promise.all(Array.from({ length: 20 }, (_, i) => greeted(`${order.user}-${i}`)));
		const data = "p".repeat(4000);
		await paced(600, () => {
			const socket = sockets[count % 20];
			if (socket !== undefined) send(socket, { type: "presence", id: id(), data });
		});
	},
	"connections with good, bad and no tokens": async () => {
		const [head, claims] = order.token.split(".");
		const bad = ["x", "a.b.c", `${head}.${claims}.AAAA`, "x".repeat(9000), "%00"];
		const come = async () => {
			const socket = await open();
			if (socket !== null) report.accepted += 1;
			socket?.close();
		};
		const pretend = async () => (await open(bad[report.sent % bad.length]))?.close();
		const wait = async () => {
			const socket = await open(null);
			if (socket !== null) waiting.push(socket);
		};
		const waiting: WebSocket[] = [];
		await Promise.all([paced(50, come), paced(50, pretend), paced(50, wait)]);
		// The server has said goodbye to those; that the connection itself ends may take longer.
		const over = waiting.filter(({ readyState }) => readyState !== WebSocket.OPEN);
		report.closes.let_wait = waiting.length;
		report.closes.waited_in_vain = over.length;
	},
	"500 connections": async () => {
		await paced(130, async () => {
			const socket = await open();
			if (socket === null) return;
			report.accepted += 1;
			if (report.accepted % 5 > 0) return;
			socket.send(JSON.stringify({ type: "hello", protocol: 1, clientId: `${order.user}-${report.accepted}` }));
		});
		process.send?.("full");
		await sleep(2500);
	},
	"20 sockets never read": async () => {
		const sockets = await Promise.all(Array.from({ length: 20 }, (_, i) => greeted(`${order.user}-${i}`)));
		await sleep(100);
		for (const socket of sockets) socket.pause();
		await paced(95, await fat());
		for (const socket of sockets) socket.resume();
		for (let waited = 0; waited < 3000 && (report.closes[4508] ?? 0) < 20; waited += 50) await sleep(50);
	},
	"20 streams never read": async () => {
		agent.maxSockets = 50;
		// Nobody listens for their data.
		const streams = await Promise.all(Array.from({ length: 20 }, () => ask("GET", "/events")));
		await paced(95, await fat());
		const ends = streams.map(async (response) => {
			let tail = "";
			response?.on("data", (data) => (tail = (tail.slice(-400) + data).slice(-400)));
			await Promise.race([new Promise((resolve) => response?.once("close", resolve)), sleep(3000)]);
			const code = /event: problem\n.*"code":"(\w+)"/.exec(tail)?.[1];
			if (code !== undefined) tally(report.errors, code);
		});
		await Promise.all(ends);
	},
	"PUT flat out beside a socket": async () => {
		const socket = await inside();
		const relay = paced(90, () => send(socket, { type: "chat", id: id() }));
		await Promise.all([relay, storm(10, "PUT", "/fields/f", JSON.stringify({ value: "v" }))]);
	},
	"40 requests at a time": () => {
		agent.maxSockets = 40;
		return storm(40, "GET", "/state");
	},
	"bodies of 2 MiB and a byte": () => storm(4, "PUT", "/fields/f", "x".repeat(2 * mebibyte + 1)),
	"hello, seq and batch out of order, 95/s": async () => {
		const socket = await greeted();
		const field = { field: "s", value: 1, userId: order.user };
		const messages = [
			{ type: "hello", protocol: 1, clientId: order.user },
			{ type: "field_selected", seq: 9_007_199_254_740_991, selection: field },
			{ type: "field_selected", seq: 1, selection: field },
			{ type: "field_selected", seq: 1, selection: { ...field, value: 2 } },
			{ type: "hello", protocol: 1, clientId: `${order.user}-other` },
			{ type: "batch", seq: 1, changes: [{ type: "field_selected", selection: field }] },
		];
		await paced(95, () => send(socket, messages[report.sent % messages.length] ?? ""));
	},
	"strange names, 95/s": async () => {
		const socket = await greeted();
		await paced(95, () => send(socket, write(names[count % names.length] ?? "", { ["__proto__"]: names })));
	},
	"a viewer's new names, 95/s": async () => {
		const socket = await inside();
		const join = () => ({ type: "user_joined", id: id(), userId: order.user, userName: `n${count}` });
		await paced(95, () => send(socket, join()));
	},
	"requests that expire at once, 95/s": async () => {
		const socket = await inside();
		send(socket, { type: "user_joined", userId: order.user, userName: "m" });
		const request = () => ({ type: "permission_request", id: id(), requestId: `r${count}`, action: "a", ttlMs: 1 });
		await paced(95, () => send(socket, request()));
	},
	"said to a crowd, 95/s": async () => {
		const sockets: WebSocket[] = [];
		while (sockets.length < 150) {
			const socket = await open();
			if (socket !== null) sockets.push(socket);
			await sleep(8);
		}
		report.sent = 0;
		const [socket] = sockets;
		if (socket !== undefined) await paced(95, () => send(socket, { type: "chat", id: id() }));
	},
	"a new name for itself, 95/s": async () => {
		const socket = await inside();
		const profile = "q".repeat(30_000);
		await paced(95, () =>
			send(socket, { type: "user_joined", id: id(), userId: order.user, userName: `n${count}`, profile }),
		);
	},
};

process.once("message", async (message: Order) => {
	order = message;
	end = Date.now() + order.seconds * 1000;
	await attacks[order.attack]?.();
	// What is still on its way.
	await sleep(300);
	process.send?.(report, undefined, undefined, () => process.exit());
});
