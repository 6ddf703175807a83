"""The golden vectors of subscriptions; see ``generate_golden.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from vector_parts import ONE, TIMING, binary, infer, tensor, without

from tidegate.codecs.event_messages import Event, EventError, Subscribe, Subscribed, Unsubscribe, Unsubscribed
from tidegate.codecs.messages import Error, Hello, Infer, Message, Open
from tidegate.codecs.parts import AnnouncedLimits

if TYPE_CHECKING:
    from tidegate.codecs.datatypes import Array

AT_MS = 1_795_392_000_123
ROOM = "room/42"
NUMBERS = {"uptime_s": 12.5, "connections": 3, "p99_ms": None, "models": {"digits": {"state": "ready", "streams": 0}}}
SPEECH = Event(
    topic=ROOM, seq=7, at_ms=AT_MS, model_name="silero_vad", model_version="1", stream="mic", step=3, final=True, timing=TIMING
)
TOKEN = Event(
    topic="é/2", seq=2**53 - 1, at_ms=0, model_name="chars", model_version="1", stream=7, step=1, final=False, timing=TIMING,
    text="e",
)  # fmt: skip
STOPPED = Event(
    topic=ROOM, seq=9, at_ms=AT_MS, model_name="chars", model_version="1", stream="chat", step=1, final=True, timing=TIMING,
    reason="stop",
)  # fmt: skip
ANSWER = Event(topic=ROOM, seq=1, at_ms=AT_MS, model_name="digits", model_version="1", final=True, timing=TIMING)
FAILED = Event(topic=ROOM, seq=8, at_ms=AT_MS, stream="mic", step=4, error=EventError(code="model_failed", message="it failed"))

# name, message, tensors; each is written in all three forms.
WRITTEN: list[tuple[str, Message, dict[str, Array]]] = [
    ("subscribe", Subscribe(id=1, topic="server/stats"), {}),
    ("subscribe-all", Subscribe(id="s-1", topic="room/*/**", overflow="drop_oldest"), {}),
    ("subscribed", Subscribed(id=1, topic="server/stats"), {}),
    ("unsubscribe", Unsubscribe(id=2, topic="*"), {}),
    ("unsubscribed", Unsubscribed(id=2, topic="*"), {}),
    ("open-publish", Open(id=1, stream="mic", model_name="silero_vad", publish=ROOM), {}),
    ("infer-publish", Infer(id=7, model_name="m", publish="a/b c/é"), {"x": np.array([1, 2], "<f4")}),
    ("event-data", Event(topic="server/stats", seq=1, at_ms=AT_MS, data=NUMBERS), {}),
    ("event-step", SPEECH, {"output": np.array([[0.25]], "<f4")}),
    ("event-token", TOKEN, {"token": np.array([[11]], "<i8")}),
    ("event-no-outputs", STOPPED, {}),
    ("event-answer", ANSWER, {"probs": np.array([[0.5, 0.25, 0.25]], "<f4")}),
    ("event-error", FAILED, {}),
    ("event-closed", Event(topic=ROOM, seq=10, at_ms=AT_MS, stream="mic", closed="idle"), {}),
]
# name, message; written as text only.
TEXTS: list[tuple[str, Message]] = [
    (
        "hello-subscriptions",
        Hello(
            protocol="tidegate.v1", server="tidegate/1.2", session="s-1", keepalive_ms=15_000, features=["subscriptions"],
            limits=AnnouncedLimits(message_bytes=2**24, text_bytes=2**20, in_flight=256, streams=1024, subscriptions=64),
        ),
    ),
    (
        "error-forbidden",
        Error(id=3, code="forbidden", message="topics of the server are its own", retryable=False, param="publish"),
    ),
]  # fmt: skip

SUBSCRIBE: dict[str, Any] = {"op": "subscribe", "id": 7, "topic": "a"}
OPEN: dict[str, Any] = {"op": "open", "id": 7, "stream": "s", "model_name": "m"}
X = tensor([2], data=[1, 2])

# name, bytes or what JSON says, code, param, id, why.
INVALID_BINARY: list[tuple[Any, ...]] = [
    ("subscribe-surplus", binary(SUBSCRIBE, ONE), "invalid_message", None, 7, "bytes that no tensor has"),
]
INVALID_TEXT: list[tuple[Any, ...]] = [
    ("subscribe-no-id", without(SUBSCRIBE, "id"), "invalid_message", "id", None, "no id"),
    ("subscribe-no-topic", without(SUBSCRIBE, "topic"), "invalid_message", "topic", 7, "no topic"),
    ("subscribe-block", SUBSCRIBE | {"overflow": "block"}, "invalid_message", "overflow", 7, "nobody waits for a subscriber"),
    ("topic-empty", SUBSCRIBE | {"topic": ""}, "invalid_message", "topic", 7, "an empty string"),
    ("topic-number", SUBSCRIBE | {"topic": 7}, "invalid_message", "topic", 7, "a topic is a string"),
    ("topic-slash", SUBSCRIBE | {"topic": "/a"}, "invalid_message", "topic", 7, "an empty segment"),
    ("topic-slashes", SUBSCRIBE | {"topic": "a//b"}, "invalid_message", "topic", 7, "an empty segment"),
    ("topic-star-inside", SUBSCRIBE | {"topic": "a*/b"}, "invalid_message", "topic", 7, "a * is a whole segment"),
    ("topic-stars-first", SUBSCRIBE | {"topic": "**/b"}, "invalid_message", "topic", 7, "** comes last"),
    ("topic-control", SUBSCRIBE | {"topic": "a\nb"}, "invalid_message", "topic", 7, "a control character"),
    ("topic-long", SUBSCRIBE | {"topic": "é" * 129}, "invalid_message", "topic", 7, "258 bytes of UTF-8"),
    ("topic-deep", SUBSCRIBE | {"topic": "a/" * 16 + "a"}, "invalid_message", "topic", 7, "17 segments"),
    ("unsubscribe-topic", {"op": "unsubscribe", "id": 7, "topic": "a/"}, "invalid_message", "topic", 7, "an empty segment"),
    ("open-publish-star", OPEN | {"publish": "a/*"}, "invalid_message", "publish", 7, "a pattern is no topic"),
    ("open-publish-empty", OPEN | {"publish": ""}, "invalid_message", "publish", 7, "an empty string"),
    ("infer-publish-slash", infer(X, publish="a/"), "invalid_message", "publish", 7, "an empty segment"),
]
EVENT: dict[str, Any] = {"op": "event", "topic": "a", "seq": 1, "at_ms": 0}
RESULT = EVENT | {"model_name": "m", "model_version": "1", "final": True, "outputs": []}
RESULT |= {"timing": {"queue_us": 1, "compute_us": 1, "batch_size": 1}}
INVALID_SERVER: list[tuple[Any, ...]] = [
    ("event-no-seq", without(EVENT, "seq") | {"data": {}}, "invalid_message", "seq", None, "no number"),
    ("event-data-list", EVENT | {"data": []}, "invalid_message", "data", None, "data is a map"),
    ("event-no-outputs", without(RESULT, "outputs"), "invalid_message", "outputs", None, "a result has outputs"),
]
