// What is made of several rounds of one workload.

/**
 * One measurement of one contender, as the load program reports it: times of latency are in ms, others in s. A round that
 * `failed` has no figures, only the reason.
 * @typedef {{ workload: string, contender: string, round: number, failed?: string } & Record<string, any>} Round
 */

/** @typedef {(round: Round) => number | undefined} Figure reads one figure of a round */

/** @param {(number | undefined)[]} values */
export function median(values) {
	const sorted = finite(values).sort((a, b) => a - b);
	if (sorted.length === 0) return undefined;
	return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** Half of the way from the least to the most, as a part of the median. @param {(number | undefined)[]} values */
export function spread(values) {
	const known = finite(values);
	const middle = median(known);
	if (known.length < 2 || !middle) return undefined;
	return (Math.max(...known) - Math.min(...known)) / 2 / middle;
}

/** A figure of all rounds of one contender. @param {Round[]} rounds @param {string} contender @param {Figure} of */
export function figures(rounds, contender, of) {
	return finite(rounds.filter((round) => round.contender === contender && !round.failed).map(of));
}

/**
 * How many times the other's figure a contender's is, round by round: a minute in which the machine was slow hit both of
 * a round. Rounds that only one of them has are left out.
 * @param {Round[]} rounds of one workload
 * @param {string} contender
 * @param {string} against
 * @param {Figure} of
 */
export function ratios(rounds, contender, against, of) {
	const others = new Map(rounds.filter((round) => round.contender === against).map((other) => [other.round, other]));
	const own = rounds.filter((round) => round.contender === contender && !round.failed);
	const pairs = own.map((round) => [of(round), figure(others.get(round.round), of)]);
	return finite(pairs.map(([value, other]) => (value !== undefined && other ? value / other : undefined)));
}

/** @param {Round | undefined} round @param {Figure} of */
function figure(round, of) {
	return round === undefined || round.failed ? undefined : of(round);
}

/** @param {(number | undefined)[]} values @returns {number[]} */
function finite(values) {
	return values.filter((value) => Number.isFinite(value));
}
