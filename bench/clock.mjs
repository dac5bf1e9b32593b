// How long the rest of a run takes.

import { roundsOf } from "./workloads.mjs";

/** Guesses how long the rest takes: as long as it took before, or as the workload says. */
export class Clock {
	#plan;
	#turns;
	/** @type {Map<string, number[]>} */
	#taken = new Map();

	/**
	 * @param {{ name: string, workload: import("./workloads.mjs").Workload }[]} plan
	 * @param {number} turns how many rounds are asked for
	 */
	constructor(plan, turns) {
		this.#plan = plan;
		this.#turns = turns;
	}

	/** @param {string} name @param {string} contender @param {number} seconds */
	took(name, contender, seconds) {
		const key = `${name} ${contender}`;
		this.#taken.set(key, [...(this.#taken.get(key) ?? []), seconds]);
	}

	/** The time that is left, as text. */
	left() {
		let seconds = 0;
		for (const { name, workload } of this.#plan) {
			for (const contender of workload.contenders) {
				const taken = this.#taken.get(`${name} ${contender}`) ?? [];
				const each = taken.length > 0 ? taken.reduce((sum, one) => sum + one, 0) / taken.length : workload.seconds;
				seconds += each * (roundsOf(workload, this.#turns) - taken.length);
			}
		}
		return `[${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")} left]`;
	}
}
