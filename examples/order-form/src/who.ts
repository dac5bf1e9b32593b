// Where the rooms are, which of them this order is in, and who is at this tab. A real page takes all three from its login.

/** What `npm start -w order-form` starts, unless it says otherwise. */
export const ROOMS: string = import.meta.env.VITE_ROOMS ?? "127.0.0.1:8787";

/** `?order=1042` is the order 1042. */
export function roomName(): string {
	return `order-${new URL(location.href).searchParams.get("order")?.trim() || "1"}`;
}

/** `?name=Alice` is Alice. Each tab is somebody else, so that two of them are enough to try this. */
export function user(): { id: string; name: string } {
	sessionStorage.userId ??= crypto.randomUUID();
	return { id: sessionStorage.userId, name: new URL(location.href).searchParams.get("name")?.trim() || "Somebody" };
}
