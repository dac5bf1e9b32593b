// What a test of a crash needs in both processes.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { OutboxStorage } from "../../packages/sdk/src/types.ts";

export { Net } from "./worker-net.ts";

/** Keeps what is pending in a file, which outlives its process. */
export function fileStorage(path: string): OutboxStorage {
	return {
		isDurable: true,
		async update(_key, change) {
			let before: unknown;
			try {
				before = JSON.parse(readFileSync(path, "utf8"));
			} catch {
				// There is none yet.
			}
			const record = change(before);
			writeFileSync(`${path}.new`, JSON.stringify(record));
			renameSync(`${path}.new`, path);
			return record;
		},
	};
}
