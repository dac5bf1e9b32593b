// Whether a token is genuine and currently valid (A1). The library `jose` checks it, and the runtime's WebCrypto does the
// cryptography. What its claims mean is decided in Rust.

import { createRemoteJWKSet, customFetch, decodeProtectedHeader, errors, importJWK, jwtVerify } from "jose";

/** The algorithm that goes with each kind of key. */
const ALGORITHMS = { oct: "HS256", RSA: "RS256", EC: "ES256", OKP: "EdDSA" };
/** The newer name of `EdDSA` with the one curve that is accepted (RFC 9864). */
const ED25519 = "Ed25519";
/** The claims that a token must have besides its role and rooms. */
const CLAIMS = ["exp", "sub"];
/** The latest expiry that a token may have, in milliseconds: the end of the year 9999. */
const LATEST = 253_402_300_799_999;
/** By how many seconds clocks may differ. */
const CLOCK_SKEW = 30;
/** A shorter secret can be guessed; RFC 7518 requires 32 bytes (section 3.2). */
const SECRET_BYTES = { refused: 16, advised: 32 };
/** RFC 7518, section 3.3. */
const RSA_BITS = 2048;
/** For how many milliseconds an identity provider's keys are cached, and how many pass between fetches for an unknown key. */
const PROVIDER = { cacheMaxAge: 600_000, cooldownDuration: 30_000, timeoutDuration: 5_000 };
/** For how many milliseconds after a failure the identity provider is not asked again. */
const PROVIDER_PAUSE = 2_000;
/** Longest response of an identity provider, in bytes. */
const PROVIDER_BYTES = 256 * 1024;
/** Errors by which `jose` blames the token itself, not the keys or fetching them. */
const FAULTS_OF_THE_TOKEN =
	/^ERR_(JW[ST]_|JWKS_NO_MATCHING_KEY|JWKS_MULTIPLE_MATCHING_KEYS|JOSE_ALG_NOT_ALLOWED|JOSE_NOT_SUPPORTED)/;

/** The keys that were last read. They change only with a deploy. */
let known;

/**
 * The keys that the operator has set: `AUTH_KEYS`, a JSON Web Key Set, and `AUTH_JWKS_URL`, the address of one.
 * Without `own` and `provider` if they are invalid, which is logged.
 */
async function keySet(keys, url) {
	if (known === undefined || known.keys !== keys || known.url !== url) {
		// Not kept before they are read: the request that reads them may be aborted.
		const set = await read(keys, url).catch((error) => {
			console.error(`nobody is admitted: ${error.message}`);
			return {};
		});
		known = { keys, url, ...set };
	}
	return known;
}

async function read(keys, url) {
	const own = keys === undefined ? undefined : await ownKeys(keys);
	const provider = url === undefined ? undefined : providerKeys(url);
	return { own, provider };
}

async function ownKeys(text) {
	let set;
	try {
		set = JSON.parse(text);
	} catch {
		throw new Error("AUTH_KEYS is not JSON");
	}
	if (!Array.isArray(set?.keys) || set.keys.length === 0) {
		throw new Error('AUTH_KEYS is not a JSON Web Key Set: {"keys":[…]} with at least one key');
	}
	const known = [];
	for (const [index, key] of set.keys.entries()) {
		known.push(await imported(key, `key ${index + 1} of AUTH_KEYS`, set.keys));
	}
	// The library's own key sets do not support secrets.
	const select = ({ alg, kid }) => {
		const fitting = known.filter((key) => key.algorithm === named(alg) && (kid === undefined || key.kid === kid));
		if (fitting.length !== 1) throw new errors.JWKSNoMatchingKey();
		return fitting[0].key;
	};
	return { count: known.length, select };
}

/** The algorithm by the name that `ALGORITHMS` has for it. */
function named(algorithm) {
	return algorithm === ED25519 ? ALGORITHMS.OKP : algorithm;
}

/** An imported key. Throws if it could never be used, so that a mistake shows at once and not when somebody is refused. */
async function imported(jwk, what, all) {
	const algorithm = Object.hasOwn(ALGORITHMS, jwk?.kty) ? ALGORITHMS[jwk.kty] : undefined;
	if (algorithm === undefined) throw new Error(`${what} is not of kind oct, RSA, EC or OKP`);
	if (jwk.alg !== undefined && named(jwk.alg) !== algorithm) {
		throw new Error(`${what} is for ${jwk.alg}; a key of its kind is for ${algorithm}`);
	}
	if (jwk.kty === "EC" && jwk.crv !== "P-256") throw new Error(`${what} is not on the curve P-256`);
	if (jwk.kty === "OKP" && jwk.crv !== "Ed25519") throw new Error(`${what} is not on the curve Ed25519`);
	if (jwk.kty !== "oct" && jwk.d !== undefined) throw new Error(`${what} is private: provide its public half`);
	if (jwk.use !== undefined && jwk.use !== "sig") throw new Error(`${what} is not for signatures (\`use\`)`);
	if (all.length > 1 && (typeof jwk.kid !== "string" || all.filter(({ kid }) => kid === jwk.kid).length > 1)) {
		throw new Error(`${what} needs a \`kid\` of its own, since there are several`);
	}
	let key;
	try {
		key = await importJWK(jwk, algorithm);
	} catch {
		throw new Error(`${what} cannot be read`);
	}
	if (key instanceof Uint8Array && key.length < SECRET_BYTES.refused) {
		throw new Error(`${what} is shorter than ${SECRET_BYTES.refused} bytes`);
	}
	if (key instanceof Uint8Array && key.length < SECRET_BYTES.advised) {
		console.warn(`${what} is shorter than ${SECRET_BYTES.advised} bytes, which is weak`);
	}
	if (key.algorithm?.modulusLength < RSA_BITS) throw new Error(`${what} is shorter than ${RSA_BITS} bits`);
	return { kid: jwk.kid, algorithm, key };
}

