// What this page is, and four things to try on it. A step that was done has a tick.

import type { ReactNode } from "react";
import { linkTo } from "./address.ts";
import { type Step, WHAT_IT_IS } from "./guide.ts";
import { useProgress } from "./news.tsx";

const STEPS: readonly Step[] = ["second", "reload", "offline", "conflict"];

export function GuideCard({ room }: { room: string }) {
	const { done } = useProgress();
	return (
		<section className="guide" aria-labelledby="guide-title">
			<div className="about">
				<h2 id="guide-title">{WHAT_IT_IS}</h2>
				<p>
					What you enter appears for everyone at once and stays in the room: after a reload, for whoever comes late, and
					while you have no connection. When two of you are at odds, you decide.
				</p>
			</div>
			<details open>
				<summary>
					<h3>Try this</h3>
					<span className="note">
						{done.length} of {STEPS.length} done
					</span>
				</summary>
				<ol>
					<StepItem step="second" title="Bring a second person">
						<p>Each sees what the other enters, and where the other is.</p>
						{/* With no tie to this window, it is somebody else's. */}
						<a className="button small" href={linkTo(room)} target="_blank" rel="noopener">
							Second window
						</a>
					</StepItem>
					<StepItem step="reload" title="Reload the page">
						<p>What you entered is there, and so is what happened.</p>
						<button type="button" className="small" onClick={() => location.reload()}>
							Reload
						</button>
					</StepItem>
					<StepItem step="offline" title="Go offline">
						<p>Switch the connection off, change something, and switch it on again: now the others have it.</p>
						<button type="button" className="small" onClick={showSwitch}>
							Show the switch
						</button>
					</StepItem>
					<StepItem step="conflict" title="Disagree">
						<p>
							While you are offline, set one field differently in both windows. Back online, you choose which stays.
						</p>
					</StepItem>
				</ol>
			</details>
		</section>
	);
}

function StepItem({ step, title, children }: { step: Step; title: string; children: ReactNode }) {
	const isDone = useProgress().done.includes(step);
	return (
		<li className={isDone ? "step done" : "step"}>
			<h4>
				{title}
				{isDone && <span className="unseen"> (done)</span>}
			</h4>
			{children}
		</li>
	);
}

function showSwitch(): void {
	const control = document.getElementById("offline");
	control?.scrollIntoView({ block: "center" });
	control?.focus();
}
