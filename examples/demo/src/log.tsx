// What happened in the room, as far as this page saw it or the room knows of it.

import { useLayoutEffect, useRef } from "react";
import type { Kind } from "./changes.ts";
import { useLog } from "./news.tsx";
import { Time } from "./time.tsx";

const KINDS: Record<Kind, string> = {
	people: "People",
	field: "Field",
	conflict: "Conflict",
	permission: "Permission",
	connection: "Connection",
	error: "Error",
};

export function Log() {
	const entries = useLog();
	const box = useRef<HTMLDivElement>(null);
	const isAtEnd = useRef(true);

	// Who reads further up stays there.
	useLayoutEffect(() => {
		if (entries.length > 0 && isAtEnd.current) box.current?.scrollTo({ top: box.current.scrollHeight });
	}, [entries]);

	function scrolled() {
		const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = box.current ?? {};
		isAtEnd.current = scrollHeight - scrollTop - clientHeight < 24;
	}

	return (
		<section className="card wide" aria-labelledby="log-title">
			<h2 id="log-title">What happened</h2>
			{/* Read out is what the status line says. All of this would be too much. */}
			<div
				id="log"
				className="log"
				role="log"
				aria-live="off"
				aria-labelledby="log-title"
				// biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is to be reached with the keyboard
				tabIndex={0}
				ref={box}
				onScroll={scrolled}
			>
				{entries.length === 0 ? (
					<p className="hint">Nothing yet.</p>
				) : (
					<ol>
						{entries.map(({ key, at, kind, text }) => (
							<li key={key}>
								<Time at={at} isExact />
								<span className={`kind kind-${kind}`}>{KINDS[kind]}</span>
								<span>{text}</span>
							</li>
						))}
					</ol>
				)}
			</div>
		</section>
	);
}
