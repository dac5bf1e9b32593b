// The npm package as it would be published.

import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

export const root = join(import.meta.dirname, "../..");

/** Runs a program and gives what it printed. What it complained of is in the error, should it fail. */
export async function run(command: string, args: string[], cwd: string): Promise<string> {
	try {
		return (await execute(command, args, { cwd, encoding: "utf8" })).stdout;
	} catch (error) {
		const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
		throw new Error(`${command} ${args.join(" ")}\n${stdout}${stderr}`, { cause: error });
	}
}

/** A folder outside of the repository, so that nothing is found in it that was not put there. */
export function emptyFolder(): string {
	return mkdtempSync(join(tmpdir(), "roomkeep-sdk-"));
}

/** Packs the package as `npm publish` would. Gives the path of the archive. */
export async function pack(folder: string): Promise<string> {
	const [packed] = JSON.parse(
		await run("npm", ["pack", "--json", "--pack-destination", folder], join(root, "packages/sdk")),
	);
	return join(folder, packed.filename);
}
