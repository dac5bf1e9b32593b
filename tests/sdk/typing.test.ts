// Two people who type into one field at once, for some seconds. typing.long.test.ts has them type for a minute.

import { describeTyping } from "./typists.ts";

describeTyping(3, 6_000, 5);
