// One field of the form: what the room has in it, who chose that, who else is at it.

import { useEffect, useRef, useState } from "react";
import type { BoundField } from "roomkeep/react";
import { type FieldSpec, quoted, textOf, valueFrom } from "./fields.ts";
import { fieldIn, listed, useFaces, useNames } from "./names.ts";
import { useSay } from "./news.tsx";
import { useField, usePresence, useRoom, useSnapshot, useStatus } from "./room.ts";
import { Time } from "./time.tsx";
import { conflictKey, useWaiting } from "./waiting.tsx";

export function Field({ spec }: { spec: FieldSpec }) {
	const field = useField(spec.name, { parse: valueFrom, format: textOf });
	const others = useOthersAt(spec.name);
	const faceOf = useFaces();
	const input = useRef<HTMLInputElement & HTMLSelectElement>(null);
	const ids = { by: `${spec.id}-by`, here: `${spec.id}-here`, offer: `${spec.id}-offer` };
	const colour = others[0] === undefined ? "" : ` taken ${faceOf(others[0])}`;
	const { offer, text } = field;
	const shared = {
		...field.input,
		id: spec.id,
		ref: input,
		"aria-describedby": `${ids.by} ${ids.here} ${ids.offer}`,
		"data-pending": field.pending || undefined,
	};

	/** Decides, and stays in the field. The button that was pressed goes. */
	function decide(act: () => void) {
		input.current?.focus();
		act();
	}

	return (
		<div className={`field${spec.isWide ? " wide" : ""}${colour}`}>
			<Flash field={spec.name} />
			<div className="label">
				<label htmlFor={spec.id}>{spec.label}</label>
				<Here id={ids.here} others={others} />
			</div>
			{spec.options === undefined ? (
				<input
					{...shared}
					type="text"
					inputMode={spec.inputMode}
					maxLength={spec.maxLength}
					placeholder={spec.placeholder}
					onKeyDown={(event) => event.key === "Enter" && field.flush()}
				/>
			) : (
				<select {...shared}>
					<option value="">Not chosen</option>
					{/* Another page may know more conditions than this one. */}
					{[...new Set([...spec.options, text])].map(
						(option) => option !== "" && <option key={option}>{option}</option>,
					)}
				</select>
			)}
			<div className="below">
				<Byline id={ids.by} spec={spec} field={field} onDrop={() => decide(field.take)} />
				{offer !== undefined && (
					<Offer
						id={ids.offer}
						label={spec.label}
						by={offer.userId}
						text={textOf(offer.value)}
						onTake={() => decide(field.take)}
						onKeep={() => decide(field.keep)}
					/>
				)}
			</div>
		</div>
	);
}

interface BylineProps {
	id: string;
	spec: FieldSpec;
	field: BoundField<string>;
	/** Gives up what was refused. */
	onDrop: () => void;
}

/** Who chose what stands in the field, and when. If it is this person's draft, that it is. */
function Byline({ id, spec, field, onDrop }: BylineProps) {
	const { by, at, value, pending, conflict, refused } = field;
	const { status } = useStatus();
	const isKnown = useSnapshot(({ lastSyncedAt }) => lastSyncedAt !== undefined);
	const skew = useSnapshot(({ clockSkew }) => clockSkew);
	const nameOf = useNames();
	const { ask } = useWaiting();
	const isHidden = field.offer !== undefined;
	if (conflict !== undefined) {
		const isMine = field.text === textOf(conflict.mine.value);
		return (
			<p id={id} className="by undecided">
				<span>{isMine ? "Your draft, which only you see." : `${nameOf(conflict.theirs.userId)}’s, not yours.`}</span>
				<button type="button" className="small" onClick={() => ask(conflictKey(spec.name))}>
					Decide<span className="unseen"> on {spec.label}</span>
				</button>
			</p>
		);
	}
	if (refused !== undefined) {
		return (
			<p id={id} className="by undecided refused">
				<span>Your draft. The room refuses it: {refused.message}</span>
				<button type="button" className="small" onClick={onDrop}>
					Drop it<span className="unseen"> from {spec.label}</span>
				</button>
			</p>
		);
	}
	if (by === undefined || at === undefined) {
		return (
			<p id={id} className="by" hidden={isHidden}>
				{pending ? "Not sent yet" : isKnown ? "Nobody has chosen yet" : "Unknown without a connection"}
			</p>
		);
	}
	const isConnected = status === "synced" || status === "polling";
	return (
		<p id={id} className={pending ? "by pending" : "by"} hidden={isHidden}>
			<strong>{nameOf(by)}</strong> {value === "" || value === null ? "cleared this" : "chose this"}{" "}
			{pending ? (
				<span className="mark">{isConnected ? "· sending…" : "· not sent yet"}</span>
			) : (
				<Time at={at - skew} />
			)}
		</p>
	);
}

interface OfferProps {
	id: string;
	label: string;
	by: string | undefined;
	text: string;
	onTake: () => void;
	onKeep: () => void;
}

/** What somebody else chose while this person was typing. */
function Offer({ id, label, by, text, onTake, onKeep }: OfferProps) {
	const nameOf = useNames();
	const say = useSay();
	const who = by === undefined ? "Somebody" : nameOf(by);
	const what = text === "" ? `${who} cleared this.` : `${who} chose ${quoted(text)}.`;
	useEffect(() => say(`${label}: ${what}`), [say, label, what]);
	return (
		<div id={id} className="offer">
			<p title={what}>
				<strong>Your draft.</strong> {what}
			</p>
			<button type="button" className="small" onClick={onTake}>
				{text === "" ? "Clear it" : "Use it"}
			</button>
			<button type="button" className="small" onClick={onKeep}>
				Keep mine
			</button>
		</div>
	);
}

/** The ids of those who are at the field elsewhere. */
function useOthersAt(field: string): string[] {
	const [presences] = usePresence();
	const there = presences.filter(({ data }) => fieldIn(data) === field);
	// A connection that has not said whose it is has no name to show.
	return [...new Set(there.flatMap(({ userId }) => userId ?? []))];
}

/** Who else is at the field. It belongs to its description, so that whoever comes there hears of it. */
function Here({ id, others }: { id: string; others: string[] }) {
	const { user } = useRoom();
	const nameOf = useNames();
	const names = others.map((userId) => (userId === user.id ? "You, elsewhere," : nameOf(userId)));
	const are = names.length > 1 || others[0] === user.id ? "are" : "is";
	return (
		<span id={id} className="at" hidden={others.length === 0}>
			{listed(names)} {are} here
		</span>
	);
}

/** Lights the field up when somebody else has changed it. */
export function Flash({ field }: { field: string }) {
	const { user } = useRoom();
	const isKnown = useSnapshot(({ lastSyncedAt }) => lastSyncedAt !== undefined);
	const version = useSnapshot(({ selections }) => {
		const { userId, pending, version } = selections[field] ?? {};
		return version === undefined || pending || userId === user.id ? 0 : version;
	});
	// What was there before this page came is no news.
	const [first, setFirst] = useState<number>();
	if (isKnown && first === undefined) setFirst(version);
	const isNew = first !== undefined && version !== 0 && version !== first;
	return isNew ? <span key={version} className="flash" aria-hidden="true" /> : null;
}
