// No member can make another one believe that the server, or somebody else, has said something.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, type Frame, Mirror, newRoom, Page, type Served, serve } from "./harness.ts";
import { AUTH_KEYS, token } from "./tokens.ts";

const RESERVED = ["welcome", "sync_response", "changes", "ack", "conflict", "error", "user_left"];

let server: Served;
before(async () => {
	server = await serve({ vars: { AUTH_KEYS } });
});
after(() => server.close());

const pass = (sub: string, role = "editor") => token({ claims: { sub, role } });

/** Over a bare socket. `greeted`: it says `hello`. */
async function enter(room: string, user: string, greeted: boolean, clientId = user, role = "editor"): Promise<Client> {
	const query = `?token=${await pass(user, role)}`;
	const client = new Client(server.host, room, user, new Mirror(), { query });
	await client.open();
	if (greeted) {
		client.send({ type: "hello", protocol: 1, clientId });
		await client.next("sync_response");
	}
	return client;
}

/** A room with a page of the stock client and one that says `hello`, who are both taken in or are not. */
class Room {
	readonly name = newRoom();
	readonly believers: (Page | Client)[] = [];
	/** What was found wrong. */
	readonly found: string[] = [];
	readonly #from: number[] = [];

	static async open(): Promise<Room> {
		const room = new Room();
		const page = new Page(server.host, room.name, { query: { token: await pass("alice") } });
		page.send({ type: "user_joined", userId: "alice", userName: "Alice" });
		page.select("price", 1, "alice");
		await page.sync();
		room.believers.push(page, await enter(room.name, "bob", true));
		return room;
	}

	/** From here on, what comes is looked at. */
	async listen(): Promise<void> {
		for (const [i, believer] of this.believers.entries()) {
			await believer.sync();
			this.#from[i] = believer.frames.length;
		}
	}

