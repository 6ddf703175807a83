/** The page `/dashboard`. */

import { startPage } from "../shell/page.js";

startPage();
