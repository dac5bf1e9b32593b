// `npm start -w user-state`: the rooms, and the page with its back end beside them, until one of them ends. The options
// after `--`:
//   --port N         where the page is, 5174 if omitted
//   --rooms-port N   where the rooms are, 8788 if omitted
//   --persist-to F   the folder in which the rooms keep what they know; the repository's own if omitted

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bin, environment, fail, root } from "../../scripts/lib.mjs";
import { sdk } from "../../scripts/sdk.mjs";

const { port, "rooms-port": roomsPort, "persist-to": folder } = options();
await sdk();
// The key that the back end signs with and the rooms check with. In a file, since arguments can be read by anyone here.
const key = { kty: "oct", kid: "example", alg: "HS256", k: randomBytes(32).toString("base64url") };
const AUTH_KEYS = JSON.stringify({ keys: [key] });
const secrets = mkdtempSync(join(tmpdir(), "user-state-"));
process.on("exit", () => rmSync(secrets, { recursive: true }));
writeFileSync(join(secrets, "vars"), `AUTH_KEYS='${AUTH_KEYS}'\n`, { mode: 0o600 });

const kept = folder ? ["--persist-to", folder] : [];
const rooms = ["scripts/start.mjs", "--port", roomsPort, "--env-file", join(secrets, "vars"), ...kept];
const page = ["--host", "127.0.0.1", "--port", port, "--strictPort"];
const children = [
	start("node", rooms, root),
	start(join(bin, "vite"), page, import.meta.dirname, { VITE_ROOMS: `127.0.0.1:${roomsPort}`, AUTH_KEYS }),
];
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => end(signal));

function options() {
	try {
		const text = { type: "string" };
		const { values } = parseArgs({
			options: {
				port: { ...text, default: "5174" },
				"rooms-port": { ...text, default: "8788" },
				"persist-to": text,
			},
		});
		return values;
	} catch (error) {
		return fail(`${error.message}\nnpm start -w user-state -- [--port N] [--rooms-port N] [--persist-to FOLDER]`);
	}
}

/** Neither is of use without the other. */
function start(command, args, cwd, env = {}) {
	const child = spawn(command, args, { cwd, env: environment(env), stdio: ["ignore", "inherit", "inherit"] });
	child.on("error", (error) => fail(`${command} does not start: ${error.message}`));
	child.on("exit", (code) => {
		process.exitCode ||= code ?? 0;
		end("SIGTERM");
	});
	return child;
}

function end(signal) {
	for (const child of children) child.kill(signal);
}
