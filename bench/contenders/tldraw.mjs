// The reference server of tldraw sync: a TLSocketRoom in a Durable Object, on SQLite storage and the Hibernation API,
// as tldraw's template for Cloudflare has it, with a schema of fields instead of drawings. Its protocol is version 8.
//
// tldraw's licence: this is development use only; nothing that is deployed contains any of it.
//
// A client connects to /parties/collaboration/ROOM?sessionId=ID (an ID of its own for each connection) and says:
//   {"type":"connect","connectRequestId":"c1","lastServerClock":-1,"protocolVersion":8,
//    "schema":{"schemaVersion":2,"sequences":{}}}
// -1 asks for everything, a `serverClock` for what changed since; an open connection may ask again. The answer:
//   {"type":"connect",...,"hydrationType":"wipe_all","serverClock":2,"diff":{"field:f0":["put",{...}]},...}
// A record's first write puts it, later ones patch it:
//   {"type":"push","clientClock":1,"diff":{"field:f0":["put",{"id":"field:f0","typeName":"field","value":"v",
//    "userId":"u0","timestamp":1}]}}
//   {"type":"push","clientClock":2,"diff":{"field:f0":["patch",{"value":["put","w"],"timestamp":["put",2]}]}}
// Others and the writer itself get, gathered for up to 1/60 s:
//   {"type":"data","data":[{"type":"patch","diff":{"field:f0":["patch",{...}]},"serverClock":3}]}
//   {"type":"data","data":[{"type":"push_result","clientClock":2,"serverClock":3,"action":"commit"}]}

import { DurableObject } from "cloudflare:workers";
import { createRecordType, StoreSchema } from "@tldraw/store";
import { DurableObjectSqliteSyncWrapper, SQLiteSyncStorage, TLSocketRoom } from "@tldraw/sync-core";
import { T } from "@tldraw/validate";

const field = createRecordType("field", {
	scope: "document",
	validator: T.object({
		id: T.string,
		typeName: T.literal("field"),
		value: T.jsonValue,
		userId: T.string,
		timestamp: T.number,
	}),
});
const schema = StoreSchema.create({ field });

/** A new room. Without it there would be a drawing with one page. */
const EMPTY = { documentClock: 0, tombstoneHistoryStartsAtClock: 0, schema: schema.serialize(), documents: [] };

export class Tldraw extends DurableObject {
	#room;
	/** What is kept in a socket's attachment, so that it need not be read at each message. @type {Map<WebSocket, string>} */
	#sessions = new Map();
	/** @type {Map<string, WebSocket>} */
	#sockets = new Map();

	constructor(state, env) {
		super(state, env);
		state.setWebSocketAutoResponse(new WebSocketRequestResponsePair('{"type":"ping"}', '{"type":"pong"}'));
		const sql = new DurableObjectSqliteSyncWrapper(state.storage);
		const snapshot = SQLiteSyncStorage.hasBeenInitialized(sql) ? undefined : EMPTY;
		this.#room = new TLSocketRoom({
			schema,
			storage: new SQLiteSyncStorage({ sql, snapshot }),
			// The runtime answers pings, so the room sees none, and would take everyone for gone.
			clientTimeout: Number.POSITIVE_INFINITY,
			onSessionSnapshot: (sessionId, snapshot) => {
				this.#sockets.get(sessionId)?.serializeAttachment({ sessionId, snapshot });
			},
		});
		for (const socket of state.getWebSockets()) {
			const { sessionId, snapshot } = socket.deserializeAttachment();
			this.#remember(socket, sessionId);
			if (snapshot !== null) this.#room.handleSocketResume({ sessionId, socket, snapshot });
		}
	}

	fetch(request) {
		const sessionId = new URL(request.url).searchParams.get("sessionId") ?? crypto.randomUUID();
		const { 0: client, 1: socket } = new WebSocketPair();
		this.ctx.acceptWebSocket(socket);
		socket.serializeAttachment({ sessionId, snapshot: null });
		this.#remember(socket, sessionId);
		this.#room.handleSocketConnect({ sessionId, socket });
		return new Response(null, { status: 101, webSocket: client });
	}

	webSocketMessage(socket, message) {
		this.#room.handleSocketMessage(this.#sessions.get(socket), message);
	}

	webSocketClose(socket) {
		this.#end(socket, "handleSocketClose");
	}

	webSocketError(socket) {
		this.#end(socket, "handleSocketError");
	}

	#remember(socket, sessionId) {
		this.#sessions.set(socket, sessionId);
		this.#sockets.set(sessionId, socket);
	}

	/** @param {"handleSocketClose" | "handleSocketError"} how */
	#end(socket, how) {
		// A socket whose closing has woken the room is not among those that the room was given.
		const sessionId = this.#sessions.get(socket);
		if (sessionId === undefined) return;
		this.#sessions.delete(socket);
		if (this.#sockets.get(sessionId) === socket) this.#sockets.delete(sessionId);
		this.#room[how](sessionId, socket);
	}
}

export default {
	fetch(request, env) {
		return env.ROOMS.getByName(new URL(request.url).pathname).fetch(request);
	},
};
