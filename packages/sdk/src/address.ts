// The addresses of a room.

/** The addresses of a room. */
export interface Address {
	/** The WebSocket's. */
	socket: string;
	/** The prefix of the HTTP addresses. */
	http: string;
}

// As in partysocket: hosts on this machine or its own network seldom have a certificate. But only whole names match, or
// a token would go to localhosting.dev in plain text.
const LOCAL = /^(localhost|\[::1\]|(127|10|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+)(?![\w.-])/;

/** The addresses of a room on a host. */
export function addressOf(host: string, party: string, room: string): Address {
	const [, scheme, rest = ""] = /^(?:(https?|wss?):\/\/)?(.+?)\/*$/.exec(host) ?? [];
	const s = (scheme ? /[ps]s$/.test(scheme) : !LOCAL.test(rest)) ? "s" : "";
	const path = `${s}://${rest}/parties/${encodeURIComponent(party)}/${encodeURIComponent(room)}`;
	return { socket: `ws${path}`, http: `http${path}` };
}
