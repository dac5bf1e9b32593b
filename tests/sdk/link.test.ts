// One client's way to the room over virtual time: how it comes back, how it notices that it is dead, when it gives up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConnectionEvent, type ConnectionState, idle, next } from "../../packages/sdk/src/connection.ts";
import { Link } from "../../packages/sdk/src/link.ts";
import { clock, Network, onVirtualTime, pass } from "./scripted.ts";

onVirtualTime();

/** Whose link it is: takes what happens to the connection as a client does, and notes it. */
class Owner {
	state: ConnectionState = idle;
	readonly told: unknown[][] = [];
	readonly token: () => Promise<string | undefined>;

	constructor(token: () => Promise<string | undefined> = async () => undefined) {
		this.token = token;
	}

	dispatch(event: ConnectionEvent): void {
		this.state = next(this.state, event);
		if (event.type === "lost") this.told.push(["lost", event.reason, this.state.name === "closed"]);
	}

	greet(given: string | undefined): void {
		this.told.push(["opened", given]);
	}

	frame(frame: object): void {
		this.told.push(["frame", frame]);
	}
}

/** A link, and what it told. */
function linked(token?: () => Promise<string | undefined>) {
	const network = new Network();
	const owner = new Owner(token);
	const link = new Link("ws://room", network.WebSocket, owner);
	/** Connects, as one that is wanted from now on. */
	const connect = () => {
		owner.state = idle;
		owner.dispatch({ type: "connect" });
		void link.connect();
	};
	/** The room lets it in. */
	const welcome = () => {
		owner.dispatch({ type: "welcomed", connectionId: "c" });
		link.calm();
	};
	/** Connects, and is let in. */
	const enter = async () => {
		connect();
		await pass();
		await network.last.open();
		welcome();
		owner.told.splice(0);
	};
	return { link, owner, network, connect, welcome, enter, heard: () => owner.told.splice(0) };
}

test("F2 it pings every 25 s, and a pong is enough to go on", async () => {
	const { network, enter, heard } = linked();
	await enter();
	for (let i = 0; i < 4; i += 1) {
		await pass(24_999);
		assert.deepEqual(network.last.said(), []);
		await pass(1);
		assert.deepEqual(network.last.said(), ["ping"]);
		await network.last.say("pong");
	}
	await pass(20_000);
	assert.deepEqual([heard(), network.sockets.length], [[], 1]);
});

test("a dead connection is noticed 10 s after a ping, and another is made at once", async () => {
	const { link, network, enter, heard } = linked();
	await enter();
	await pass(25_000);
	const dead = network.last;
	await pass(9_999);
	assert.deepEqual(heard(), []);
	await pass(1);
	await pass(1);
	assert.deepEqual([heard(), dead.closedWith, network.sockets.length], [[["lost", "silent", false]], 1000, 2]);
	assert.equal(link.send({}), false);
	await network.last.open();
	assert.deepEqual(heard(), [["opened", undefined]]);
	await pass(9_000);
	assert.deepEqual(network.last.said(), [], "the old connection's pings have ended");
});

test("any frame is a sign of life", async () => {
	const { network, enter, heard } = linked();
	await enter();
	await pass(30_000);
	await network.last.say({ type: "changes" });
	await pass(15_000);
	assert.deepEqual([heard().length, network.sockets.length], [1, 1]);
});

test("a connection on which the room never lets it in is given up after 10 s", async () => {
	const { link, network, heard, connect } = linked();
	connect();
	await pass();
	await network.last.open();
	await network.last.say({ type: "user_joined" }, "pong");
	await pass(9_999);
	assert.equal(network.sockets.length, 1);
	await pass(1);
	await pass(1);
	assert.deepEqual(heard().at(-1), ["lost", "silent", false]);
	assert.equal(network.sockets.length, 2);
	link.close();
});

test("a connection that does not open is tried anew after 4 s", async () => {
	const { link, network, heard, connect } = linked();
	connect();
	await pass(4_000);
	assert.deepEqual([heard(), network.last.readyState], [[["lost", "unreachable", false]], 3]);
	assert.ok((await network.next()) <= 1_250);
	link.close();
});

test("attempts come at growing distances below 6 s, and others' than another link's", async () => {
	const distances = async () => {
		const { link, network, connect } = linked();
		connect();
		await pass();
		const all: number[] = [];
		for (let i = 0; i < 12; i += 1) {
			await network.last.fail();
			all.push(await network.next());
		}
		link.close();
		return all;
	};
	const runs = [await distances(), await distances(), await distances()];
	for (const run of runs) {
		assert.deepEqual(
			run,
			run.toSorted((a, b) => a - b),
			"never shorter than before",
		);
		const [first = 0, last = 0] = [run[0], run.at(-1)];
		assert.ok(first >= 400 && first <= 1_210, `${run}`);
		assert.ok(last >= 4_000 && last <= 6_010, `${run}`);
	}
	assert.equal(new Set(runs.map(String)).size, 3, "no two in step");
});

