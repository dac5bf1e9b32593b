// How the fuzz targets are built: for libFuzzer, with stable Rust. Used by what runs them and what lints them.

import { join } from "node:path";
import { ask, fail, root } from "./lib.mjs";

/** What `cargo fuzz --sanitizer none` gives rustc: each edge counts how often it is passed, each comparison is told. */
const FLAGS = [
	"-Cpasses=sancov-module",
	"-Cllvm-args=-sanitizer-coverage-level=4",
	"-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
	"-Cllvm-args=-sanitizer-coverage-pc-table",
	"-Cllvm-args=-sanitizer-coverage-trace-compares",
	"-Ccodegen-units=1",
	"--cfg",
	"fuzzing",
];

/** The environment and the arguments for cargo, and the folder in which the programs then are. */
export function fuzzing() {
	const host = ask("rustc", ["-vV"])?.match(/^host: (.+)$/m)?.[1] ?? fail("rustc does not say which host this is.");
	return {
		env: { RUSTFLAGS: FLAGS.join(" "), CARGO_TARGET_DIR: join(root, "fuzz/target") },
		// With a target named, cargo leaves build scripts and macros as they are.
		args: ["--manifest-path", "fuzz/Cargo.toml", "--release", "--target", host],
		output: join(root, "fuzz/target", host, "release"),
	};
}
