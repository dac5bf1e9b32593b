// The keys that the operator sets, and those of an identity provider.

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { newRoom, type Served, serve, sleep } from "./harness.ts";
import { answered, bearer, come, dump, joined, jwks, knock, roomPath, signing, token } from "./tokens.ts";

/** An identity provider that serves its keys. */
class Provider {
	readonly url: string;
	fetches = 0;
	/** How long it takes to answer, in milliseconds. */
	delay = 0;
	/** What it answers; `undefined` for nothing at all. */
	answer: { status?: number; body: string } | undefined;
	readonly #server: Server;

	private constructor(server: Server, body: string) {
		this.#server = server;
		this.answer = { body };
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
		server.on("request", async (_request, response) => {
			this.fetches += 1;
			await sleep(this.delay);
			if (this.answer === undefined) return;
			response.writeHead(this.answer.status ?? 200, { "content-type": "application/json" });
			response.end(this.answer.body);
		});
	}

	static async start(body: string): Promise<Provider> {
		const server = createServer().listen(0, "127.0.0.1");
		await new Promise((resolve) => server.once("listening", resolve));
		return new Provider(server, body);
	}

	stop(): void {
		this.#server.closeAllConnections();
		this.#server.close();
	}
}

/** How `GET /state` of a new room is answered. */
function state(from: Served, bearerOf?: string, rest = "/state"): Promise<string> {
	return answered(from, roomPath(newRoom(), rest), bearerOf === undefined ? {} : { headers: bearer(bearerOf) });
}

function publicKey(kid: string): JWK {
	const key = jwks.keys.find((key) => key.kid === kid);
	assert.ok(key);
	return key;
}

const keySetOf = (...kids: string[]) => JSON.stringify({ keys: kids.map(publicKey) });
/** An identity provider that is asked long before its next key is. */
let rotating: Provider;
let rotated: Served;
let firstFetch = 0;

before(async () => {
	rotating = await Provider.start(keySetOf("rsa"));
	rotated = await serve({ vars: { AUTH_JWKS_URL: rotating.url } });
	assert.equal(await state(rotated, await token({ kid: "rsa" })), "200");
	firstFetch = Date.now();
});
after(async () => {
	await rotated.close();
	rotating.stop();
});

