// `npm run deploy`: builds and uploads. Arguments go to `wrangler deploy`, but for `--rooms FILE`.

import { join } from "node:path";
import { bin, run } from "./lib.mjs";
import { choice, chosen, rooms } from "./rooms.mjs";

const { file, given } = choice(process.argv.slice(2));
await rooms({ file });
const { args, env } = chosen(file);
await run(join(bin, "wrangler"), ["deploy", ...args, ...given], { env });
