// One thing at a time that waits for this person, above the page and without stopping it. What it covers can be scrolled
// into view, and it can be put off.

import { useEffect, useRef } from "react";
import { ConflictDialog } from "./conflict.tsx";
import { Corner } from "./corner.tsx";
import { Question } from "./question.tsx";
import { type Item, useWaiting } from "./waiting.tsx";

export function Dock() {
	const { items, shown, postpone } = useWaiting();
	const place = items.length > 1 && shown ? `${items.indexOf(shown) + 1} of ${items.length}` : undefined;
	const later = () => shown && postpone(shown.key);
	return (
		<>
			<ConflictDialog
				conflict={shown?.kind === "conflict" ? shown.conflict : undefined}
				place={place}
				onLater={later}
			/>
			{shown?.kind === "request" && <RequestDock key={shown.key} item={shown} place={place} onLater={later} />}
		</>
	);
}

interface RequestDockProps {
	item: Item & { kind: "request" };
	place: string | undefined;
	onLater: () => void;
}

/** It comes while somebody is busy with something else, and takes no focus until it is asked for. */
function RequestDock({ item, place, onLater }: RequestDockProps) {
	const { asked } = useWaiting();
	const first = useRef(asked);
	const dock = useRef<HTMLElement>(null);
	useEffect(() => {
		if (asked === first.current && asked?.key !== item.key) return;
		first.current = asked;
		dock.current?.focus();
	}, [asked, item.key]);
	return (
		<section
			className="dock"
			ref={dock}
			tabIndex={-1}
			aria-label="A request for you"
			onKeyDown={(event) => event.key === "Escape" && onLater()}
		>
			<Question request={item.request} />
			<Corner place={place} onLater={onLater} />
		</section>
	);
}
