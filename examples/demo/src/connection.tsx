// How the connection is, the switch that ends it for a while, and what waits to be sent.

import { useEffect, useRef, useState } from "react";
import type { Pending } from "roomkeep";
import { usePending, useRoom, useSnapshot, useStatus } from "roomkeep/react";
import { labelOf, quoted } from "./fields.ts";
import { rememberOffline } from "./person.ts";
import { endOf, isSwitchedOff, statusText } from "./status.ts";
import { Time } from "./time.tsx";

// What is answered sooner than this is not worth a look.
const SLOW = 1_000;

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
			<p id="connection-state" className="hint">
				{statusText(status, reason)}
				{!isConnected && lastSyncedAt !== undefined && (
					<>
						{" "}
						Last up to date <Time at={lastSyncedAt} />.
					</>
				)}
			</p>
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
			{isShown ? (
				<ol id="queue" className="queue" aria-labelledby="queue-title">
					{pending.map((entry, i) => (
						<Entry key={entry.key} entry={entry} isLast={isLastOf(pending, i)} onDrop={() => discard(entry.key)} />
					))}
				</ol>
			) : (
				<p className="hint">{pending.length === 0 ? "Nothing." : "On its way…"}</p>
			)}
		</>
	);
}

interface EntryProps {
	entry: Pending;
	/** Whether nothing later changes the same: what is shown of its fields is what it sets. */
	isLast: boolean;
	onDrop: () => void;
}

function Entry({ entry, isLast, onDrop }: EntryProps) {
	const selections = useSnapshot((snapshot) => snapshot.selections);
	const [field] = entry.fields;
	const title = titleOf(entry);
	const isTold = isLast && entry.fields.length === 1 && field !== undefined && Object.hasOwn(selections, field);
	const value = isTold ? selections[field]?.value : undefined;
	return (
		<li>
			<span className="what">
				{title}
				{value !== undefined && `: ${quoted(value)}`}
			</span>
			<span className="note">
				<Time at={entry.at} />
				{entry.isSent && " · sent, no reply yet"}
			</span>
			{!entry.isSent && (
				<button type="button" className="small" onClick={onDrop}>
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
