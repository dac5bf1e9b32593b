// Where a room is, as the SDK finds it out of what people write.

import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf } from "../../packages/sdk/src/address.ts";

/** Where a host is reached over HTTP. */
const origin = (host: string) => addressOf(host, "p", "r").http.replace("/parties/p/r", "");

test("U1 a room has an address for WebSockets and one for HTTP", () => {
	assert.deepEqual(addressOf("example.com", "collaboration", "plan"), {
		socket: "wss://example.com/parties/collaboration/plan",
		http: "https://example.com/parties/collaboration/plan",
	});
	assert.deepEqual(addressOf("localhost:8787", "collaboration", "plan"), {
		socket: "ws://localhost:8787/parties/collaboration/plan",
		http: "http://localhost:8787/parties/collaboration/plan",
	});
});

test("U2 a room's name is percent-encoded, so that any name is one segment of the path", () => {
	for (const room of ["a:b", "a/b", "50 %", "%3A", "?x=1#y", "ünï", "日本", "a+b&c"]) {
		const { pathname, search, hash } = new URL(addressOf("example.com", "p q", room).http);
		assert.equal(search + hash, "");
		assert.deepEqual(pathname.split("/").map(decodeURIComponent), ["", "parties", "p q", room]);
	}
});

test("a scheme decides, whichever of the four it is, and slashes at the end do not count", () => {
	assert.equal(origin("https://example.com"), "https://example.com");
	assert.equal(origin("wss://example.com/"), "https://example.com");
	assert.equal(origin("http://example.com//"), "http://example.com");
	assert.equal(origin("ws://example.com:81"), "http://example.com:81");
	assert.equal(origin("https://localhost:8787"), "https://localhost:8787");
	assert.equal(origin("example.com/rooms/"), "https://example.com/rooms");
});

test("a bare host is reached without TLS if it is this machine or in its own network", () => {
	for (const host of ["localhost", "localhost:8787", "127.0.0.1:8787", "[::1]:8787", "10.0.0.7", "192.168.1.4:80"])
		assert.equal(origin(host), `http://${host}`);
	for (const host of ["172.16.0.1", "172.31.255.255:8787", "localhost/rooms"])
		assert.equal(origin(host), `http://${host}`);
	for (const host of ["172.15.0.1", "172.32.0.1", "11.0.0.1", "192.169.1.1", "100.10.0.1", "8.8.8.8"])
		assert.equal(origin(host), `https://${host}`);
});

test("a name that only begins like a local one is reached by TLS: a token must not go there in plain text", () => {
	for (const host of [
		"localhost.example.com",
		"localhosting.dev",
		"10.example.com",
		"127.0.0.1.nip.io",
		"10.0.0.1x.dev",
	])
		assert.equal(origin(host), `https://${host}`);
});
