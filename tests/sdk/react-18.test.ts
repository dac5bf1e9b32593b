// The same tests of the hooks with React 18: each import of React, wherever it stands, leads to that.

import { registerHooks } from "node:module";

process.env.ROOMKEEP_TEST_REACT = "18";
registerHooks({
	resolve: (specifier, context, next) => next(specifier.replace(/^react(-dom)?(?=\/|$)/, "react$1-18"), context),
});
await import("./react.test.ts");
await import("./react-parts.test.ts");
await import("./react-field.test.ts");
await import("./react-kinds.test.ts");
