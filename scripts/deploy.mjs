// `npm run deploy`: builds and uploads. Arguments go to `wrangler deploy`.

import { join } from "node:path";
import { bin, run } from "./lib.mjs";
import { packages } from "./setup.mjs";

await packages();
await run(join(bin, "wrangler"), ["deploy", ...process.argv.slice(2)]);
