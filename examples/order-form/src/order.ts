// What an order has. Each member is a field of the room, but for `extras`: there each tick is one.

export const PRODUCTS = ["Road bike", "Touring bike", "Cargo bike"];
export const COLOURS = ["Red", "Green", "Black"];
export const PAYMENTS = ["Invoice", "Card", "Cash"];
export const EXTRAS = ["lights", "lock", "mudguards"];

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
	extras: string[];
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
	extras: [],
	payment: "",
	notes: "",
};
