/** The page `/text`. */

import { startPage } from "../shell/page.js";

startPage();
