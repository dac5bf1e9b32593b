// Prints the tables of docs/scale.md from the inputs below: node bench/scale.mjs

/** The platform's prices in dollars, and what the paid plan includes in a month. The page names the source of each. */
const price = {
	plan: 5,
	workerRequests: { included: 10e6, dollars: 0.3, per: 1e6 },
	workerCpuMs: { included: 30e6, dollars: 0.02, per: 1e6 },
	objectRequests: { included: 1e6, dollars: 0.15, per: 1e6 },
	durationGbs: { included: 400e3, dollars: 12.5, per: 1e6 },
	rowsRead: { included: 25e9, dollars: 0.001, per: 1e6 },
	rowsWritten: { included: 50e6, dollars: 1, per: 1e6 },
	storedGb: { included: 5, dollars: 0.2, per: 1 },
};

/** What a room is used for in a month, and what an event is taken to cost. */
const base = {
	sessionsPerMonth: 20,
	people: 3,
	minutes: 30,
	/** Changes a minute by all people together, each alone. */
	changesPerMinute: 4,
	/** Times in a session that somebody sends many changes in one go, how many, and to how many fields. */
	sprees: 1,
	spreeChanges: 200,
	spreeFields: 10,
	/** Presence messages of each person in a minute. */
	presencePerMinute: 30,
	/** Messages with which a connection begins: hello and user_joined, or user_joined and sync_request. */
	openingMessages: 2,
	activeMsPerEvent: 10,
	workerCpuMsPerConnection: 5,
	gbPerObject: 0.128,
	/** A room with connections to look after is woken at least this long after the last time: 150 s less a ping. */
	secondsBetweenAlarms: 125,
	/** No room can fall asleep more often than this. */
	idleSecondsBeforeSleep: 10,
	fields: 20,
	participants: 10,
	clients: 10,
	roomKb: 48,
	baselineKb: 20,
	/** Of each person and session, when tokens are asked for: how often one of 15 minutes is shown. */
	tokens: 0,
	pingSeconds: 25,
	pingsAreMessages: false,
	idleIsBilled: false,
};

const numbered = {
	name: "Roomkeep, numbered clients",
	remembers: true,
	sleeps: true,
	rowsOfAPerson: 5,
	rowsOfAChange: 2,
	rowsOfASpree: (fields) => 2 + fields + 1,
};
const plain = {
	name: "Roomkeep, plain clients",
	remembers: true,
	sleeps: true,
	rowsOfAPerson: 2,
	rowsOfAChange: 1,
	rowsOfASpree: (fields) => 1 + fields,
};
const hibernating = {
	name: "PartyServer, `hibernate: true`",
	remembers: false,
	sleeps: true,
	rowsOfAPerson: 0,
	rowsOfAChange: 1,
	rowsOfASpree: (_, changes) => changes,
};
const staying = { ...hibernating, name: "PartyServer, its default", sleeps: false };

/** What one session of one room uses. */
function session(server, use) {
	const seconds = use.minutes * 60;
	const lone = use.minutes * use.changesPerMinute;
	const tokens = server.remembers ? use.tokens * use.people : 0;
	const presence = use.minutes * use.presencePerMinute * use.people;
	const pings = use.pingsAreMessages ? use.people * Math.floor(seconds / use.pingSeconds) : 0;
	const messages = use.people * use.openingMessages + lone + use.sprees * use.spreeChanges + presence + pings + tokens;
	const alarms = server.remembers ? Math.floor(seconds / use.secondsBetweenAlarms) : 0;
	const events = messages + alarms + 2 * use.people + 2 * tokens;
	const active = (events * use.activeMsPerEvent) / 1000;
	const isAwake = !server.sleeps || (use.idleIsBilled && use.presencePerMinute * use.people >= 6);
	const idle = use.idleIsBilled ? Math.min(seconds, (lone + alarms) * use.idleSecondsBeforeSleep) : 0;
	const wakings = !isAwake ? Math.floor(seconds / use.idleSecondsBeforeSleep) : 1;
	const rowsOfAWaking = server.remembers ? use.fields + use.participants + use.clients + 1 : use.fields;
	// The room's own row, and the alarm: set when the second comes, at each ring, and when the second last goes.
	const own = server.remembers ? 1 + 1 + alarms + 1 : 0;
	return {
		workerRequests: use.people,
		workerCpuMs: use.people * use.workerCpuMsPerConnection,
		objectRequests: use.people + messages / 20 + alarms + 2 * tokens,
		durationGbs: (isAwake ? seconds : Math.max(active, idle)) * use.gbPerObject,
		rowsRead: wakings * rowsOfAWaking,
		rowsWritten:
			use.people * server.rowsOfAPerson +
			lone * server.rowsOfAChange +
			use.sprees * server.rowsOfASpree(use.spreeFields, use.spreeChanges) +
			own +
			3 * tokens,
	};
}

/** What so many rooms use in a month. */
function month(server, rooms, use) {
	const one = session(server, use);
	const used = Object.entries(one).map(([what, amount]) => [what, amount * use.sessionsPerMonth * rooms]);
	const kb = server.remembers ? use.roomKb : use.baselineKb;
	return { ...Object.fromEntries(used), storedGb: (kb * rooms) / 1e6 };
}

function cost(used) {
	const parts = Object.entries(used).map(([what, amount]) => {
		const { included, dollars, per } = price[what];
		return [what, (Math.max(0, amount - included) / per) * dollars];
	});
	return { plan: price.plan, ...Object.fromEntries(parts) };
}

