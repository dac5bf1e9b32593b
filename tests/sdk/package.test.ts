// What is published: the files, how tools resolve them, and what a page pays that takes only a part.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { filterProblems } from "@arethetypeswrong/core/problems";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { emptyFolder, pack, root, run } from "./packed.ts";

const ENTRIES = ["", "/field", "/kinds", "/react", "/rooms", "/service-worker"].map((name) => `roomkeep${name}`);

let folder: string;
let archive: string;
/** Where the package is installed, with its dependencies. */
let app: string;

before(async () => {
	folder = emptyFolder();
	archive = await pack(folder);
	app = join(folder, "app");
	mkdirSync(join(app, "node_modules"), { recursive: true });
	await run("tar", ["-xzf", archive, "-C", folder], folder);
	symlinkSync(join(folder, "package"), join(app, "node_modules/roomkeep"));
	// The package finds its dependencies beside itself, as it would if npm had put it there.
	const { dependencies = {} } = JSON.parse(readFileSync(join(root, "packages/sdk/package.json"), "utf8"));
	for (const name of [...Object.keys(dependencies), "react", "@types/react"]) {
		const path = join(folder, "node_modules", name);
		mkdirSync(dirname(path), { recursive: true });
		symlinkSync(join(root, "node_modules", name), path);
	}
});

after(() => rmSync(folder, { recursive: true, force: true }));

