/** What has to be right about the messages of streams. */

import { check, type Checks, fields, type Fields, isMap } from "../messages.js";

const STREAM = "stream:i next_step:p replay_from:p seq:n status:s";

export const CHECKS: Checks = {
  opened: fields("id:i stream:i model_name:s model_version:s next_step:p steps:n results:n"),
  gap: fields("stream:i from:p to:p"),
  closed: fields("stream:i reason:s"),
  snapshot: fields("id:i stream:i step:n outputs:l"),
  resumed(map) {
    check(map, "token:s streams:l lost?:l");
    (map.streams as unknown[]).forEach((each, i) => check(isMap(each) ? each : ({} as Fields), STREAM, `streams[${i}].`));
  },
};
