// JSON values as JSON Schema compares and counts them.

/** Whether a value is an object, and neither a list nor null. */
export function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A text that two values share if they are equal: the order of members does not count, nor how a number is written. */
export function canonical(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
	if (isObject(value)) {
		const members = Object.keys(value).sort();
		return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
	}
	// A number beyond those that JSON.stringify writes stays one.
	return typeof value === "number" ? String(value) : JSON.stringify(value);
}

/** How many characters a text has: whole ones, as Unicode counts them. */
export function characters(text: string): number {
	let count = 0;
	for (const _ of text) count += 1;
	return count;
}

/**
 * Says whether a number is a whole multiple of another, by their decimal digits: 19.99 is one of 0.01, though it is none by
 * the arithmetic of doubles.
 */
export function multiplesOf(of: number): (value: number) => boolean {
	const b = decimal(of);
	const [digits, factor] = [Number(b.digits), 10 ** -b.exponent];
	const isUsual = b.exponent < 0 && b.exponent >= -15 && Number.isSafeInteger(digits);
	return (value) => {
		if (Number.isSafeInteger(value) && Number.isSafeInteger(of)) return value % of === 0;
		if (!Number.isFinite(value)) return false;
		const scaled = Math.round(value * factor);
		// Nearly all amounts: up to fifteen digits, which a double tells apart, with no more decimals than `of` has.
		if (isUsual && Math.abs(scaled) < 1e15) return scaled / factor === value && scaled % digits === 0;
		const a = decimal(value);
		const exponent = Math.min(a.exponent, b.exponent);
		const whole = ({ digits, exponent: own }: Decimal) => digits * 10n ** BigInt(own - exponent);
		return whole(a) % whole(b) === 0n;
	};
}

/** `digits` times ten to the power of `exponent`. */
interface Decimal {
	digits: bigint;
	exponent: number;
}

/** The shortest decimal number that a double stands for. */
function decimal(value: number): Decimal {
	const [mantissa = "", exponent = "0"] = String(value).split("e");
	const [whole = "", fraction = ""] = mantissa.split(".");
	return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}

/** A member's name or an index as a step of a JSON Pointer (RFC 6901). */
export function step(name: string | number): string {
	return `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** The names that a JSON Pointer goes through, or undefined if it is none. */
export function steps(pointer: string): string[] | undefined {
	if (pointer === "") return [];
	if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) return undefined;
	const names = pointer.slice(1).split("/");
	return names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
}
