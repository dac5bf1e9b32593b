// The demo: a form that several people fill in together. All that it shows comes from the room.

import { createRoot } from "react-dom/client";
import { givenName, roomName } from "./address.ts";
import { App } from "./app.tsx";
import { findPerson } from "./person.ts";

const person = await findPerson(givenName());
const room = roomName();
document.title = `Trade form · ${room}`;
const app = document.getElementById("app");
if (app !== null) createRoot(app).render(<App first={person} room={room} />);
