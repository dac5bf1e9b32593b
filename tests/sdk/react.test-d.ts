// What the types of the hooks promise. It is not run: the type checker reads it.

import { createElement as h } from "react";
import type { RoomClient } from "../../packages/sdk/src/client.ts";
import type { Offer } from "../../packages/sdk/src/field.ts";
import {
	type BoundField,
	type Permissions,
	RoomProvider,
	type SelectionState,
	useConflicts,
	useEvent,
	useField,
	type useParticipants,
	usePending,
	usePermissions,
	usePresence,
	type useRoom,
	useSelection,
	useSelections,
	useSharedConflictResolution,
	useSnapshot,
	useStatus,
	useTicks,
	useUndo,
} from "../../packages/sdk/src/react.ts";
import type {
	Conflict,
	Json,
	Outcome,
	Participant,
	Pending,
	Presence,
	Refusal,
	Selection,
	Status,
} from "../../packages/sdk/src/types.ts";

/** Whether two types are the same one. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}
function typeOf<T>(_: T, __: Same<T, T>): T {
	return _;
}

interface Area {
	readonly corners: readonly (readonly [number, number])[];
	label?: string;
}

export function Selections() {
	const [any, setAny, state] = useSelection("price");
	same<typeof any, Json | undefined>(true);
	same<typeof state, SelectionState>(true);
	same<typeof state.conflict, Conflict | undefined>(true);
	same<typeof state.at, number | undefined>(true);
	setAny({ list: [1, null] });
	setAny((previous) => {
		same<typeof previous, Json | undefined>(true);
		return [previous ?? null];
	});
	// @ts-expect-error A function is no JSON.
	setAny({ make: () => 1 });
	// @ts-expect-error A field is emptied by clear().
	setAny(undefined);

	const [text, setText] = useSelection<string>("price");
	same<typeof text, string | undefined>(true);
	same<ReturnType<typeof setText>, Promise<Outcome>>(true);
	setText("1", { debounceMs: 250, signal: new AbortController().signal });
	// @ts-expect-error It is a text.
	setText(1);
	// @ts-expect-error There is no such option.
	setText("1", { debounce: 250 });
	const [choice] = useSelection<"new" | "used">("condition");
	same<typeof choice, "new" | "used" | undefined>(true);
	const [shape] = useSelection<{ width: number; tags: string[] }>("shape");
	same<typeof shape, { width: number; tags: string[] } | undefined>(true);
	const [area, setArea] = useSelection<Area>("area");
	same<typeof area, Area | undefined>(true);
	setArea({ corners: [[0, 0]] });
	const [words] = useSelection<readonly string[]>("words");
	same<typeof words, readonly string[] | undefined>(true);
	// @ts-expect-error A Date is no JSON.
	useSelection<Date>("day");
	// @ts-expect-error In an object neither.
	useSelection<{ day: Date }>("day");
	// @ts-expect-error A field has a name.
	useSelection();
}

export function Fields() {
	const note = useField("note");
	same<typeof note.value, string | undefined>(true);
	same<typeof note, BoundField<string>>(true);
	h("input", note.input);
	h("textarea", note.input);
	h("select", note.input);
	note.set((previous) => `${previous ?? ""}!`, { baseVersion: note.version });
	// @ts-expect-error It is a text.
	note.set(1);

	const price = useField<number>("price", { type: "number", debounceMs: 100, maxWaitMs: 500 });
	same<typeof price.value, number | undefined>(true);
	same<typeof price.offer, Offer<number> | undefined>(true);
	same<typeof price.refused, Refusal | undefined>(true);
	h("input", { ...price.input, type: "number", "aria-invalid": price.refused !== undefined });
	const tags = useField<string[]>("tags", { parse: (text) => text.split(","), format: (value) => value?.join() ?? "" });
	tags.set(["a"]);
	// @ts-expect-error What is read from a text is of the field's type.
	useField<number>("price", { parse: (text) => text });
	const paid = useField<boolean>("paid");
	h("input", paid.checkbox);
	const size = useField<"S" | "L">("size");
	h("input", size.radio("S"));
	// @ts-expect-error There is no such size.
	size.radio("M");

	const all = useSelections("items/");
	same<typeof all, Readonly<Record<string, Selection>>>(true);
	const { ticked, checkbox, set } = useTicks("extras");
	same<typeof ticked, readonly string[]>(true);
	h("input", checkbox("milk"));
	set("milk", true);
	const { canUndo, undo } = useUndo();
	same<typeof canUndo, boolean>(true);
	same<ReturnType<typeof undo>, Promise<Outcome>>(true);
}

export function Rest() {
	same<ReturnType<typeof useRoom>, RoomClient>(true);
	same<ReturnType<typeof useParticipants>, readonly Participant[]>(true);
	same<ReturnType<typeof usePermissions>, Permissions>(true);
	const { status, reason } = useStatus();
	same<typeof status, Status>(true);
	same<typeof reason, string | undefined>(true);

	const names = useSnapshot(
		({ selections }) => Object.keys(selections),
		(a, b) => a.length === b.length,
	);
	same<typeof names, string[]>(true);
	useSnapshot((snapshot) => {
		// @ts-expect-error A snapshot is not changed.
		snapshot.selections.price = undefined;
	});

	const [others, setPresence] = usePresence<{ field: string }>();
	same<(typeof others)[number]["data"], { field: string }>(true);
	const field: string | undefined = others[0]?.data.field;
	setPresence({ field: field ?? "" });
	setPresence(null);
	// @ts-expect-error It has a field.
	setPresence({});
	const [anything] = usePresence();
	const one: Presence | undefined = anything[0];
	typeOf(one, true);

	const [conflicts, resolve] = useConflicts();
	same<typeof conflicts, readonly Conflict[]>(true);
	resolve("price", "mine");
	resolve("price", "theirs");
	resolve("price", 3);
	// @ts-expect-error A conflict is about a field.
	resolve("mine");

	const [pending, drop] = usePending();
	same<typeof pending, readonly Pending[]>(true);
	same<ReturnType<typeof drop>, Promise<boolean>>(true);

	const { request, respond, revoke } = usePermissions();
	request("edit", { field: "price" }, { ttlMs: 60_000 });
	respond({ requestId: "1", userId: "bob" }, "allow", { scope: "session" });
	// @ts-expect-error One allows or denies.
	respond({ requestId: "1", userId: "bob" }, "maybe");
	// @ts-expect-error Whose permission it is belongs to it.
	revoke({ action: "edit" });

	useEvent("conflict", ({ mine, theirs }) => typeOf([mine.value, theirs.value], true));
	useEvent("status", (status, reason) => typeOf([status, reason], true));
	// @ts-expect-error There is no such event.
	useEvent("open", () => {});
	// @ts-expect-error A conflict is no text.
	useEvent("conflict", (conflict: string) => conflict);
}

export function Providers({ client }: { client: RoomClient }) {
	const options = { host: "example.com", room: "deal:42", user: { id: "ann", name: "Ann" } };
	return [
		h(RoomProvider, { client }, "a child"),
		h(RoomProvider, { ...options, token: async () => "token", storage: "memory" }),
		h(RoomProvider, { ...options, initial: { version: 1 }, children: "a child" }),
		// @ts-expect-error It takes a client, or what one is made with.
		h(RoomProvider, {}),
		// @ts-expect-error A room needs a user.
		h(RoomProvider, { host: "example.com", room: "deal:42" }),
		// @ts-expect-error A user has an id.
		h(RoomProvider, { ...options, user: { name: "Ann" } }),
		// @ts-expect-error A given client has its room.
		h(RoomProvider, { ...options, client }),
	];
}

export function Page() {
	const page = useSharedConflictResolution({
		host: "example.com",
		transactionId: "42",
		userId: "ann",
		userName: "Ann",
	});
	same<typeof page.sharedSelections, Readonly<Record<string, Selection>>>(true);
	same<typeof page.isConnected, boolean>(true);
	const value: Json | undefined = page.sharedSelections.price?.value;
	typeOf(value, true);
	page.selectField("price", "45000");
	page.setReady(true);
	// @ts-expect-error The room's name comes from the transaction.
	useSharedConflictResolution({ host: "example.com", room: "deal:42", userId: "ann", userName: "Ann" });
}
