// A field while somebody types into it. What others choose in the meantime is offered and does not overwrite it.

import { useEffect, useRef } from "react";
import { useRoom, useSelection } from "roomkeep/react";
import { textOf } from "./fields.ts";
import { useFormState } from "./form-state.tsx";
import { useGuard } from "./news.tsx";

// Long enough not to send each letter, and short enough that the others see a word appear.
const PAUSE = 300;

export function useDraft(field: string) {
	const client = useRoom();
	const [value, set, state] = useSelection<string>(field);
	const { drafts, setDraft } = useFormState();
	const guard = useGuard();
	const typedAt = useRef(0);
	const draft = Object.hasOwn(drafts, field) ? drafts[field] : undefined;
	const { conflict, pending } = state;
	const inRoom = textOf(value);

	// Before the answer to it came, the room's value is the one that is being typed.
	const isOffered = draft !== undefined && conflict === undefined && !pending && inRoom !== draft.agreed;
	const offer = isOffered && inRoom.trim() !== draft.text.trim() ? inRoom : undefined;

	function send(text: string, debounceMs: number) {
		typedAt.current = debounceMs === PAUSE ? Date.now() : 0;
		setDraft(field, { text, agreed: text.trim() });
		guard(set(text.trim(), { debounceMs }));
	}

	/** Somebody typed. */
	function change(text: string) {
		// While there is something to decide on, nothing is sent over somebody's head.
		if (draft !== undefined && (conflict !== undefined || offer !== undefined)) setDraft(field, { ...draft, text });
		else if (conflict !== undefined) setDraft(field, { text, agreed: inRoom });
		else send(text, PAUSE);
	}

	/** What is picked from a list is final. */
	function pick(text: string) {
		guard(set(text));
	}

	/** Sends at once what was to wait for a pause. */
	function flush() {
		if (draft === undefined || Date.now() - typedAt.current >= PAUSE) return;
		send(draft.text, 0);
	}

	/** Somebody went on to something else. */
	function leave() {
		if (draft === undefined || conflict !== undefined) return;
		// What was typed since somebody else chose stays beside the offer, until one of them is picked.
		if (offer !== undefined && draft.text.trim() !== draft.agreed) return;
		if (offer === undefined) flush();
		setDraft(field, undefined);
	}

	const flushing = useRef(flush);
	useEffect(() => {
		flushing.current = flush;
	});
	// What was typed in the last moments is sent before the page goes.
	useEffect(() => {
		const act = () => flushing.current();
		window.addEventListener("pagehide", act);
		return () => window.removeEventListener("pagehide", act);
	}, []);

	// A decision ends the typing: the field shows what was decided.
	const hadConflict = useRef(false);
	useEffect(() => {
		if (hadConflict.current && conflict === undefined) setDraft(field, undefined);
		hadConflict.current = conflict !== undefined;
	}, [conflict, field, setDraft]);

	return {
		text: draft?.text ?? inRoom,
		state: { ...state, value, isMine: state.by === client.user.id },
		offer,
		change,
		pick,
		flush,
		leave,
		/** Takes what somebody else chose. */
		take: () => setDraft(field, undefined),
		/** Puts what was typed in its place. */
		keep: () => draft !== undefined && send(draft.text, 0),
	};
}