function providerKeys(text) {
	const url = URL.canParse(text) ? new URL(text) : undefined;
	const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url?.hostname);
	if (url?.protocol !== "https:" && !(isLocal && url?.protocol === "http:")) {
		throw new Error("AUTH_JWKS_URL is not an https address");
	}
	return createRemoteJWKSet(url, { ...PROVIDER, [customFetch]: fetchBounded });
}

/** When the identity provider last failed to answer. */
let failure = Number.NEGATIVE_INFINITY;

/** Fetches no more often and no more than an identity provider in trouble can bear. */
async function fetchBounded(url, options) {
	if (Date.now() - failure < PROVIDER_PAUSE) throw new Error("the identity provider did not respond a moment ago");
	try {
		const answer = await fetch(url, options);
		if (!answer.ok) throw new Error(`the identity provider responded with ${answer.status}`);
		const set = await new Response(await bounded(answer)).json();
		if (!Array.isArray(set?.keys)) throw new Error("the identity provider's response is not a JSON Web Key Set");
		return Response.json(set);
	} catch (error) {
		failure = Date.now();
		throw error;
	}
}

/** The body of a response, if it is no longer than a key set can be. */
async function bounded(answer) {
	const bytes = [];
	let length = 0;
	for await (const chunk of answer.body ?? []) {
		length += chunk.length;
		if (length > PROVIDER_BYTES) throw new Error("the identity provider's response is too long");
		bytes.push(chunk);
	}
	return new Blob(bytes);
}

const NO_KID = ["unauthorized", "The token does not name its key: it needs a `kid`."];
const NO_TOKEN_OF_OURS = ["unauthorized", "This server does not accept the token."];

/** Whether the keys are valid. */
export async function isConfigured(keys, url) {
	const { own, provider } = await keySet(keys, url);
	return own !== undefined || provider !== undefined;
}

/**
 * Checks a token. Resolves to `["claims", JSON]`, or to why it does not count: `["unauthorized", sentence]`, or
 * `["unavailable"]` if the identity provider does not respond. The keys are known to be valid.
 */
export async function verify(token, keys, url, issuer, audience) {
	const set = await keySet(keys, url);
	let kid;
	try {
		({ kid } = decodeProtectedHeader(token));
	} catch {
		return NO_TOKEN_OF_OURS;
	}
	// Which of several keys is meant must be stated, not guessed; a provider may have any, also before they are fetched.
	const hasTwoSources = set.own !== undefined && set.provider !== undefined;
	if (kid === undefined && hasTwoSources) return NO_KID;
	try {
		const algorithms = [...Object.values(ALGORITHMS), ED25519];
		const options = { algorithms, clockTolerance: CLOCK_SKEW, requiredClaims: CLAIMS };
		const { payload } = await jwtVerify(token, (header, jws) => select(set, header, jws), {
			...options,
			...(issuer === undefined ? {} : { issuer }),
			...(audience === undefined ? {} : { audience }),
		});
		const count = (set.own?.count ?? 0) + (set.provider?.jwks()?.keys.length ?? 0);
		if (kid === undefined && count > 1) return NO_KID;
		const expires = Math.min(Math.floor(payload.exp * 1_000), LATEST);
		return ["claims", JSON.stringify({ ...payload, expires })];
	} catch (error) {
		return reason(error);
	}
}

/** The key of a token: one of ours, or else one of the identity provider's. */
async function select({ own, provider }, header, jws) {
	if (own === undefined) return provider(header, jws);
	if (provider === undefined) return own.select(header);
	try {
		return own.select(header);
	} catch (error) {
		if (error.code !== "ERR_JWKS_NO_MATCHING_KEY") throw error;
		return provider(header, jws);
	}
}

function reason(error) {
	const code = error?.code ?? "";
	if (code === "ERR_JWT_EXPIRED") return ["unauthorized", "The token has expired."];
	if (code === "ERR_JWT_CLAIM_VALIDATION_FAILED") {
		const sentence = error.claim === "nbf" ? "is not valid yet" : `has no \`${error.claim}\` that this server accepts`;
		return ["unauthorized", `The token ${sentence}.`];
	}
	if (FAULTS_OF_THE_TOKEN.test(code)) return NO_TOKEN_OF_OURS;
	console.error(`a token could not be checked: ${error?.message}`);
	return ["unavailable"];
}
