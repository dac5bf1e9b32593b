// The kinds of rooms (PROTOCOL.md, K1): reads the module that declares them, checks it, and leaves them as plain JSON in a
// module that the Worker imports: build/rooms/rooms.mjs, unless another one was chosen. Ends the script with the place and
// the reason if they make no sense.
//   --rooms FILE    that module, by its path from where the command was called: .ts, .mjs or .json; else rooms/index.ts
//   --out FOLDER    leaves them there instead

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { extname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { fail, root } from "./lib.mjs";
import { packages } from "./setup.mjs";

/** How the build that wrangler starts learns which module was chosen. */
const VARIABLE = "ROOMKEEP_ROOMS";
const STANDARD = join(root, "rooms/index.ts");
const KINDS_OF_FILES = [".ts", ".mts", ".mjs", ".js", ".json"];

/** The module that `--rooms` names, and the other arguments. */
export function choice(args) {
	const given = [...args];
	const at = given.findIndex((argument) => argument === "--rooms" || argument.startsWith("--rooms="));
	if (at < 0) return { file: process.env[VARIABLE] ?? STANDARD, given };
	const [flag] = given.splice(at, 1);
	const name = flag === "--rooms" ? given.splice(at, 1)[0] : flag.slice("--rooms=".length);
	if (!name) fail("--rooms needs the path of a module.");
	// npm runs scripts in the folder of the package, and says where it was called.
	return { file: resolve(process.env.INIT_CWD ?? process.cwd(), name), given };
}

/** Where the kinds that a module declares are left. Each has its own place, so that two servers can run beside each other. */
function place(file) {
	if (file === STANDARD) return "build/rooms";
	return `build/rooms-${createHash("sha256").update(file).digest("hex").slice(0, 8)}`;
}

/** How wrangler, and the build that it starts, learn of the choice: arguments and an environment. */
export function chosen(file) {
	return { args: ["--alias", `roomkeep-rooms:./${place(file)}/rooms.mjs`], env: { [VARIABLE]: file } };
}

/** Leaves the kinds that a module declares in a folder as `rooms.mjs`. Gives the folder. */
export async function rooms({ file = choice([]).file, folder = place(file) } = {}) {
	await packages();
	const name = nameOf(file);
	const options = bundling(file, name);
	const { build } = await import("esbuild");
	try {
		await keep(await build(options), name, folder);
	} catch (error) {
		fail(`${name}: ${told(error)}`);
	}
	return folder;
}

/** The same again whenever one of the files that the module is made of changes. What makes no sense is told, and changes nothing. */
export async function watch({ file, folder = place(file) }) {
	const name = nameOf(file);
	const options = bundling(file, name);
	let isFirst = true;
	const checking = {
		name: "check",
		setup({ onEnd }) {
			onEnd(async (result) => {
				// It is there already.
				if (isFirst) isFirst = false;
				else await keep(result, name, folder).catch((error) => console.error(`\n${name}: ${told(error)}\n`));
			});
		},
	};
	const { context } = await import("esbuild");
	const watching = await context({ ...options, plugins: [checking] });
	await watching.watch();
}

/** A file within the project by its path there, as people write it. */
function nameOf(file) {
	const name = relative(root, file);
	return name.startsWith("..") ? file : name;
}

function bundling(file, name) {
	if (!existsSync(file))
		fail(`${name}: there is no such file. \`--rooms FILE\` names the module that declares the rooms.`);
	if (!KINDS_OF_FILES.includes(extname(file))) fail(`${name}: must be one of ${KINDS_OF_FILES.join(", ")}.`);
	const contents = `
		import * as module from ${JSON.stringify(file)};
		import { checkRooms } from "roomkeep/rooms";
		export const checked = () => checkRooms(module.default);`;
	return {
		stdin: { contents, resolveDir: root },
		absWorkingDir: root,
		alias: { "roomkeep/rooms": join(root, "packages/sdk/src/rooms.ts") },
		bundle: true,
		format: "esm",
		platform: "node",
		target: "node20",
		sourcemap: "inline",
		logLevel: "silent",
		write: false,
	};
}

/** Checks what was bundled and keeps it, if it is not what is there already. */
async function keep({ outputFiles, warnings, errors }, name, folder) {
	if (errors?.length > 0) throw { errors };
	// A member that stands twice: JavaScript would take the second one.
	const twice = warnings.filter(({ id }) => id === "duplicate-object-key");
	if (twice.length > 0) throw { errors: twice };
	const { rooms, warnings: unwise } = (await evaluated(outputFiles[0].text, folder)).checked();
	for (const line of unwise) console.error(`${name}: ${line}`);
	// As text: a member of an object that is written out would not be called `__proto__`.
	const text = `export default JSON.parse(${JSON.stringify(JSON.stringify(rooms))});\n`;
	const path = join(root, folder, "rooms.mjs");
	if (existsSync(path) && readFileSync(path, "utf8") === text) return;
	mkdirSync(join(root, folder), { recursive: true });
	writeFileSync(path, text);
}

let evaluations = 0;

async function evaluated(code, folder) {
	evaluations += 1;
	const path = join(root, folder, `checking-${process.pid}-${evaluations}.mjs`);
	mkdirSync(join(root, folder), { recursive: true });
	writeFileSync(path, code);
	try {
		return await import(pathToFileURL(path).href);
	} finally {
		rmSync(path);
	}
}

/** An error of the bundler's, of the check's, or of the module itself, for people. */
function told(error) {
	if (Array.isArray(error.errors)) {
		const lines = error.errors.map(({ text, location }) => {
			return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text;
		});
		return ["cannot be read:", ...lines].join("\n  ");
	}
	if (error.name === "DefinitionError") return ["makes no sense:", ...error.faults].join("\n  ");
	return `cannot be run: ${error.stack ?? error}`;
}

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith("scripts/rooms.mjs")) {
	const { file, given } = choice(process.argv.slice(2));
	await rooms({ file, folder: given[0] === "--out" ? given[1] : undefined });
}