test("a connection that broke off after a while is made anew within 1.2 s", async () => {
	const { network, enter, heard } = linked();
	await enter();
	await pass(6_000);
	await network.last.end();
	assert.deepEqual(heard(), [["lost", "unreachable", false]]);
	assert.ok((await network.next()) <= 1_210);
});

for (const code of [4400, 4403, 4404, 4409, 4413, 4426]) {
	test(`X2 after ${code} it does not come back`, async () => {
		const { network, enter, heard } = linked();
		await enter();
		await network.last.end(code, "why");
		assert.deepEqual(heard(), [["lost", "why", true]]);
		await pass(60_000);
		assert.deepEqual([network.sockets.length, clock.countTimers()], [1, 0]);
	});
}

for (const code of [1000, 1001, 1006, 1011, 1012, 4408, 4410, 4429, 4500, 4503, 4508]) {
	test(`X2 after ${code} it comes back`, async () => {
		const { link, network, enter, heard } = linked();
		await enter();
		await network.last.end(code, "why");
		assert.deepEqual(heard(), [["lost", code > 4000 ? "why" : "unreachable", false]]);
		await network.next();
		link.close();
	});
}

test("X2 a room that closes it as silent is left alone for a while, as after any other close", async () => {
	const { link, network, enter, heard } = linked();
	await enter();
	await network.last.end(4408, "silent");
	assert.deepEqual(heard(), [["lost", "silent", false]]);
	assert.ok((await network.next()) >= 400);
	link.close();
});

test("X2 after 4401 it asks for another token once, and gives up when that is refused too", async () => {
	const tokens: string[] = [];
	const { link, network, heard, connect } = linked(async () => {
		tokens.push(`t${tokens.length}`);
		return tokens.at(-1);
	});
	connect();
	await pass();
	for (const [i, isFinal] of [false, true].entries()) {
		await network.last.open();
		await network.last.end(4401, "unauthorized");
		assert.deepEqual(heard(), [
			["opened", `t${i}`],
			["lost", "unauthorized", isFinal],
		]);
		await pass(1_300);
	}
	await pass(30_000);
	assert.deepEqual([tokens.length, network.sockets.length, clock.countTimers()], [2, 2, 0]);
	// Whoever connects it again begins anew.
	connect();
	await pass();
	await network.last.open();
	await network.last.end(4401, "unauthorized");
	assert.deepEqual(heard().at(-1), ["lost", "unauthorized", false]);
	link.close();
});

test("X2 a token that was taken and has ended is replaced as often as that happens", async () => {
	let tokens = 0;
	const { link, network, enter, heard, welcome } = linked(async () => {
		tokens += 1;
		return `t${tokens}`;
	});
	await enter();
	for (let i = 2; i < 6; i += 1) {
		await network.last.end(4401, "unauthorized");
		assert.deepEqual(heard(), [["lost", "unauthorized", false]]);
		await network.next();
		await network.last.open();
		assert.deepEqual(heard(), [["opened", `t${i}`]]);
		welcome();
	}
	link.close();
});

test("X2 without a token a 4401 is the end", async () => {
	const { network, enter, heard } = linked();
	await enter();
	await network.last.end(4401, "unauthorized");
	assert.deepEqual(heard(), [["lost", "unauthorized", true]]);
});

test("a token that cannot be had fails the attempt, which is told and made again", async () => {
	let isOut = true;
	let asked = 0;
	const { link, network, heard, connect } = linked(async () => {
		asked += 1;
		if (isOut) throw new Error("no session");
		return "t";
	});
	connect();
	await pass();
	assert.deepEqual([asked, heard()], [1, [["lost", "no_token", false]]]);
	await pass(60_000);
	assert.ok(asked >= 8 && asked <= 40, `${asked} times in a minute`);
	assert.equal(heard().length, asked - 1);
	isOut = false;
	await network.next();
	await network.last.open();
	assert.deepEqual(heard(), [["opened", "t"]]);
	// The same with a connection before it.
	isOut = true;
	await network.last.end();
	assert.deepEqual(heard(), [["lost", "unreachable", false]]);
	await pass(6_010);
	assert.deepEqual(heard()[0], ["lost", "no_token", false]);
	link.close();
});

