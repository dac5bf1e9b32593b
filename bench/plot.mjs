// The picture: for each workload how many times better a contender is than the baseline.

import * as echarts from "echarts";
import { measures } from "./measures.mjs";
import { median, ratios } from "./statistics.mjs";
import { times } from "./table.mjs";

const WIDTH = 960;
const LINE_HEIGHT = 18;
const MARGIN = { top: 78, bottom: 48, left: 330, right: 70 };

/** On white, so that it can be read on any page. @type {Record<string, string>} */
const colors = {
	hello: "#c2410c",
	plain: "#f59e0b",
	tldraw: "#7c3aed",
	"party-sql": "#0e7490",
	"party-put": "#2563eb",
	party: "#60a5fa",
	relay: "#6b7280",
};
const INK = "#1f2937";
const FAINT = "#d1d5db";

/**
 * The lines of the picture from its top: the head of a workload, its contenders, a gap.
 * @param {import("./run.mjs").Result["plan"]} plan
 * @param {import("./statistics.mjs").Round[]} rounds
 * @returns {{ text: string, contender?: string, factor?: number }[]}
 */
export function lines(plan, rounds) {
	return plan.flatMap(({ name, workload }) => {
		const measure = measures[workload.table ?? workload.program][0];
		const own = rounds.filter((round) => round.workload === name);
		const bars = Object.keys(colors).flatMap((contender) => {
			if (contender === workload.baseline) return [];
			const ratio = median(ratios(own, contender, workload.baseline, measure.of));
			if (!ratio) return [];
			return [{ text: contender, contender, factor: measure.better === "less" ? 1 / ratio : ratio }];
		});
		if (bars.length === 0) return [];
		return [{ text: `${name}: ${measure.name} / ${workload.baseline}` }, ...bars, { text: "" }];
	});
}

/** An SVG as text. @param {ReturnType<typeof lines>} lines */
export function picture(lines) {
	const height = MARGIN.top + MARGIN.bottom + lines.length * LINE_HEIGHT;
	const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
	try {
		chart.setOption(option(lines));
		return chart.renderToSVGString();
	} finally {
		// Its timers would keep the process running.
		chart.dispose();
	}
}

/** The axis is of logarithms, so that bars grow from 1 in both directions: half as good is as long as twice as good. */
function option(lines) {
	const logs = lines.map(({ factor }) => (factor === undefined ? 0 : Math.log2(factor)));
	const bar = ({ contender, factor }, i) => ({
		value: factor === undefined ? null : logs[i],
		itemStyle: { color: colors[contender] },
		label: {
			show: true,
			position: logs[i] < 0 ? "left" : "right",
			formatter: times(factor ?? 1),
			color: INK,
			fontSize: 11,
		},
	});
	return {
		animation: false,
		backgroundColor: "#ffffff",
		textStyle: { fontFamily: "system-ui, sans-serif" },
		title: {
			text: "How many times better than the baseline",
			subtext:
				"medians of ratios within a round; right of 1x is better, whether more or less is; the baseline stands behind the /",
			left: 12,
			top: 10,
			textStyle: { color: INK, fontSize: 16 },
			subtextStyle: { color: INK, fontSize: 12 },
		},
		grid: { ...MARGIN, containLabel: false },
		xAxis: {
			type: "value",
			position: "top",
			min: Math.floor(Math.min(-1, ...logs)),
			max: Math.ceil(Math.max(1, ...logs)),
			minInterval: 1,
			axisLabel: { formatter: (log) => axisName(log), color: INK },
			splitLine: { lineStyle: { color: FAINT } },
		},
		yAxis: {
			type: "category",
			inverse: true,
			data: lines.map(({ text }) => text),
			axisTick: { show: false },
			axisLine: { lineStyle: { color: INK } },
			axisLabel: {
				interval: 0,
				color: INK,
				formatter: (text, i) => (lines[i].contender === undefined ? `{head|${text}}` : text),
				rich: { head: { fontWeight: "bold", color: INK, fontSize: 12 } },
			},
		},
		series: [{ type: "bar", data: lines.map(bar), barWidth: LINE_HEIGHT - 5 }],
	};
}

function axisName(log) {
	return log < 0 ? `1/${2 ** -log}x` : `${2 ** log}x`;
}
