// The README's React app: made, installed from the packed package, type-checked, built and opened twice.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { preview } from "vite";
import { emptyFolder, pack, root, run } from "../sdk/packed.ts";
import { serve } from "../worker/harness.ts";

/** How many lines of its own a shared field may take, without the empty ones. */
const LINES = 15;

/** What `npm create vite` makes for React and TypeScript, as far as building it needs. */
const TEMPLATE = {
	"index.html": `<!doctype html><title>App</title><link rel="icon" href="data:,"><div id="root"></div>
<script type="module" src="/src/main.tsx"></script>
`,
	"vite.config.ts": `import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({ plugins: [react()] });
`,
	"tsconfig.json": JSON.stringify({
		compilerOptions: {
			target: "es2023",
			lib: ["es2023", "dom", "dom.iterable"],
			module: "preserve",
			types: ["vite/client"],
			jsx: "react-jsx",
			strict: true,
			allowImportingTsExtensions: true,
			verbatimModuleSyntax: true,
			noUnusedLocals: true,
			noEmit: true,
		},
		include: ["src"],
	}),
	"src/main.tsx": `import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import App from "./App.tsx";

createRoot(document.getElementById("root")!).render(<StrictMode><App /></StrictMode>);
`,
};

test("the React app of the README shares a field and has it again after a reload", async (t) => {
	const executablePath = process.env.CHROMIUM_PATH;
	assert.ok(executablePath, "CHROMIUM_PATH names the browser; `npm test browser` sets it.");
	const readme = readFileSync(join(root, "README.md"), "utf8");
	const code = readme.match(/```tsx\n(\/\/ src\/App\.tsx\n[\s\S]*?)```/)?.[1] ?? "";
	const lines = code.split("\n").filter((line) => line.trim() !== "");
	assert.ok(lines.length > 1 && lines.length <= LINES, `the README has src/App.tsx in ${lines.length} lines`);
	assert.ok(code.includes("127.0.0.1:8787"), "it is for the address that npm start serves");

	const rooms = await serve();
	t.after(() => rooms.close());
	const app = emptyFolder();
	t.after(() => rmSync(app, { recursive: true, force: true }));
	await built(app, code.replace("127.0.0.1:8787", rooms.host));
	const pages = await preview({ root: app, logLevel: "error", preview: { host: "127.0.0.1", port: 0 } });
	t.after(() => pages.close());
	const url = pages.resolvedUrls?.local[0];
	assert.ok(url);
	const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"];
	const browser = await chromium.launch({ executablePath, args });
	t.after(() => browser.close());

	const complaints: string[] = [];
	const [one, two] = [await opened(browser, url, complaints), await opened(browser, url, complaints)];
	await one.getByPlaceholder("Price").fill("45000");
	await shows(two, "45000");
	await two.getByPlaceholder("Price").fill("46000");
	await shows(one, "46000");
	await one.reload();
	await shows(one, "46000");
	assert.deepEqual(complaints, []);
});

/** A page in a profile of its own, so that nothing but the room can tell it what others do. */
async function opened(browser: Browser, url: string, complaints: string[]): Promise<Page> {
	const page = await (await browser.newContext()).newPage();
	page.on("pageerror", (error) => complaints.push(String(error)));
	page.on("console", (message) => {
		if (["error", "warning"].includes(message.type())) complaints.push(message.text());
	});
	await page.goto(url);
	return page;
}

/** Makes the app around its one component, in the versions that the repository pins, and builds it as its users would. */
async function built(app: string, component: string): Promise<void> {
	const { devDependencies: pinned } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
	const named = (...names: string[]) => Object.fromEntries(names.map((name) => [name, pinned[name]]));
	const files = {
		...TEMPLATE,
		"src/App.tsx": component,
		"package.json": JSON.stringify({
			private: true,
			type: "module",
			dependencies: { ...named("react", "react-dom"), roomkeep: `file:${await pack(app)}` },
			devDependencies: named("@types/react", "@types/react-dom", "@vitejs/plugin-react", "typescript", "vite"),
		}),
	};
	for (const [path, contents] of Object.entries(files)) {
		mkdirSync(dirname(join(app, path)), { recursive: true });
		writeFileSync(join(app, path), contents);
	}
	await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund"], app);
	await run(join(app, "node_modules/.bin/tsc"), [], app);
	await run(join(app, "node_modules/.bin/vite"), ["build"], app);
}

async function shows(page: Page, value: string): Promise<void> {
	await page.waitForFunction((value) => document.querySelector("input")?.value === value, value, { timeout: 10_000 });
}
