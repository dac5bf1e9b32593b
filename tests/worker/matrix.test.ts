// The matrix of the door: every way in, with every kind of token.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { exportSPKI, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import WebSocket from "ws";
import { type Served, serve } from "./harness.ts";
import { AUTH_KEYS, dump, jwks, type Kid, seconds, signing, token, type Wanted } from "./tokens.ts";

const ISSUER = "https://issuer.example";
const AUDIENCE = "roomkeep";
const kinds: Kid[] = ["secret", "rsa", "ec", "ed"];
const roles = ["viewer", "editor", "moderator", "admin"];

/** What a token is worth: a role, or nothing. */
type Worth = "unauthorized" | "forbidden" | "revoked" | (typeof roles)[number];

/** How a token that is worth nothing is refused: the status over HTTP, and the code with which a socket is closed. */
const REFUSALS: Record<string, { status: number; close: number }> = {
	unauthorized: { status: 401, close: 4401 },
	forbidden: { status: 403, close: 4403 },
	revoked: { status: 403, close: 4403 },
};

interface Case {
	name: string;
	worth: Worth;
	/** Whose it is. */
	sub?: string;
	/** A token for this room, given as `party/room`; `undefined` for none. */
	make(room: string): Promise<string | undefined>;
}

let server: Served;
/** Every token that was shown at a door. */
const shown: string[] = [];
const subs = new Set<string>();

before(async () => {
	server = await serve({ vars: { AUTH_KEYS, AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: AUDIENCE } });
	for (const kind of kinds) {
		await revoke(`revoked-${kind}`, {});
		await revoke(`half-${kind}`, { jti: "revoked" });
	}
});
after(() => server.close());

async function revoke(sub: string, body: object): Promise<void> {
	const admin = await wanted("secret", { sub: "root", role: "admin", rooms: undefined });
	const response = await server.get(`/users/${sub}/revocations`, {
		method: "POST",
		headers: { authorization: `Bearer ${admin}` },
		body: JSON.stringify({ ...body, until: Date.now() + 3_600_000 }),
	});
	assert.equal(response.status, 204, await response.text());
}

