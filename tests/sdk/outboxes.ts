// Outboxes, entries and messages as the tests of them need them.

import type * as box from "../../packages/sdk/src/outbox.ts";

export const set = (field: string, value: any, baseVersion = 0): box.FieldMessage => {
	return { type: "field_selected", selection: { field, value, userId: "ann" }, baseVersion };
};
export const cleared = (field: string, baseVersion = 0): box.FieldMessage => {
	return { type: "field_cleared", field, userId: "ann", baseVersion };
};
export const batch = (...changes: box.FieldMessage[]): box.Message => ({ type: "batch", changes });
export const ready: box.Message = { type: "user_ready", userId: "ann", isReady: true };

export function entry(key: string, message: box.Message = set(key, 1), more: Partial<box.Entry> = {}): box.Entry {
	return { key, at: 1, message, size: 10, ...more };
}

export function outbox(entries: box.Entry[], more: Partial<box.Outbox> = {}): box.Outbox {
	const user = { id: "ann", name: "Ann" };
	const address = { host: "h", party: "p", room: "r", user };
	const lastSeq = Math.max(0, ...entries.map(({ seq = 0 }) => seq));
	return { address, clientId: "c", lastSeq, entries, ...more };
}

export const keys = ({ entries }: box.Outbox) => entries.map(({ key }) => key);
export const numbers = ({ entries }: box.Outbox) => entries.map(({ seq }) => seq);
export const conflict = { field: "x", version: 9, current: null };
