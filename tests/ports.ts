// Ports for servers that must be told theirs.

import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Where operating systems take no port from for a connection or a listener that does not care: Linux begins at 32768,
 * others at 49152. A port from there could be somebody's again before the server that was to have it has come up.
 */
const OURS = { from: 20_000, to: 32_768 };
const ATTEMPTS = 20;

/** A port of 127.0.0.1 on which nobody listens. */
export async function freePort(): Promise<number> {
	for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
		const port = randomInt(OURS.from, OURS.to);
		if (await isFree(port)) return port;
	}
	throw new Error(`None of ${ATTEMPTS} ports from ${OURS.from} to ${OURS.to} is free.`);
}

async function isFree(port: number): Promise<boolean> {
	const server = createServer();
	try {
		server.listen(port, "127.0.0.1");
		await once(server, "listening");
		server.close();
		await once(server, "close");
		return true;
	} catch {
		return false;
	}
}
