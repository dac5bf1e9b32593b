// The baseline: a room that passes every frame on to everyone else and stores nothing. It is the least that a Durable
// Object can do for a page, so what Roomkeep costs beyond it is the price of remembering.

import { DurableObject } from "cloudflare:workers";

export class Relay extends DurableObject {
	/** Kept here, because asking the runtime for them at each message would cost more than sending it. */
	#sockets;

	constructor(state, env) {
		super(state, env);
		this.#sockets = new Set(state.getWebSockets());
	}

	fetch() {
		const { 0: client, 1: server } = new WebSocketPair();
		this.ctx.acceptWebSocket(server);
		this.#sockets.add(server);
		return new Response(null, { status: 101, webSocket: client });
	}

	webSocketMessage(sender, message) {
		for (const socket of this.#sockets) {
			if (socket !== sender) socket.send(message);
		}
	}

	webSocketClose(socket, code, reason) {
		this.#sockets.delete(socket);
		socket.close(code, reason);
	}

	webSocketError(socket) {
		this.#sockets.delete(socket);
	}
}

export default {
	fetch(request, env) {
		return env.ROOMS.getByName(new URL(request.url).pathname).fetch(request);
	},
};
