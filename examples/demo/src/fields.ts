// The form's fields, and how their values are told in words.

import type { Json } from "roomkeep";
import type { FormField, TradeField } from "./room.ts";

export interface FieldSpec {
	/** What the room calls it. */
	name: FormField;
	id: string;
	label: string;
	maxLength: number;
	placeholder?: string;
	inputMode?: "decimal" | "numeric";
	/** Left out, anything can be typed. */
	options?: string[];
	isWide?: boolean;
}

const GLANCE = 60;
// These turn the direction of whatever follows, also of what this page says itself.
const TURNS = /[\u202a-\u202e\u2066-\u2069]/gu;
// Written from right to left.
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

export const FIELDS: FieldSpec[] = [
	{
		name: "productType",
		id: "product-type",
		label: "Product type",
		maxLength: 200,
		placeholder: "For example, a road bike",
		isWide: true,
	},
	{
		name: "condition",
		id: "condition",
		label: "Condition",
		maxLength: 40,
		options: ["New", "Like New", "Good", "Fair"],
	},
	{
		name: "price",
		id: "price",
		label: "Price",
		maxLength: 40,
		placeholder: "For example, 240 €",
		inputMode: "decimal",
	},
	{
		name: "quantity",
		id: "quantity",
		label: "Quantity",
		maxLength: 40,
		placeholder: "For example, 1",
		inputMode: "numeric",
	},
	{
		name: "meetingLocation",
		id: "meeting-location",
		label: "Meeting location",
		maxLength: 200,
		placeholder: "For example, the central station",
	},
];

/** What a shop asks for such a thing. The kind of room lets nobody on this page write it. */
export const QUOTE = "quotes/shop" satisfies TradeField;

/** The field with this name. Another page may use fields in the room that this form does not show. */
export function specOf(field: string): FieldSpec | undefined {
	return FIELDS.find(({ name }) => name === field);
}

export function labelOf(field: string): string {
	if (field === QUOTE) return "Price in shops";
	return specOf(field)?.label ?? isolated(shortened(field));
}

/** A value as text: a text, or the amount of a quote. An older page may have set the field to any JSON. */
export function textOf(value: Json | undefined): string {
	if (value === undefined || value === null) return "";
	if (isAmount(value)) return value.amount.toLocaleString("en", { style: "currency", currency: value.currency });
	return typeof value === "string" ? value : JSON.stringify(value);
}

function isAmount(value: Json): value is { amount: number; currency: string } {
	if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
	const { amount, currency } = value;
	return typeof amount === "number" && typeof currency === "string" && /^[A-Z]{3}$/.test(currency);
}

/** A text as the room is to have it. */
export function valueFrom(text: string): string {
	return text.trim();
}

/** A value within a sentence. */
export function quoted(value: Json | undefined): string {
	const text = shortened(textOf(value).trim());
	return text === "" ? "nothing" : `“${isolated(text)}”`;
}

/** So much of a text as can be taken in at a glance. */
export function shortened(text: string, most = GLANCE): string {
	// By whole characters: half an emoji is none.
	const letters = [...text];
	return letters.length > most ? `${letters.slice(0, most).join("").trimEnd()}…` : text;
}

/** Somebody's words within a sentence of this page, which they are not to reorder. */
export function isolated(text: string): string {
	const plain = text.replace(TURNS, "");
	return RIGHT_TO_LEFT.test(plain) ? `\u2068${plain}\u2069` : plain;
}
