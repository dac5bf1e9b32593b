// What is wrong with a definition, and where.

import { quoted } from "../schema/shapes.ts";
import { nearest } from "../schema/spelling.ts";
import { isObject } from "../schema/values.ts";
import { kindOf, type Place, written } from "./json.ts";

/** A definition that makes no sense. The message has a line for each fault: the place in the definition, and the reason. */
export class DefinitionError extends Error {
	override readonly name = "DefinitionError";
	/** The lines of the message. */
	readonly faults: readonly string[];

	constructor(faults: readonly string[]) {
		super(faults.join("\n"));
		this.faults = faults;
	}
}

/** What is said of members that later versions act on. */
export const NOT_YET = "is accepted, but this version does not act on it";

/** Gathers faults, so that all of them are told at once. */
export class Report {
	readonly faults: string[] = [];
	readonly warnings: string[] = [];

	readonly fault = (place: Place, reason: string): undefined => {
		this.faults.push(`${written(place)}: ${reason}`);
	};

	readonly warn = (place: Place, reason: string): void => {
		this.warnings.push(`${written(place)}: ${reason}`);
	};

	/** An object, or a fault. `words` say what it holds. */
	object(value: unknown, place: Place, words: string): Record<string, unknown> | undefined {
		if (isObject(value)) return value;
		return this.fault(place, `must be ${words}, and is ${kindOf(value)}`);
	}

	/** An object with no other members than those that are known. */
	members(value: unknown, place: Place, words: string, known: readonly string[]): Record<string, unknown> | undefined {
		const object = this.object(value, place, words);
		for (const name of Object.keys(object ?? {})) {
			if (known.includes(name)) continue;
			const meant = nearest(name, known);
			const hint = meant === undefined ? `there are ${quoted(known)}` : `did you mean \`${meant}\`?`;
			this.fault([...place, name], `is no member of ${words}; ${hint}`);
		}
		return object;
	}

	/** One of a few words. */
	word<T extends string>(value: unknown, place: Place, words: readonly T[]): T | undefined {
		const found = words.find((word) => word === value);
		return found ?? this.fault(place, `must be ${words.length > 1 ? "one of " : ""}${quoted(words)}`);
	}

	/** A number within bounds. */
	number(value: unknown, place: Place, words: string, fits: (value: number) => boolean): number | undefined {
		if (typeof value === "number" && fits(value)) return value;
		return this.fault(place, `must be ${words}`);
	}
}
