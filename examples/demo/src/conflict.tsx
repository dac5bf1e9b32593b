// Asks which of two answers stays, when somebody else was quicker. It takes no focus away from whoever is typing.

import { type RefObject, useEffect, useRef, useState } from "react";
import type { Side } from "roomkeep";
import { Corner } from "./corner.tsx";
import { labelOf, quoted, specOf, textOf } from "./fields.ts";
import { useNames } from "./names.ts";
import { useGuard } from "./news.tsx";
import { type TradeConflict, useConflicts, useRoom, useSelection, useSnapshot } from "./room.ts";
import { Time } from "./time.tsx";
import { useWaiting } from "./waiting.tsx";

interface ConflictDialogProps {
	/** Undefined: there is none to decide on now. */
	conflict: TradeConflict | undefined;
	/** Which one of how many it is. */
	place: string | undefined;
	onLater: () => void;
}

export function ConflictDialog({ conflict, place, onLater }: ConflictDialogProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const { decided, leave } = useFocus(dialog, conflict?.field);
	if (conflict === undefined) return null;

	function later() {
		leave();
		onLater();
	}

	return (
		<dialog
			id="conflict"
			key={conflict.field}
			className="dock conflict"
			open
			ref={dialog}
			tabIndex={-1}
			aria-labelledby="conflict-title"
			aria-describedby="conflict-text"
			onKeyDown={(event) => event.key === "Escape" && later()}
		>
			<Decision conflict={conflict} onDecided={decided} />
			<Corner place={place} onLater={later} />
		</dialog>
	);
}

/** Where the focus goes when the dialog comes, goes on to the next conflict, and goes away. */
function useFocus(dialog: RefObject<HTMLDialogElement | null>, field: string | undefined) {
	const { asked } = useWaiting();
	const before = useRef<Element | null>(null);
	const isDeciding = useRef(false);
	const shown = useRef<string>(undefined);

	function back() {
		const target = before.current;
		before.current = null;
		const own = shown.current === undefined ? null : document.getElementById(specOf(shown.current)?.id ?? "");
		if (target instanceof HTMLElement && target.isConnected && target !== document.body) target.focus();
		else own?.focus();
	}

	function enter() {
		const active = document.activeElement;
		if (active === null || dialog.current?.contains(active)) return;
		before.current = active;
		dialog.current?.focus();
	}

	useEffect(() => {
		if (field === undefined) {
			if (isDeciding.current) back();
		} else if (isDeciding.current) dialog.current?.focus();
		else if (!isTyping()) enter();
		isDeciding.current = false;
		shown.current = field;
	}, [field]);
	useEffect(() => {
		if (asked === undefined || shown.current === undefined) return;
		enter();
		// The button that asked for it is gone when it is decided. The field is not.
		before.current = document.getElementById(specOf(shown.current)?.id ?? "");
	}, [asked]);

	return {
		decided: () => {
			isDeciding.current = true;
		},
		leave: back,
	};
}

/** Whether letters that are typed now would be lost if the focus went elsewhere. */
function isTyping(): boolean {
	const active = document.activeElement;
	return active?.matches("input[type=text], textarea, select") === true || document.querySelector(":modal") !== null;
}

interface DecisionProps {
	conflict: TradeConflict;
	onDecided: () => void;
}

function Decision({ conflict, onDecided }: DecisionProps) {
	const { field, mine, theirs, others } = conflict;
	const { user } = useRoom();
	const [, resolve] = useConflicts();
	const [, set] = useSelection(field);
	const [own, setOwn] = useState<string>();
	const skew = useSnapshot(({ clockSkew }) => clockSkew);
	const guard = useGuard();
	const nameOf = useNames();
	const who = nameOf(theirs.userId);

	function decide(choice: "mine" | "theirs" | { value: string }) {
		onDecided();
		// A text of the user's own may be the very word "mine".
		guard(typeof choice === "string" ? resolve(field, choice) : set(choice.value));
	}

	return (
		<>
			<h2 id="conflict-title">{labelOf(field)}: two values</h2>
			<p id="conflict-text" className="hint">
				{whatCame(theirs, who, theirs.userId === user.id)} Which one do you want to keep?
			</p>
			<div className="sides">
				<SideView title="Yours" side={mine} at={mine.at} by="You" />
				<SideView title="Theirs" side={theirs} at={theirs.at === null ? null : theirs.at - skew} by={who} />
			</div>
			{others.length > 0 && (
				<p className="hint">
					Decided together with it: {others.map(({ field, value }) => `${labelOf(field)} ${quoted(value)}`).join(", ")}
				</p>
			)}
			{own === undefined ? (
				<div className="choices">
					<button type="button" onClick={() => decide("mine")}>
						Keep mine
					</button>
					<button type="button" onClick={() => decide("theirs")}>
						Keep theirs
					</button>
					<button type="button" className="plain" onClick={() => setOwn(textOf(mine.value))}>
						Edit…
					</button>
				</div>
			) : (
				<Edit
					field={field}
					text={own}
					onUse={(text) => decide({ value: text.trim() })}
					onBack={() => setOwn(undefined)}
				/>
			)}
		</>
	);
}

/** Why there is something to decide on. */
function whatCame({ value }: Side, who: string, isMe: boolean): string {
	if (textOf(value) === "") return `${who} cleared this before your change arrived.`;
	return isMe ? "You were quicker in another window." : `${who} was quicker.`;
}

function SideView({ title, side, at, by }: { title: string; side: Side; at: number | null; by: string }) {
	return (
		<div className="side">
			<h3>{title}</h3>
			<p className="value">{textOf(side.value).trim() === "" ? <em>nothing</em> : textOf(side.value)}</p>
			<p className="note">
				{by}
				{at !== null && (
					<>
						, <Time at={at} />
					</>
				)}
			</p>
		</div>
	);
}

interface EditProps {
	field: string;
	text: string;
	onUse: (text: string) => void;
	onBack: () => void;
}

/** A third answer. */
function Edit({ field, text: first, onUse, onBack }: EditProps) {
	const [text, setText] = useState(first);
	const input = useRef<HTMLInputElement & HTMLSelectElement>(null);
	const spec = specOf(field);
	const shared = { id: "own-answer", ref: input, value: text };
	useEffect(() => {
		input.current?.focus();
	}, []);
	return (
		<form
			autoComplete="off"
			onSubmit={(event) => {
				event.preventDefault();
				onUse(text);
			}}
		>
			<label htmlFor="own-answer">Your value</label>
			{spec?.options === undefined ? (
				<input
					{...shared}
					type="text"
					inputMode={spec?.inputMode}
					maxLength={spec?.maxLength}
					onChange={(event) => setText(event.target.value)}
				/>
			) : (
				<select {...shared} onChange={(event) => setText(event.target.value)}>
					<option value="">Not chosen</option>
					{[...new Set([...spec.options, first])].map(
						(option) => option !== "" && <option key={option}>{option}</option>,
					)}
				</select>
			)}
			<div className="choices">
				<button type="submit">Use this</button>
				<button type="button" className="plain" onClick={onBack}>
					Back
				</button>
			</div>
		</form>
	);
}
