// `npm start -w order-form`: the rooms and the page, until one of them ends. The options after `--`:
//   --port N         where the page is, 5173 if omitted
//   --rooms-port N   where the rooms are, 8787 if omitted
//   --persist-to F   the folder in which the rooms keep what they know; the repository's own if omitted

import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bin, environment, fail, root } from "../../scripts/lib.mjs";
import { sdk } from "../../scripts/sdk.mjs";

const { port, "rooms-port": roomsPort, "persist-to": folder } = options();
await sdk();
const rooms = ["scripts/start.mjs", "--port", roomsPort, ...(folder ? ["--persist-to", folder] : [])];
const page = ["--host", "127.0.0.1", "--port", port, "--strictPort"];
const children = [
	start("node", rooms, root),
	start(join(bin, "vite"), page, import.meta.dirname, { VITE_ROOMS: `127.0.0.1:${roomsPort}` }),
];
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => end(signal));

function options() {
	try {
		const text = { type: "string" };
		const { values } = parseArgs({
			options: {
				port: { ...text, default: "5173" },
				"rooms-port": { ...text, default: "8787" },
				"persist-to": text,
			},
		});
		return values;
	} catch (error) {
		return fail(`${error.message}\nnpm start -w order-form -- [--port N] [--rooms-port N] [--persist-to FOLDER]`);
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
