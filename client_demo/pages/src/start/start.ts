/** The page `/`: what this gateway is, and where everything else lies. */

import { startPage } from "../shell/page.js";

startPage();
