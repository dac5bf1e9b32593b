// Kinds of rooms: what is in a room, who may write it, and how it comes from one version to the next. A page and a Worker
// share one definition.

import type { RoomDefinition } from "./rooms/definition.ts";

export { type CheckedRooms, checkRooms } from "./rooms/check.ts";
export type * from "./rooms/definition.ts";
export type { SchemaValue, ValueOf, Values } from "./rooms/infer.ts";
export { DefinitionError } from "./rooms/report.ts";

/** A kind of room. Gives back what it is given, with a type that knows the value of each field. */
export function defineRoom<const Definition extends RoomDefinition>(definition: Definition): Definition {
	return definition;
}
