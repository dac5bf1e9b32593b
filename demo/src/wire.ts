// The frames that this page exchanges with the room. PROTOCOL.md tells of all that there are.

/** A field's value, as the room keeps it. */
export interface Selection {
	field: string;
	value: unknown;
	userId: string;
	version: number;
	updatedAt: number;
}

/** A person whom the room knows, here or gone. */
export interface Participant {
	id: string;
	name: string;
	isReady: boolean;
	online: boolean;
	lastSeen: number;
}

export interface State {
	time: number;
	selections: Record<string, Selection>;
	participants: Participant[];
}

/** What the room sends. `id` is the one that this page gave the message which is answered. */
export type ServerFrame =
	| ({ type: "sync_response" } & State)
	| { type: "field_selected"; selection: Selection }
	| { type: "field_cleared"; field: string; userId: string; version: number }
	| { type: "user_ready"; userId: string; isReady: boolean }
	| { type: "user_joined"; userId: string; userName: string }
	| { type: "user_left"; userId: string; lastSeen: number }
	| { type: "ack"; id: number; version: number }
	| { type: "error"; id?: number; code: string; message: string };

/** What this page sends. */
export type ClientFrame =
	| { type: "user_joined"; userId: string; userName: string }
	| { type: "sync_request" }
	| { type: "field_selected"; selection: { field: string; value: string; userId: string; timestamp: number } }
	| { type: "field_cleared"; field: string; userId: string }
	| { type: "user_ready"; userId: string; isReady: boolean };

/** Reads a frame. What is no object with a type, such as the answer to a ping, is nothing to this page. */
export function parse(data: unknown): ServerFrame | undefined {
	if (typeof data !== "string" || !data.startsWith("{")) return undefined;
	return JSON.parse(data) as ServerFrame;
}
