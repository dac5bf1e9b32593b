// Kinds of rooms for the tests: something of everything that a definition may say.

import { defineRoom } from "roomkeep/rooms";

const money = {
	type: "object",
	properties: { amount: { type: "number", minimum: 0, multipleOf: 0.01 }, currency: { enum: ["EUR", "USD"] } },
	required: ["amount", "currency"],
	additionalProperties: false,
} as const;

/** Version 1 of it is in before.ts. */
const order = defineRoom({
	version: 3,
	fields: {
		price: { schema: money },
		note: {},
		title: { schema: { type: "string", maxLength: 20 } },
		status: { schema: { enum: ["draft", "sent"] } },
		approved: { schema: { type: "boolean" }, write: ["moderator"] },
		rate: { schema: { type: "number" }, write: ["claim:service=pricing", "admin"] },
		"ready/*": { schema: { type: "boolean" }, write: ["own"] },
		"tag/*": { schema: { type: "string" } },
		"tag/best": { schema: { type: "integer" } },
		"seen/*/*": { write: ["viewer"] },
	},
	lenses: [
		{ to: 2, rename: { name: "title", "label/*": "tag/*" }, drop: ["legacy"] },
		{ to: 3, map: { status: { open: "draft" } }, default: { approved: false } },
	],
});

/** Fields that nothing names are let in. */
const loose = defineRoom({ others: "any", fields: { price: { schema: money } } });

/** A user's own room. */
const own = defineRoom({ enter: ["owner"], fields: { theme: { schema: { enum: ["light", "dark"] } } } });

/** A user's own room, and others' whose tokens say so. */
const shared = defineRoom({ enter: ["owner", "rooms"], fields: { theme: {} } });

/** Gone after two seconds without anybody. */
const short = defineRoom({ fields: { note: {} }, ttlDays: 2 / 86_400 });

export default { order, loose, own, shared, short };
