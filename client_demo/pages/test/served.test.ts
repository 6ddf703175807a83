import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNot } from "../src/demo/served.js";

test("a page says why its model cannot be asked, and nothing if one version of it can", () => {
  const missing = { name: "vad", state: "not_installed" as const, error: "needs: pip install 'tidegate[demo]'" };
  const ready = { name: "vad", version: "2", state: "ready" as const };
  assert.equal(whyNot([], "vad"), "This gateway does not serve vad.");
  assert.equal(whyNot([missing], "vad"), "This gateway does not serve vad: needs: pip install 'tidegate[demo]'");
  assert.equal(whyNot([{ name: "vad", state: "failed" }], "vad"), "This gateway does not serve vad: failed");
  assert.equal(whyNot([missing, ready], "vad"), undefined);
});
