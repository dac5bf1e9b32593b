// Tokens that are forged or malformed in ways that have let people into other servers (RFC 7515, RFC 8725).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newRoom, type Served, serve } from "./harness.ts";
import { AUTH_KEYS, answered, bearer, jwks, knock, roomPath, seconds, signing, token } from "./tokens.ts";

let server: Served;
before(async () => {
	server = await serve({ vars: { AUTH_KEYS } });
});
after(() => server.close());

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Signs whatever the two parts are, with the secret. */
async function signed(header: string, payload: string): Promise<string> {
	const key = await crypto.subtle.importKey(
		"raw",
		signing.secret.key as Uint8Array<ArrayBuffer>,
		{ name: "HMAC", hash: "SHA-256" },
		false,
		["sign"],
	);
	const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(`${header}.${payload}`));
	return `${header}.${payload}.${Buffer.from(signature).toString("base64url")}`;
}

const claims = () => ({ sub: "eve", role: "admin", rooms: ["collaboration/*"], exp: seconds() + 3600 });
const plain = { alg: "HS256", kid: "secret" };

test("A1 forged and malformed tokens are refused at a socket and over HTTP", async () => {
	assert.equal(await worth(await signed(encoded(plain), encoded(claims()))), "200 open", "the method of this test");
	const [header = "", payload = "", signature = ""] = (await token({ kid: "ec" })).split(".");
	const [, , rsa = ""] = (await token({ kid: "rsa" })).split(".");
	const [edHeader, edPayload, edSignature = ""] = (await token({ kid: "ed" })).split(".");
	const raw = Buffer.from(signature, "base64url");
	const ed = Buffer.from(edSignature, "base64url");
	const flipped = (bytes: Buffer, at: number) => {
		const copy = Buffer.from(bytes);
		copy[at] = (copy[at] ?? 0) ^ 1;
		return copy.toString("base64url");
	};
	const der = Buffer.concat([
		Buffer.from([0x30, 68, 2, 32]),
		raw.subarray(0, 32),
		Buffer.from([2, 32]),
		raw.subarray(32),
	]);
	const forged: Record<string, string> = {
		"a zero signature (CVE-2022-21449)": `${header}.${payload}.${Buffer.alloc(64).toString("base64url")}`,
		"an ECDSA signature in DER": `${header}.${payload}.${der.toString("base64url")}`,
		"half an ECDSA signature": `${header}.${payload}.${raw.subarray(0, 32).toString("base64url")}`,
		"an ECDSA signature with one bit changed": `${header}.${payload}.${flipped(raw, 40)}`,
		"an empty ECDSA signature": `${header}.${payload}.`,
		"another key's signature": `${header}.${payload}.${rsa}`,
		"a zero Ed25519 signature": `${edHeader}.${edPayload}.${Buffer.alloc(64).toString("base64url")}`,
		"an Ed25519 signature with one bit changed": `${edHeader}.${edPayload}.${flipped(ed, 0)}`,
		"an Ed25519 signature with more behind it": `${edHeader}.${edPayload}.${Buffer.concat([ed, ed]).toString("base64url")}`,
		"HS256 by the Ed25519 public key": await hmacBy("ed"),
		"a critical header that nobody knows": await signed(encoded({ ...plain, crit: ["x"], x: 1 }), encoded(claims())),
		"an empty list of critical headers": await signed(encoded({ ...plain, crit: [] }), encoded(claims())),
		"a critical header that is not there": await signed(encoded({ ...plain, crit: ["exp"] }), encoded(claims())),
		"a payload that is not encoded (RFC 7797)": await signed(
			encoded({ ...plain, b64: false, crit: ["b64"] }),
			JSON.stringify(claims()).replaceAll(".", ""),
		),
		"an algorithm in lower case": await signed(encoded({ ...plain, alg: "hs256" }), encoded(claims())),
		"an algorithm that is a list": await signed(encoded({ ...plain, alg: ["HS256"] }), encoded(claims())),
		"no algorithm": await signed(encoded({ kid: "secret" }), encoded(claims())),
		"a kid that is a path": await signed(encoded({ ...plain, kid: "../../dev/null" }), encoded(claims())),
		"a kid of every object": await signed(encoded({ ...plain, kid: "__proto__" }), encoded(claims())),
		"a header that is a list": await signed(encoded([plain]), encoded(claims())),
		"claims that are a list": await signed(encoded(plain), encoded([claims()])),
		"claims that are text": await signed(encoded(plain), encoded("eve")),
		"claims that are no JSON": await signed(encoded(plain), Buffer.from("{").toString("base64url")),
		"claims that are not UTF-8": await signed(encoded(plain), Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")),
		"a fourth part": `${await signed(encoded(plain), encoded(claims()))}.x`,
		"five parts, as an encrypted token": `${encoded({ alg: "dir", enc: "A256GCM", kid: "secret" })}....`,
		"a JWS as JSON": JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
	};
	const faults: string[] = [];
	for (const [name, text] of Object.entries(forged)) {
		const seen = await worth(text);
		if (seen !== "401 unauthorized 4401 unauthorized") faults.push(`${name}: ${seen}`);
	}
	assert.deepEqual(faults, []);
});

test("A1 A2 what the server adds to the claims cannot be claimed", async () => {
	const own = { ...claims(), exp: seconds() - 60, expires: (seconds() + 3600) * 1000 };
	assert.equal(await worth(await signed(encoded(plain), encoded(own))), "401 unauthorized 4401 unauthorized");
	const twice = JSON.stringify(claims()).replace('"role":"admin"', '"role":"admin","role":"viewer"');
	const last = await signed(encoded(plain), Buffer.from(twice).toString("base64url"));
	const headers = bearer(last);
	const body = '{"value":1}';
	assert.equal(
		await answered(server, roomPath(newRoom(), "/fields/f"), { method: "PUT", headers, body }),
		"403 forbidden",
	);
});

/** Signed with the public half of a key, as if it were a secret. */
async function hmacBy(kid: string): Promise<string> {
	const known = jwks.keys.find((key) => key.kid === kid);
	const secret = Buffer.from(known?.x ?? "", "base64url");
	return token({ kid, alg: "HS256", key: new Uint8Array(secret), claims: claims() });
}

/** How a token is answered over HTTP and at a socket. */
async function worth(text: string): Promise<string> {
	const room = newRoom();
	const over = await answered(server, roomPath(room, "/state"), { headers: bearer(text) });
	return `${over} ${await knock(server.host, roomPath(room, `?token=${encodeURIComponent(text)}`))}`;
}
