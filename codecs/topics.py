"""What topics are called, and which of them a pattern means. Pure; knows nobody who publishes or subscribes.

A topic is a path such as ``room/42``: segments with ``/`` between. A pattern is a topic in which a whole segment may be ``*``,
any one segment, and the last one ``**``, one or more of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TOPIC_BYTES = 256
SEGMENTS = 16
ONE, MORE = "*", "**"
TOPIC_RULES = "a topic: 1 to 256 bytes, at most 16 segments with / between, none of them empty, no * and no control characters"
PATTERN_RULES = "a topic in which a whole segment may be *, and the last one **"


def is_topic(text: str) -> bool:
    """Tell whether something can be published under this name."""
    return "*" not in text and is_pattern(text)


def is_pattern(text: str) -> bool:
    """Tell whether one can subscribe to this."""
    if len(text.encode(errors="surrogatepass")) > TOPIC_BYTES or not _is_plain(text):
        return False
    segments = text.split("/")
    return len(segments) <= SEGMENTS and all(map(_is_segment, segments)) and MORE not in segments[:-1]


def is_wild(pattern: str) -> bool:
    """Tell whether a pattern can mean more than one topic."""
    return "*" in pattern


def matches(pattern: Sequence[str], topic: Sequence[str]) -> bool:
    """Tell whether a pattern means a topic, both of them as their segments."""
    if pattern[-1] == MORE:
        return len(topic) >= len(pattern) and _same(pattern[:-1], topic)
    return len(topic) == len(pattern) and _same(pattern, topic)


def _same(pattern: Sequence[str], topic: Sequence[str]) -> bool:
    # A subscription looks at all topics: a loop takes a third of what all() does.
    for wanted, segment in zip(pattern, topic, strict=False):  # noqa: SIM110
        if wanted not in (segment, ONE):
            return False
    return True


def _is_segment(segment: str) -> bool:
    return bool(segment) and ("*" not in segment or segment in (ONE, MORE))


def _is_plain(text: str) -> bool:
    return not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in text)