test("A1 keys that make no sense let nobody in, but do not stop the Worker", async () => {
	const { kid: _1, ...nameless } = publicKey("ec");
	const { kid: _2, ...other } = publicKey("rsa");
	const exported = async (alg: string, options = {}) => generateKeyPair(alg, { extractable: true, ...options });
	const keys = (...keys: object[]) => JSON.stringify({ keys });
	const weak = await crypto.subtle.generateKey(
		{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) },
		true,
		["sign", "verify"],
	);
	const wrongs: Record<string, Record<string, string>> = {
		empty: { AUTH_KEYS: "" },
		"no JSON": { AUTH_KEYS: "nope" },
		null: { AUTH_KEYS: "null" },
		"a list": { AUTH_KEYS: JSON.stringify(jwks.keys) },
		"a key and no set": { AUTH_KEYS: JSON.stringify(nameless) },
		"no keys": { AUTH_KEYS: keys() },
		"keys no list": { AUTH_KEYS: '{"keys":{}}' },
		"a key that is null": { AUTH_KEYS: '{"keys":[null]}' },
		"an unknown kind": { AUTH_KEYS: keys({ kty: "toString", k: "x" }) },
		"two without kid": { AUTH_KEYS: keys(nameless, other) },
		"one of two without kid": { AUTH_KEYS: keys(publicKey("ec"), other) },
		"one kid twice": { AUTH_KEYS: keys(publicKey("ec"), { ...other, kid: "ec" }) },
		"a private RSA key": { AUTH_KEYS: keys(await exportJWK((await exported("RS256")).privateKey)) },
		"a private EC key": { AUTH_KEYS: keys(await exportJWK((await exported("ES256")).privateKey)) },
		"a short RSA key": { AUTH_KEYS: keys(await exportJWK(weak.publicKey)) },
		"another curve": { AUTH_KEYS: keys(await exportJWK((await exported("ES384")).publicKey)) },
		"a private Ed25519 key": { AUTH_KEYS: keys(await exportJWK((await exported("EdDSA")).privateKey)) },
		"a key to agree by": { AUTH_KEYS: keys({ ...publicKey("ed"), crv: "X25519" }) },
		"an Ed25519 key for another algorithm": { AUTH_KEYS: keys({ ...publicKey("ed"), alg: "Ed448" }) },
		"a pointer that is none": { AUTH_KEYS: keySetOf("ec"), AUTH_CLAIM_ROLE: "role" },
		"an escape that is none": { AUTH_KEYS: keySetOf("ec"), AUTH_CLAIM_ROOMS: "/a~2" },
		"a default role that is none": { AUTH_KEYS: keySetOf("ec"), AUTH_DEFAULT_ROLE: "owner" },
		"default rooms without a party": { AUTH_KEYS: keySetOf("ec"), AUTH_DEFAULT_ROOMS: "lobby" },
		"an origin with a path": { AUTH_KEYS: keySetOf("ec"), ALLOWED_ORIGINS: "https://a.example/app" },
		"a short secret": { AUTH_KEYS: keys({ kty: "oct", k: Buffer.from("password").toString("base64url") }) },
		"an empty secret": { AUTH_KEYS: keys({ kty: "oct", k: "" }) },
		"another algorithm": { AUTH_KEYS: keys({ ...nameless, alg: "ES512" }) },
		"a key for encryption": { AUTH_KEYS: keys({ ...other, use: "enc" }) },
		"an EC key with half a point": { AUTH_KEYS: keys({ ...nameless, y: undefined }) },
		"an empty address": { AUTH_JWKS_URL: "" },
		"no address": { AUTH_JWKS_URL: "nope" },
		"an address that anyone can answer for": { AUTH_JWKS_URL: "http://issuer.example/jwks" },
		"a good address beside bad keys": { AUTH_JWKS_URL: rotating.url, AUTH_KEYS: "nope" },
	};
	const faults: string[] = [];
	const left = Object.entries(wrongs);
	const good = await token({ claims: { role: "admin" } });
	const work = async () => {
		for (let next = left.pop(); next !== undefined; next = left.pop()) {
			const [name, vars] = next;
			const wrong = await serve({ vars });
			const outcomes = [
				await state(wrong),
				await state(wrong, good),
				await state(wrong, good, "/events"),
				await answered(wrong, roomPath(newRoom()), { method: "DELETE" }),
				await answered(wrong, "/users/alice/revocations", { method: "POST", headers: bearer(good) }),
			];
			const [room, health, other] = [
				roomPath(newRoom()),
				await answered(wrong, "/health"),
				await answered(wrong, "/x"),
			];
			const sockets = [await knock(wrong.host, room), await knock(wrong.host, `${room}?token=${good}`)];
			const is503 = outcomes.every((outcome) => outcome === "503 misconfigured");
			if (!is503 || sockets.some((socket) => socket !== "HTTP 503") || health !== "200" || other !== "404 not_found") {
				faults.push(`${name}: ${JSON.stringify({ outcomes, sockets, health, other })}`);
			}
			if (wrong.logs.length === 0) faults.push(`${name}: the log does not say what is wrong`);
			const secrets = wrong.logs.filter((line) => /"[dkpq]"|cGFzc3dvcmQ|password/.test(line));
			if (secrets.length > 0) faults.push(`${name}: the log tells the key: ${secrets[0]}`);
			await wrong.close();
		}
	};
	await Promise.all([work(), work()]);
	assert.deepEqual(faults, []);
});

test("A1 one key needs no kid, and a kid that is not its own is refused", async () => {
	for (const kid of ["secret", "rsa", "ec", "ed"] as const) {
		const { kid: _, ...nameless } = publicKey(kid);
		const one = await serve({ vars: { AUTH_KEYS: JSON.stringify({ keys: [nameless] }) } });
		assert.equal(await state(one, await token({ kid: undefined, ...signing[kid] })), "200", kid);
		assert.equal(await state(one), "401 unauthorized", "keys win over ALLOW_ANONYMOUS");
		assert.equal(await knock(one.host, roomPath(newRoom())), "4401 unauthorized");
		await one.close();
		const named = await serve({ vars: { AUTH_KEYS: keySetOf(kid) } });
		assert.equal(await state(named, await token({ kid: undefined, ...signing[kid] })), "200", kid);
		assert.equal(await state(named, await token({ kid })), "200", kid);
		assert.equal(await state(named, await token({ kid: "other", ...signing[kid] })), "401 unauthorized", kid);
		await named.close();
	}
});

