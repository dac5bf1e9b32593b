// Keys and tokens for the tests, made as a back end makes them.

import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** One key of each kind that the server takes, by its `kid`. */
export type Kid = "secret" | "rsa" | "ec";
type SigningKey = Uint8Array | CryptoKey;

const secret = crypto.getRandomValues(new Uint8Array(32));
const rsa = await generateKeyPair("RS256", { extractable: true });
const ec = await generateKeyPair("ES256", { extractable: true });

export const signing: Record<Kid, { alg: string; key: SigningKey }> = {
	secret: { alg: "HS256", key: secret },
	rsa: { alg: "RS256", key: rsa.privateKey },
	ec: { alg: "ES256", key: ec.privateKey },
};

/** The server's half of the keys, as `AUTH_KEYS` has them. */
export const jwks: { keys: JWK[] } = {
	keys: [
		{ kty: "oct", kid: "secret", k: Buffer.from(secret).toString("base64url") },
		{ ...(await exportJWK(rsa.publicKey)), kid: "rsa" },
		{ ...(await exportJWK(ec.publicKey)), kid: "ec" },
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
