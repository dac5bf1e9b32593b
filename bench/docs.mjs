// docs/bench.md, docs/bench.json and docs/bench.svg: what one run has measured, for people and for programs.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/lib.mjs";
import { barRows } from "./bars.mjs";
import { measures } from "./measures.mjs";
import { lines, picture } from "./plot.mjs";
import { figures, median, ratios } from "./statistics.mjs";
import { markdown, remarks, tableRows } from "./table.mjs";
import { roundsOf } from "./workloads.mjs";

const folder = join(root, "docs");
/** Columns of the table of bars that are words. */
const BAR_WORDS = 3;
const DIGITS = 5;

/** Writes all three and gives their paths. @param {import("./run.mjs").Result} result @param {import("./bars.mjs").Verdict[]} verdicts */
export function writeDocs(result, verdicts) {
	const files = {
		"bench.md": page(result, verdicts),
		"bench.json": `${JSON.stringify(summary(result, verdicts), null, "\t")}\n`,
		"bench.svg": picture(lines(result.plan, result.rounds)),
	};
	mkdirSync(folder, { recursive: true });
	return Object.entries(files).map(([name, text]) => {
		const file = join(folder, name);
		writeFileSync(file, text);
		return file;
	});
}

/** Medians and their ranges, without the rounds. @param {import("./run.mjs").Result} result @param {import("./bars.mjs").Verdict[]} verdicts */
export function summary({ time, machine, suite, turns, plan, rounds }, verdicts) {
	const told = plan.map(({ name, workload, commit = machine.commit }) => {
		const { title, program, options, baseline } = workload;
		const own = rounds.filter((round) => round.workload === name);
		const of = (contender) => [contender, contenderSummary(workload, own, contender)];
		const contenders = Object.fromEntries(workload.contenders.map(of));
		return [name, { title, program, options, baseline, rounds: roundsOf(workload, turns), commit, contenders }];
	});
	const judged = verdicts.map(({ bar, value, met }) => {
		const { workload, contender, what, against, atLeast, atMost, unit } = bar;
		return { workload, contender, what, against, atLeast, atMost, unit, value: short(value), met };
	});
	return {
		time,
		machine,
		suite,
		rounds: turns,
		bars: judged,
		workloads: Object.fromEntries(told),
		remarks: remarks(rounds),
	};
}

function contenderSummary(workload, rounds, contender) {
	const told = measures[workload.table ?? workload.program].map(({ name, of, better }) => {
		const values = figures(rounds, contender, of);
		if (values.length === 0) return undefined;
		const compared = better && contender !== workload.baseline;
		const ratio = compared ? median(ratios(rounds, contender, workload.baseline, of)) : undefined;
		const range = { median: median(values), min: Math.min(...values), max: Math.max(...values), ratio };
		return [name, Object.fromEntries(Object.entries(range).map(([key, value]) => [key, short(value)]))];
	});
	return Object.fromEntries(told.filter((measure) => measure !== undefined));
}

/** With as many digits as a measurement has, and more. @param {number | undefined} value */
function short(value) {
	return value === undefined ? undefined : Number(value.toPrecision(DIGITS));
}

/** @param {import("./run.mjs").Result} result @param {import("./bars.mjs").Verdict[]} verdicts */
export function page({ time, machine, suite, turns, plan, rounds }, verdicts) {
	const own = (name) => rounds.filter((round) => round.workload === name);
	const tables = plan.map(({ name, workload }) => {
		const load = Object.entries(workload.options).map(([option, value]) => `${option} ${value}`);
		const head = `### \`${name}\`\n\n${sentence(workload.title)} (${load.join(", ")}; rounds: ${roundsOf(workload, turns)};
baseline: \`${workload.baseline}\`)`;
		return `${head}\n\n${markdown(tableRows(workload, own(name)))}`;
	});
	const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
	const noted = remarks(rounds).map((remark) => `- ${remark}\n`);
	const met = verdicts.filter((verdict) => verdict.met).length;
	const what = suite ? `--suite ${suite}` : `--workload ${plan.map(({ name }) => name).join(",")}`;
	return `<!-- Written by bench/docs.mjs. Do not edit: run \`npm run bench -- ${what} --docs\`. -->

# What was measured

\`npm run bench -- ${what} --rounds ${turns} --docs\` wrote this page on ${time.slice(0, 10)}, from
${commits({ machine, plan })}. [bench/README.md](../bench/README.md) describes the workloads and the
contenders and says how to read the figures; [bench.json](bench.json) has all of them.

- Machine: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGib} GiB, Linux ${machine.kernel}, Node ${machine.node}
- Versions: ${versions.join(", ")}
- The contenders of a workload took turns, each alone in a workerd of its own, for as many rounds as its table says.

**Only ratios are meaningful**: the load program shares its cores with workerd, and another machine has other figures. A
cell is the median of the rounds, ± half the distance between the lowest and the highest, and in brackets the ratio to
the baseline: the median of the ratios within each round.

![How many times better than the baseline](bench.svg)

## Bars

${met} of ${verdicts.length} are met.

${markdown(barRows(verdicts), BAR_WORDS)}
## Workloads

${tables.join("\n")}
${noted.length === 0 ? "" : `## Remarks\n\n${noted.join("")}`}`
		.trimEnd()
		.concat("\n");
}

/** What was measured of what: a run that was put together of several may have more than one. */
function commits({ machine, plan }) {
	/** @type {Map<string, string[]>} */
	const of = new Map();
	for (const { name, commit = machine.commit ?? "unknown" } of plan) of.set(commit, [...(of.get(commit) ?? []), name]);
	if (of.size < 2) return `commit ${[...of.keys()].join("")}`;
	const each = [...of].map(([commit, names]) => `commit ${commit} (${names.join(", ")})`);
	return `several runs, of ${each.join(",\n")}`;
}

/** A title as a sentence of its own. */
function sentence(title) {
	return `${title[0].toUpperCase()}${title.slice(1)}`;
}
