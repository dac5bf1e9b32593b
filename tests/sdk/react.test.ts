// The hooks in a DOM, over real clients of a room under workerd: selections, who renders when, providers, servers.
// Runs with React 19, and by react-18.test.ts with React 18.

import "./react-page.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanup, render, renderHook } from "@testing-library/react";
import { createElement as h, StrictMode, useEffect, version } from "react";
import { version as domVersion } from "react-dom";
import { renderToString } from "react-dom/server";
import type { RoomClient } from "../../packages/sdk/src/client.ts";
import {
	isShallowEqual,
	RoomProvider,
	useConflicts,
	useEvent,
	useParticipants,
	usePending,
	usePermissions,
	usePresence,
	useRoom,
	useSelection,
	useSnapshot,
	useStatus,
} from "../../packages/sdk/src/react.ts";
import type { Json, RoomClientOptions } from "../../packages/sdk/src/types.ts";
import { newRoom, sleep } from "../worker/harness.ts";
import { found, until } from "./react-page.ts";
import { ann, connections, enter, here, newClient, now, options, renderIn, server, synced } from "./react-room.ts";

test("the React under test is the one that is meant", () => {
	const meant = process.env.ROOMKEEP_TEST_REACT ?? "19";
	assert.equal(version.split(".")[0], meant);
	assert.equal(domVersion.split(".")[0], meant);
});

test("a selection shows at once as pending, then as the room has it, and is told to others", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { given, client } = renderIn(options(room), () => useSelection<string>("price"));
	const [none, set, state] = given();
	assert.equal(none, undefined);
	assert.deepEqual(
		{ ...state, clear: 0 },
		{
			pending: false,
			conflict: undefined,
			refused: undefined,
			canWrite: true,
			by: undefined,
			at: undefined,
			version: 0,
			clear: 0,
		},
	);
	await synced(client);

	let applied = now(() => set("45000"));
	assert.equal(given()[0], "45000");
	assert.deepEqual([given()[2].pending, given()[2].by], [true, "ann"]);
	const { outcome, version } = await applied;
	assert.equal(outcome, "applied");
	await until(() => assert.equal(given()[2].pending, false));
	assert.equal(given()[2].version, version);
	assert.ok(Math.abs(Date.now() - found(given()[2].at)) < 60_000);
	await until(() => assert.equal(bob.getSnapshot().selections.price?.value, "45000"));

	await bob.select("price", "44000");
	await until(() => assert.deepEqual([given()[0], given()[2].by], ["44000", "bob"]));

	applied = now(() => given()[2].clear());
	assert.equal(given()[0], undefined);
	assert.equal(given()[2].pending, true, "a clearing waits too, though nothing is left to see");
	await applied;
	await until(() => assert.equal(given()[2].pending, false));
	assert.deepEqual([given()[2].by, given()[2].version], [undefined, 0]);
	assert.equal(given()[1], set, "set is the same function all along");
	assert.equal(given()[2].clear, state.clear);
});

test("set and the state of a field stay the same objects while nothing changes, and follow another field", async () => {
	const given = options(newRoom());
	const { result, rerender, unmount } = renderHook(({ field }) => useSelection(field), {
		wrapper: ({ children }) => h(RoomProvider, given, children),
		initialProps: { field: "price" },
	});
	const [, set, state] = result.current;
	rerender({ field: "price" });
	assert.equal(result.current[1], set);
	assert.equal(result.current[2], state);
	rerender({ field: "constructor" });
	assert.equal(result.current[0], undefined);
	assert.notEqual(result.current[1], set);
	now(() => result.current[1](1));
	assert.equal(result.current[0], 1);
	rerender({ field: "price" });
	assert.equal(result.current[0], undefined);
	unmount();
});

