// `npm run token`: prints a token for local use, signed with the key in `AUTH_KEYS` or, where that is not set, in the
// file .dev.vars, which `npm start` reads. Makes such a key if there is none.
//   npm run --silent token -- --user alice --room 'collaboration/*' [--role editor] [--name Alice] [--ttl 15m]

import { randomBytes, randomUUID } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, parseEnv } from "node:util";
import { fail, root } from "./lib.mjs";
import { packages } from "./setup.mjs";

const ROLES = ["viewer", "editor", "moderator", "admin"];
const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };
const ALGORITHMS = { oct: "HS256", RSA: "RS256", EC: "ES256", OKP: "EdDSA" };
const USAGE = "npm run token -- --user NAME --room 'PARTY/ROOM' [--role editor] [--name 'For people'] [--ttl 1h]";

const wanted = wishes();
await packages();
const { importJWK, SignJWT } = await import("jose");
const vars = variables();
const jwk = signingKey(vars.AUTH_KEYS);
const token = new SignJWT({ role: wanted.role, rooms: wanted.rooms, ...(wanted.name ? { name: wanted.name } : {}) })
	.setProtectedHeader({ alg: ALGORITHMS[jwk.kty], ...(jwk.kid ? { kid: jwk.kid } : {}) })
	.setSubject(wanted.user)
	.setJti(randomUUID())
	.setIssuedAt()
	.setExpirationTime(Math.floor(Date.now() / 1000) + wanted.seconds);
if (vars.AUTH_ISSUER) token.setIssuer(vars.AUTH_ISSUER);
if (vars.AUTH_AUDIENCE) token.setAudience(vars.AUTH_AUDIENCE);
console.log(await token.sign(await importJWK(jwk, ALGORITHMS[jwk.kty])));

function wishes() {
	const text = { type: "string" };
	const options = { user: text, room: { ...text, multiple: true }, role: text, name: text, ttl: text };
	let values;
	try {
		({ values } = parseArgs({ options }));
	} catch (error) {
		fail(`${error.message}\n${USAGE}`);
	}
	const { user, room: rooms = [], role = "editor", name, ttl = "1h" } = values;
	if (!user) fail(`Whose token is it?\n${USAGE}`);
	if (!ROLES.includes(role)) fail(`--role must be one of ${ROLES.join(", ")}.`);
	if (rooms.length === 0 && role !== "admin") fail(`Which room is it for? 'collaboration/*' is all of them.\n${USAGE}`);
	const odd = rooms.find((room) => !/^[^/*]+\/[^/]+$/.test(room));
	if (odd)
		fail(
			`--room must be a kind of room and a room, such as 'collaboration/my-room' or 'collaboration/*', not '${odd}'.`,
		);
	const [, count, unit] =
		/^([1-9]\d{0,8})([smhd])$/.exec(ttl) ?? fail("--ttl must be a time such as 30s, 15m, 8h or 7d.");
	return { user, rooms, role, name, seconds: Number(count) * SECONDS[unit] };
}

/** What the server is told: the environment goes before .dev.vars, which is made if no key is anywhere. */
function variables() {
	const file = join(root, ".dev.vars");
	const read = () => ({ ...(existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {}), ...process.env });
	if (read().AUTH_KEYS === undefined) {
		const key = { kty: "oct", kid: "local", alg: "HS256", k: randomBytes(32).toString("base64url") };
		appendFileSync(file, `AUTH_KEYS='${JSON.stringify({ keys: [key] })}'\n`, { mode: 0o600 });
		console.error(
			"There was no key, so one was created in .dev.vars. Restart the server: from then on it requires tokens.",
		);
	}
	return read();
}

function signingKey(text) {
	let keys;
	try {
		({ keys } = JSON.parse(text));
	} catch {
		fail("AUTH_KEYS is not JSON.");
	}
	const key = keys?.find(({ kty, d }) => kty === "oct" || (kty in ALGORITHMS && d !== undefined));
	return key ?? fail("AUTH_KEYS has only public keys, which cannot sign. Whoever issues tokens has the private ones.");
}
