// The form that everyone fills in together.

import { useState } from "react";
import { Field } from "./field.tsx";
import { FIELDS } from "./fields.ts";
import { Quote } from "./quote.tsx";
import { useSnapshot, useStatus } from "./room.ts";
import { endOf } from "./status.ts";
import { UndoButtons } from "./undo.tsx";

export function Form() {
	return (
		<form
			id="form"
			className="card"
			autoComplete="off"
			aria-labelledby="form-title"
			onSubmit={(event) => event.preventDefault()}
		>
			<div className="head">
				<h2 id="form-title">What is traded</h2>
				<UndoButtons />
			</div>
			<p className="hint">Each field says who chose what is in it, and when.</p>
			<fieldset id="fields" disabled={useDisabled()}>
				<legend className="unseen">The trade</legend>
				{FIELDS.map((spec) => (
					<Field key={spec.name} spec={spec} />
				))}
				<Quote />
			</fieldset>
		</form>
	);
}

/** Whether there is nothing to answer to: the room has not told yet what it holds, or lets nothing be changed. */
function useDisabled(): boolean {
	const { status, reason } = useStatus();
	const isKnown = useSnapshot(({ lastSyncedAt }) => lastSyncedAt !== undefined);
	const isViewer = useSnapshot(({ role }) => role === "viewer");
	// Once it was open it stays so while the connection comes and goes, or the focus would be lost each time.
	const [wasOpen, setOpen] = useState(false);
	// Before anything was tried there is no reason for being offline.
	const isAway = status === "closed" || (status === "offline" && reason !== undefined);
	const isOpen = wasOpen || isKnown || isAway;
	if (isOpen && !wasOpen) setOpen(true);
	return !isOpen || isViewer || endOf(status, reason) !== undefined;
}