test("a choice that came too late is a conflict of its field, until it is resolved", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const client = newClient(room, "ann");
	const { given } = renderIn({ client }, () => ({ price: useSelection("price"), conflicts: useConflicts() }));
	const late = now(() => given().price[1]("mine"));
	await bob.select("price", "theirs");
	client.connect();
	assert.equal((await late).outcome, "conflict");
	await until(() => assert.equal(given().price[0], "theirs"));
	const conflict = found(given().price[2].conflict);
	assert.deepEqual([conflict.mine.value, conflict.theirs.value], ["mine", "theirs"]);
	const [conflicts, resolve] = given().conflicts;
	assert.deepEqual(conflicts, [conflict]);

	await resolve("price", "between");
	await until(() => assert.deepEqual([given().price[0], given().price[2].conflict], ["between", undefined]));
	assert.deepEqual(given().conflicts[0], []);
	assert.equal(given().conflicts[1], resolve);
	await until(() => assert.equal(bob.getSnapshot().selections.price?.value, "between"));
});

test("a component renders when its own part changed, and only then", async () => {
	const hooks = {
		room: () => useRoom(),
		price: () => useSelection("price"),
		model: () => useSelection("model"),
		participants: () => useParticipants(),
		presence: () => usePresence(),
		status: () => useStatus(),
		conflicts: () => useConflicts(),
		permissions: () => usePermissions(),
		pending: () => usePending(),
		event: () => useEvent("message", () => {}),
		fields: () => useSnapshot(({ selections }) => Object.keys(selections), isShallowEqual),
	};
	type Name = keyof typeof hooks;
	const names = Object.keys(hooks) as Name[];
	const renders = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
	const Counted = ({ name }: { name: Name }) => {
		renders[name] += 1;
		hooks[name]();
		return null;
	};
	const room = newRoom();
	const bob = await enter(room);
	const client = newClient(room, "ann");
	render(h(RoomProvider, { client }, ...names.map((name) => h(Counted, { name, key: name }))));
	client.connect();
	await until(() => assert.deepEqual(here(client), ["bob", "ann"]));

	/** Waits until nobody renders any more, such as for somebody's arrival. */
	async function quiet(): Promise<typeof renders> {
		for (;;) {
			const before = { ...renders };
			await sleep(200);
			if (isShallowEqual(before, renders)) return before;
		}
	}

	/** Who renders in consequence of something, and how often. */
	async function rendered(happens: () => unknown, isSeen: () => boolean): Promise<Partial<Record<Name, number>>> {
		const before = await quiet();
		await happens();
		await until(() => assert.ok(isSeen()));
		const after = await quiet();
		const counts = names.map((name) => [name, after[name] - before[name]] as const);
		return Object.fromEntries(counts.filter(([, count]) => count > 0));
	}

	const snapshot = () => client.getSnapshot();
	const value = (field: string) => snapshot().selections[field]?.value;
	// Two changes have nothing to do with a field beside them, and one to a field that is set adds none.
	assert.deepEqual(
		await rendered(
			() => bob.select("price", 1),
			() => value("price") === 1,
		),
		{ price: 1, fields: 1 },
	);
	assert.deepEqual(
		await rendered(
			() => bob.select("price", 2),
			() => value("price") === 2,
		),
		{ price: 1 },
	);
	assert.deepEqual(
		await rendered(
			() => bob.select("other", 1),
			() => value("other") === 1,
		),
		{ fields: 1 },
	);
	assert.deepEqual(
		await rendered(
			() => bob.setReady(true),
			() => snapshot().participants.some(({ isReady }) => isReady),
		),
		{ participants: 1 },
	);
	assert.deepEqual(
		await rendered(
			() => bob.setPresence({ field: "price" }),
			() => snapshot().presence.length === 1,
		),
		{ presence: 1 },
	);
	assert.deepEqual(
		await rendered(
			() => bob.request("edit"),
			() => snapshot().requests.length === 1,
		),
		{ permissions: 1 },
	);
	let heard = 0;
	client.on("message", () => {
		heard += 1;
	});
	assert.deepEqual(
		await rendered(
			() => bob.send("wave"),
			() => heard === 1,
		),
		{},
	);
	// What is chosen here is seen as pending, and then as the room has it.
	const own = await rendered(
		() => client.select("model", 1),
		() => snapshot().selections.model?.pending === false,
	);
	assert.deepEqual(Object.keys(own).sort(), ["fields", "model", "pending"]);
	assert.equal(own.model, 2);
	assert.equal(own.fields, 1);
	// This client's own presence is not among that of others.
	assert.deepEqual(
		await rendered(
			() => client.setPresence(1),
			() => snapshot().presence.length === 2,
		),
		{},
	);
});