/** A token that the server takes, but for what is asked otherwise. */
function wanted(kid: Kid, claims: Record<string, unknown> = {}, more: Wanted = {}): Promise<string> {
	return token({ kid, claims: { sub: `user-${kid}`, iss: ISSUER, aud: AUDIENCE, ...claims }, ...more });
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const bytes = (text: string) => new TextEncoder().encode(text);

/** Another key of each kind, which the server does not know. */
const foreign = {
	secret: crypto.getRandomValues(new Uint8Array(32)),
	rsa: (await generateKeyPair("RS256")).privateKey,
	ec: (await generateKeyPair("ES256")).privateKey,
	ed: (await generateKeyPair("EdDSA")).privateKey,
};
const strangers = await generateKeyPair("ES256", { extractable: true });
const strangersJwk = await crypto.subtle.exportKey("jwk", strangers.publicKey);

/** A key of the server's half, by its `kid`, as an attacker has it who can read it. */
function published(kid: Kid): JWK {
	const key = jwks.keys.find((key) => key.kid === kid);
	assert.ok(key);
	return key;
}

async function pem(kid: "rsa" | "ec" | "ed"): Promise<string> {
	const key = await importJWK(published(kid), signing[kid].alg, { extractable: true });
	assert.ok(!(key instanceof Uint8Array));
	return exportSPKI(key);
}

/** Signs what may not be signed: with a header of the attacker's own. */
async function forged(header: Record<string, unknown>, key: Uint8Array | CryptoKey, room: string): Promise<string> {
	const claims = { sub: "eve", jti: "forged", role: "admin", rooms: [room], exp: seconds() + 3600 };
	const jwt = new SignJWT({ ...claims, iss: ISSUER, aud: AUDIENCE });
	return jwt.setProtectedHeader(header as { alg: string }).sign(key);
}

/** What counts no more than no token. */
const rubbish: Case[] = [
	{ name: "none", worth: "unauthorized", make: async () => undefined },
	...["garbage", "a.b.c", "..", `${encoded({ alg: "HS256", kid: "secret" })}.${encoded({ sub: "eve" })}.`].map(
		(text): Case => ({ name: `garbage ${JSON.stringify(text)}`, worth: "unauthorized", make: async () => text }),
	),
	{
		name: "longer than 8 KiB",
		worth: "unauthorized",
		make: async (room) => wanted("secret", { rooms: [room], padding: "x".repeat(8192) }),
	},
];

/** Attacks on the choice of the algorithm, which are one for each pair of kinds. */
const attacks: Case[] = [
	...["rsa", "ec", "ed"].flatMap((kid): Case[] => [
		{
			name: `HS256 signed with the public key of ${kid} as PEM`,
			worth: "unauthorized",
			make: async (room) => forged({ alg: "HS256", kid }, bytes(await pem(kid as "rsa" | "ec" | "ed")), room),
		},
		{
			name: `HS256 signed with the public key of ${kid} as a JWK`,
			worth: "unauthorized",
			make: (room) => forged({ alg: "HS256", kid }, bytes(JSON.stringify(published(kid as Kid))), room),
		},
		{
			name: `HS256 signed with the secret under ${kid}`,
			worth: "unauthorized",
			make: (room) => forged({ alg: "HS256", kid }, signing.secret.key, room),
		},
	]),
	...(["rsa", "ec", "ed"] as const).flatMap((signer): Case[] =>
		kinds
			.filter((kid) => kid !== signer)
			.map((kid) => ({
				name: `${signing[signer].alg} under ${kid}`,
				worth: "unauthorized",
				make: (room) => forged({ alg: signing[signer].alg, kid }, signing[signer].key, room),
			})),
	),
	{
		name: "a key that the token brings along",
		worth: "unauthorized",
		make: (room) => forged({ alg: "ES256", kid: "ec", jwk: strangersJwk }, strangers.privateKey, room),
	},
	{
		name: "a key that the token brings along, and no kid",
		worth: "unauthorized",
		make: (room) => forged({ alg: "ES256", jwk: strangersJwk }, strangers.privateKey, room),
	},
	{
		name: "HS512 under secret",
		worth: "unauthorized",
		make: (room) => forged({ alg: "HS512", kid: "secret" }, signing.secret.key, room),
	},
];

/** What every kind of key can sign. */
function ofKind(kid: Kid): Case[] {
	type Claims = Record<string, unknown> | ((room: string) => Record<string, unknown>);
	const made = (name: string, worth: Worth, claims: Claims, more: Wanted = {}): Case => ({
		name,
		worth,
		make: (room) => wanted(kid, { rooms: [room], ...(typeof claims === "function" ? claims(room) : claims) }, more),
	});
	const unsigned = (alg: string): Case => ({
		name: `alg ${alg}`,
		worth: "unauthorized",
		make: async (room) => {
			const payload = (await wanted(kid, { rooms: [room], role: "admin" })).split(".")[1];
			return `${encoded({ alg, kid })}.${payload}.`;
		},
	});
	const now = seconds();
	const cases = [
		made("wrong key", "unauthorized", {}, { key: foreign[kid] }),
		unsigned("none"),
		unsigned("None"),
		unsigned(signing[kid].alg),
		{
			name: "claims that were changed afterwards",
			worth: "unauthorized",
			make: async (room: string) => {
				const [header, , signature] = (await wanted(kid, { rooms: [room] })).split(".");
				const [, payload] = (await wanted(kid, { rooms: [room], role: "admin" })).split(".");
				return `${header}.${payload}.${signature}`;
			},
		},
		made("expired beyond the skew", "unauthorized", { exp: now - 31 }),
		made("expired long ago", "unauthorized", { exp: 1 }),
		// The server's clock goes on while the matrix is worked through.
		made("expired within the skew", "editor", () => ({ exp: seconds() - 15 })),
		made("not yet valid beyond the skew", "unauthorized", { nbf: now + 600 }),
		made("not yet valid within the skew", "editor", { nbf: now + 15 }),
		made("nbf is text", "unauthorized", { nbf: String(now) }),
		made("no exp", "unauthorized", { exp: undefined }),
		made("exp is text", "unauthorized", { exp: String(now + 3600) }),
		made("exp is null", "unauthorized", { exp: null }),
		made("no sub", "unauthorized", { sub: undefined }),
		made("sub is empty", "unauthorized", { sub: "" }),
		made("sub is no text", "unauthorized", { sub: 7 }),
		made("sub is longer than an id", "unauthorized", { sub: "x".repeat(256) }),
		made("no jti", "editor", { jti: undefined }),
		made("jti is null", "editor", { jti: null }),
		made("name is empty", "editor", { name: "" }),
		made("jti is empty", "unauthorized", { jti: "" }),
		made("jti is no text", "unauthorized", { jti: 7 }),
		made("no kid", "unauthorized", {}, { kid: undefined, ...signing[kid] }),
		made("unknown kid", "unauthorized", {}, { kid: "other", ...signing[kid] }),
		made("wrong issuer", "unauthorized", { iss: `${ISSUER}/` }),
		made("no issuer", "unauthorized", { iss: undefined }),
		made("wrong audience", "unauthorized", { aud: "other" }),
		made("no audience", "unauthorized", { aud: undefined }),
		made("one audience of several", "editor", { aud: ["other", AUDIENCE] }),
		made("other room", "forbidden", (room) => ({ rooms: [`${room}0`, room.slice(0, -1)] })),
		made("other party", "forbidden", (room) => ({ rooms: [room.replace("collaboration", "chat")] })),
		made("pattern of another start", "forbidden", { rooms: ["collaboration/elsewhere:*"] }),
		made("star before the slash", "forbidden", { rooms: ["*", "collab*", "*/*"] }),
		made("rooms missing", "forbidden", { rooms: undefined }),
		made("rooms not a list", "forbidden", (room) => ({ rooms: room })),
		made("rooms an object", "forbidden", (room) => ({ rooms: { 0: room } })),
		made("rooms empty", "forbidden", { rooms: [] }),
		made("rooms of no texts", "forbidden", (room) => ({ rooms: [[room], null, 7] })),
		made("no role", "forbidden", { role: undefined }),
		made("unknown role", "forbidden", { role: "owner" }),
		made("role in capitals", "forbidden", { role: "ADMIN" }),
		made("role a list", "forbidden", { role: ["admin"] }),
		made("wildcard", "editor", { rooms: ["collaboration/*"] }),
		made("wildcard for some", "editor", (room) => ({ rooms: [7, "chat/x", `${room.slice(0, -1)}*`] })),
		made("exact room", "editor", {}),
		made("star that stands for itself", "forbidden", (room) => ({ rooms: [`${room.slice(0, -1)}\\*`] })),
		...roles.map((role) => made(role, role, { role })),
		{ ...made("revoked token", "revoked", { sub: `half-${kid}`, jti: "revoked", role: "admin" }), sub: `half-${kid}` },
		{ ...made("other token than the revoked", "admin", { sub: `half-${kid}`, role: "admin" }), sub: `half-${kid}` },
		{ ...made("revoked user", "revoked", { sub: `revoked-${kid}`, role: "admin" }), sub: `revoked-${kid}` },
	];
	return cases.map((each) => ({ sub: `user-${kid}`, ...each, name: `${kid}: ${each.name}` }) as Case);
}

const cases = [...rubbish, ...attacks, ...kinds.flatMap(ofKind)];

/** What came of it: over HTTP the status and the code, over a WebSocket the closing, or who was let in as what. */
type Outcome = string;

interface Door {
	name: string;
	/** The least role that gets through. */
	least: (typeof roles)[number];
	/** What is seen when it opens. */
	opened: (user: string, role: string) => Outcome;
	isSocket?: boolean;
	/** The ways in which the token can be shown. */
	ways: ((room: string, token: string | undefined) => Promise<Outcome>)[];
}

function path(room: string, rest = ""): string {
	return `/parties/collaboration/${encodeURIComponent(room)}${rest}`;
}

async function call(target: string, init: RequestInit): Promise<Outcome> {
	const response = await server.get(target, init);
	if (response.ok) {
		await response.body?.cancel();
		return String(response.status);
	}
	assert.equal(response.headers.get("content-type"), "application/problem+json");
	assert.equal(response.headers.get("www-authenticate"), response.status === 401 ? "Bearer" : null);
	const problem = (await response.json()) as { status: number; code: string };
	assert.equal(problem.status, response.status);
	return `${response.status} ${problem.code}`;
}

/** Enters and says `hello`, or as a plain client asks for the state. */
function knock(room: string, query: string, first: object): Promise<Outcome> {
	return new Promise((resolve) => {
		const socket = new WebSocket(`ws://${server.host}${path(room)}${query}`);
		const settle = (outcome: Outcome) => {
			socket.close();
			resolve(outcome);
		};
		socket.on("open", () => socket.send(JSON.stringify(first)));
		socket.on("message", (data) => {
			const frame = JSON.parse(String(data));
			settle(frame.type === "welcome" ? `${frame.userId} ${frame.role}` : `${frame.type} ${frame.code ?? ""}`.trim());
		});
		socket.on("close", (code, reason) => settle(`${code} ${reason}`));
		socket.on("unexpected-response", (_request, response) => settle(`HTTP ${response.statusCode}`));
		socket.on("error", (error) => settle(String(error)));
	});
}

const hello = { type: "hello", protocol: 1, clientId: "c" };
const inQuery = (token: string | undefined) => (token === undefined ? "" : `token=${encodeURIComponent(token)}`);

function http(name: string, least: string, status: number, method: string, rest: string, body?: string): Door {
	const init: RequestInit = { method, ...(body === undefined ? {} : { body }) };
	return {
		name,
		least,
		opened: () => String(status),
		ways: [
			(room, token) => {
				const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
				return call(path(room, rest), { ...init, headers });
			},
			(room, token) => call(path(room, `${rest}${rest.includes("?") ? "&" : "?"}${inQuery(token)}`), init),
		],
	};
}

const doors: Door[] = [
	{
		name: "a WebSocket with ?token= and hello",
		least: "viewer",
		isSocket: true,
		opened: (user, role) => `${user} ${role}`,
		ways: [(room, token) => knock(room, `?${inQuery(token)}`, hello)],
	},
	{
		name: "a WebSocket with ?token= and no hello",
		least: "viewer",
		isSocket: true,
		opened: () => "sync_response",
		ways: [(room, token) => knock(room, `?_pk=1&${inQuery(token)}`, { type: "sync_request" })],
	},
	{
		name: "a WebSocket with hello.token",
		least: "viewer",
		isSocket: true,
		opened: (user, role) => `${user} ${role}`,
		ways: [(room, token) => knock(room, "", { ...hello, ...(token === undefined ? {} : { token }) })],
	},
	http("GET state", "viewer", 200, "GET", "/state"),
	http("GET changes", "viewer", 200, "GET", "/changes?since=0"),
	http("PUT a field", "editor", 200, "PUT", "/fields/f", '{"value":1}'),
	http("DELETE a field", "editor", 200, "DELETE", "/fields/f"),
	http("GET events", "viewer", 200, "GET", "/events"),
	http("DELETE the room", "moderator", 204, "DELETE", ""),
];

/** What must come of it. */
function expected(door: Door, { worth, sub = "" }: Case): { outcome: Outcome; isRefused: boolean } {
	const code = roles.includes(worth) && roles.indexOf(worth) < roles.indexOf(door.least) ? "forbidden" : worth;
	const refusal = REFUSALS[code];
	if (refusal === undefined) return { outcome: door.opened(sub, worth), isRefused: false };
	return { outcome: `${door.isSocket ? refusal.close : refusal.status} ${code}`, isRefused: true };
}

/** Runs everything, so many at a time. */
async function inTurns<T>(all: T[], act: (one: T) => Promise<void>, width = 8): Promise<void> {
	const rest = all[Symbol.iterator]();
	await Promise.all(
		Array.from({ length: width }, async () => {
			for (const one of rest) await act(one);
		}),
	);
}

for (const [at, door] of doors.entries()) {
	test(`A1 A2 A4 A8 the door matrix: ${door.name}`, async (t) => {
		const faults: string[] = [];
		const cells = cases.flatMap((each, i) => door.ways.map((way, j) => ({ each, way, room: `m${at}-${i}-${j}:x` })));
		// Whoever is refused knocks at one room, which shows in the end that none of them left anything behind.
		const untouched = `m${at}-refused:x`;
		await inTurns(cells, async ({ each, way, room: own }) => {
			const { outcome, isRefused } = expected(door, each);
			const room = isRefused ? untouched : own;
			const made = await each.make(`collaboration/${room}`);
			if (made !== undefined) shown.push(made);
			if (each.sub !== undefined) subs.add(each.sub);
			const seen = await way(room, made);
			if (seen !== outcome) faults.push(`${each.name} (${room}): ${seen} instead of ${outcome}`);
			if (isRefused || made === undefined) return;
			const stored = await dump(server, "Room", `collaboration/${room}`);
			if (partsOf(made).some((part) => stored.includes(part))) {
				faults.push(`${each.name}: the room keeps the token: ${stored}`);
			}
		});
		const refused = cells.filter(({ each }) => expected(door, each).isRefused).length;
		t.diagnostic(`${cells.length} cells: ${cases.length} tokens in ${door.ways.length} way(s), ${refused} refused`);
		assert.deepEqual(faults, []);
		assert.equal(await dump(server, "Room", `collaboration/${untouched}`), "", "a refused request has made a room");
	});
}

/** What of a token may be nowhere: its claims as they are signed, and its signature. */
function partsOf(token: string): string[] {
	return token
		.split(".")
		.slice(1)
		.filter((part) => part.length > 20);
}

test("A1 F4 no token is kept with a user or told in the log", async (t) => {
	const kept: string[] = [];
	for (const sub of [...subs, "eve", "root"]) kept.push(await dump(server, "User", sub));
	assert.ok(
		kept.some((text) => text.includes("collaboration/m")),
		"the users' objects hold what their doors noted",
	);
	const where = [...kept, ...server.logs].join("\n");
	const found = shown.flatMap(partsOf).filter((part) => where.includes(part));
	assert.deepEqual(found, []);
	assert.equal(await dump(server, "User", "eve"), "", "a forged token has left something behind");
	t.diagnostic(`${shown.length} tokens, ${kept.length} users, ${server.logs.length} lines of log`);
});
