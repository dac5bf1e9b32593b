// Asks the others for a permission, answers those who ask, and shows what was allowed.

import { useId, useState } from "react";
import type { Permission, PermissionRequest } from "roomkeep";
import { usePermissions, useRoom, useSelection, useSnapshot } from "roomkeep/react";
import { shortened, textOf } from "./fields.ts";
import { useNames } from "./names.ts";
import { useGuard } from "./news.tsx";
import { answerText, detailText, FINISH, LONGEST_REASON, taskOf } from "./requests.ts";
import { Time } from "./time.tsx";

// How many settled ones are shown.
const LATEST = 4;

export function Permissions() {
	const { user } = useRoom();
	const { requests, permissions, request } = usePermissions();
	const [product] = useSelection("productType");
	const [price] = useSelection("price");
	const guard = useGuard();
	const open = requests.filter(({ status }) => status === "pending");
	const theirs = open.filter(({ userId }) => userId !== user.id);
	const isWaiting = open.some(({ userId, action }) => userId === user.id && action === FINISH);
	const isAllowed = permissions.some(({ userId, action }) => userId === user.id && action === FINISH);
	const shown = requests.filter(({ userId, status }) => userId === user.id || status !== "pending").slice(-LATEST);

	function ask() {
		if (isWaiting || isAllowed) return;
		// Another page may have set more than the room takes as a detail.
		guard(request(FINISH, { product: shortened(textOf(product)), price: shortened(textOf(price)) }));
	}

	return (
		<section id="permissions" className="card" aria-labelledby="permissions-title">
			<h2 id="permissions-title" tabIndex={-1}>
				Finish the trade
			</h2>
			<p className="hint">Nobody can finish it alone: ask, and somebody else in the room responds.</p>
			{theirs.map((request) => (
				<Question key={JSON.stringify([request.userId, request.requestId])} request={request} />
			))}
			{/* Not `disabled`, which would take the focus away from whoever has just asked. */}
			<button id="ask" type="button" aria-disabled={isWaiting || isAllowed} onClick={ask}>
				Ask to finish the trade
			</button>
			{permissions.length > 0 && (
				<>
					<h3 id="standing-title">Permissions in force</h3>
					<ul id="standing" className="rows" aria-labelledby="standing-title">
						{permissions.map((permission) => (
							<Standing key={JSON.stringify([permission.userId, permission.action])} permission={permission} />
						))}
					</ul>
				</>
			)}
			{shown.length > 0 && (
				<>
					<h3 id="requests-title">Requests</h3>
					<ul id="requests" className="rows" aria-labelledby="requests-title">
						{shown.toReversed().map((request) => (
							<Request key={JSON.stringify([request.userId, request.requestId])} request={request} />
						))}
					</ul>
				</>
			)}
		</section>
	);
}

/** Where the focus goes when the button that had it goes away. */
function focusTitle(): void {
	document.getElementById("permissions-title")?.focus();
}

/** Somebody's request, to be answered. */
function Question({ request }: { request: PermissionRequest }) {
	const { respond } = usePermissions();
	const skew = useSnapshot(({ clockSkew }) => clockSkew);
	const role = useSnapshot((snapshot) => snapshot.role);
	const [reason, setReason] = useState("");
	const nameOf = useNames();
	const guard = useGuard();
	const id = useId();
	const detail = detailText(request.detail);
	const mayAnswer = role === undefined || role === "moderator" || role === "admin";

	function answer(decision: "allow" | "deny", scope: "once" | "session") {
		focusTitle();
		guard(
			respond(request, decision, {
				...(decision === "allow" && { scope }),
				...(reason.trim() && { reason: reason.trim() }),
			}),
		);
	}

	return (
		<fieldset className="question" disabled={request.pending || !mayAnswer}>
			<legend>
				{nameOf(request.userId)} asks to {taskOf(request.action)}
			</legend>
			<p className="note">
				{detail !== undefined && `${detail} · `}
				<Time at={request.createdAt - skew} />
				{!mayAnswer && " · waiting for a moderator"}
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

/** A request and what came of it. */
function Request({ request }: { request: PermissionRequest }) {
	const { user } = useRoom();
	const { cancel } = usePermissions();
	const nameOf = useNames();
	const guard = useGuard();
	const isMine = request.userId === user.id;
	const mark = request.status === "resolved" ? request.decision : request.status;
	return (
		<li>
			<span className="what">
				{isMine ? "You" : nameOf(request.userId)} asked to {taskOf(request.action)}
			</span>
			<span className={`note answer-${mark}`}>{answerText(request, user.id, nameOf)}</span>
			{isMine && request.status === "pending" && (
				<button
					type="button"
					className="small"
					onClick={() => {
						focusTitle();
						guard(cancel(request.requestId));
					}}
				>
					Cancel
				</button>
			)}
		</li>
	);
}

function Standing({ permission }: { permission: Permission }) {
	const { user } = useRoom();
	const { revoke } = usePermissions();
	const skew = useSnapshot(({ clockSkew }) => clockSkew);
	const nameOf = useNames();
	const guard = useGuard();
	const who = nameOf(permission.userId);
	return (
		<li>
			<span className="what">
				{who} may {taskOf(permission.action)}
			</span>
			<span className="note">
				allowed by {permission.grantedBy === user.id ? "you" : nameOf(permission.grantedBy)}{" "}
				<Time at={permission.grantedAt - skew} />
			</span>
			<button
				type="button"
				className="small"
				onClick={() => {
					focusTitle();
					guard(revoke(permission));
				}}
			>
				Revoke
				<span className="unseen">
					: {who} may {taskOf(permission.action)}
				</span>
			</button>
		</li>
	);
}
