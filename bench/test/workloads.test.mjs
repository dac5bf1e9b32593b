import assert from "node:assert/strict";
import { test } from "node:test";
import { contenders } from "../contenders.mjs";
import { measures } from "../measures.mjs";
import { chosen, programs, suites, workloads } from "../workloads.mjs";

test("every workload gives its program what it takes, to contenders that there are", () => {
	for (const [name, { program, options, contenders: who, baseline, table }] of Object.entries(workloads)) {
		for (const option of Object.keys(options)) assert.ok(programs[program].includes(option), `${name}: ${option}`);
		for (const contender of who) assert.ok(contender in contenders, `${name}: ${contender}`);
		assert.ok(who.includes(baseline), `${name}: ${baseline}`);
		assert.ok((table ?? program) in measures, name);
	}
	for (const { workloads: names } of Object.values(suites)) chosen(names);
});

test("options of one's own take the place of a workload's, where it has them", () => {
	const [herd, wake] = chosen(["herd", "wake"], { clients: 30, idle: 20 });
	assert.equal(herd.name, "herd");
	assert.equal(herd.workload.options.clients, 30);
	assert.equal(herd.workload.options.rate, 20);
	assert.equal(wake.workload.options.idle, 20);
	assert.equal("clients" in wake.workload.options, false);
	assert.equal(workloads["herd-20"].options.clients, 20, "the workloads are left as they are");
});

test("what nothing takes is refused", () => {
	assert.throws(() => chosen(["herd-100", "wake"], { receivers: 5 }), /--receivers/);
	assert.throws(() => chosen(["gallop"]), /gallop/);
});
