import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RoomProvider } from "roomkeep/react";
import { OrderForm } from "./order-form.tsx";
import { ROOMS, roomName, user } from "./who.ts";
import "./style.css";

const app = document.getElementById("app");
if (app !== null) {
	createRoot(app).render(
		<StrictMode>
			<RoomProvider host={ROOMS} room={roomName()} user={user()}>
				<OrderForm />
			</RoomProvider>
		</StrictMode>,
	);
}
