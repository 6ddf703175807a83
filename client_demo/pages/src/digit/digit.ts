/** The page `/digit`. */

import { startPage } from "../shell/page.js";

startPage();