test("useSnapshot gives the same object while the parts are equal, with a selector that is new at each render", async () => {
	const client = newClient(newRoom(), "ann");
	let asked = 0;
	const { result, rerender } = renderHook(
		({ field }) =>
			useSnapshot(({ selections }) => {
				asked += 1;
				return { value: selections[field]?.value };
			}, isShallowEqual),
		{ wrapper: ({ children }) => h(RoomProvider, { client }, children), initialProps: { field: "price" } },
	);
	const first = result.current;
	rerender({ field: "price" });
	assert.equal(result.current, first);
	now(() => client.select("other", 1));
	assert.equal(result.current, first);
	assert.ok(asked > 2);
	now(() => client.select("price", 1));
	assert.deepEqual(result.current, { value: 1 });
	rerender({ field: "other" });
	assert.deepEqual(result.current, { value: 1 });
	rerender({ field: "none" });
	assert.deepEqual(result.current, { value: undefined });
});

test("lists and objects are equal when their members are", () => {
	const member = {};
	assert.ok(isShallowEqual([member, 1], [member, 1]));
	assert.ok(isShallowEqual({ a: member }, { a: member }));
	assert.ok(isShallowEqual(Number.NaN, Number.NaN));
	assert.ok(!isShallowEqual([member], [{}]));
	assert.ok(!isShallowEqual<Json>([1], { 0: 1 }));
	assert.ok(!isShallowEqual<Record<string, unknown>>({ a: undefined }, { b: undefined }));
	assert.ok(!isShallowEqual<Json>(null, {}));
});

for (const storage of ["memory", "indexeddb"] as const) {
	test(`StrictMode loses nothing that is pending and makes one connection, with ${storage}`, async () => {
		const room = newRoom();
		const bob = await enter(room);
		let opened = 0;
		class Counted extends WebSocket {
			constructor(...args: ConstructorParameters<typeof WebSocket>) {
				super(...args);
				opened += 1;
			}
		}
		let started = 0;
		const Child = () => {
			const [, set] = useSelection("price");
			// The effects of children come before that of the provider, which connects.
			useEffect(() => {
				started += 1;
				void set(started);
			}, [set]);
			return null;
		};
		render(h(StrictMode, null, h(RoomProvider, options(room, { storage, WebSocket: Counted }), h(Child))));
		await until(() => assert.equal(bob.getSnapshot().selections.price?.value, 2));
		assert.equal(started, 2, "the effects ran twice");
		await sleep(500);
		assert.equal(opened, 1);
		assert.equal(await connections(room, "ann"), 1);
		cleanup();
		await until(async () => assert.equal(await connections(room, "ann"), 0));
	});
}

test("a provider that goes closes its client, and others see it", async () => {
	const room = newRoom();
	const bob = await enter(room);
	const { client, unmount } = renderIn(options(room), () => {});
	await synced(client);
	unmount();
	assert.deepEqual([client.getSnapshot().status, client.getSnapshot().reason], ["closed", "closed"]);
	await until(() => {
		const gone = bob.getSnapshot().participants.find(({ id }) => id === "ann");
		assert.equal(found(gone).online, false);
	});
});

test("a client that is given is neither connected nor closed", async () => {
	const client = newClient(newRoom(), "ann");
	const { unmount } = renderIn({ client }, () => {});
	await sleep(50);
	assert.equal(client.getSnapshot().status, "offline");
	client.connect();
	await synced(client);
	unmount();
	await sleep(50);
	assert.equal(client.getSnapshot().status, "synced");
});

