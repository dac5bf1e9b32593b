// Who is here, who is ready, who was here.

import type { Participant, Status } from "roomkeep";
import { Box } from "./box.tsx";
import { isolated, specOf } from "./fields.ts";
import { called, fieldIn, initialOf, useFaces } from "./names.ts";
import { useGuard } from "./news.tsx";
import { useParticipants, usePresence, useRoom, useSnapshot, useStatus } from "./room.ts";
import { Time } from "./time.tsx";

export function People({ onRename }: { onRename: () => void }) {
	const client = useRoom();
	const people = useParticipants();
	const { status } = useStatus();
	const guard = useGuard();
	const isMe = ({ id }: Participant) => id === client.user.id;
	const me = people.find(isMe);
	const rank = (person: Participant) => (isMe(person) ? 0 : 1);
	const here = people.filter(({ online }) => online).sort((a, b) => rank(a) - rank(b) || compare(a, b));
	const away = people.filter(({ online }) => !online).sort((a, b) => b.lastSeen - a.lastSeen);

	return (
		<section className="card" aria-labelledby="people-title">
			<div className="head">
				<h2 id="people-title">People</h2>
				<button id="rename" type="button" className="small" onClick={onRename}>
					Change my name
				</button>
			</div>
			<p id="summary" className="hint">
				{status === "synced" ? summary(here) : without(status, people.length > 0)}
			</p>
			<label className="tick">
				<input
					id="ready"
					type="checkbox"
					checked={me?.isReady ?? false}
					disabled={me === undefined}
					onChange={(event) => guard(client.setReady(event.target.checked))}
				/>
				I’m ready
			</label>
			<h3 id="here-title">Here now</h3>
			<Box isEmpty={people.length === 0} empty="Nobody yet." title="people-title" isTall>
				<ul id="here" className="people" aria-labelledby="here-title">
					{here.map((person) => (
						<Entry key={person.id} person={person} isMe={isMe(person)} />
					))}
				</ul>
				{away.length > 0 && (
					<div id="away-part">
						<h3 id="away-title">Was here</h3>
						<ul id="away" className="people" aria-labelledby="away-title">
							{away.map((person) => (
								<Entry key={person.id} person={person} isMe={isMe(person)} />
							))}
						</ul>
					</div>
				)}
			</Box>
		</section>
	);
}

function Entry({ person, isMe }: { person: Participant; isMe: boolean }) {
	const [presences] = usePresence();
	const faceOf = useFaces();
	const skew = useSnapshot(({ clockSkew }) => clockSkew);
	const field = presences.filter(({ userId }) => userId === person.id).map(({ data }) => fieldIn(data))[0];
	// What another page calls its fields says nothing here.
	const spec = field === undefined ? undefined : specOf(field);
	return (
		<li className={person.online ? "" : "gone"}>
			<span className={`face ${faceOf(person.id)}`} aria-hidden="true">
				{initialOf(person.name)}
			</span>
			<span className="who">{isMe ? `${isolated(person.name)} (you)` : called(person.name)}</span>
			{person.online ? (
				<span className="note">
					{person.isReady ? <strong className="is-ready">✓ ready</strong> : "not ready yet"}
					{spec !== undefined && ` · at ${spec.label}`}
				</span>
			) : (
				<span className="note">
					last seen <Time at={person.lastSeen - skew} />
				</span>
			)}
		</li>
	);
}

/** Without a connection nobody is seen to be here, and nobody can tell who is. */
function without(status: Status, isKnown: boolean): string {
	if (status === "polling") return "While the page is polling, others do not see that you are here.";
	return isKnown
		? "You are not connected. This is how things were."
		: "Without a connection it is unknown who is here.";
}

function summary(here: Participant[]): string {
	const ready = here.filter((person) => person.isReady).length;
	if (here.length === 0) return "Nobody is here yet.";
	if (here.length === 1) return "You are alone here. Copy the link to invite somebody.";
	if (ready === here.length) return `${here.length} people are here, and everyone is ready.`;
	return `${here.length} people are here, ${ready === 0 ? "nobody is" : `${ready} of them`} ready.`;
}

function compare(a: Participant, b: Participant): number {
	return a.name.localeCompare(b.name) || a.id.localeCompare(b.id);
}
