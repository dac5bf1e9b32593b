// Asks the others for a permission, and shows what was asked for and what was allowed.

import type { Permission, PermissionRequest } from "roomkeep";
import { Box } from "./box.tsx";
import { shortened, textOf } from "./fields.ts";
import { useNames } from "./names.ts";
import { useGuard } from "./news.tsx";
import { focusRequests } from "./question.tsx";
import { answerText, FINISH, taskOf } from "./requests.ts";
import { usePermissions, useRoom, useSelection, useSnapshot } from "./room.ts";
import { type Still, useStill } from "./still.ts";
import { Time } from "./time.tsx";

// How many requests are shown.
const LATEST = 8;

export function Permissions() {
	const { user } = useRoom();
	const { requests, permissions, request } = usePermissions();
	const [product] = useSelection("productType");
	const [price] = useSelection("price");
	const guard = useGuard();
	const open = requests.filter(({ status }) => status === "pending");
	const isWaiting = open.some(({ userId, action }) => userId === user.id && action === FINISH);
	const isAllowed = permissions.some(({ userId, action }) => userId === user.id && action === FINISH);
	const [standing, standingHandlers] = useStill(permissions, keyOfPermission);
	const [shown, requestHandlers] = useStill(requests.slice(-LATEST).toReversed(), keyOfRequest);

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
			{/* Not `disabled`, which would take the focus away from whoever has just asked. */}
			<button id="ask" type="button" aria-disabled={isWaiting || isAllowed} onClick={ask}>
				Ask to finish the trade
			</button>
			<div className="boxes">
				<div>
					<h3 id="requests-title">Requests</h3>
					<Box isEmpty={shown.length === 0} empty="Nobody has asked yet." title="requests-title">
						<ul id="requests" {...rows("requests-title", shown)} {...requestHandlers}>
							{shown.map(({ item, isGone }) => (
								<Request key={keyOfRequest(item)} request={item} isGone={isGone} />
							))}
						</ul>
					</Box>
				</div>
				<div>
					<h3 id="standing-title">Permissions in force</h3>
					<Box isEmpty={standing.length === 0} empty="None." title="standing-title">
						<ul id="standing" {...rows("standing-title", standing)} {...standingHandlers}>
							{standing.map(({ item, isGone }) => (
								<Standing key={keyOfPermission(item)} permission={item} isGone={isGone} />
							))}
						</ul>
					</Box>
				</div>
			</div>
		</section>
	);
}

function rows(title: string, shown: Still<unknown>[]) {
	// One of which nothing is left but places is no list to those who do not see it.
	return { className: "rows", "aria-labelledby": title, "aria-hidden": shown.every(({ isGone }) => isGone) };
}

function keyOfPermission({ userId, action }: Permission): string {
	return JSON.stringify([userId, action]);
}

function keyOfRequest({ userId, requestId }: PermissionRequest): string {
	return JSON.stringify([userId, requestId]);
}

/** A request and what came of it. */
function Request({ request, isGone }: { request: PermissionRequest; isGone: boolean }) {
	const { user } = useRoom();
	const { cancel } = usePermissions();
	const nameOf = useNames();
	const guard = useGuard();
	const isMine = request.userId === user.id;
	const mark = request.status === "resolved" ? request.decision : request.status;
	return (
		<li aria-hidden={isGone}>
			<span className="what">
				{isMine ? "You" : nameOf(request.userId)} asked to {taskOf(request.action)}
			</span>
			<span className={`note answer-${mark}`}>{answerText(request, user.id, nameOf)}</span>
			{isMine && request.status === "pending" && (
				<button
					type="button"
					className="small"
					onClick={() => {
						focusRequests();
						guard(cancel(request.requestId));
					}}
				>
					Cancel
				</button>
			)}
		</li>
	);
}

function Standing({ permission, isGone }: { permission: Permission; isGone: boolean }) {
	const { user } = useRoom();
	const { revoke } = usePermissions();
	const skew = useSnapshot(({ clockSkew }) => clockSkew);
	const nameOf = useNames();
	const guard = useGuard();
	const who = nameOf(permission.userId);
	return (
		<li aria-hidden={isGone}>
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
				disabled={isGone}
				onClick={() => {
					focusRequests();
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
