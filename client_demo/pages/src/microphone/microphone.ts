/** The page `/microphone`. */

import { startPage } from "../shell/page.js";

startPage();
