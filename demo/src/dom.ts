// Small helpers for the page. Text goes in as text nodes only, so that no value can become markup.

/** The element with this id, of this class. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
	const found = document.getElementById(id);
	if (!(found instanceof type)) throw new Error(`The page has no ${type.name} called ${id}.`);
	return found;
}

/** A new element with a class and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
	tag: K,
	className: string,
	...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
	const element = document.createElement(tag);
	if (className !== "") element.className = className;
	element.append(...children);
	return element;
}

/** A button that does something without taking the focus away from the field beside it when it is clicked. */
export function makeButton(text: string, act: () => void): HTMLButtonElement {
	const button = make("button", "small", text);
	button.type = "button";
	button.addEventListener("mousedown", (event) => event.preventDefault());
	button.addEventListener("click", act);
	return button;
}

const MINUTE = 60_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** A time in words, with the exact one in `datetime` and as a tooltip. */
export function makeTime(at: number): HTMLTimeElement {
	const date = new Date(at);
	const time = make("time", "", words(date));
	time.dateTime = date.toISOString();
	time.title = full.format(date);
	return time;
}

function words(date: Date): string {
	const minutes = Math.floor((Date.now() - date.getTime()) / MINUTE);
	if (minutes < 1) return "just now";
	if (minutes < 60) return `${minutes} min ago`;
	const isToday = date.toDateString() === new Date().toDateString();
	return isToday ? `at ${clock.format(date)}` : `on ${calendar.format(date)}, ${clock.format(date)}`;
}