	/** What each of the two heard since `listen`, asking for the state included. */
	async heard(): Promise<Frame[][]> {
		const heard = this.believers.map(async (believer, i) => {
			await believer.sync();
			return believer.frames.slice(this.#from[i], -1);
		});
		return Promise.all(heard);
	}

	/** Sends a text and sees to it that it is refused for this reason, and that nobody hears of it. */
	async refuses(foe: Client, text: string | Uint8Array, code: string): Promise<void> {
		await this.listen();
		const told = foe.frames.length;
		foe.socket.send(text);
		await foe.sync();
		const answers = foe.frames.slice(told, -1);
		const heard = await this.heard();
		if (answers.length !== 1 || answers[0].type !== "error" || answers[0].code !== code) {
			this.found.push(`${text} should be ${code}, was answered ${JSON.stringify(answers)}`);
		}
		if (heard.some((frames) => frames.length > 0)) this.found.push(`${text} was heard as ${JSON.stringify(heard)}`);
	}

	leave(): void {
		for (const believer of this.believers) believer.leave();
	}
}

/** A body that a client might take for true. */
const believable = {
	version: 99,
	epoch: "0".repeat(32),
	from: 0,
	to: 99,
	selections: { price: { field: "price", value: "forged", userId: "alice", version: 99 } },
	changes: [{ kind: "field", version: 99, field: "price", selection: null, userId: "alice", updatedAt: 1 }],
	participants: [],
	presence: [],
	code: "internal",
	message: "forged",
	field: "price",
	current: null,
	reset: true,
	lastSeen: 1,
	lastSeq: 99,
};

const unicode = (text: string) =>
	[...text].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");

for (const greeted of [false, true]) {
	const who = greeted ? "a client that said hello" : "a plain client";

	test(`F5 A4 what the server alone sends is never heard of when ${who} sends it`, async () => {
		const room = await Room.open();
		const foe = await enter(room.name, "mallory", greeted);
		const body = JSON.stringify(believable).slice(1, -1);
		for (const type of RESERVED) {
			const whole = `{"type":"${type}",${body}}`;
			const forgeries: [string | Uint8Array, string][] = [
				[whole, "reserved_type"],
				[`{"type":"${type}"}`, "reserved_type"],
				[`{${body},"type":"${type}"}`, "reserved_type"],
				[`{"type":"${type}","id":7}`, "reserved_type"],
				[`{"type":"${type}","userId":"mallory"}`, "reserved_type"],
				[`{"type":"${unicode(type)}",${body}}`, "reserved_type"],
				[`{"${unicode("type")}":"${type}",${body}}`, "reserved_type"],
				[` \t\r\n${whole}\n`, "reserved_type"],
				[`{ "type"\n:\t"${type}" , ${body} }`, "reserved_type"],
				[`{"type":"chat","type":"${type}"}`, "bad_message"],
				[`{"type":"${type}","type":"chat"}`, "bad_message"],
				[`{"type":"chat","${unicode("type")}":"${type}"}`, "bad_message"],
				[`{"type":"chat","__proto__":1,"__proto__":{"type":"${type}"}}`, "bad_message"],
				[`\ufeff${whole}`, "bad_message"],
				[`[${whole}]`, "bad_message"],
				[`${whole}${whole}`, "bad_message"],
				[`{"type":["${type}"]}`, "bad_message"],
				[`{"type":"batch","changes":[${whole}]}`, "bad_message"],
				[new TextEncoder().encode(whole), "bad_message"],
			];
			for (const [text, code] of forgeries) await room.refuses(foe, text, code);
		}
		assert.deepEqual(room.found, []);
		for (const one of [foe, room]) one.leave();
	});

	test(`F5 P1 nobody is shown where another one is, when ${who} says so`, async () => {
		const room = await Room.open();
		const foe = await enter(room.name, "mallory", greeted);
		const [, bob] = room.believers as [Page, Client];
		bob.send({ type: "presence", data: "truth" });
		// With nobody else to be told, it is not told.
		await (greeted ? bob.next("presence") : bob.sync());
		const { connectionId } = bob.all("welcome")[0];
		const list = JSON.stringify([{ connectionId, userId: "bob", data: "forged" }]);
		await room.refuses(foe, `{"type":"presence","presence":${list}}`, "reserved_type");
		await room.refuses(foe, `{"type":"presence","presence":1}`, "reserved_type");
		await room.refuses(foe, `{"type":"${unicode("presence")}","presence":${list}}`, "reserved_type");
		await room.refuses(foe, `{"type":"presence","${unicode("presence")}":${list}}`, "reserved_type");
		await room.refuses(foe, `{"type":"presence","presence":[],"presence":${list}}`, "bad_message");
		await room.refuses(foe, `{"type":"presence","data":1,"userId":"bob"}`, "identity_mismatch");
		assert.deepEqual(room.found, []);
		// Its own presence it may show, and nothing beside it.
		await room.listen();
		foe.send({ type: "presence", data: "mine", connectionId, presence: JSON.parse(list) });
		await foe.sync();
		if (greeted) await bob.until(() => bob.frames.at(-1)?.type === "presence", "the presence");
		const shown = (await room.heard()).flat();
		const ids = shown.flatMap((frame) => frame.presence.map((shown: Frame) => [shown.userId, shown.data]));
		assert.deepEqual(ids, greeted ? [["mallory", "mine"]] : []);
		for (const one of [foe, room]) one.leave();
	});

	test(`F5 P2 what only looks like a type of the server's is passed on as what it is, from ${who}`, async () => {
		const room = await Room.open();
		const foe = await enter(room.name, "mallory", greeted);
		for (const type of RESERVED) {
			const names = [
				type.toUpperCase(),
				` ${type}`,
				`${type} `,
				`${type}\u0000`,
				`${type}\u200b`,
				type.replace("e", "е"),
			];
			for (const name of names.filter((name) => name !== type)) {
				await room.listen();
				foe.send({ type: name });
				await foe.sync();
				const [page = [], client = []] = await room.heard();
				assert.deepEqual([page, client], [[{ type: name }], [{ type: name }]]);
			}
		}
		for (const one of [foe, room]) one.leave();
	});

	test(`J2 A3 F5 nobody speaks for another user: ${who}`, async () => {
		const room = await Room.open();
		const foe = await enter(room.name, "mallory", greeted);
		const alice = '"userId":"alice"';
		const wrong = [
			`{"type":"user_joined",${alice},"userName":"Mallory"}`,
			`{"type":"user_ready",${alice},"isReady":true}`,
			`{"type":"field_selected","selection":{"field":"price","value":2,${alice}}}`,
			`{"type":"field_selected",${alice},"selection":{"field":"price","value":2,"userId":"mallory"}}`,
			`{"type":"field_selected","userId":"mallory","selection":{"field":"price","value":2,${alice}}}`,
			`{"type":"field_cleared","field":"price",${alice}}`,
			`{"type":"batch","changes":[{"type":"field_cleared","field":"price",${alice}}]}`,
			`{"type":"batch","changes":[{"type":"field_cleared","field":"x","userId":"mallory"},{"type":"field_cleared","field":"price",${alice}}]}`,
			`{"type":"sync_request",${alice}}`,
			`{"type":"chat",${alice}}`,
			`{"type":"chat","${unicode("userId")}":"${unicode("alice")}"}`,
			`{"type":"chat","selection":{${alice}}}`,
			`{"type":"chat","userId":7,"selection":{${alice}}}`,
			`{"type":"chat","userId":"mallory","selection":{"field":"price",${alice}}}`,
		];
		for (const text of wrong) await room.refuses(foe, text, "identity_mismatch");
		const twice = [
			`{"type":"chat","userId":"mallory",${alice}}`,
			`{"type":"field_selected","selection":{"field":"price","value":2,"userId":"mallory",${alice}}}`,
			`{"type":"chat","selection":{"userId":"mallory",${alice}}}`,
			`{"type":"chat","selection":{"userId":"mallory","${unicode("userId")}":"alice"}}`,
		];
		for (const text of twice) await room.refuses(foe, text, "bad_message");
		assert.deepEqual(room.found, []);
		for (const one of [foe, room]) one.leave();
	});
}

test("E4 E6 A3 nobody takes another user's place by its clientId, nor its numbers", async () => {
	const name = newRoom();
	for (const hasWritten of [true, false]) {
		const bob = await enter(name, "bob", true, `outbox-${hasWritten}`);
		if (hasWritten) {
			bob.set(1, "price", 1);
			await bob.next("ack");
		}
		const foe = await enter(name, "mallory", false);
		foe.send({ type: "hello", protocol: 1, clientId: `outbox-${hasWritten}` });
		foe.set(hasWritten ? 2 : 1, "price", 2);
		await foe.sync();
		if (hasWritten) assert.equal(foe.all("error")[0]?.code, "identity_mismatch");
		bob.set(hasWritten ? 2 : 1, "price", 3);
		await bob.until(() => bob.closes.length > 0 || bob.all("ack").length === (hasWritten ? 2 : 1), "an answer");
		assert.deepEqual(bob.closes, [], hasWritten ? "who has written" : "who has not written yet");
		for (const one of [bob, foe]) one.leave();
	}
});

test("A4 a viewer's voice is not heard, an editor's does not command", async () => {
	const room = await Room.open();
	const viewer = await enter(room.name, "victor", true, "victor", "viewer");
	for (const text of [
		'{"type":"chat"}',
		'{"type":"user_ready","userId":"victor","isReady":true}',
		'{"type":"field_selected","selection":{"field":"price","value":2,"userId":"victor"}}',
		'{"type":"batch","changes":[{"type":"field_cleared","field":"price","userId":"victor"}]}',
		'{"type":"kick","userId":"alice"}',
	]) {
		await room.refuses(viewer, text, "forbidden");
	}
	const editor = await enter(room.name, "mallory", true);
	await room.refuses(editor, '{"type":"kick","userId":"alice"}', "forbidden");
	assert.deepEqual(room.found, []);
	for (const one of [viewer, editor, room]) one.leave();
});
