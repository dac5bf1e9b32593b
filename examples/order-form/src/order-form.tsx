// The order: twelve fields, which several people fill in together and one of them submits.

import { useMemo, useState } from "react";
import { Controller, type FieldPath, type RegisterOptions, useForm } from "react-hook-form";
import type { Json } from "roomkeep";
import { type FieldOptions, useField, useSnapshot, useStatus, useTicks } from "roomkeep/react";
import { Meanwhile } from "./meanwhile.tsx";
import { COLOURS, EMPTY, EXTRAS, type Order, PAYMENTS, PRODUCTS } from "./order.ts";
import { type Form, useFollowing, useRegistered } from "./shared.ts";

export function OrderForm() {
	const form = useForm<Order>({ defaultValues: EMPTY });
	const [placed, setPlaced] = useState<Order>();
	const number = { setValueAs: (text: string | number) => (text === "" ? undefined : Number(text)) };
	return (
		<form noValidate autoComplete="off" onSubmit={form.handleSubmit(setPlaced)}>
			<header>
				<h1>Order</h1>
				<Connection />
			</header>
			<div className="fields">
				<Text form={form} name="customer" label="Customer" rules={{ required: "Who is it for?" }} />
				<Text
					form={form}
					name="email"
					label="Email"
					type="email"
					rules={{ pattern: { value: /^\S+@\S+$/, message: "This is no address." } }}
				/>
				<Text form={form} name="phone" label="Phone" type="tel" />
				<Text form={form} name="product" label="Product" choices={PRODUCTS} rules={{ required: "What is it?" }} />
				<Text
					form={form}
					name="quantity"
					label="Quantity"
					type="number"
					rules={{ ...number, required: "How many?", min: { value: 1, message: "At least one." } }}
				/>
				<Text form={form} name="price" label="Price of one, in €" type="number" rules={number} />
				<Text form={form} name="deliveryDate" label="Delivery date" type="date" />
				<Colour form={form} />
				<Extras form={form} />
				<Payment form={form} />
				<Express form={form} />
				<Text form={form} name="notes" label="Notes" isLong />
			</div>
			<button type="submit">Place the order</button>
			{placed !== undefined && <output>{JSON.stringify(placed)}</output>}
		</form>
	);
}

/** A word on the connection, and on what waits for one. */
function Connection() {
	const { status } = useStatus();
	const count = useSnapshot(({ pendingCount }) => pendingCount);
	const isLive = status === "synced" || status === "polling";
	return (
		<p id="connection" role="status">
			{isLive ? "Live" : "Offline"}
			{count > 0 && ` · ${count} waiting to be sent`}
		</p>
	);
}

interface TextProps<N extends FieldPath<Order>> {
	form: Form;
	name: N;
	label: string;
	type?: "text" | "email" | "tel" | "number" | "date";
	/** What can be chosen, if it cannot be typed. */
	choices?: string[];
	isLong?: boolean;
	rules?: RegisterOptions<Order, N>;
}

/** What is typed or picked from a list, with `register`. */
function Text<N extends FieldPath<Order>>(props: TextProps<N>) {
	const { form, name, label, type = "text", choices, isLong, rules = {} } = props;
	const options: FieldOptions<Json> = type === "number" ? { type: "number" } : {};
	const { field, props: input } = useRegistered(form, name, rules, options);
	const error = form.getFieldState(name, form.formState).error?.message;
	const shared = { ...input, id: name, "aria-invalid": error !== undefined, "aria-describedby": `${name}-note` };
	return (
		<div className={isLong ? "field wide" : "field"}>
			<label htmlFor={name}>{label}</label>
			{choices !== undefined ? (
				<select {...shared}>
					<option value="">Not chosen</option>
					{choices.map((choice) => (
						<option key={choice}>{choice}</option>
					))}
				</select>
			) : isLong ? (
				<textarea {...shared} rows={3} />
			) : (
				<input {...shared} type={type} step="any" />
			)}
			<Meanwhile id={`${name}-note`} label={label} field={field} error={error} />
		</div>
	);
}

/** One of several, with a `Controller`. */
function Colour({ form }: { form: Form }) {
	const field = useField<Json>("colour");
	useFollowing(form, "colour", text(field.value));
	return (
		<Controller
			control={form.control}
			name="colour"
			rules={{ required: "Which one?" }}
			render={({ field: { ref, onBlur }, fieldState }) => (
				<fieldset className="field" onBlur={onBlur}>
					<legend>Colour</legend>
					{COLOURS.map((colour, i) => (
						<label key={colour}>
							<input {...field.radio(colour)} ref={i === 0 ? ref : undefined} /> {colour}
						</label>
					))}
					<Meanwhile id="colour-note" label="Colour" field={field} error={fieldState.error?.message} />
				</fieldset>
			)}
		/>
	);
}

/** Ticks, each a field of its own: what one person ticks and another unticks at the same time are both done. */
function Extras({ form }: { form: Form }) {
	const ticks = useTicks("extras");
	useFollowing(
		form,
		"extras",
		useMemo(() => EXTRAS.filter(ticks.has), [ticks]),
	);
	return (
		<fieldset className="field">
			<legend>Extras</legend>
			{EXTRAS.map((extra) => (
				<div key={extra} className="tick">
					<label>
						<input {...ticks.checkbox(extra)} /> {extra}
					</label>
					<AboutTick extra={extra} />
				</div>
			))}
		</fieldset>
	);
}

/** Two people can be at odds about a tick as well. */
function AboutTick({ extra }: { extra: string }) {
	const field = useField<Json>(`extras/${extra}`);
	return <Meanwhile id={`${extra}-note`} label={extra} field={field} error={undefined} />;
}

/** A control that is no input at all, with a `Controller`. */
function Payment({ form }: { form: Form }) {
	const field = useField<Json>("payment");
	useFollowing(form, "payment", text(field.value));
	return (
		<Controller
			control={form.control}
			name="payment"
			rules={{ required: "How is it paid?" }}
			render={({ field: { ref, onBlur }, fieldState }) => (
				<fieldset className="field" onBlur={onBlur}>
					<legend>Payment</legend>
					{PAYMENTS.map((payment, i) => (
						<button
							key={payment}
							type="button"
							ref={i === 0 ? ref : undefined}
							aria-pressed={field.value === payment}
							onClick={() => field.set(payment)}
						>
							{payment}
						</button>
					))}
					<Meanwhile id="payment-note" label="Payment" field={field} error={fieldState.error?.message} />
				</fieldset>
			)}
		/>
	);
}

/** Yes or no, with a `Controller`. */
function Express({ form }: { form: Form }) {
	const field = useField<Json>("express");
	useFollowing(form, "express", field.value === true);
	return (
		<Controller
			control={form.control}
			name="express"
			render={({ field: { ref } }) => (
				<div className="field tick">
					<label>
						<input {...field.checkbox} ref={ref} /> Express
					</label>
					<Meanwhile id="express-note" label="Express" field={field} error={undefined} />
				</div>
			)}
		/>
	);
}

/** What anybody may have set, as the text that the form expects. */
function text(value: Json | undefined): string {
	return typeof value === "string" ? value : "";
}
