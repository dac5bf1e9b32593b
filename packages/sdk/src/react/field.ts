// A field for an input: its state, and what to spread on the element.

import { useEffect, useLayoutEffect, useMemo, useState, useSyncExternalStore } from "react";
import { FieldBinding, type FieldOptions, type FieldState, type InputElement } from "../field.ts";
import type { Json, Outcome, SelectOptions } from "../types.ts";
import { useRoomContext } from "./room.ts";

interface Happened {
	target: unknown;
}

/** What happens to an input that the field has to know. */
export interface FieldHandlers {
	onChange: (event: Happened) => void;
	onFocus: (event: Happened) => void;
	onBlur: () => void;
}

/** For `<input>`, `<textarea>` and `<select>`. */
export interface InputProps extends FieldHandlers {
	value: string;
	/** Whether the user may not write the field. A `<select>` knows it by `aria-readonly` alone. */
	readOnly: boolean;
	"aria-readonly": true | undefined;
	onCompositionStart: () => void;
	onCompositionEnd: (event: Happened) => void;
}

/** For `<input type="checkbox">` and `<input type="radio">`. */
export interface CheckProps extends FieldHandlers {
	type: "checkbox" | "radio";
	checked: boolean;
	name: string;
	/** Whether the user may not write the field: for these there is no read-only. */
	disabled: boolean;
	value?: string;
}

/** A field in a component. The functions are the same for as long as the room and the field are. */
export interface BoundField<T extends Json = Json> extends FieldState<T> {
	/** `<input {...field.input} />`; for a textarea and a select as well. */
	input: InputProps;
	/** `<input {...field.checkbox} />`: true or false. */
	checkbox: CheckProps;
	/** `<input {...field.radio("red")} />`: one of several values. */
	radio: (value: T) => CheckProps;
	/** Sets the field at once, to a value or to what a function makes of the one that is shown. */
	set: (value: T | ((previous: T | undefined) => T), options?: SelectOptions) => Promise<Outcome>;
	clear: (options?: SelectOptions) => Promise<Outcome>;
	/** Takes what somebody else set: of a conflict or an offer. */
	take: () => void;
	/** Puts what was typed in its place. */
	keep: () => void;
	/** Sends what was typed without waiting for a pause. */
	flush: () => void;
}

/**
 * A field for an input: what stands in it, what others do to it meanwhile, and what to spread on the element. `T` is the
 * page's own claim about the value.
 */
export function useField<T extends Json = string>(field: string, options: FieldOptions<T> = {}): BoundField<T> {
	const room = useRoomContext();
	const { client, first } = room;
	// In state and not in a memo, which React may discard together with what is being typed.
	const [kept, keep] = useState(() => bound(new FieldBinding<T>(client, field)));
	let own = kept;
	if (kept.binding.client !== client || kept.binding.field !== field) {
		own = bound(new FieldBinding<T>(client, field));
		keep(own);
	}
	const { binding, actions, handlers } = own;
	binding.options = options;
	const read = () => binding.getState();
	const state = useSyncExternalStore(actions.subscribe, read, () => firstOf(binding, first));
	useLayout(() => binding.restoreCaret());
	return useMemo(() => {
		const { onChange, onFocus, onBlur, ...composition } = handlers;
		const isFixed = !state.canWrite;
		const check = { onChange, onFocus, onBlur, name: field, disabled: isFixed };
		const fixed = { readOnly: isFixed, "aria-readonly": isFixed || undefined };
		const { subscribe: _, set, ...rest } = actions;
		return {
			...state,
			...rest,
			set,
			input: { value: state.text, ...fixed, onChange, onFocus, onBlur, ...composition },
			checkbox: { ...check, type: "checkbox", checked: state.value === true },
			radio: (value: T) => {
				const checked = JSON.stringify(value) === JSON.stringify(state.value);
				return { ...check, type: "radio", value: `${value}`, checked, onChange: () => void set(value) };
			},
		};
	}, [state, actions, handlers, field]);
}

// On a server there is no layout, and React warns.
const useLayout = typeof document === "undefined" ? useEffect : useLayoutEffect;

function bound<T extends Json>(binding: FieldBinding<T>) {
	const element = ({ target }: Happened) => target as InputElement;
	return {
		binding,
		handlers: {
			onChange: (event: Happened) => binding.changed(element(event)),
			onFocus: (event: Happened) => binding.entered(element(event)),
			onBlur: () => binding.leave(),
			onCompositionStart: () => binding.composing(),
			onCompositionEnd: (event: Happened) => binding.composed(element(event).value),
		},
		actions: {
			subscribe: (listener: () => void) => binding.subscribe(listener),
			set: (value: T | ((previous: T | undefined) => T), options?: SelectOptions) => binding.set(value, options),
			clear: (options?: SelectOptions) => binding.clear(options),
			take: () => binding.take(),
			keep: () => binding.keep(),
			flush: () => binding.flush(),
		},
	};
}

const firsts = new WeakMap<object, FieldState<any>>();

/** What a server rendered, from which hydration starts: the same object each time. */
function firstOf<T extends Json>(binding: FieldBinding<T>, first: Parameters<FieldBinding<T>["stateOf"]>[0]) {
	const known: FieldState<T> = firsts.get(binding) ?? binding.stateOf(first);
	firsts.set(binding, known);
	return known;
}
