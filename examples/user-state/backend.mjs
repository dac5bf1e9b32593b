// The back end, in a few lines: it signs tokens for its users, and writes what no page may write.

import { importJWK, SignJWT } from "jose";

const ROOMS = process.env.VITE_ROOMS;
const { keys } = JSON.parse(process.env.AUTH_KEYS ?? '{"keys":[]}');

/** A token, for a quarter of an hour. The page asks for a new one for each connection. */
async function token(user, claims) {
	return new SignJWT({ jti: crypto.randomUUID(), ...claims })
		.setProtectedHeader({ alg: "HS256", kid: keys[0].kid })
		.setSubject(user)
		.setExpirationTime("15m")
		.sign(await importJWK(keys[0], "HS256"));
}

/**
 * What a payment provider's webhook would call. The rooms of this kind let in their owner and, with a token like this one,
 * an admin; and it is an admin's role that `subscription` asks for.
 */
async function setPlan(user, plan) {
	const admin = await token("billing", { role: "admin", rooms: ["user/*"] });
	const response = await fetch(`http://${ROOMS}/parties/user/${encodeURIComponent(user)}/fields/subscription`, {
		method: "PUT",
		headers: { authorization: `Bearer ${admin}` },
		body: JSON.stringify({ value: { plan, status: "active" } }),
	});
	return [response.status, await response.text()];
}

/** `GET /api/token?user=alice` and `POST /api/plan?user=alice&plan=pro`. A real one would look at a session first. */
export async function backend(request, response) {
	const { pathname, searchParams } = new URL(request.url, "http://localhost");
	const [user, plan] = [searchParams.get("user") || "alice", searchParams.get("plan") ?? ""];
	let [status, text] = [404, "There is no such thing."];
	try {
		if (request.method === "GET" && pathname === "/token")
			[status, text] = [200, await token(user, { role: "editor" })];
		if (request.method === "POST" && pathname === "/plan") [status, text] = await setPlan(user, plan);
	} catch (error) {
		[status, text] = [502, `The rooms cannot be reached: ${error.message}`];
	}
	response.writeHead(status, { "content-type": "text/plain" }).end(`${text}\n`);
}
