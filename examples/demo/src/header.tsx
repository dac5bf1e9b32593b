// The top of the page: which room this is, how the connection is, and the link for others.

import type { ReactNode } from "react";
import { linkTo } from "./address.ts";
import { copy } from "./clipboard.ts";
import { StatusLine, useSay } from "./news.tsx";
import { useSnapshot, useStatus } from "./room.ts";
import { endOf, isSwitchedOff, linkText, statusText } from "./status.ts";
import { useWaiting } from "./waiting.tsx";

export function Masthead({ room, children }: { room: string; children?: ReactNode }) {
	return (
		<header>
			<img src="./icon.svg" alt="" width="40" height="40" />
			<div className="title">
				<h1>Trade form</h1>
				<p>
					Room <strong id="room-name">{room}</strong>
				</p>
			</div>
			{children}
		</header>
	);
}

/** A word on the connection. It is read out when it changes. */
export function LinkStatus() {
	const { status, reason } = useStatus();
	const isKnown = useSnapshot(({ lastSyncedAt }) => lastSyncedAt !== undefined);
	return (
		<p
			id="link"
			className="link"
			data-link={isSwitchedOff(status, reason) ? "off" : status}
			role="status"
			title={statusText(status, reason)}
		>
			{linkText(status, reason, isKnown)}
		</p>
	);
}

export function CopyLink({ room }: { room: string }) {
	const say = useSay();
	async function act() {
		const link = linkTo(room);
		say((await copy(link)) ? "Link copied. Send it to somebody." : `Copy this link: ${link}`);
	}
	return (
		<button id="copy" type="button" onClick={act}>
			Copy link
		</button>
	);
}

/** What just happened, and what waits for this person. Its place is there when it is empty: nothing moves for it. */
export function News() {
	const { items, ask } = useWaiting();
	return (
		<div className="news">
			<StatusLine />
			{items.length > 0 && (
				<button id="waiting" type="button" className="small" onClick={() => ask()}>
					{items.length} {items.length === 1 ? "waits" : "wait"} for you
				</button>
			)}
		</div>
	);
}

/** What stands in the way of filling in the form. */
export function Notice() {
	const { status, reason } = useStatus();
	const isViewer = useSnapshot(({ role }) => role === "viewer");
	const text = endOf(status, reason) ?? (isViewer ? "You can watch this room but not change anything." : undefined);
	return text === undefined ? null : (
		<p id="notice" className="notice" role="alert">
			{text}
		</p>
	);
}
