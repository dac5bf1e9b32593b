// The workload `rows`: one writes, another one looks on, and the server counts what it stores for it.

import { setTimeout as sleep } from "node:timers/promises";
import { Client, fieldsOf } from "./socket.mjs";

/** Who has come, or what was changed, is stored by then. */
const SETTLE_MS = 500;
/** What was not seen by then is lost. */
const DRAIN_MS = 10_000;
const TICK_MS = 1;

/**
 * @param {{ url: string, dialect: string, memoryUrl: string }} server
 * @param {{ changes: number, fields: number, pause: number }} options `pause` in ms, from one change to the next
 */
export async function rows({ url, dialect, memoryUrl }, { changes, fields, pause }) {
	const writer = await Client.connect(url, dialect, "writer");
	const reader = await Client.connect(url, dialect, "reader");
	await Promise.all([writer.join(), reader.join()]);
	await sleep(SETTLE_MS);
	const before = await counts(memoryUrl);
	const start = performance.now();
	const last = lastOf(changes, fields);
	const seen = allSeen(reader, last);
	await write(writer, changes, fields, pause);
	const missing = await Promise.race([seen.done, sleep(DRAIN_MS).then(seen.missing)]);
	const elapsed = (performance.now() - start) / 1_000;
	await sleep(SETTLE_MS);
	const after = await counts(memoryUrl);
	const report = {
		rows: after.rowsWritten - before.rowsWritten,
		written: changes,
		lost: missing,
		elapsed,
		errors: tally([...writer.refused, ...reader.refused]),
		closedByServer: tally([writer.closed, reader.closed].filter((code) => code !== undefined)),
	};
	await Promise.all([writer.leave(), reader.leave()]);
	return report;
}

async function counts(url) {
	return (await fetch(url)).json();
}

/** The number of the last change of each field. */
function lastOf(changes, fields) {
	const last = new Map();
	for (let number = 1; number <= changes; number++) last.set(`f${number % fields}`, number);
	return last;
}

/** Earlier changes may be left out for a later one, so it is the last one of each field that has to come. */
function allSeen(reader, last) {
	const waited = new Map(last);
	const done = new Promise((resolve) => {
		reader.hear((frame) => {
			for (const { field, value } of fieldsOf(frame)) {
				if (value === String(waited.get(field))) waited.delete(field);
			}
			if (waited.size === 0) resolve(0);
		});
	});
	return { done, missing: () => waited.size };
}

/** Sends each change when it is due, however long the ones before take. */
async function write(writer, changes, fields, pause) {
	const start = performance.now();
	for (let number = 1; number <= changes; number++) {
		while (performance.now() < start + number * pause) await sleep(TICK_MS);
		writer.write(`f${number % fields}`, String(number), number);
	}
}

/** @param {string[]} names */
function tally(names) {
	const counts = {};
	for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
	return counts;
}
