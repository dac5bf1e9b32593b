// The demo: a form that several people fill in together. All that it shows comes from the room.

import { linkTo, person, remember, roomName } from "./address.ts";
import { byId } from "./dom.ts";
import { FieldView } from "./field.ts";
import { PeopleView } from "./people.ts";
import { type Link, type Me, Room } from "./room.ts";

const LINKS: Record<Link, string> = {
	connecting: "Connecting…",
	live: "Live",
	reconnecting: "Reconnecting…",
	ended: "Disconnected",
};

const status = byId("status", HTMLElement);
let silence: ReturnType<typeof setTimeout> | undefined;

/** Tells of something, for as long as it takes to read it. */
function say(text: string): void {
	status.textContent = text;
	clearTimeout(silence);
	silence = setTimeout(() => status.replaceChildren(), 4_000 + text.length * 40);
}

/** Asks for a name. `current` is there when the person has one and may keep it. */
function askName(current: string | undefined): Promise<string> {
	const dialog = byId("name-dialog", HTMLDialogElement);
	const input = byId("name", HTMLInputElement);
	input.value = current ?? "";
	dialog.showModal();
	return new Promise((resolve) => {
		dialog.oncancel = (event) => {
			if (current === undefined) event.preventDefault();
		};
		byId("name-form", HTMLFormElement).onsubmit = (event) => {
			// Only spaces are no name, but satisfy `required`.
			if (input.value.trim() === "") event.preventDefault();
		};
		dialog.onclose = () => {
			const name = input.value.trim();
			// Browsers may close a dialog that refuses to be cancelled twice in a row.
			if (name === "" && current === undefined) dialog.showModal();
			else resolve(name || (current ?? ""));
		};
	});
}

async function copy(text: string): Promise<void> {
	try {
		await navigator.clipboard.writeText(text);
		say("The link is copied. Send it to somebody.");
	} catch {
		// Over plain HTTP, or when the person said no, there is no clipboard to write to.
		say(copyBySelection(text) ? "The link is copied. Send it to somebody." : `Copy this link: ${text}`);
	}
}

function copyBySelection(text: string): boolean {
	const area = document.createElement("textarea");
	area.value = text;
	area.className = "unseen";
	document.body.append(area);
	area.select();
	const isDone = document.execCommand("copy");
	area.remove();
	return isDone;
}

/** Shows what the room says from now on. */
function show(name: string, me: Me): Room {
	const link = byId("link", HTMLElement);
	const fieldset = byId("fields", HTMLFieldSetElement);
	const room: Room = new Room(name, me, { changed: update, news: say });
	const boxes = [...document.querySelectorAll<HTMLElement>(".field")];
	const fields = boxes.map((box) => new FieldView(box, room, say));
	const people = new PeopleView(room);

	function update(): void {
		// A live region is read out when it is written to, so it is written to only when it changes.
		if (link.textContent !== LINKS[room.link]) link.textContent = LINKS[room.link];
		link.dataset.link = room.link;
		link.title = room.reason;
		// Before the room has told what it holds there is nothing to answer to.
		fieldset.disabled = !room.isKnown || room.link === "ended";
		for (const field of fields) field.update();
		people.update();
	}

	byId("form", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
	// What was typed in the last moments is sent before the page goes.
	window.addEventListener("pagehide", () => {
		for (const field of fields) field.commit();
	});
	// Times in words grow old by themselves.
	setInterval(update, 20_000);
	update();
	return room;
}

async function start(): Promise<void> {
	const { id, name: known } = person();
	const name = roomName();
	document.title = `Trade form · ${name}`;
	byId("room-name", HTMLElement).textContent = name;
	byId("copy", HTMLButtonElement).addEventListener("click", () => copy(linkTo(name)));

	const userName = known ?? (await askName(undefined));
	remember(userName);
	const room = show(name, { id, name: userName });
	byId("rename", HTMLButtonElement).addEventListener("click", async () => {
		const next = await askName(room.me.name);
		if (next === room.me.name) return;
		remember(next);
		room.rename(next);
	});
}

await start();
