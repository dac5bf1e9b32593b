// What the form and the dialog about conflicts both know: what is being typed.

import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";

/** What stands in a field that somebody is typing into. */
export interface Draft {
	text: string;
	/** What the person and the room last agreed on, or what was sent since. */
	agreed: string;
}

interface State {
	drafts: Readonly<Record<string, Draft>>;
	/** Undefined: nothing is being typed. */
	setDraft: (field: string, draft: Draft | undefined) => void;
}

const Context = createContext<State | undefined>(undefined);

export function FormState({ children }: { children: ReactNode }) {
	const [drafts, setDrafts] = useState<Record<string, Draft>>({});
	const setDraft = useCallback((field: string, draft: Draft | undefined) => {
		setDrafts(({ [field]: _, ...others }) => (draft === undefined ? others : { ...others, [field]: draft }));
	}, []);
	const state = useMemo(() => ({ drafts, setDraft }), [drafts, setDraft]);
	return <Context value={state}>{children}</Context>;
}

export function useFormState(): State {
	const state = useContext(Context);
	if (state === undefined) throw new Error("A field stands within a FormState.");
	return state;
}