test("the archive has a module and its types for each source, and nothing else", async () => {
	const sources = readdirSync(join(root, "packages/sdk/src"), { recursive: true, encoding: "utf8" });
	const modules = sources.filter((name) => /\.tsx?$/.test(name)).map((name) => name.replace(/\.tsx?$/, ""));
	const expected = [
		"LICENSE",
		"README.md",
		"package.json",
		"dist/cjs/package.json",
		...["dist", "dist/cjs"].flatMap((folder) =>
			modules.flatMap((name) => [`${folder}/${name}.d.ts`, `${folder}/${name}.js`]),
		),
	];
	const listed = (await run("tar", ["-tzf", archive], folder)).trim().split("\n");
	assert.deepEqual(listed.map((path) => path.replace(/^package\//, "")).sort(), expected.sort());
	for (const path of listed.filter((path) => path.startsWith("package/dist/"))) {
		const imported = readFileSync(join(folder, path), "utf8").match(/["']\.{1,2}\/[^"']+\.tsx?["']/g);
		assert.equal(imported, null, `${path} imports what is not in the archive`);
	}
	assert.equal(readFileSync(join(folder, "package/LICENSE"), "utf8"), readFileSync(join(root, "LICENSE"), "utf8"));
});

test("publint finds nothing", async () => {
	const tarball = new Uint8Array(readFileSync(archive)).buffer;
	const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
	assert.deepEqual(
		messages.map((message) => formatMessage(message, pkg, { color: false })),
		[],
	);
});

test("the types are right for whoever imports it or requires it", async () => {
	const analysis = await checkPackage(createPackageFromTarballData(readFileSync(archive)));
	assert.ok(analysis.types, "the package has types");
	assert.equal(Object.keys(analysis.entrypoints).length, ENTRIES.length);
	// What came before `exports` does not count.
	for (const kind of ["node16-cjs", "node16-esm", "bundler"] as const) {
		assert.deepEqual(filterProblems(analysis, { resolutionKind: kind }), [], kind);
		const found: unknown[] = Object.values(analysis.entrypoints).map(
			({ resolutions }) => resolutions[kind].resolution?.isTypeScript,
		);
		assert.deepEqual(found, Array(ENTRIES.length).fill(true), kind);
	}
});

test("the declarations stand by themselves, with no types of Node and nothing skipped", async () => {
	const page = ENTRIES.map((entry, at) => `export type * as entry${at} from "${entry}";\n`);
	writeFileSync(join(app, "page.ts"), page.join(""));
	const flags = ["--noEmit", "--strict", "--target", "es2022", "--types", ""];
	for (const module of ["nodenext", "preserve"]) {
		await run(join(root, "node_modules/.bin/tsc"), [...flags, "--module", module, "page.ts"], app);
	}
});

test("Node imports it without a DOM, and asks for React only where the page does", async () => {
	const script = `
		import { registerHooks } from "node:module";
		let isReactAsked = false;
		registerHooks({
			resolve: (name, context, next) => {
				isReactAsked ||= name === "react";
				return next(name, context);
			},
		});
		const { RoomClient, indexedDbStorage, memoryStorage } = await import("roomkeep");
		await import("roomkeep/service-worker");
		const user = { id: "alice", name: "Alice" };
		const client = new RoomClient({ host: "rooms.example", room: "one", user, storage: memoryStorage() });
		console.log(typeof document, typeof indexedDbStorage, client.getSnapshot().status, isReactAsked);
		const { useSelection } = await import("roomkeep/react");
		console.log(typeof useSelection, isReactAsked);`;
	const printed = await run(process.execPath, ["--input-type=module", "--eval", script], app);
	assert.deepEqual(printed.trim().split("\n"), ["undefined function offline false", "function true"]);
});

test("a CommonJS program requires it where Node cannot require modules, and bundlers do the same", async () => {
	const script = `
		const { RoomClient, memoryStorage } = require("roomkeep");
		const user = { id: "alice", name: "Alice" };
		const client = new RoomClient({ host: "rooms.example", room: "one", user, storage: memoryStorage() });
		client.select("price", 1);
		const { status, selections } = client.getSnapshot();
		const { useSelection } = require("roomkeep/react");
		const { sendOnSync } = require("roomkeep/service-worker");
		console.log(status, selections.price.value, typeof useSelection, typeof sendOnSync);`;
	// As in Node 20 before 20.19 and in test runners with a `require` of their own.
	const flags = ["--no-experimental-require-module", "--input-type=commonjs", "--eval"];
	assert.equal((await run(process.execPath, [...flags, script], app)).trim(), "offline 1 function function");
	const options = {
		stdin: { contents: script, resolveDir: app },
		bundle: true,
		platform: "node",
		write: false,
	} as const;
	const { outputFiles } = await build({ ...options, format: "cjs", absWorkingDir: folder });
	const path = join(app, "bundled.cjs");
	writeFileSync(path, outputFiles[0]?.text ?? "");
	assert.equal((await run(process.execPath, [path], app)).trim(), "offline 1 function function");
});

test("a page that takes only a part of it has only that part", async () => {
	const part = await bundled(`import { memoryStorage } from "roomkeep"; console.log(memoryStorage());`);
	assert.ok(part.includes("roomkeep/storage.js"), `the storage is in ${part}`);
	assert.deepEqual(
		part.filter((module) => !/^roomkeep\/(index|storage)\.js$/.test(module)),
		[],
	);
	const client = await bundled(`import { RoomClient } from "roomkeep"; console.log(RoomClient);`);
	assert.ok(client.includes("roomkeep/client.js"), `the client is in ${client}`);
	assert.ok(
		!client.some((module) => /^roomkeep.*(react|field)/.test(module)),
		`neither React nor fields are in ${client}`,
	);
	assert.ok(!client.some((module) => /kinds|schema|rooms/.test(module)), `nothing that checks values is in ${client}`);
	const hooks = await bundled(`import { useSelection } from "roomkeep/react"; console.log(useSelection);`, ["react"]);
	assert.ok(!hooks.some((module) => /^roomkeep.*field/.test(module)), `nothing of fields is in ${hooks}`);
	const kinds = await bundled(`import { defineRoom } from "roomkeep/rooms"; console.log(defineRoom({}));`);
	assert.deepEqual(kinds, [], "a definition comes without its check");
});

/** The modules of which something is left in the bundle of a page. */
async function bundled(contents: string, external: string[] = []): Promise<string[]> {
	const { metafile } = await build({
		stdin: { contents, resolveDir: app },
		absWorkingDir: folder,
		bundle: true,
		external,
		format: "esm",
		minify: true,
		metafile: true,
		write: false,
	});
	const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
	const left = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
	return left.filter((path) => path !== "<stdin>").map((path) => path.replace(/^package\/dist\//, "roomkeep/"));
}
