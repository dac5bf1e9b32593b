// Asks for a name.

import { useEffect, useRef, useState } from "react";
import { WHAT_IT_IS } from "./guide.ts";

interface NameDialogProps {
	isOpen: boolean;
	/** There when the person has a name already and may keep it. */
	current: string | undefined;
	/** With the new name, or undefined when the old one is kept. */
	onDone: (name: string | undefined) => void;
}

export function NameDialog({ isOpen, current, onDone }: NameDialogProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const [text, setText] = useState("");

	useEffect(() => {
		if (!isOpen || dialog.current?.open) return;
		setText(current ?? "");
		dialog.current?.showModal();
	}, [isOpen, current]);

	function closed() {
		const name = text.trim();
		const isEntered = dialog.current?.returnValue === "enter" && name !== "";
		if (dialog.current !== null) dialog.current.returnValue = "";
		// Browsers may close a dialog that refuses to be cancelled twice in a row.
		if (!isEntered && current === undefined) dialog.current?.showModal();
		else onDone(isEntered && name !== current ? name : undefined);
	}

	return (
		<dialog
			id="name-dialog"
			className="ask"
			ref={dialog}
			aria-labelledby="name-title"
			onCancel={(event) => {
				if (current === undefined) event.preventDefault();
			}}
			onClose={closed}
		>
			<form
				method="dialog"
				autoComplete="off"
				onSubmit={(event) => {
					// Only spaces are no name, but satisfy `required`.
					if (text.trim() === "") event.preventDefault();
				}}
			>
				<h2 id="name-title">Who are you?</h2>
				<p className="hint">{current === undefined && `${WHAT_IT_IS} `}Others see your name next to what you enter.</p>
				<label htmlFor="name">Your name</label>
				<input
					id="name"
					type="text"
					maxLength={60}
					autoComplete="nickname"
					required
					value={text}
					onChange={(event) => setText(event.target.value)}
				/>
				<button type="submit" value="enter">
					{current === undefined ? "Enter the room" : "Use this name"}
				</button>
			</form>
		</dialog>
	);
}
