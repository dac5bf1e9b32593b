// All that stands between the two libraries. The room says what stands in a field; react-hook-form validates and submits
// that. So what somebody enters goes to the room, and what the room has goes into the form, whoever entered it.

import { type ChangeEvent, type FocusEvent, useEffect } from "react";
import type { FieldPath, FieldPathValue, RegisterOptions, UseFormReturn } from "react-hook-form";
import type { Json } from "roomkeep";
import { type FieldOptions, useField } from "roomkeep/react";
import type { Order } from "./order.ts";

export type Form = UseFormReturn<Order>;
type Input = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** What `register` gives, and the room: `<input {...props} />`. The room's field has the form's name for it. */
export function useRegistered<N extends FieldPath<Order>>(
	form: Form,
	name: N,
	rules: RegisterOptions<Order, N>,
	options?: FieldOptions<Json>,
) {
	const field = useField<Json>(name, options);
	const registered = form.register(name, rules);
	// The text and not the value: half a number is none yet, and is not to be taken out of the input.
	useFollowing(form, name, field.text as FieldPathValue<Order, N>);
	const props = {
		...field.input,
		name,
		ref: registered.ref,
		onChange(event: ChangeEvent<Input>) {
			field.input.onChange(event);
			void registered.onChange(event);
		},
		onBlur(event: FocusEvent<Input>) {
			field.input.onBlur();
			void registered.onBlur(event);
		},
	};
	return { field, props };
}

/** The form follows what the room has. For a `Controller` this is all: its control shows and sets the room's field. */
export function useFollowing<N extends FieldPath<Order>>(form: Form, name: N, value: FieldPathValue<Order, N>): void {
	const { setValue, formState } = form;
	// What is wrong is told when somebody has tried to place the order, and from then on at once.
	const shouldValidate = formState.isSubmitted;
	useEffect(
		() => setValue(name, value, { shouldDirty: true, shouldValidate }),
		[setValue, name, value, shouldValidate],
	);
}
