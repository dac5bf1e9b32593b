// How the connection is, the switch that ends it for a while, and what waits to be sent.

import { useEffect, useRef, useState } from "react";
import type { Pending } from "roomkeep";
import { Box } from "./box.tsx";
import { labelOf, quoted } from "./fields.ts";
import { rememberOffline } from "./person.ts";
import { usePending, useRoom, useSnapshot, useStatus } from "./room.ts";
import { endOf, isSwitchedOff, statusText } from "./status.ts";
import { useStill } from "./still.ts";
import { Time } from "./time.tsx";

// What is answered sooner than this is not worth a look.
const SLOW = 1_000;
const NONE: readonly Pending[] = [];

export function Connection({ room }: { room: string }) {
	const client = useRoom();
	const { status, reason } = useStatus();
	const lastSyncedAt = useSnapshot((snapshot) => snapshot.lastSyncedAt);
	const isConnected = status === "synced" || status === "polling";
	const isEnded = endOf(status, reason) !== undefined;

	function turn(isOff: boolean) {
		rememberOffline(client.user.id, room, isOff);
		if (isOff) client.close();
		else client.connect();
	}

	return (
		<section id="connection" className="card" aria-labelledby="connection-title">
			<h2 id="connection-title">Connection</h2>
			<label className="tick">
				<input
					id="offline"
					type="checkbox"
					// biome-ignore lint/a11y/useAriaPropsForRole: a checkbox tells by itself whether it is on
					role="switch"
					checked={isSwitchedOff(status, reason)}
					disabled={isEnded}
					onChange={(event) => turn(event.target.checked)}
				/>
				Work offline
			</label>
			<p id="connection-state" className="hint">
				{statusText(status, reason)}
				{!isConnected && lastSyncedAt !== undefined && (
					<>
						{" "}
						Last up to date <Time at={lastSyncedAt} />.
					</>
				)}
			</p>
			<Queue isConnected={isConnected} />
			<Persistence />
		</section>
	);
}

/** What the room has not answered yet, in the order in which it is sent. */
function Queue({ isConnected }: { isConnected: boolean }) {
	const [pending, drop] = usePending();
	const title = useRef<HTMLHeadingElement>(null);
	const isSlow = useLasting(pending.length > 0, SLOW);
	const isShown = pending.length > 0 && (!isConnected || isSlow);
	const [shown, handlers] = useStill(isShown ? pending : NONE, ({ key }) => key);

	async function discard(key: string) {
		// The button goes with its entry, and the focus would go with it.
		title.current?.focus();
		await drop(key);
	}

	return (
		<>
			<h3 id="queue-title" tabIndex={-1} ref={title}>
				{isShown ? `Waiting to be sent: ${pending.length}` : "Waiting to be sent"}
			</h3>
			<Box
				isEmpty={!isShown && shown.length === 0}
				empty={pending.length === 0 ? "Nothing." : "On its way…"}
				title="queue-title"
			>
				<ol
					id="queue"
					className="rows"
					aria-labelledby="queue-title"
					aria-hidden={shown.every(({ isGone }) => isGone)}
					{...handlers}
				>
					{shown.map(({ item, isGone }) => (
						<Entry
							key={item.key}
							entry={item}
							isGone={isGone}
							isLast={isLastOf(pending, pending.indexOf(item))}
							onDrop={() => discard(item.key)}
						/>
					))}
				</ol>
			</Box>
		</>
	);
}

interface EntryProps {
	entry: Pending;
	isGone: boolean;
	/** Whether nothing later changes the same: what is shown of its fields is what it sets. */
	isLast: boolean;
	onDrop: () => void;
}

function Entry({ entry, isGone, isLast, onDrop }: EntryProps) {
	const selections = useSnapshot((snapshot) => snapshot.selections);
	const [field] = entry.fields;
	const title = titleOf(entry);
	const isTold = isLast && entry.fields.length === 1 && field !== undefined && Object.hasOwn(selections, field);
	const value = isTold ? selections[field]?.value : undefined;
	return (
		<li aria-hidden={isGone}>
			<span className="what">
				{title}
				{value !== undefined && `: ${quoted(value)}`}
			</span>
			<span className="note">
				{isGone ? "no longer waiting" : <Time at={entry.at} />}
				{!isGone && entry.isSent && " · sent, no reply yet"}
			</span>
			{!entry.isSent && (
				<button type="button" className="small" disabled={isGone} onClick={onDrop}>
					Discard<span className="unseen"> the change: {title}</span>
				</button>
			)}
		</li>
	);
}

function titleOf({ type, fields }: Pending): string {
	if (fields.length > 0) return fields.map(labelOf).join(", ");
	if (type === "user_ready") return "Ready";
	if (type === "permission_request") return "Your permission request";
	if (type === "permission_response") return "Your response to a request";
	if (type === "permission_cancelled") return "Withdrawing your request";
	if (type === "permission_revoked") return "Revoking a permission";
	return type;
}

function isLastOf(pending: readonly Pending[], index: number): boolean {
	return !pending.slice(index + 1).some(({ fields }) => fields.some((field) => pending[index]?.fields.includes(field)));
}

function Persistence() {
	const persistence = useSnapshot((snapshot) => snapshot.persistence);
	return (
		<p id="persistence" className={persistence === "memory" ? "hint warn" : "hint"}>
			{persistence === "memory"
				? "Unsent changes are only in this page’s memory and are lost when you close or reload it."
				: "Unsent changes are kept on this device, even when you close the page."}
		</p>
	);
}

/** Whether something has been so for some time. */
function useLasting(isSo: boolean, ms: number): boolean {
	const [isLasting, setLasting] = useState(false);
	useEffect(() => {
		if (!isSo) return;
		const timer = setTimeout(() => setLasting(true), ms);
		return () => {
			clearTimeout(timer);
			setLasting(false);
		};
	}, [isSo, ms]);
	return isSo && isLasting;
}
