// Counts what a contender writes and how much memory its WebAssembly has. `server.mjs` puts it around a contender's
// entry for the workloads that ask for these figures, and for no other. It has to be evaluated before that entry, since
// WebAssembly may be instantiated there.
//
// Storage operations count as they are billed: one row for each key that is put or deleted and for each alarm that is
// set, and the rows that SQL says it wrote.

/** Where the figures are asked for. */
const PATH = "/__bench";

const counts = { sqlRows: 0, puts: 0, deletes: 0, alarms: 0, transactions: 0 };

/** @type {WeakRef<WebAssembly.Memory>[]} */
let memories = [];

WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
	construct(target, args, newTarget) {
		const instance = Reflect.construct(target, args, newTarget);
		for (const value of Object.values(instance.exports)) {
			if (value instanceof WebAssembly.Memory) memories.push(new WeakRef(value));
		}
		return instance;
	},
});

/** The size of all WebAssembly memory that somebody still holds. */
function wasmBytes() {
	memories = memories.filter((memory) => memory.deref() !== undefined);
	return memories.reduce((sum, memory) => sum + (memory.deref()?.buffer.byteLength ?? 0), 0);
}

/** Has a method of all storages count before it does what it did. */
function count(prototype, name, counter) {
	const method = prototype[name];
	if (typeof method !== "function") return;
	prototype[name] = function (...args) {
		counter(...args);
		return method.apply(this, args);
	};
}

/** A call with one key, or with several in an array or, with their values, in an object. */
function keys(of) {
	if (typeof of === "string") return 1;
	return Array.isArray(of) ? of.length : Object.keys(of).length;
}

const prepared = new WeakSet();

/** Has all storages of this kind count. They share their prototypes, so the first one does it for all. */
function prepare(storage) {
	const prototype = Object.getPrototypeOf(storage);
	if (prepared.has(prototype)) return;
	prepared.add(prototype);
	// What an asynchronous transaction writes goes through an object of its own.
	const transaction = prototype.transaction;
	prototype.transaction = function (closure) {
		counts.transactions += 1;
		return transaction.call(this, (inner) => {
			prepareKeys(Object.getPrototypeOf(inner));
			return closure(inner);
		});
	};
	count(prototype, "transactionSync", () => {
		counts.transactions += 1;
	});
	prepareKeys(prototype);
	if (storage.kv !== undefined) prepareKeys(Object.getPrototypeOf(storage.kv));
	prepareSql(Object.getPrototypeOf(storage.sql));
}

function prepareKeys(prototype) {
	if (Object.hasOwn(prototype, "counted")) return;
	Object.defineProperty(prototype, "counted", { value: true });
	count(prototype, "put", (of) => {
		counts.puts += keys(of);
	});
	count(prototype, "delete", (of) => {
		counts.deletes += keys(of);
	});
	count(prototype, "setAlarm", () => {
		counts.alarms += 1;
	});
}

function prepareSql(prototype) {
	const exec = prototype.exec;
	prototype.exec = function (...args) {
		const cursor = exec.apply(this, args);
		// A statement that gives rows back may write while they are read, which callers do at once.
		queueMicrotask(() => {
			counts.sqlRows += cursor.rowsWritten;
		});
		return cursor;
	};
}

/** A Durable Object that counts. */
export function counted(Base) {
	return class extends Base {
		constructor(state, env) {
			prepare(state.storage);
			super(state, env);
		}
	};
}

function figures() {
	const { sqlRows, puts, deletes, alarms } = counts;
	return Response.json({ wasmBytes: wasmBytes(), rowsWritten: sqlRows + puts + deletes + alarms, ...counts });
}

/** An entry that tells the figures beside what it does. It is a class or an object. */
export function telling(entry) {
	const asked = (request) => new URL(request.url).pathname === PATH;
	if (typeof entry !== "function") {
		return { ...entry, fetch: (request, ...rest) => (asked(request) ? figures() : entry.fetch(request, ...rest)) };
	}
	return class extends entry {
		fetch(request) {
			return asked(request) ? figures() : super.fetch(request);
		}
	};
}
