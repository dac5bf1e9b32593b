// The hooks for rooms of kind `user`: a field that it does not have, or a value that does not fit, does not compile.

import { createRoomHooks } from "roomkeep/react";
import type rooms from "../../../rooms/index.ts";

export const { RoomProvider, useField, useRoom, useSnapshot, useStatus } = createRoomHooks<typeof rooms.user>();
