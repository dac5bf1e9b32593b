// Where a room is.

/** The addresses of a room. */
export interface Address {
	/** For a WebSocket. */
	socket: string;
	/** What the addresses over HTTP begin with. */
	http: string;
}

// As partysocket has it: what is on this machine or in its own network seldom has a certificate. But whole names only,
// or a token would go to localhosting.dev in plain text.
const LOCAL = /^(localhost|\[::1\]|(127|10|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+)(?![\w.-])/;

/** The addresses of a room on a host. */
export function addressOf(host: string, party: string, room: string): Address {
	const [, scheme, rest = ""] = /^(?:(https?|wss?):\/\/)?(.+?)\/*$/.exec(host) ?? [];
	const s = (scheme ? /[ps]s$/.test(scheme) : !LOCAL.test(rest)) ? "s" : "";
	const path = `${s}://${rest}/parties/${encodeURIComponent(party)}/${encodeURIComponent(room)}`;
	return { socket: `ws${path}`, http: `http${path}` };
}
