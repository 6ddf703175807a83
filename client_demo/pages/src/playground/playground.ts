/** The page `/playground`. */

import { startPage } from "../shell/page.js";

startPage();
