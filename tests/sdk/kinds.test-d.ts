// What does not compile once a page says which kind its rooms are of. It is not run: the type checker reads it.

import { createElement as h } from "react";
import { RoomClient } from "../../packages/sdk/src/client.ts";
import { bindField } from "../../packages/sdk/src/field.ts";
import { kindOf } from "../../packages/sdk/src/kinds.ts";
import { createRoomHooks, RoomProvider } from "../../packages/sdk/src/react.ts";
import { defineRoom } from "../../packages/sdk/src/rooms.ts";
import type { Json } from "../../packages/sdk/src/types.ts";

/** Whether two types are the same one. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

const trade = defineRoom({
	fields: {
		price: { schema: { type: "string", maxLength: 40 } },
		quantity: { schema: { type: "number" } },
		condition: { schema: { enum: ["new", "used"] } },
		paid: { schema: { type: "boolean" } },
		note: {},
		"done/*": { schema: { type: "boolean" } },
		"offers/*/price": { schema: { type: "number" } },
	},
	rows: { items: { cells: { name: { schema: { type: "string" } } } } },
});
const loose = defineRoom({ others: "any", fields: { price: { schema: { type: "string" } } } });

const where = { host: "example.com", room: "deal:42", user: { id: "ann", name: "Ann" } };

export function clients(id: string, json: Json): unknown {
	const client = new RoomClient({ ...where, party: "trade", kind: kindOf(trade) });
	same<typeof client, RoomClient<typeof trade>>(true);
	client.select("price", "3");
	// @ts-expect-error It is a text.
	client.select("price", 3);
	// @ts-expect-error The kind has no such field.
	client.select("prize", "3");
	client.select("condition", "new");
	// @ts-expect-error There are two conditions.
	client.select("condition", "old");
	client.select("note", { any: [json] });
	client.select("quantity", (previous) => (previous ?? 0) + 1);
	// @ts-expect-error What is made of the value has to fit as well.
	client.select("quantity", (previous) => `${previous}`);
	client.select("done/ann", true);
	client.select(`done/${id}`, true);
	// @ts-expect-error In a field that a pattern names too.
	client.select(`done/${id}`, "yes");
	// @ts-expect-error A pattern with more before it is another one.
	client.select(`redone/${id}`, true);
	client.select(`offers/${id}/price`, 3);
	// @ts-expect-error
	client.select(`offers/${id}/price`, "3");
	client.select(`items/${id}/name`, "Bike");
	// @ts-expect-error There is no such column.
	client.select(`items/${id}/colour`, "red");
	client.clear("price");
	// @ts-expect-error
	client.clear("prize");
	client.transaction((all) => {
		all.select("price", "3");
		// @ts-expect-error
		all.select("price", 3);
		// @ts-expect-error
		all.clear("prize");
	});
	client.resolve("price", "mine");
	client.resolve("quantity", 3);
	// @ts-expect-error Neither a choice nor a value.
	client.resolve("quantity", "ours");
	same<NonNullable<ReturnType<typeof price>["selection"]>["value"], string>(true);
	function price() {
		return client.field("price");
	}
	const { canWrite } = client.field("price");
	same<typeof canWrite, boolean>(true);
	// @ts-expect-error
	client.field("prize");
	// @ts-expect-error
	client.setFocus("prize");
	client.subscribeField("quantity", ({ selection }) => (selection?.value ?? 0) + 1);
	const others = new RoomClient({ ...where, kind: kindOf(loose) });
	others.select("anything", [json]);
	others.select("price", "3");
	// @ts-expect-error What is named is typed.
	others.select("price", 3);
	// A page hands on what it knows of a kind, and whoever takes a client of any kind says so.
	const each: RoomClient<any>[] = [client, others, new RoomClient(where)];
	return [
		each,
		bindField(client, "price"),
		h(RoomProvider, { client }),
		h(RoomProvider, { ...where, kind: kindOf(trade) }),
	];
}

export function Hooks({ id }: { id: string }) {
	const hooks = createRoomHooks<typeof trade>();
	const { useConflicts, useField, useRoom, useSelection, useSelections, useSnapshot, useTicks } = hooks;
	same<ReturnType<typeof useRoom>, RoomClient<typeof trade>>(true);
	const price = useField("price", { debounceMs: 100 });
	same<typeof price.value, string | undefined>(true);
	price.set("3");
	// @ts-expect-error
	price.set(3);
	// @ts-expect-error
	useField("prize");
	const quantity = useField("quantity", { type: "number" });
	same<typeof quantity.value, number | undefined>(true);
	useField("quantity", { parse: (text) => Number(text) });
	// @ts-expect-error What stands in an input is a text.
	useField("quantity");
	// @ts-expect-error
	useField("quantity", { parse: (text) => text });
	h("input", useField("paid").checkbox);
	const condition = useField("condition");
	condition.radio("new");
	// @ts-expect-error
	condition.radio("old");
	const offer = useField(`offers/${id}/price`, { type: "number" });
	same<typeof offer.value, number | undefined>(true);
	const [value, set, { canWrite, refused }] = useSelection("condition");
	same<typeof value, "new" | "used" | undefined>(true);
	same<typeof canWrite, boolean>(true);
	same<typeof refused extends undefined | { path?: string } ? true : false, true>(true);
	set("used");
	// @ts-expect-error
	set("old");
	// @ts-expect-error
	useSelection("prize");
	const all = useSelections();
	same<NonNullable<typeof all.quantity>["value"], number>(true);
	// @ts-expect-error
	all.prize;
	useTicks("done");
	// @ts-expect-error
	useTicks("undone");
	const [, resolve] = useConflicts();
	resolve("price", "theirs");
	// @ts-expect-error
	resolve("prize", "theirs");
	return useSnapshot(({ status }) => status);
}
