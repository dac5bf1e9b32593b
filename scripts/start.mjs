// `npm start`: the demo and the rooms on http://127.0.0.1:8787, with local SQLite. Arguments go to `wrangler dev`, but for
// `--rooms FILE`, the module that declares the kinds of rooms.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { demo } from "./build.mjs";
import { bin, environment, root } from "./lib.mjs";
import { choice, chosen, rooms, watch } from "./rooms.mjs";
import { worker } from "./worker.mjs";

const { file, given } = choice(process.argv.slice(2));
// Whoever declared what makes no sense need not wait for the rest.
await rooms({ file });
// Neither needs the other. The first time, most of it is waiting for downloads and for single compilers.
await Promise.all([demo(), worker()]);

const sets = (flag, prefix) =>
	given.some((argument, i) => argument === flag && (given[i + 1] ?? "").startsWith(prefix)) ||
	given.some((argument) => argument.startsWith(`${flag}=${prefix}`));
const defaults = [];
if (!sets("--ip", "")) defaults.push("--ip", "127.0.0.1");
if (!sets("--port", "")) defaults.push("--port", "8787");
// Wrangler looks for a free port for its debugger before it takes it, so of two that start together one would fail.
if (!sets("--inspector-port", "")) defaults.push("--inspector-port", "0");
// Everyone may enter a room on a laptop. A deployment says so itself or has nobody enter.
if (!sets("--var", "ALLOW_ANONYMOUS:")) defaults.push("--var", "ALLOW_ANONYMOUS:true");

// What changes there is in use as soon as it is saved.
await watch({ file });
const kinds = chosen(file);
const args = ["dev", "--show-interactive-dev-session=false", ...kinds.args, ...defaults, ...given];
const child = spawn(join(bin, "wrangler"), args, {
	cwd: root,
	env: environment({ WRANGLER_SEND_METRICS: "false", ...kinds.env }),
	stdio: ["ignore", "inherit", "inherit"],
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 0)));
