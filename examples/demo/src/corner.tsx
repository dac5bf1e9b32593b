// The corner of what waits for somebody: which of how many it is, and a way to put it off.

interface CornerProps {
	/** Which one of how many it is. */
	place: string | undefined;
	onLater: () => void;
}

/** Last in the order of the keyboard, and in the corner for the eye. */
export function Corner({ place, onLater }: CornerProps) {
	return (
		<div className="corner">
			{place !== undefined && <span className="note">{place}</span>}
			<button type="button" className="small" onClick={onLater}>
				Later
			</button>
		</div>
	);
}