test("A1 the keys of an identity provider: asked for at the first token, and kept", async () => {
	const provider = await Provider.start(keySetOf("rsa"));
	const remote = await serve({ vars: { AUTH_JWKS_URL: provider.url } });
	assert.equal(await state(remote), "401 unauthorized");
	assert.equal(provider.fetches, 0, "who has no token is refused without it");
	provider.answer = { body: keySetOf("rsa", "ec") };
	assert.equal(await state(remote, await token({ kid: "ec" })), "200", "a key of a moment ago");
	assert.equal(await state(remote, await token({ kid: "rsa" })), "200");
	assert.equal(await state(remote, await token({ kid: undefined, ...signing.rsa })), "401 unauthorized");
	for (let i = 0; i < 5; i += 1) {
		assert.equal(await state(remote, await token({ kid: `unknown-${i}`, ...signing.ec })), "401 unauthorized");
	}
	assert.equal(await state(remote, await token()), "401 unauthorized", "a secret is nothing that a provider publishes");
	assert.equal(provider.fetches, 1, "whoever makes up a kid does not have the provider asked each time");
	provider.stop();
	assert.equal(await state(remote, await token({ kid: "ec" })), "200", "what is known serves on");
	await remote.close();
});

test("A1 an identity provider that does not answer is a 503 and not a 401, and is asked again soon", async () => {
	const good = await token({ kid: "ec" });
	const failures: Record<string, { status?: number; body: string } | undefined> = {
		"an error": { status: 500, body: keySetOf("ec") },
		"no JSON": { body: "<html>" },
		"no key set": { body: '{"keys":7}' },
		"too long": { body: JSON.stringify({ keys: [publicKey("ec")], padding: "x".repeat(300 * 1024) }) },
		silence: undefined,
	};
	/** A provider in trouble is not asked by everyone who comes. */
	const faults: string[] = [];
	const check = async ([name, answer]: (typeof entries)[number]) => {
		const provider = await Provider.start("");
		provider.answer = answer;
		const remote = await serve({ vars: { AUTH_JWKS_URL: provider.url } });
		assert.equal(await state(remote, good), "503 unavailable", name);
		assert.equal(await knock(remote.host, roomPath(newRoom(), `?token=${good}`)), "HTTP 503", name);
		const waiting = await come(remote.host, newRoom());
		waiting.send({ type: "hello", protocol: 1, clientId: "c", token: good });
		assert.deepEqual(await waiting.closed(), { code: 4500, reason: "unavailable" }, name);
		assert.equal(await state(remote, "garbage"), "401 unauthorized", name);
		if (provider.fetches > 1) faults.push(`${name}: asked ${provider.fetches} times`);
		provider.answer = { body: keySetOf("ec") };
		await sleep(2100);
		assert.equal(await state(remote, good), "200", `${name}, and then an answer`);
		await remote.close();
		provider.stop();
	};
	const entries = Object.entries(failures);
	await Promise.all(entries.map(check));

	const gone = await Provider.start("");
	gone.stop();
	const remote = await serve({ vars: { AUTH_JWKS_URL: gone.url } });
	assert.equal(await state(remote, good), "503 unavailable");
	await remote.close();
	assert.deepEqual(faults, []);
});

test("A1 keys of one's own and of a provider side by side", async () => {
	const provider = await Provider.start(keySetOf("ec"));
	const both = await serve({ vars: { AUTH_KEYS: keySetOf("secret"), AUTH_JWKS_URL: provider.url } });
	assert.equal(await state(both, await token()), "200");
	assert.equal(await state(both, await token({ key: new Uint8Array(32) })), "401 unauthorized");
	assert.equal(provider.fetches, 0, "what an own key decides needs no provider");
	assert.equal(await state(both, await token({ kid: "ec" })), "200");
	assert.equal(await state(both, await token({ kid: "rsa" })), "401 unauthorized");
	assert.equal(await state(both, await token({ kid: undefined, ...signing.ec })), "401 unauthorized");
	assert.equal(await state(both, await token({ kid: undefined, ...signing.secret })), "401 unauthorized");
	provider.stop();
	await both.close();

	const broken = await Provider.start("nope");
	const half = await serve({ vars: { AUTH_KEYS: keySetOf("secret"), AUTH_JWKS_URL: broken.url } });
	assert.equal(await state(half, await token()), "200", "own keys serve without the provider");
	assert.equal(await state(half, await token({ kid: "ec" })), "503 unavailable");
	broken.stop();
	await half.close();
});

