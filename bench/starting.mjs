// The workload `start`: how long a contender's code takes until it first answers, and how large it is.

import { gzipSync } from "node:zlib";
import { start } from "./server.mjs";
import { Client } from "./socket.mjs";

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {import("./contenders.mjs").Options} options
 * @param {number} times
 */
export async function starting(contender, options, times) {
	const taken = { ready: [], latency: [], nextRoom: [] };
	const begin = performance.now();
	for (let time = 0; time < times; time++) {
		const began = performance.now();
		const server = await start(contender, options);
		try {
			taken.ready.push(performance.now() - began);
			taken.latency.push(await firstAnswer(server.host, contender.dialect));
			taken.nextRoom.push(await firstAnswer(server.host, contender.dialect));
		} finally {
			await server.dispose();
		}
	}
	const elapsed = (performance.now() - begin) / 1_000;
	const quantiled = Object.fromEntries(Object.entries(taken).map(([name, values]) => [name, quantiles(values)]));
	return { ...quantiled, ...sizes(contender, options), elapsed, errors: {}, closedByServer: {} };
}

/** In ms, from connecting to a room that nobody was in until it has answered. One that only passes on answers somebody else. */
async function firstAnswer(host, dialect) {
	const url = `ws://${host}/parties/collaboration/bench-${crypto.randomUUID()}`;
	const began = performance.now();
	const clients = [await Client.connect(url, dialect, "u0")];
	if (dialect === "relay") {
		clients.push(await Client.connect(url, dialect, "u1"));
		const passedOn = new Promise((resolve) => clients[1].hear(resolve));
		clients[0].say({ type: "anything" });
		await passedOn;
	} else {
		await clients[0].state();
	}
	const taken = performance.now() - began;
	await Promise.all(clients.map((client) => client.leave()));
	return taken;
}

/** What is uploaded, compressed. */
function sizes(contender, options) {
	const size = (kind) => {
		const contents = contender.worker(options).modules.filter(({ type }) => type === kind);
		return contents.reduce((sum, module) => sum + gzipSync(module.contents).length, 0);
	};
	return { scriptGzip: size("ESModule"), wasmGzip: size("CompiledWasm") };
}

/** @param {number[]} values */
function quantiles(values) {
	const sorted = values.toSorted((a, b) => a - b);
	const at = (quantile) => sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)];
	return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