test("another room or user is another client, another name a renaming, another function nothing at all", async () => {
	const [here, there] = [newRoom(), newRoom()];
	const bob = await enter(here);
	await bob.select("price", "here");
	const seen: RoomClient[] = [];
	const entered: number[] = [];
	let price: Json | undefined;
	let asked = "";
	const Look = () => {
		const client = useRoom();
		if (!seen.includes(client)) seen.push(client);
		[price] = useSelection("price");
		useEvent("synced", () => entered.push(seen.indexOf(client)));
		return null;
	};
	// Everything that can be made anew at each render is.
	const show = (room: string, user: RoomClientOptions["user"], name: string) =>
		h(
			RoomProvider,
			{
				...options(room, { user: { ...user } }),
				token: () => {
					asked += name;
					return "token";
				},
				fetch: (...args) => fetch(...args),
			},
			h(Look),
		);
	const { rerender } = render(show(here, ann, "1"));
	await until(() => assert.equal(price, "here"));
	const name = () => bob.getSnapshot().participants.find(({ id }) => id === "ann")?.name;
	await until(() => assert.equal(name(), "Ann"));
	rerender(show(here, { id: "ann", name: "Anna" }, "2"));
	await until(() => assert.equal(name(), "Anna"));
	assert.equal(seen.length, 1);

	// The same client asks the function of the newest render.
	const client = found(seen[0]);
	assert.equal(asked, "1");
	client.close();
	client.connect();
	await until(() => assert.equal(asked, "12"));
	await synced(client);

	rerender(show(there, { id: "ann", name: "Anna" }, "3"));
	assert.equal(seen.length, 2);
	assert.equal(price, undefined);
	assert.equal(client.getSnapshot().status, "closed");
	rerender(show(there, { id: "ann", name: "Anna" }, "4"));
	assert.equal(seen.length, 2);
	await synced(found(seen[1]));
	assert.deepEqual([entered[0], entered.at(-1)], [0, 1]);
	await until(async () => assert.deepEqual([await connections(here, "ann"), await connections(there, "ann")], [0, 1]));

	rerender(show(there, { id: "eve", name: "Eve" }, "5"));
	assert.equal(seen.length, 3);
	assert.equal(found(seen[2]).user.id, "eve");
	await synced(found(seen[2]));
	await until(async () => assert.deepEqual([await connections(there, "ann"), await connections(there, "eve")], [0, 1]));
});

test("hooks say what they lack when there is no provider", () => {
	const Alone = () => {
		useRoom();
		return null;
	};
	assert.throws(() => renderToString(h(Alone)), /need a <RoomProvider>/);
});

/** A page with all that can be rendered on a server. */
function Form() {
	const [price, , { by, version, pending }] = useSelection<string>("price");
	const { status } = useStatus();
	const names = useParticipants().map(({ name }) => name);
	const [waiting] = usePending();
	const [others] = usePresence();
	const [conflicts] = useConflicts();
	const { requests } = usePermissions();
	const counts = [waiting.length, others.length, conflicts.length, requests.length];
	return h("p", null, [price, by, version, pending, status, ...names, ...counts].join(" "));
}

test("a server renders what it fetched, and the page takes over from there without a mismatch", async () => {
	const room = newRoom();
	const bob = await enter(room);
	await bob.select("price", "45000");
	const initial = await server.state(room);
	const page = h(StrictMode, null, h(RoomProvider, options(room, { initial }), h(Form)));
	const html = renderToString(page);
	assert.match(html, /45000 bob 2 false offline BOB 0 0 0 0/);
	assert.deepEqual(
		(await server.state(room)).participants.map(({ id }: { id: string }) => id),
		["bob"],
		"a server enters no room",
	);

	// By now the room is further than the page.
	await bob.select("price", "44000");
	const container = document.createElement("div");
	container.innerHTML = html;
	document.body.append(container);
	const shown = container.firstChild;
	render(page, { container, hydrate: true });
	await until(() => assert.match(container.innerHTML, /44000 bob 3 false synced BOB Ann/));
	assert.equal(container.firstChild, shown, "the server's element was taken over");
});

test("a part that is hydrated late begins with what the server knew, not with what came since", async () => {
	const room = newRoom();
	const bob = await enter(room);
	await bob.select("price", "45000");
	const initial = await server.state(room);
	const client = newClient(room, "ann", { initial });
	const page = h(RoomProvider, { client }, h(Form));
	const container = document.createElement("div");
	container.innerHTML = renderToString(page);
	document.body.append(container);
	client.connect();
	await synced(client);
	now(() => client.select("price", "1"));
	render(page, { container, hydrate: true });
	await until(() => assert.match(container.innerHTML, /1 ann \d false synced/));
});
