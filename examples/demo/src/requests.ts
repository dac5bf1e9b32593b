// Requests for permissions, in words.

import type { Json, PermissionRequest } from "roomkeep";
import { isolated, quoted, shortened } from "./fields.ts";

/** The one thing that this page asks for. */
export const FINISH = "finish";

/** How long a reason may be here. Another page may give a longer one. */
export const LONGEST_REASON = 200;

/** What somebody wants to do. Another page may ask for other things in the same room. */
export function taskOf(action: string): string {
	return action === FINISH ? "finish the trade" : `do ${quoted(action)}`;
}

/** What came of a request. */
export function answerText(request: PermissionRequest, me: string, name: (userId: string) => string): string {
	const { status, decision, scope, resolvedBy, reason } = request;
	if (status === "pending") return "waiting for a response.";
	if (status === "cancelled") return "withdrawn.";
	if (status === "expired") return "nobody responded in time.";
	const who = resolvedBy === undefined ? "somebody" : resolvedBy === me ? "you" : name(resolvedBy);
	const why = isolated(shortened(reason?.trim() ?? "", LONGEST_REASON));
	const answer = decision === "allow" ? `allowed ${scope === "session" ? "for the session" : "once"}` : "denied";
	return `${answer} by ${who}${why === "" ? "." : `: “${why}”`}`;
}

/** What is asked for more closely, if it is said in the way of this page. */
export function detailText(detail: Json): string | undefined {
	if (typeof detail !== "object" || detail === null || Array.isArray(detail)) return undefined;
	const { product, price } = detail;
	if (typeof product !== "string" || product === "") return undefined;
	const what = isolated(shortened(product));
	return typeof price === "string" && price !== "" ? `${what}, for ${isolated(shortened(price))}` : what;
}
