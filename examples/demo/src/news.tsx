// What happens in the room: the log's entries, the line that tells of what is worth an interruption, and which steps of
// the guide were done. It is kept for when the page is loaded again.

import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import type { Outcome } from "roomkeep";
import { type News, Reader } from "./changes.ts";
import { labelOf } from "./fields.ts";
import { advance, NOTHING_DONE, type Progress, reloaded } from "./guide.ts";
import { type Entry, type Kept, keep, recall } from "./kept.ts";
import { useEvent, useRoom } from "./room.ts";

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
const ProgressContext = createContext<Progress>(NOTHING_DONE);

export function NewsProvider({ room, children }: { room: string; children: ReactNode }) {
	const client = useRoom();
	const me = client.user.id;
	const [kept] = useState(() => recall(me, room));
	const [entries, setEntries] = useState<readonly Entry[]>(kept?.entries ?? []);
	const [progress, setProgress] = useState(kept?.progress ?? NOTHING_DONE);
	const [line, say] = useLine();
	const latest = useRef<Pick<Kept, "entries" | "progress">>({ entries, progress });
	const tell = useCallback(
		(news: News) => {
			setEntries((entries) => added(entries, news));
			if (news.isLoud) say(news.text);
		},
		[say],
	);

	useEffect(() => {
		latest.current = { entries, progress };
	}, [entries, progress]);
	useEffect(() => {
		const reader = new Reader(me, kept?.moment);
		let before = client.getSnapshot();
		const look = () => {
			const now = client.getSnapshot();
			for (const news of reader.read(before, now)) tell(news);
			const isBack = kept !== undefined && before.lastSyncedAt === undefined && now.lastSyncedAt !== undefined;
			const last = before;
			setProgress((progress) => {
				const next = advance(progress, last, now, me);
				return isBack && Object.keys(now.selections).length > 0 ? reloaded(next) : next;
			});
			before = now;
		};
		const leave = () => keep(me, room, { ...latest.current, moment: reader.told });
		const hide = () => document.visibilityState === "hidden" && leave();
		window.addEventListener("pagehide", leave);
		// A phone ends pages that are not looked at without another word.
		document.addEventListener("visibilitychange", hide);
		const unsubscribe = client.subscribe(look);
		return () => {
			unsubscribe();
			window.removeEventListener("pagehide", leave);
			document.removeEventListener("visibilitychange", hide);
		};
	}, [client, tell, me, room, kept]);
	useEvent("refused", ({ field, code, message }) => {
		const text = `The room refuses your change of ${labelOf(field)} (${code}): ${message}`;
		// Whoever types is told so with each letter, and wants to read it once.
		tell({ kind: "error", text, isLoud: true, topic: JSON.stringify(["refused", field]) });
	});
	useEvent("error", ({ code, message }) => tell({ kind: "error", text: `${message} (${code})`, isLoud: true }));

	return (
		<SayContext value={say}>
			<TellContext value={tell}>
				<LogContext value={entries}>
					<ProgressContext value={progress}>
						<LineContext value={line}>{children}</LineContext>
					</ProgressContext>
				</LogContext>
			</TellContext>
		</SayContext>
	);
}

/** The line that is shown now, and how to show another. */
function useLine(): [line: string, say: (text: string) => void] {
	const [line, setLine] = useState("");
	const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
	const say = useCallback((text: string) => {
		setLine(text);
		clearTimeout(timer.current);
		// As long as it takes to read it, and no longer than it is news.
		timer.current = setTimeout(() => setLine(""), Math.min(4_000 + text.length * 40, LONGEST));
	}, []);
	return [line, say];
}

function added(entries: readonly Entry[], news: News): Entry[] {
	const last = entries.at(-1);
	const at = news.at ?? Date.now();
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

/** Which steps of the guide were done. */
export function useProgress(): Progress {
	return useContext(ProgressContext);
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

/** The line that tells of what just happened. It is the one that screen readers read out. */
export function StatusLine() {
	const line = useContext(LineContext);
	return (
		<p id="status" className="status" role="status" aria-live="polite" title={line}>
			{line}
		</p>
	);
}
