// What an order has. Each member is a field of the room; those of `extras` are one each, so that ticks of several people
// come together instead of replacing each other.

export const PRODUCTS = ["Road bike", "Touring bike", "Cargo bike"];
export const COLOURS = ["Red", "Green", "Black"];
export const PAYMENTS = ["Invoice", "Card", "Cash"];
export const EXTRAS = ["lights", "lock", "mudguards"] as const;

export type Extra = (typeof EXTRAS)[number];

export interface Order {
	customer: string;
	email: string;
	phone: string;
	product: string;
	colour: string;
	quantity: number | undefined;
	price: number | undefined;
	deliveryDate: string;
	express: boolean;
	extras: Record<Extra, boolean>;
	payment: string;
	notes: string;
}

export const EMPTY: Order = {
	customer: "",
	email: "",
	phone: "",
	product: "",
	colour: "",
	quantity: undefined,
	price: undefined,
	deliveryDate: "",
	express: false,
	extras: { lights: false, lock: false, mudguards: false },
	payment: "",
	notes: "",
};
