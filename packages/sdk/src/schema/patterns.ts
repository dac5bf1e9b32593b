// Regular expressions that take longer than anyone waits.

/** What is known of one way through a group, or through the whole expression. */
interface Way {
	/** Something in it repeats without a bound. */
	repeats: boolean;
	/** Something in it stands there exactly once, and so tells one round of the group from the next. */
	separates: boolean;
}

/** Escapes, classes, quantifiers, and what begins a group; else a single character. */
const TOKENS = /\\.|\[(?:\\.|[^\]\\])*\]|[*+?]\??|\{\d+(?:,\d*)?\}\??|\((?:\?(?:[:=!]|<[=!]|<\w+>))?|./gsu;
const UNBOUNDED = /^(?:[*+]|\{\d+,\})/;
const QUANTIFIER = /^(?:[*+?]\??|\{\d+(?:,\d*)?\}\??)$/;

/**
 * Whether an expression repeats a group in which everything repeats, as in `(a+)+`: some texts can be taken apart in so
 * many ways that trying all of them never ends. It looks at the form alone, and so misses some such expressions.
 */
export function isAmbiguous(source: string): boolean {
	const tokens = source.match(TOKENS) ?? [];
	const groups: Way[][] = [[{ repeats: false, separates: false }]];
	for (const [at, token] of tokens.entries()) {
		const ways = groups.at(-1) ?? [];
		const way = ways.at(-1);
		if (way === undefined || QUANTIFIER.test(token)) continue;
		const quantifier = QUANTIFIER.test(tokens[at + 1] ?? "") ? (tokens[at + 1] ?? "") : "";
		if (token.startsWith("(")) {
			groups.push([{ repeats: false, separates: false }]);
		} else if (token === "|") {
			ways.push({ repeats: false, separates: false });
		} else if (token === ")" && groups.length > 1) {
			groups.pop();
			const isLoose = ways.some(({ repeats, separates }) => repeats && !separates);
			if (isLoose && UNBOUNDED.test(quantifier)) return true;
			const around = groups.at(-1)?.at(-1);
			if (around === undefined) continue;
			around.repeats ||= isLoose || UNBOUNDED.test(quantifier);
			around.separates ||= quantifier === "" && ways.every(({ separates }) => separates);
		} else {
			way.repeats ||= UNBOUNDED.test(quantifier);
			way.separates ||= quantifier === "" && !/^[\^$]$/.test(token);
		}
	}
	return false;
}
