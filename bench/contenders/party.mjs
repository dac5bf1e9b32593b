// PartyServer as its users write it, in three ways: passing frames on as the stock server does, and remembering what
// was set, once with the key-value API of the storage and once with SQL. All three hibernate.

import { routePartykitRequest, Server } from "partyserver";

/** Passes every frame on to everyone else and stores nothing. */
export class Party extends Server {
	static options = { hibernate: true };

	onMessage(connection, message) {
		this.broadcast(message, [connection.id]);
	}
}

/**
 * Answers `sync_request` from memory. What stores it is for the classes below to say. None of them waits for the
 * storage: the runtime's output gate holds back what is sent after a write until that write is durable, so waiting
 * would only take longer, and would let messages overtake each other.
 */
class Remembering extends Party {
	/** The last selection of each field. */
	fields = new Map();
	participants = new Map();

	onMessage(connection, message) {
		const said = JSON.parse(message);
		switch (said.type) {
			case "sync_request":
				connection.send(JSON.stringify(this.state()));
				return;
			case "field_selected":
				this.fields.set(said.selection.field, said.selection);
				this.storeField(said.selection);
				break;
			case "field_cleared":
				if (this.fields.delete(said.field)) this.forgetField(said.field);
				break;
			case "user_joined":
				this.join(said.userId, said.userName);
				break;
			case "user_ready":
				this.ready(said.userId, said.isReady);
				break;
		}
		this.broadcast(message, [connection.id]);
	}

	state() {
		return {
			type: "sync_response",
			selections: Object.fromEntries(this.fields),
			participants: [...this.participants.values()],
		};
	}

	join(id, name) {
		const known = this.participants.get(id);
		if (known?.name === name) return;
		this.keep({ isReady: false, joinedAt: Date.now(), ...known, id, name });
	}

	ready(id, isReady) {
		const known = this.participants.get(id);
		if (known !== undefined && known.isReady !== isReady) this.keep({ ...known, isReady });
	}

	keep(participant) {
		this.participants.set(participant.id, participant);
		this.storeParticipant(participant);
	}
}

/** One `put` for each change. */
export class PartyPut extends Remembering {
	async onStart() {
		for (const [key, value] of await this.ctx.storage.list()) {
			if (key.startsWith("field:")) this.fields.set(value.field, value);
			else if (key.startsWith("participant:")) this.participants.set(value.id, value);
		}
	}

	storeField(selection) {
		this.ctx.storage.put(`field:${selection.field}`, selection);
	}

	forgetField(field) {
		this.ctx.storage.delete(`field:${field}`);
	}

	storeParticipant(participant) {
		this.ctx.storage.put(`participant:${participant.id}`, participant);
	}
}

/** One transaction for each change. */
export class PartySql extends Remembering {
	onStart() {
		const { sql } = this.ctx.storage;
		// Without row ids each change writes one row, and not another one for an index.
		sql.exec(`
			CREATE TABLE IF NOT EXISTS fields (field TEXT PRIMARY KEY, selection TEXT NOT NULL) WITHOUT ROWID;
			CREATE TABLE IF NOT EXISTS participants (id TEXT PRIMARY KEY, participant TEXT NOT NULL) WITHOUT ROWID;
		`);
		for (const { field, selection } of sql.exec("SELECT field, selection FROM fields")) {
			this.fields.set(field, JSON.parse(selection));
		}
		for (const { id, participant } of sql.exec("SELECT id, participant FROM participants")) {
			this.participants.set(id, JSON.parse(participant));
		}
	}

	storeField(selection) {
		this.write(
			`INSERT INTO fields (field, selection) VALUES (?, ?)
				ON CONFLICT (field) DO UPDATE SET selection = excluded.selection`,
			selection.field,
			JSON.stringify(selection),
		);
	}

	forgetField(field) {
		this.write("DELETE FROM fields WHERE field = ?", field);
	}

	storeParticipant(participant) {
		this.write(
			`INSERT INTO participants (id, participant) VALUES (?, ?)
				ON CONFLICT (id) DO UPDATE SET participant = excluded.participant`,
			participant.id,
			JSON.stringify(participant),
		);
	}

	write(statement, ...values) {
		const { storage } = this.ctx;
		storage.transactionSync(() => storage.sql.exec(statement, ...values));
	}
}

export default {
	async fetch(request, env) {
		return (await routePartykitRequest(request, env)) ?? new Response("Not found", { status: 404 });
	},
};