test("a WebSocket that cannot even be made is as one that does not open", async () => {
	const broken = class {
		constructor() {
			throw new DOMException("The page is on HTTPS.", "SecurityError");
		}
	};
	const owner = new Owner();
	owner.dispatch({ type: "connect" });
	const link = new Link("ws://room", broken, owner);
	void link.connect();
	await pass(3_000);
	assert.ok(owner.told.length >= 2, "it goes on trying");
	assert.deepEqual(owner.told[0], ["lost", "unreachable", false]);
	link.close();
});

test("a connection that there is reason to doubt has 4 s for a sign of life, whatever it was given before", async () => {
	const { link, network, enter, heard } = linked();
	await enter();
	await pass(1_000);
	link.doubt();
	await network.last.say("pong");
	await pass(23_000);
	assert.deepEqual([network.last.said(), heard()], [["ping"], []]);
	await pass(1_000);
	link.doubt();
	link.doubt();
	assert.deepEqual(network.last.said(), ["ping", "ping", "ping"], "it was time for one anyway");
	await pass(3_999);
	assert.deepEqual(heard(), []);
	await pass(1);
	assert.deepEqual(heard(), [["lost", "silent", false]]);
	link.close();
});

test("who connects it while it waits has an attempt at once, and not the one that it waited for beside it", async () => {
	const { link, network, connect } = linked();
	connect();
	await pass();
	for (let i = 0; i < 8; i += 1) {
		await network.last.fail();
		await network.next();
	}
	await network.last.fail();
	const { length } = network.sockets;
	void link.connect();
	await pass();
	assert.equal(network.sockets.length, length + 1);
	await pass(3_000);
	assert.equal(network.live, 1);
	await network.last.fail();
	assert.ok((await network.next()) <= 1_210, "the distances begin anew");
	link.close();
});

test("it does not wait either where there was no socket yet", async () => {
	let asked = 0;
	const { link, connect } = linked(async () => {
		asked += 1;
		throw new Error("offline");
	});
	connect();
	await pass(20_000);
	const before = asked;
	void link.connect();
	await pass();
	assert.equal(asked, before + 1);
	link.close();
});

test("after close() nothing is heard, asked or tried any more", async () => {
	let asked = 0;
	const { link, network, enter, heard, connect } = linked(async () => {
		asked += 1;
		return "t";
	});
	await enter();
	const socket = network.last;
	link.close();
	socket.dispatchEvent(new MessageEvent("message", { data: "{}" }));
	await socket.end(4403, "forbidden");
	assert.deepEqual([heard(), link.send({}), clock.countTimers()], [[], false, 0]);
	// While it waits for the next attempt.
	connect();
	await pass();
	await network.last.fail();
	heard();
	const before = asked;
	link.close();
	await pass(10_000);
	assert.deepEqual([heard(), asked, clock.countTimers(), network.live], [[], before, 0, 0]);
});

test("a socket that was given up is heard no more, also if it opens, tells an error or closes later", async () => {
	const { link, network, connect, heard } = linked();
	connect();
	await pass(4_000);
	const late = network.last;
	heard();
	await network.next();
	late.readyState = 1;
	for (const type of ["open", "error", "close"]) late.dispatchEvent(new Event(type));
	late.dispatchEvent(new MessageEvent("message", { data: '{"type":"x"}' }));
	await network.last.open();
	assert.deepEqual(heard(), [["opened", undefined]]);
	assert.equal(network.sockets.length, 2);
	link.close();
});

test("a link that is closed while its token is fetched makes no socket", async () => {
	let give = (_token: string) => {};
	const { link, network, heard, connect } = linked(() => new Promise((resolve) => (give = resolve)));
	connect();
	await pass();
	link.close();
	give("t");
	await pass(10_000);
	assert.deepEqual([network.sockets.length, heard(), clock.countTimers()], [0, [], 0]);
	connect();
	await pass();
	connect();
	await pass();
	give("t");
	await pass();
	assert.equal(network.sockets.length, 1, "the attempt before is forgotten");
	link.close();
});

test("who closes it on hearing that it is silent has closed it", async () => {
	const { link, owner, network, enter } = linked();
	const take = owner.dispatch.bind(owner);
	owner.dispatch = (event) => {
		take(event.type === "lost" ? { type: "close", reason: "closed" } : event);
		if (event.type === "lost") link.close();
	};
	await enter();
	await pass(60_000);
	assert.deepEqual([network.sockets.length, network.live, clock.countTimers()], [1, 0, 0]);
});

test("what no room says is passed over", async () => {
	const { network, enter, heard } = linked();
	await enter();
	await network.last.say("{", "[1]", "null", "hello", "");
	network.last.dispatchEvent(new MessageEvent("message", { data: new Uint8Array(2) }));
	await network.last.say({ type: "x" });
	assert.deepEqual(heard(), [["frame", { type: "x" }]]);
});
