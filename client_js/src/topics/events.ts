/** From the message of an event to what a program gets. It knows no subscription. */

import type { Tensors } from "../codec.js";
import { errorFromWire } from "../errors.js";
import { check, type Checks, checkTiming, type EventMessage, fields } from "../messages.js";
import { timingOf } from "../results.js";
import type { TopicEvent } from "../subscription.js";

/** What has to be right about the messages of subscriptions. */
export const CHECKS: Checks = {
  subscribed: fields("id:i topic:s"),
  unsubscribed: fields("id:i topic:s"),
  event(map) {
    check(map, "topic:s seq:p at_ms:n data?:m timing?:m error?:m closed?:s stream?:i step?:p final?:b text?:s reason?:s");
    if (map.error != null) check(map.error as Record<string, unknown>, "code:s message:s", "error.");
    if (map.timing == null) return;
    check(map, "model_name:s model_version:s outputs:l");
    checkTiming(map.timing);
  },
};

/** Make what a program gets of an event; `missed` is known where it is given out. */
export function asEvent(message: EventMessage, tensors: Tensors): Omit<TopicEvent, "missed"> {
  const { topic, seq, at_ms: atMs, data, outputs, error, timing } = message;
  const given = {
    data,
    outputs: outputs && tensors,
    error: error && errorFromWire({ ...error, retryable: error.retryable ?? false }),
    closed: message.closed,
    model: message.model_name,
    version: message.model_version,
    stream: message.stream,
    step: message.step,
    final: message.final,
    text: message.text,
    reason: message.reason,
    timing: timing && timingOf(timing),
  };
  const there = Object.entries(given).filter(([, value]) => value != null);
  return { topic, seq, atMs, ...Object.fromEntries(there) };
}
