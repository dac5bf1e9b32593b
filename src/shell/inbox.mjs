// The inbox: frames that are held until the flush timer rings. This half puts them in, `inbox.rs` takes them out.
//
// Why: what workerd does around a message costs more than the room's part of it, the code of both does not fit into the
// processor's caches at once, and handing one frame over to WebAssembly costs as much as reading it there. So in a busy room
// it is quicker to take frames in together. While a flush timer is set, changes are gathered anyway: their writers hear of
// them at the flush and not before (Y8). So a frame that only changes a field loses nothing by being read then.
//
// The rules, and what checks them:
// - Only a frame that changes a field is held: nothing that reads, relays, greets, or needs a reply at once. Such a frame is
//   recognised by how it begins, here and nowhere else (`tests/worker/waiting.test.ts`).
// - Whatever happens to the room next takes all of them in first, in the order in which they came: another frame, the flush
//   timer, a close, a request (`Driver::drain_inbox`). So nothing overtakes them (F6).
// - All of them are flushed together, even if a flush falls due before the last one is read: otherwise the first would be
//   flushed alone and the others a pause later, which in a herd of 100 was half of the latency.
// - After a panic, held frames belong to the room's next instance. Those that had been read are lost with the memory; they
//   were shown to nobody, and nobody has a reply to them.

/** The most frames held, and the longest of them in characters: 2 million characters in all. */
const FRAMES = 1024;
const LENGTH = 2048;

/** How a frame that only changes a field begins, as JSON.stringify writes it for pages, the SDK and most others. */
const SELECTED = '{"type":"field_selected"';
const CLEARED = '{"type":"field_cleared"';

/**
 * Holds a frame, if it may be held. `inbox` is the array made by the room (`isOpen` while a flush timer is set); each entry
 * is a socket's handle, a space and the text. Returns whether the frame was held.
 */
export function hold(inbox, socket, text) {
	if (!inbox.isOpen || inbox.length >= FRAMES || text === undefined || text.length > LENGTH) return false;
	if (!text.startsWith(SELECTED) && !text.startsWith(CLEARED)) return false;
	const handle = socket.roomkeepHandle;
	// No JSON contains a NUL, by which the room separates frames.
	if (handle === undefined || text.includes("\0")) return false;
	inbox.push(`${handle} ${text}`);
	return true;
}
