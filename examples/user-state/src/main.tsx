// Who is here, and their room: that of kind `user` whose name is the user's id.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { kindOf } from "roomkeep/kinds";
import rooms from "../../../rooms/index.ts";
import { App } from "./app.tsx";
import { RoomProvider } from "./state.ts";
import "./style.css";

/** `?user=bob` is Bob. A real page knows it from its login. */
const user = new URL(location.href).searchParams.get("user")?.trim() || "alice";
const kind = kindOf(rooms.user);
const host = import.meta.env.VITE_ROOMS ?? "127.0.0.1:8788";

async function token(): Promise<string> {
	const response = await fetch(`/api/token?user=${encodeURIComponent(user)}`);
	if (!response.ok) throw new Error(`The back end says ${response.status}.`);
	return (await response.text()).trim();
}

const app = document.getElementById("app");
if (app !== null) {
	createRoot(app).render(
		<StrictMode>
			<RoomProvider
				host={host}
				party="user"
				kind={kind}
				room={user}
				user={{ id: user, name: user }}
				token={token}
				// What the room has told is kept too, so that it is shown at once, also without a connection.
				replica="indexeddb"
			>
				<App />
			</RoomProvider>
		</StrictMode>,
	);
}
