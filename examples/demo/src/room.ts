// The hooks for rooms of kind `trade`, which rooms/index.ts declares: a field that it does not have does not compile.

import type { FieldName } from "roomkeep";
import { createRoomHooks } from "roomkeep/react";
import type rooms from "../../../rooms/index.ts";

export type Trade = typeof rooms.trade;

/** What the room calls a field. */
export type TradeField = FieldName<Trade>;

/** What people fill in. */
export type FormField = Exclude<TradeField, `quotes/${string}`>;

export const {
	RoomProvider,
	useConflicts,
	useEvent,
	useField,
	useParticipants,
	usePending,
	usePermissions,
	usePresence,
	useRoom,
	useSelection,
	useSnapshot,
	useStatus,
	useUndo,
} = createRoomHooks<Trade>();

/** A change of this user's that came too late. */
export type TradeConflict = ReturnType<typeof useConflicts>[0][number];
