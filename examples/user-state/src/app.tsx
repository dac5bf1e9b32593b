// The page: what is the same on all of the user's devices, what only the back end writes, and what stays here.

import type { ReactNode } from "react";
import { type Device, useDevice } from "./device.ts";
import { useField, useRoom, useSnapshot, useStatus } from "./state.ts";
import { Text } from "./text.tsx";

export function App() {
	const { user } = useRoom();
	const [device, setDevice] = useDevice();
	return (
		<>
			<header>
				<h1>{user.name}</h1>
				<Connection />
			</header>
			<div className={device.isSidebarOpen ? "columns" : ""}>
				<main>
					<Section title="Persona" where="on all devices">
						<Text name="persona/identity" label="What defines me" />
						<Text name="persona/intolerance" label="What I do not tolerate" />
						<Text name="persona/tolerance" label="What I do not mind" />
					</Section>
					<Section title="Roasting" where="on all devices">
						<Roasting />
					</Section>
					<Section title="Subscription" where="only the back end writes it">
						<Subscription language={device.language} />
					</Section>
				</main>
				<aside>
					<Section title="This page" where="on this device alone">
						<ThisDevice device={device} onChange={setDevice} />
					</Section>
				</aside>
			</div>
		</>
	);
}

function Section({ title, where, children }: { title: string; where: string; children: ReactNode }) {
	return (
		<section aria-label={title}>
			<h2>
				{title} <small>{where}</small>
			</h2>
			{children}
		</section>
	);
}

function Connection() {
	const { status, reason } = useStatus();
	const count = useSnapshot(({ pendingCount }) => pendingCount);
	const isLive = status === "synced" || status === "polling";
	const word = isLive ? "Live" : status === "closed" ? `Ended: ${reason}` : "Offline";
	return (
		<p role="status">
			{word}
			{count > 0 && ` · ${count} waiting to be sent`}
		</p>
	);
}

function Roasting() {
	const enabled = useField("roasting/enabled");
	const intensity = useField("roasting/intensity", { type: "number" });
	const shield = useField("roasting/shield");
	return (
		<>
			<label>
				<input {...enabled.checkbox} /> Roast me
			</label>
			<label>
				Intensity, 1 to 5
				<input {...intensity.input} type="number" min={1} max={5} />
			</label>
			{/* In the room's own words: the page and the room share one definition. */}
			{intensity.refused !== undefined && <p role="alert">{intensity.refused.message}</p>}
			<fieldset>
				<legend>Shield</legend>
				{(["tolerant", "balanced", "strict"] as const).map((level) => (
					<label key={level}>
						<input {...shield.radio(level)} /> {level}
					</label>
				))}
			</fieldset>
		</>
	);
}

/** The input is read-only, since the kind says that the back end alone writes the field. */
function Subscription({ language }: { language: Device["language"] }) {
	const field = useField("subscription", { format: (value) => value?.plan ?? "free" });
	const time = field.at === undefined ? "never" : new Date(field.at).toLocaleString(language);
	return (
		<>
			<label>
				Plan
				<input {...field.input} />
			</label>
			<p>
				{field.value?.status ?? "no subscription"}, changed: {time}
			</p>
		</>
	);
}

function ThisDevice({ device, onChange }: { device: Device; onChange: (change: Partial<Device>) => void }) {
	if (!device.isSidebarOpen)
		return (
			<button type="button" onClick={() => onChange({ isSidebarOpen: true })}>
				Show
			</button>
		);
	return (
		<>
			<label>
				Theme
				<select value={device.theme} onChange={({ target }) => onChange({ theme: target.value as Device["theme"] })}>
					<option>auto</option>
					<option>light</option>
					<option>dark</option>
				</select>
			</label>
			<label>
				Language of dates
				<select
					value={device.language}
					onChange={({ target }) => onChange({ language: target.value as Device["language"] })}
				>
					<option value="en">English</option>
					<option value="es">Español</option>
				</select>
			</label>
			<button type="button" onClick={() => onChange({ isSidebarOpen: false })}>
				Hide
			</button>
		</>
	);
}
