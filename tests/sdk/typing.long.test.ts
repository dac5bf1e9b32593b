// Two people who type into one field at once, for a minute. What is asserted is in typists.ts.

import { describeTyping } from "./typists.ts";

describeTyping(2, 60_000, 15);
