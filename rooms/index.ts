// The kinds of rooms that there are: which fields each has, what they may hold, and who may write them. A room of the kind
// `trade` is at /parties/trade/{room}. Pages take the types of their values from here.
// `npm start -- --rooms FILE` takes another module.

import { defineRoom } from "roomkeep/rooms";

const text = (maxLength: number) => ({ type: "string", maxLength }) as const;

/** Two people agree on what is traded: the form of examples/demo, which sets what somebody has emptied to "". */
const trade = defineRoom({
	fields: {
		productType: { schema: text(200) },
		condition: { schema: { enum: ["", "New", "Like New", "Good", "Fair"] } },
		// As people write it, so a text: an amount with its currency before or behind it, if any.
		price: { schema: { type: "string", maxLength: 40, pattern: "^([^\\d\\s]{0,3} ?\\d[\\d .,']*[^\\d\\s]{0,3})?$" } },
		quantity: { schema: { type: "string", pattern: "^([1-9]\\d{0,5})?$" } },
		meetingLocation: { schema: text(200) },
		// What a shop asks for such a thing. Everyone sees it, and nobody on the page writes it: `quotes/shop` is written by the
		// user `shop`, or with a token that has `"service": "pricing"`, whatever its role.
		"quotes/*": {
			schema: {
				type: "object",
				properties: {
					amount: { type: "number", minimum: 0, multipleOf: 0.01 },
					currency: { enum: ["EUR", "USD", "GBP"] },
				},
				required: ["amount", "currency"],
				additionalProperties: false,
			},
			write: ["own", "claim:service=pricing"],
		},
	},
});

/** A user's own state, the same on all of their devices. The room is named after the user. */
const user = defineRoom({
	version: 2,
	// Nobody else gets in, but for the back end as an admin.
	enter: ["owner"],
	// What changes together is one field. What two devices may change at the same time are two.
	fields: {
		// The back end alone writes what it answers for. No secrets: the user's pages read all of this.
		auth: {
			schema: {
				type: "object",
				properties: { email: text(320), name: text(256) },
				required: ["email", "name"],
			},
			write: ["admin"],
		},
		subscription: {
			schema: {
				type: "object",
				properties: {
					plan: { enum: ["free", "starter", "pro", "plus"] },
					status: { enum: ["active", "trial", "past_due", "canceled"] },
					trialDaysRemaining: { type: ["integer", "null"], minimum: 0 },
					currentPeriodEnd: { type: "string", format: "date-time" },
				},
				required: ["plan", "status"],
			},
			write: ["admin"],
		},
		usage: {
			schema: {
				type: "object",
				properties: { roasts: { type: "integer", minimum: 0 }, limit: { type: "integer", minimum: 0 } },
				required: ["roasts", "limit"],
			},
			write: ["admin"],
		},
		"persona/identity": { schema: text(2000) },
		"persona/intolerance": { schema: text(2000) },
		"persona/tolerance": { schema: text(2000) },
		"roasting/enabled": { schema: { type: "boolean" } },
		"roasting/intensity": { schema: { type: "integer", minimum: 1, maximum: 5 } },
		"roasting/shield": { schema: { enum: ["tolerant", "balanced", "strict"] } },
		"preferences/notifications": { schema: { type: "boolean" } },
	},
	lenses: [
		// Version 1 had `ui/notifications`, `roasting/level`, and words of another language. Stored rooms follow when they next
		// wake, and so does what a device changed while it was offline with the page of version 1.
		{
			to: 2,
			rename: { "ui/notifications": "preferences/notifications", "roasting/level": "roasting/intensity" },
			// Each device remembers by itself how its page looks.
			drop: ["ui/*"],
			map: { "roasting/shield": { tolerante: "tolerant", balanceado: "balanced", estricto: "strict" } },
			default: { "roasting/enabled": true },
		},
	],
});

export default { trade, user };
