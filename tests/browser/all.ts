/** The tests that need no sound, in one process: they share a gateway and a browser. */

import "./harness.test.js";
import "./plain.test.js";
import "./digit.test.js";
import "./text.test.js";
import "./dashboard.test.js";
import "./playground.test.js";
import "./tabs.test.js";
import "./unserved.test.js";
