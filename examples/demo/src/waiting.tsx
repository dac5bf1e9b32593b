// What waits for this person's decision: conflicts, and others' requests for permissions.

import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import type { PermissionRequest } from "roomkeep";
import { type TradeConflict, useConflicts, usePermissions, useRoom, useSnapshot } from "./room.ts";

export type Item =
	| { kind: "conflict"; key: string; conflict: TradeConflict }
	| { kind: "request"; key: string; request: PermissionRequest };

interface Waiting {
	/** Conflicts first: they hold a field. */
	items: readonly Item[];
	/** The one to decide on now, if any is not put off. */
	shown: Item | undefined;
	/** That somebody asked for what is shown. Another object each time. */
	asked: { key: string | undefined } | undefined;
	/** Shows one of them, or the first, though it was put off. */
	ask: (key?: string) => void;
	/** Puts one off until somebody asks for it. */
	postpone: (key: string) => void;
}

const Context = createContext<Waiting | undefined>(undefined);

export function WaitingProvider({ children }: { children: ReactNode }) {
	const items = useItems();
	const [later, setLater] = useState<ReadonlySet<string>>(new Set());
	const [asked, setAsked] = useState<Waiting["asked"]>();
	const shown =
		items.find(({ key }) => key === asked?.key && !later.has(key)) ?? items.find(({ key }) => !later.has(key));
	const ask = useCallback((key?: string) => {
		setLater((later) => new Set(key === undefined ? [] : [...later].filter((other) => other !== key)));
		setAsked({ key });
	}, []);
	const postpone = useCallback((key: string) => setLater((later) => new Set([...later, key])), []);
	const waiting = useMemo(() => ({ items, shown, asked, ask, postpone }), [items, shown, asked, ask, postpone]);
	return <Context value={waiting}>{children}</Context>;
}

export function useWaiting(): Waiting {
	const waiting = useContext(Context);
	if (waiting === undefined) throw new Error("What waits for somebody is known within a WaitingProvider.");
	return waiting;
}

export function conflictKey(field: string): string {
	return JSON.stringify(["conflict", field]);
}

function useItems(): readonly Item[] {
	const { user } = useRoom();
	const [conflicts] = useConflicts();
	const { requests } = usePermissions();
	const mayAnswer = useMayAnswer();
	return useMemo(() => {
		const theirs = requests.filter(({ status, userId }) => mayAnswer && status === "pending" && userId !== user.id);
		return [
			...conflicts.map((conflict): Item => ({ kind: "conflict", key: conflictKey(conflict.field), conflict })),
			...theirs.map((request): Item => {
				return { kind: "request", key: JSON.stringify(["request", request.userId, request.requestId]), request };
			}),
		];
	}, [conflicts, requests, mayAnswer, user.id]);
}

/** Whether this person may respond to requests. Others only see them. */
export function useMayAnswer(): boolean {
	const role = useSnapshot((snapshot) => snapshot.role);
	return role === undefined || role === "moderator" || role === "admin";
}
