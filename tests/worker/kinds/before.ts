// The kind `order` as it was in version 1: what was stored by it, rooms.ts brings forward.

import { defineRoom } from "roomkeep/rooms";

export default {
	order: defineRoom({
		fields: { name: {}, note: {}, status: {}, price: {}, legacy: {}, "label/*": {} },
	}),
};
