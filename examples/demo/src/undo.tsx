// Takes back what this person has changed, with buttons and with the keys that people know.

import { useCallback, useEffect } from "react";
import type { Outcome } from "roomkeep";
import { useGuard, useSay } from "./news.tsx";
import { useUndo } from "./room.ts";

export function UndoButtons() {
	const { canUndo, canRedo, ...room } = useUndo();
	const act = useAct();
	const undo = useCallback(() => canUndo && act(room.undo(), "Undone."), [canUndo, act, room.undo]);
	const redo = useCallback(() => canRedo && act(room.redo(), "Redone."), [canRedo, act, room.redo]);
	useKeys(undo, redo);
	// Not `disabled`, which would take the focus away from whoever presses one again and again.
	return (
		<div className="undo">
			<button type="button" className="small" aria-disabled={!canUndo} onClick={undo}>
				Undo
			</button>
			<button type="button" className="small" aria-disabled={!canRedo} onClick={redo}>
				Redo
			</button>
		</div>
	);
}

/** Tells what came of it. A conflict speaks for itself, and so does what was refused. */
function useAct(): (change: Promise<Outcome>, word: string) => void {
	const say = useSay();
	const guard = useGuard();
	return useCallback(
		(change, word) => {
			guard(change);
			void change.then(({ outcome }) => outcome !== "conflict" && outcome !== "rejected" && say(word));
		},
		[guard, say],
	);
}

/** In a text these keys are the browser's own, which takes back what was typed there. Anywhere else they are the room's. */
function useKeys(undo: () => void, redo: () => void): void {
	useEffect(() => {
		function press(event: KeyboardEvent) {
			const isMeant = (event.ctrlKey || event.metaKey) && !event.altKey && !event.defaultPrevented;
			const key = event.key.toLowerCase();
			if (!isMeant || (key !== "z" && key !== "y") || isInText(event.target)) return;
			event.preventDefault();
			if (key === "y" || event.shiftKey) redo();
			else undo();
		}
		document.addEventListener("keydown", press);
		return () => document.removeEventListener("keydown", press);
	}, [undo, redo]);
}

function isInText(target: EventTarget | null): boolean {
	return target instanceof Element && target.matches("input[type=text], textarea");
}
