// What happens in the room: the log's entries, and the line that tells of what is worth an interruption.

import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import type { Outcome } from "roomkeep";
import { useEvent, useRoom } from "roomkeep/react";
import { makeReader, type News } from "./changes.ts";

export interface Entry extends News {
	key: number;
	/** In milliseconds of this device's clock. */
	at: number;
}

// The oldest go when there are more.
const MOST = 200;
// How long news of one topic are one piece.
const SAME = 10_000;
// How long the status line stands at most.
const LONGEST = 15_000;

const SayContext = createContext<(text: string) => void>(() => {});
const TellContext = createContext<(news: News) => void>(() => {});
const LineContext = createContext("");
const LogContext = createContext<readonly Entry[]>([]);

export function NewsProvider({ children }: { children: ReactNode }) {
	const client = useRoom();
	const [entries, setEntries] = useState<readonly Entry[]>([]);
	const [line, setLine] = useState("");
	const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

	const say = useCallback((text: string) => {
		setLine(text);
		clearTimeout(timer.current);
		// As long as it takes to read it, but a long one is not to cover the page for minutes.
		timer.current = setTimeout(() => setLine(""), Math.min(4_000 + text.length * 40, LONGEST));
	}, []);
	const tell = useCallback(
		(news: News) => {
			setEntries((entries) => added(entries, news));
			if (news.isLoud) say(news.text);
		},
		[say],
	);

	useEffect(() => {
		const read = makeReader(client.user.id);
		let before = client.getSnapshot();
		const look = () => {
			const now = client.getSnapshot();
			for (const news of read(before, now)) tell(news);
			before = now;
		};
		return client.subscribe(look);
	}, [client, tell]);
	useEvent("error", ({ code, message }) => tell({ kind: "error", text: `${message} (${code})`, isLoud: true }));

	return (
		<SayContext value={say}>
			<TellContext value={tell}>
				<LogContext value={entries}>
					<LineContext value={line}>{children}</LineContext>
				</LogContext>
			</TellContext>
		</SayContext>
	);
}

function added(entries: readonly Entry[], news: News): Entry[] {
	const last = entries.at(-1);
	const at = Date.now();
	const isMore = news.topic !== undefined && last?.topic === news.topic && at - last.at < SAME;
	const key = isMore && last ? last.key : (last?.key ?? 0) + 1;
	return [...(isMore ? entries.slice(0, -1) : entries).slice(-MOST + 1), { ...news, key, at }];
}

/** Tells the person of something, for as long as it takes to read it. */
export function useSay(): (text: string) => void {
	return useContext(SayContext);
}

export function useLog(): readonly Entry[] {
	return useContext(LogContext);
}

/** Looks after what becomes of a change: a refusal is told. */
export function useGuard(): (change: Promise<Outcome>) => void {
	const tell = useContext(TellContext);
	return useMemo(
		() => (change) => {
			change.then(
				({ outcome, code, message }) => {
					if (outcome !== "rejected") return;
					const text = `The room rejected that (${code}): ${message ?? "no reason given."}`;
					tell({ kind: "error", text, isLoud: true });
				},
				(error) => tell({ kind: "error", text: `Something went wrong: ${String(error)}`, isLoud: true }),
			);
		},
		[tell],
	);
}

/** The line at the edge of the page. It is the one that screen readers read out. */
export function StatusLine() {
	return (
		<p id="status" className="status" role="status" aria-live="polite">
			{useContext(LineContext)}
		</p>
	);
}
