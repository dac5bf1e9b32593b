// Times in words, which grow old by themselves.

import { useEffect, useState } from "react";

const MINUTE = 60_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exactClock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

interface TimeProps {
	/** In milliseconds of this device's clock. */
	at: number;
	/** To the second, in place of how long ago. */
	isExact?: boolean;
}

/** A time, with the exact one in `datetime` and as a tooltip. */
export function Time({ at, isExact = false }: TimeProps) {
	useTick(!isExact);
	const date = new Date(at);
	return (
		<time dateTime={date.toISOString()} title={full.format(date)}>
			{isExact ? exactClock.format(date) : words(date)}
		</time>
	);
}

function words(date: Date): string {
	const minutes = Math.floor((Date.now() - date.getTime()) / MINUTE);
	if (minutes < 1) return "just now";
	if (minutes < 60) return `${minutes} min ago`;
	const isToday = date.toDateString() === new Date().toDateString();
	return isToday ? `at ${clock.format(date)}` : `on ${calendar.format(date)}, ${clock.format(date)}`;
}

/** Draws again now and then. */
function useTick(isOn: boolean): void {
	const [, setTick] = useState(0);
	useEffect(() => {
		if (!isOn) return;
		const timer = setInterval(() => setTick((tick) => tick + 1), MINUTE / 3);
		return () => clearInterval(timer);
	}, [isOn]);
}
