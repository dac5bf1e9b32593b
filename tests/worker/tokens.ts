// Keys and tokens for the tests, made as a back end makes them.

import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import WebSocket from "ws";
import { Client, type Frame, Mirror, type Served } from "./harness.ts";

/** One key of each kind that the server takes, by its `kid`. */
export type Kid = "secret" | "rsa" | "ec" | "ed";
type SigningKey = Uint8Array | CryptoKey;

const secret = crypto.getRandomValues(new Uint8Array(32));
const rsa = await generateKeyPair("RS256", { extractable: true });
const ec = await generateKeyPair("ES256", { extractable: true });
const ed = await generateKeyPair("EdDSA", { extractable: true });

export const signing: Record<Kid, { alg: string; key: SigningKey }> = {
	secret: { alg: "HS256", key: secret },
	rsa: { alg: "RS256", key: rsa.privateKey },
	ec: { alg: "ES256", key: ec.privateKey },
	ed: { alg: "EdDSA", key: ed.privateKey },
};

/** The server's half of the keys, as `AUTH_KEYS` has them. */
export const jwks: { keys: JWK[] } = {
	keys: [
		{ kty: "oct", kid: "secret", k: Buffer.from(secret).toString("base64url") },
		{ ...(await exportJWK(rsa.publicKey)), kid: "rsa" },
		{ ...(await exportJWK(ec.publicKey)), kid: "ec" },
		{ ...(await exportJWK(ed.publicKey)), kid: "ed" },
	],
};

export const AUTH_KEYS = JSON.stringify(jwks);

/** Seconds since 1970. */
export const seconds = () => Math.floor(Date.now() / 1000);

let count = 0;

export interface Wanted {
	/** The claims that differ from those of an editor of every room; `undefined` leaves one out. */
	claims?: Record<string, unknown>;
	kid?: Kid | string | undefined;
	alg?: string;
	key?: SigningKey;
}

/** A token. Without wishes: `alice`, an editor of every room, for an hour. */
export async function token({ claims = {}, ...wanted }: Wanted = {}): Promise<string> {
	const kid = "kid" in wanted ? wanted.kid : "secret";
	const known = signing[kid as Kid] ?? signing.secret;
	const all = {
		sub: "alice",
		jti: `token-${++count}`,
		role: "editor",
		rooms: ["collaboration/*"],
		exp: seconds() + 3600,
		...claims,
	};
	const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
	return new SignJWT(kept)
		.setProtectedHeader({ alg: wanted.alg ?? known.alg, ...(kid === undefined ? {} : { kid }) })
		.sign(wanted.key ?? known.key);
}

/** All that an object keeps, as a text to search in; empty if it has no table. */
export async function dump(server: Served, className: "Room" | "User", name: string): Promise<string> {
	const storage = await server.miniflare.unsafeGetDurableObjectStorage("roomkeep", className, { name });
	const tables = await storage.exec("SELECT name FROM sqlite_master WHERE type = 'table'");
	const own = tables.filter(({ name }) => !String(name).startsWith("_"));
	try {
		const rows = await Promise.all(
			own.map(async ({ name }) => `${name}: ${JSON.stringify(await storage.exec(`SELECT * FROM "${name}"`))}`),
		);
		return rows.join("\n");
	} catch (error) {
		// The object may delete all that it keeps between the two questions.
		if (String(error).includes("no such table")) return dump(server, className, name);
		throw error;
	}
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** The address of a room, or of something in it. */
export function roomPath(room: string, rest = ""): string {
	return `/parties/collaboration/${encodeURIComponent(room)}${rest}`;
}

/** A socket with the token in its address; without one it waits. Nothing is said yet. */
export async function come(host: string, room: string, token?: string, userId = "alice"): Promise<Client> {
	const query = token === undefined ? "" : `?token=${token}`;
	const client = new Client(host, room, userId, new Mirror(), { query });
	await client.open();
	return client;
}

/** A plain client that has joined. */
export async function joined(host: string, room: string, token: string, userId = "alice"): Promise<Client> {
	const client = await come(host, room, token, userId);
	client.send({ type: "user_joined", userId, userName: userId });
	await client.sync();
	return client;
}

/** A client that said `hello` with its token, and was welcomed. */
export async function greet(host: string, room: string, token: string, userId = "alice", clientId = userId) {
	const client = await come(host, room, undefined, userId);
	client.send({ type: "hello", protocol: 1, clientId, token });
	await client.until(() => client.frames.length > 1, "the welcome and the state");
	return client;
}

/** How an upgrade ends: `4403 revoked` when it is closed at once, `HTTP 503` when it fails, `open` when it stays. */
export function knock(host: string, path: string, headers: Record<string, string> = {}): Promise<string> {
	return new Promise((resolve) => {
		const socket = new WebSocket(`ws://${host}${path}`, { headers });
		// Whoever is in is answered; whoever is refused was closed before.
		socket.on("open", () => socket.send('{"type":"sync_request"}'));
		socket.on("message", () => {
			resolve("open");
			socket.close();
		});
		socket.on("close", (code, reason) => resolve(`${code} ${reason}`));
		socket.on("unexpected-response", (_request, response) => {
			resolve(`HTTP ${response.statusCode}`);
			socket.terminate();
		});
		socket.on("error", () => {});
	});
}

/** The status of an answer, and the code of a problem; of a stream that is refused for now, those in its event. */
export async function answered(server: Served, path: string, init?: RequestInit): Promise<string> {
	const response = await server.get(path, init);
	if (response.ok) {
		const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
		const first = isStream ? await firstChunk(response) : "";
		await response.body?.cancel();
		const [, refusal] = /^retry: \d+\nevent: problem\ndata: (.*)\n\n$/.exec(first) ?? [];
		if (refusal === undefined) return String(response.status);
		const { status, code } = JSON.parse(refusal);
		return `${status} ${code}`;
	}
	const { status, code } = (await response.json()) as Frame;
	return status === response.status ? `${status} ${code}` : `${response.status} with a body of ${status}`;
}

/** What comes first of a body. */
async function firstChunk(response: Response): Promise<string> {
	const reader = response.body?.getReader();
	const chunk = await reader?.read();
	reader?.releaseLock();
	return new TextDecoder().decode(chunk?.value);
}

/** A reader of a stream of events that keeps the text as it came. */
export class Stream {
	text = "";
	readonly ended: Promise<void>;
	readonly #abort: AbortController;

	private constructor(response: Response, abort: AbortController) {
		this.#abort = abort;
		this.ended = this.#read(response).catch(() => {});
	}

	static async open(server: Served, room: string, token: string): Promise<Stream> {
		const abort = new AbortController();
		const response = await server.get(roomPath(room, "/events"), { headers: bearer(token), signal: abort.signal });
		if (response.status !== 200) throw new Error(`the stream answered ${response.status}`);
		return new Stream(response, abort);
	}

	/** The code of the problem with which it ended. */
	async problem(): Promise<string | undefined> {
		await this.ended;
		const [, data] = /event: problem\ndata: (.*)\n\n$/.exec(this.text) ?? [];
		return data === undefined ? undefined : JSON.parse(data).code;
	}

	leave(): void {
		this.#abort.abort();
	}

	async #read(response: Response): Promise<void> {
		const decoder = new TextDecoder();
		for await (const chunk of response.body ?? []) this.text += decoder.decode(chunk as Uint8Array, { stream: true });
	}
}
