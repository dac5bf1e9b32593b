// A place of one height for a list that grows and shrinks, so that nothing below it ever moves. It scrolls in itself.

import type { ReactNode } from "react";

interface BoxProps {
	isEmpty: boolean;
	/** What is said when there is nothing. */
	empty: string;
	/** The id of its title. */
	title: string;
	/** For three entries, where others have two and a half. */
	isTall?: boolean;
	children: ReactNode;
}

export function Box({ isEmpty, empty, title, isTall = false, children }: BoxProps) {
	const className = isTall ? "box tall" : "box";
	if (isEmpty)
		return (
			<div className={className}>
				<p className="empty">{empty}</p>
			</div>
		);
	return (
		// biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls of a form
		// biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is to be reached with the keyboard
		<div className={className} role="group" aria-labelledby={title} tabIndex={0}>
			{children}
		</div>
	);
}
