// Somebody's request for a permission, to be answered.

import { useId, useState } from "react";
import type { PermissionRequest } from "roomkeep";
import { useNames } from "./names.ts";
import { useGuard } from "./news.tsx";
import { detailText, LONGEST_REASON, taskOf } from "./requests.ts";
import { usePermissions, useSnapshot } from "./room.ts";
import { Time } from "./time.tsx";

/** Where the focus goes when the button that had it goes away. */
export function focusRequests(): void {
	document.getElementById("permissions-title")?.focus();
}

/** Somebody's request, to be answered. */
export function Question({ request }: { request: PermissionRequest }) {
	const { respond } = usePermissions();
	const skew = useSnapshot(({ clockSkew }) => clockSkew);
	const [reason, setReason] = useState("");
	const nameOf = useNames();
	const guard = useGuard();
	const id = useId();
	const detail = detailText(request.detail);

	function answer(decision: "allow" | "deny", scope: "once" | "session") {
		focusRequests();
		guard(
			respond(request, decision, {
				...(decision === "allow" && { scope }),
				...(reason.trim() && { reason: reason.trim() }),
			}),
		);
	}

	return (
		<fieldset className="question" disabled={request.pending}>
			<legend>
				{nameOf(request.userId)} asks to {taskOf(request.action)}
			</legend>
			<p className="note">
				{detail !== undefined && `${detail} · `}
				<Time at={request.createdAt - skew} />
			</p>
			<label htmlFor={id}>
				Reason <span className="optional">(optional)</span>
			</label>
			<input
				id={id}
				type="text"
				maxLength={LONGEST_REASON}
				value={reason}
				onChange={(event) => setReason(event.target.value)}
			/>
			<div className="choices">
				<button type="button" onClick={() => answer("allow", "once")}>
					Allow once
				</button>
				<button type="button" onClick={() => answer("allow", "session")}>
					Allow for the session
				</button>
				<button type="button" className="plain" onClick={() => answer("deny", "once")}>
					Deny
				</button>
			</div>
		</fieldset>
	);
}
