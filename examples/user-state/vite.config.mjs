import react from "@vitejs/plugin-react";
import { backend } from "./backend.mjs";

/** The back end is behind the page's own address, as it would be anywhere. */
const api = { name: "api", configureServer: ({ middlewares }) => void middlewares.use("/api", backend) };

export default { plugins: [react(), api] };
