// What TypeScript makes of a definition. It is not run: the type checker reads it.

import { defineRoom, type Values } from "../../packages/sdk/src/rooms.ts";
import type { Json } from "../../packages/sdk/src/types.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>(): void => {};

/** As Zod, Valibot and ArkType have their schemas. */
interface Library<Input, Output> {
	readonly "~standard": {
		readonly version: 1;
		readonly vendor: string;
		readonly types?: { readonly input: Input; readonly output: Output } | undefined;
		readonly jsonSchema: { input(options: { target: string }): Record<string, unknown> };
	};
	parse(value: unknown): Output;
}
declare const date: Library<string, Date>;
declare const point: Library<{ x: number; y?: number | undefined }, { x: number }>;

const order = defineRoom({
	fields: {
		note: {},
		body: { text: true },
		price: { schema: { type: "number", minimum: 0 } },
		currency: { schema: { enum: ["EUR", "USD"] }, write: ["moderator", "claim:team=pricing"] },
		count: { schema: { type: ["integer", "null"] } },
		kind: { schema: { const: "order" } },
		due: { schema: date },
		place: { schema: point },
		"done/*": { schema: { type: "boolean" }, write: ["own"] },
		address: {
			schema: {
				type: "object",
				properties: { street: { type: "string" }, tags: { type: "array", items: { type: "string" } } },
				required: ["street"],
			},
		},
		either: { schema: { oneOf: [{ type: "string" }, { type: "object", additionalProperties: { type: "number" } }] } },
		pair: { schema: { type: "array", prefixItems: [{ type: "string" }, { type: "number" }], items: false } },
		tree: {
			schema: {
				$ref: "#/$defs/node",
				$defs: {
					node: { type: "object", properties: { next: { $ref: "#/$defs/node" }, name: { type: "string" } } },
				},
			},
		},
		never: { schema: false },
		any: { schema: true },
	},
	rows: { items: { cells: { price: { schema: { type: "number" } }, note: {} }, max: 100 } },
});

type Order = Values<typeof order>;

is<Same<Order["note"], Json>>();
is<Same<Order["body"], string>>();
is<Same<Order["price"], number>>();
is<Same<Order["currency"], "EUR" | "USD">>();
is<Same<Order["count"], number | null>>();
is<Same<Order["kind"], "order">>();
// The room stores what was sent, not what a library would make of it.
is<Same<Order["due"], string>>();
is<Same<Order["place"], { x: number; y?: number | undefined }>>();
is<Same<Order["done/alice"], boolean>>();
is<Same<Order["address"], { street: string; tags?: string[] }>>();
is<Same<Order["either"], string | { [name: string]: number }>>();
is<Same<Order["pair"], [string, number]>>();
is<Same<NonNullable<NonNullable<Order["tree"]["next"]>["next"]>["name"], string | undefined>>();
is<Same<Order["never"], never>>();
is<Same<Order["any"], Json>>();
is<Same<Order["items/3/price"], number>>();
is<Same<Order["items/3/note"], Json>>();

export const names: (keyof Order)[] = [
	"price",
	"done/alice",
	"items/3/price",
	// @ts-expect-error There is no such field.
	"prize",
	// @ts-expect-error
	"items/3/prize",
	// @ts-expect-error
	"done",
];

const open = defineRoom({ others: "any", fields: { price: { schema: { type: "number" } } } });
is<Same<Values<typeof open>["price"], number>>();
is<Same<Values<typeof open>["whatever"], Json>>();

is<Same<keyof Values<{ version: 2 }>, never>>();

/** Whatever is a value can be written. */
export const json: Json[] = [{} as Order["address"], {} as Order["tree"], {} as Order["pair"]];

defineRoom({
	// @ts-expect-error
	version: "1",
	fields: {
		// @ts-expect-error There is no such role.
		a: { write: ["owner"] },
		// @ts-expect-error
		b: { text: 1 },
		// @ts-expect-error
		c: { schema: "string" },
	},
	// @ts-expect-error
	rows: { items: {} },
	// @ts-expect-error
	others: "some",
	// @ts-expect-error
	enter: ["editor"],
	// @ts-expect-error
	lenses: [{ rename: { a: "b" } }],
});
