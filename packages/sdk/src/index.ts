// The client of Roomkeep rooms. Needs no framework and no DOM.

export { RoomClient, type Transaction } from "./client.ts";
export { indexedDbStorage, memoryStorage } from "./storage.ts";
export type * from "./types.ts";
