// The inbox: frames that are held until the flush timer rings. This half puts them in, `inbox.rs` takes them out.
//
// Why. What workerd does around a message costs more than the room's part of it, the code of both does not fit into the
// processor's caches side by side, and handing one frame over to WebAssembly costs as much as reading it there. In a busy
// room frames are therefore quicker to take in together. While a flush timer is set, changes are gathered anyway: whoever
// made one hears of it at the flush and not before (Y8). So a frame that does nothing but change a field loses nothing by
// being read at that moment instead of this one.
//
// What holds, and where it is held to it:
// - Only a frame that changes a field is held: nothing that reads, relays, greets, or wants an answer at once. Which one
//   that is, is told from how it begins, here and nowhere else (`tests/worker/waiting.test.ts`).
// - Whatever happens to the room next takes all of them in first, in the order in which they came: another frame, the flush
//   timer, a closing, a request (`Driver::drain_inbox`). So nothing overtakes them (F6).
// - All of them are flushed together, also when a flush is due before the last one is read: else the first would be flushed
//   by itself and the others a pause later, which in a herd of 100 was half of the latency.
// - After a panic what is held is for the room's next instance. What was read by then is lost with the memory, shown to
//   nobody and answered to nobody.

/** So many frames are held at most, and none that is longer than this in characters: 2 million characters in all. */
const FRAMES = 1024;
const LENGTH = 2048;

/** How frames begin that only change a field, as JSON.stringify writes what pages, the SDK and most others hand to it. */
const SELECTED = '{"type":"field_selected"';
const CLEARED = '{"type":"field_cleared"';

/**
 * Holds a frame, if it may be held. `inbox` is the array that the room has made (`isOpen` while a flush timer is set), each
 * entry a socket's handle, a space and the text. Returns whether it was held.
 */
export function hold(inbox, socket, text) {
	if (!inbox.isOpen || inbox.length >= FRAMES || text === undefined || text.length > LENGTH) return false;
	if (!text.startsWith(SELECTED) && !text.startsWith(CLEARED)) return false;
	const handle = socket.roomkeepHandle;
	// No JSON holds a NUL, by which the room tells frames apart.
	if (handle === undefined || text.includes("\0")) return false;
	inbox.push(`${handle} ${text}`);
	return true;
}
