// `npm run lint`: formatters, linters and the type checker, warnings denied. `npm run format` fixes what it can.

import { demo } from "./build.mjs";
import { dependencies } from "./deps.mjs";
import { fuzzing } from "./fuzzing.mjs";
import { run, step } from "./lib.mjs";
import { linters, packages, rust } from "./setup.mjs";

const fix = process.argv.includes("--fix");
const wasm = ["clippy", "--quiet", "--lib", "--target", "wasm32-unknown-unknown"];

const bench = ["--manifest-path", "bench/Cargo.toml"];
const bindgen = ["--manifest-path", "scripts/bindgen/Cargo.toml"];

await packages();
await rust();
await linters();
// As it is built to be run, so that SQLite and libFuzzer are compiled once.
const fuzz = fuzzing();
await demo();
await dependencies();
const checks = [
	["cargo", fix ? ["fmt"] : ["fmt", "--check"]],
	["cargo", ["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]],
	["cargo", fix ? ["fmt", ...bench] : ["fmt", ...bench, "--check"]],
	["cargo", ["clippy", "--quiet", ...bench, "--all-targets", "--", "-D", "warnings"]],
	["cargo", fix ? ["fmt", ...bindgen] : ["fmt", ...bindgen, "--check"]],
	["cargo", ["clippy", "--quiet", ...bindgen, "--all-targets", "--", "-D", "warnings"]],
	["cargo", ["fmt", "--manifest-path", "fuzz/Cargo.toml", ...(fix ? [] : ["--check"])]],
	["cargo", ["clippy", "--quiet", ...fuzz.args, "--all-targets", "--", "-D", "warnings"], fuzz.env],
	["cargo", [...wasm, "--", "-D", "warnings"]],
	["cargo", [...wasm, "--features", "faults", "--", "-D", "warnings"]],
	["biome", fix ? ["check", "--write"] : ["check"]],
	["tsc", ["--noEmit"]],
	["tsc", ["--noEmit", "--project", "packages/sdk"]],
	["tsc", ["--noEmit", "--project", "examples/order-form"]],
	["tsc", ["--noEmit", "--project", "examples/user-state"]],
];
for (const [command, args, env] of checks) {
	const done = step([command, ...args].join(" "));
	try {
		await run(command, args, { env });
	} catch {
		console.error(`\n${command} found something. \`npm run format\` fixes what it can.`);
		process.exit(1);
	}
	done();
}