test("A1 F6 a slow provider holds up nobody but who waits for it", async () => {
	const provider = await Provider.start(keySetOf("ec"));
	const slow = await serve({ vars: { AUTH_KEYS: keySetOf("secret"), AUTH_JWKS_URL: provider.url } });
	const [room, good] = [newRoom(), await token({ kid: "ec", claims: { sub: "bob" } })];
	const member = await joined(slow.host, room, await token());
	provider.delay = 2500;
	const hello = { type: "hello", protocol: 1, clientId: "c", token: good };
	const [gone, patient, talkative] = await Promise.all([1, 2, 3].map(() => come(slow.host, room)));
	assert.ok(gone && patient && talkative);
	for (const client of [gone, talkative]) client.send({ ...hello, clientId: "other" });
	patient.send(hello);
	patient.send({ type: "user_joined", userId: "bob", userName: "Bob" });
	member.send({ type: "auth", token: await token({ kid: "ec", claims: { role: "moderator" } }), id: "renew" });
	for (let i = 0; i < 9; i += 1) talkative.send({ type: "x", padding: "x".repeat(32 * 1024) });
	assert.equal((await talkative.closed(2000)).code, 4429, "it may not fill the memory meanwhile");
	gone.cut();
	const start = performance.now();
	for (let i = 0; i < 10; i += 1) await member.sync();
	assert.ok(performance.now() - start < 1000, "the room goes on");
	assert.deepEqual([patient.frames, member.all("ack")], [[], []]);
	// The provider was asked for each of the two by itself, so either may be answered first.
	const [news, renewed] = await Promise.all([
		member.until(() => member.all("user_joined")[0], "bob"),
		member.until(() => member.all("ack")[0], "the renewal"),
	]);
	assert.deepEqual([news.userId, renewed.id], ["bob", "renew"]);
	assert.deepEqual(patient.types().slice(0, 2), ["welcome", "sync_response"]);
	const { participants } = await member.sync();
	assert.equal(participants.length, 2);
	member.send({ type: "kick", userId: "bob", id: "kick" });
	assert.equal((await patient.closed()).code, 4403);
	await slow.close();
	provider.stop();
});

test("A1 A8 H6 what happens while a provider is asked still counts for who waits for it", async () => {
	const provider = await Provider.start(keySetOf("ec"));
	const slow = await serve({ vars: { AUTH_KEYS: keySetOf("secret"), AUTH_JWKS_URL: provider.url } });
	const admin = bearer(await token({ claims: { sub: "root", role: "admin" } }));
	const [room, deleted] = [newRoom(), newRoom()];
	provider.delay = 1000;
	const hello = async (to: string) => {
		const client = await come(slow.host, to);
		client.send({ type: "hello", protocol: 1, clientId: "c", token: await token({ kid: "ec" }) });
		return client;
	};
	const [revoked, cut] = [await hello(room), await hello(deleted)];
	await sleep(100);
	const init = { method: "POST", headers: admin, body: JSON.stringify({ until: Date.now() + 60_000 }) };
	assert.equal(await answered(slow, "/users/alice/revocations", init), "204");
	assert.equal(await answered(slow, roomPath(deleted), { method: "DELETE", headers: admin }), "204");
	assert.deepEqual(await cut.closed(), { code: 4409, reason: "deleted" });
	assert.deepEqual(await revoked.closed(), { code: 4403, reason: "revoked" });
	await sleep(1200);
	assert.deepEqual([cut.frames, revoked.frames], [[], []]);
	assert.equal(await dump(slow, "Room", `collaboration/${deleted}`), "");
	await slow.close();
	provider.stop();
});

test("A1 a provider's new key is found without a restart", async () => {
	rotating.answer = { body: keySetOf("ec") };
	assert.equal(await state(rotated, await token({ kid: "rsa" })), "200");
	const early = Date.now() - firstFetch < 29_000;
	if (early) assert.equal(await state(rotated, await token({ kid: "ec" })), "401 unauthorized");
	await sleep(Math.max(0, firstFetch + 30_500 - Date.now()));
	assert.equal(await state(rotated, await token({ kid: "ec" })), "200");
	assert.equal(await state(rotated, await token({ kid: "rsa" })), "401 unauthorized", "and the old one is gone");
	assert.equal(rotating.fetches, 2);
});