const sum = (parts) => Object.values(parts).reduce((all, part) => all + part, 0);
const dollars = (amount) => (amount > 0 && amount < 0.005 ? "under $0.01" : money(amount));
const money = (amount) =>
	`$${amount.toLocaleString("en-US", { minimumFractionDigits: amount < 1000 ? 2 : 0, maximumFractionDigits: amount < 1000 ? 2 : 0 })}`;
const number = (amount, digits = 1) => amount.toLocaleString("en-US", { maximumFractionDigits: digits });

function table(head, rows) {
	const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
	const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
	const dashes = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
	console.log([line(head), dashes, ...rows.map(line)].join("\n").concat("\n"));
}

const servers = [numbered, plain, hibernating, staying];
const names = {
	workerRequests: "Worker requests",
	workerCpuMs: "Worker CPU, ms",
	objectRequests: "object requests",
	durationGbs: "duration, GB-s",
	rowsRead: "rows read",
	rowsWritten: "rows written",
	storedGb: "stored, GB",
};

console.log("## One room, one month\n");
table(
	["", ...servers.map((server) => server.name)],
	Object.keys(names).map((what) => [
		names[what],
		...servers.map((server) => number(month(server, 1, base)[what], what === "storedGb" ? 6 : 1)),
	]),
);

console.log("## 1,000,000 rooms, one month\n");
const costs = servers.map((server) => cost(month(server, 1e6, base)));
table(
	["", ...servers.map((server) => server.name)],
	["plan", ...Object.keys(names)].map((what) => [
		names[what] ?? "the plan itself",
		...costs.map((parts) => dollars(parts[what])),
	]),
);

console.log("## Together\n");
table(
	["", ...servers.map((server) => server.name)],
	[1000, 1e6].map((rooms) => [
		`${number(rooms)} rooms`,
		...servers.map((server) => dollars(sum(cost(month(server, rooms, base))))),
	]),
);

console.log("## What if, 1,000,000 rooms\n");
const cases = [
	["as above", {}],
	["nobody sends presence", { presencePerMinute: 0 }],
	["no sprees: each change comes alone", { sprees: 0 }],
	["four sprees in a session", { sprees: 4 }],
	["pings are messages to the room, not auto-responses", { pingsAreMessages: true }],
	["an event keeps an object active for 2 ms, not 10", { activeMsPerEvent: 2 }],
	["the ten idle seconds before sleep are billed", { idleIsBilled: true }],
	["the same, and nobody sends presence", { idleIsBilled: true, presencePerMinute: 0 }],
	["tokens of 15 minutes are asked for (Roomkeep alone)", { tokens: 2 }],
];
const together = (server, change) => dollars(sum(cost(month(server, 1e6, { ...base, ...change }))));
table(
	["", numbered.name, hibernating.name],
	[
		...cases.map(([name, change]) => [name, together(numbered, change), together(hibernating, change)]),
		[
			"the object never sleeps",
			together({ ...numbered, sleeps: false }, {}),
			together({ ...hibernating, sleeps: false }, {}),
		],
	],
);

console.log("## An isolate\n");
const isolate = 128e6;
console.log(`full rooms of 4 MiB: ${Math.floor(isolate / 2 ** 22)}`);
console.log(`rooms of ${base.roomKb} KB: ${number(Math.floor(isolate / (base.roomKb * 1000)))}`);
console.log(`connections with 4 MiB unread: ${Math.floor(isolate / 2 ** 22)}\n`);

/** The design of the relays: so many readers at each, so many relays below each inner one and the room. */
const relay = {
	readers: 500,
	fan: 50,
	framesPerSecond: 5,
	usPerFrame: [25, 50],
	pauseMs: (n) => Math.min(250, 0.16 * n),
};

function level(children) {
	return {
		pause: relay.pauseMs(children),
		send: relay.usPerFrame.map((us) => (us * children) / 1000),
		share: relay.usPerFrame.map((us) => (us * children) / 10 / relay.pauseMs(children)),
	};
}

console.log("## A level of the tree\n");
table(
	["sockets below", "longest pause", "time to send one frame", "share of a processor, at most"],
	[relay.fan, 100, relay.readers].map((children) => {
		const { pause, send, share } = level(children);
		const range = (pair, unit, digits) => `${pair.map((value) => number(value, digits)).join(" to ")}${unit}`;
		return [number(children), `${number(pause)} ms`, range(send, " ms", 1), range(share, "%", 0)];
	}),
);

console.log("## Trees\n");
table(
	["readers", "leaf relays", "inner relays", "longest wait added below the room", "relays, an hour", "entering, once"],
	[1000, 25e3, 1e6].map((readers) => {
		const leaves = Math.ceil(readers / relay.readers);
		const inner = leaves > relay.fan ? Math.ceil(leaves / relay.fan) : 0;
		const wait = [relay.readers, ...(inner ? [relay.fan] : [])]
			.map(level)
			.reduce((all, { pause, send }) => all + pause + send[1], 0);
		const gbs = 3600 * base.gbPerObject * price.durationGbs.dollars;
		const frames = ((3600 * relay.framesPerSecond) / 20) * price.objectRequests.dollars;
		const hour = ((leaves + inner) * (gbs + frames)) / 1e6;
		const enter = (readers * (price.workerRequests.dollars + price.objectRequests.dollars)) / 1e6;
		return [number(readers), number(leaves), number(inner), `${number(wait, 0)} ms`, dollars(hour), dollars(enter)];
	}),
);
