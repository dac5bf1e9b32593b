// The page: asks who somebody is, and takes them into the room.

import { useEffect, useState } from "react";
import { RoomClient } from "roomkeep";
import { kindOf } from "roomkeep/kinds";
import rooms from "../../../rooms/index.ts";
import { Connection } from "./connection.tsx";
import { Dock } from "./dock.tsx";
import { Form } from "./form.tsx";
import { GuideCard } from "./guide-card.tsx";
import { CopyLink, LinkStatus, Masthead, News, Notice } from "./header.tsx";
import { Log } from "./log.tsx";
import { NameDialog } from "./name-dialog.tsx";
import { NewsProvider } from "./news.tsx";
import { People } from "./people.tsx";
import { Permissions } from "./permissions.tsx";
import { type Person, remember, wantsOffline } from "./person.ts";
import { RoomProvider } from "./room.ts";
import { WaitingProvider } from "./waiting.tsx";

const kind = kindOf(rooms.trade);

export function App({ first, room }: { first: Person; room: string }) {
	const [person, setPerson] = useState(first);
	const [isAsking, setAsking] = useState(first.name === undefined);

	function named(name: string | undefined) {
		setAsking(false);
		if (name !== undefined) setPerson(remember({ ...person, name }));
	}

	const dialog = <NameDialog isOpen={isAsking} current={person.name} onDone={named} />;
	if (person.name === undefined) {
		return (
			<>
				<Masthead room={room} />
				{dialog}
			</>
		);
	}
	return (
		<Room id={person.id} name={person.name} room={room} onRename={() => setAsking(true)}>
			{dialog}
		</Room>
	);
}

interface RoomProps {
	id: string;
	name: string;
	room: string;
	onRename: () => void;
	children: React.ReactNode;
}

function Room({ id, name, room, onRename, children }: RoomProps) {
	// A client of the page's own, and not the provider's, since the person may want to start without a connection.
	const [client] = useState(
		() => new RoomClient({ host: location.origin, party: "trade", kind, room, user: { id, name } }),
	);
	useEffect(() => {
		client.connect();
		// Connecting reads what waits on this device. It ends before anything goes out.
		if (wantsOffline(id, room)) client.close();
		return () => client.close();
	}, [client, id, room]);
	useEffect(() => {
		if (client.user.name !== name) client.rename(name);
	}, [client, name]);
	return (
		<RoomProvider client={client}>
			<NewsProvider room={room}>
				<WaitingProvider>
					<Masthead room={room}>
						<LinkStatus />
						<CopyLink room={room} />
						<News />
					</Masthead>
					<Notice />
					<main>
						<GuideCard room={room} />
						<div className="column">
							<Form />
							<Permissions />
						</div>
						<div className="column">
							<People onRename={onRename} />
							<Connection room={room} />
						</div>
						<Log />
					</main>
					<footer>
						<p>Everything here lives in one Durable Object. Reload, close, arrive late: it is still there.</p>
					</footer>
					<Dock />
					{children}
				</WaitingProvider>
			</NewsProvider>
		</RoomProvider>
	);
}
