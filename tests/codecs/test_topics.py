"""Topics and patterns: what is one, and which topics a pattern means."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.codecs.errors import CodecError
from tidegate.codecs.reader import server_messages
from tidegate.codecs.topics import is_pattern, is_topic, matches

SEGMENTS = st.sampled_from(["a", "b", "é"])
TOPICS = st.lists(SEGMENTS, min_size=1, max_size=5)
PATTERNS = st.builds(
    lambda head, tail: [*head, *tail], st.lists(SEGMENTS | st.just("*"), max_size=4), st.sampled_from([["a"], ["*"], ["**"]])
)
EVENT = '{"op":"event","topic":"a","seq":1,"at_ms":0'


@pytest.mark.parametrize("text", ["a", "a/b", "é/ /\u2028", "/".join("a" * 16), "é" * 128, "server/stats", "a.b-c:d"])
def test_a_topic(text: str) -> None:
    """Segments are any text; a topic is a pattern, too."""
    assert is_topic(text)
    assert is_pattern(text)


@pytest.mark.parametrize("text", ["*", "**", "a/*", "*/a/**", "a/**", "*/*/*"])
def test_a_pattern(text: str) -> None:
    """A whole segment may be a star, and the last one two; nothing is published under it."""
    assert is_pattern(text)
    assert not is_topic(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "a*",
        "*a",
        "***",
        "**/a",
        "a/**/b",
        "/".join("a" * 17),
        "é" * 128 + "a",
        "a\nb",
        "a\x7f",
        "\x85",
        "\ud800",
    ],
)
def test_neither(text: str) -> None:
    """Empty segments, stars inside of one, too many or too long, and control characters are refused."""
    assert not is_pattern(text)
    assert not is_topic(text)


def naive(pattern: list[str], topic: list[str]) -> bool:
    """Decide by a regular expression."""
    parts = {"*": "[^/]+", "**": ".+"}
    expression = "/".join(parts.get(segment, re.escape(segment)) for segment in pattern)
    return re.fullmatch(expression, "/".join(topic)) is not None


@given(PATTERNS, TOPICS)
def test_matching(pattern: list[str], topic: list[str]) -> None:
    """A pattern means what a regular expression made of it would."""
    assert matches(pattern, topic) == naive(pattern, topic)


@pytest.mark.parametrize(
    ("rest", "param"),
    [
        ("}", "data"),
        (',"data":{},"closed":"idle"}', "data"),
        (',"error":{"code":"internal"}}', "error.message"),
        (',"outputs":[]}', "data"),
        (
            ',"outputs":[],"model_name":"m","model_version":"1","timing":{"queue_us":1,"compute_us":1,"batch_size":1}}',
            "final",
        ),
    ],
)
def test_an_event_says_one_thing(rest: str, param: str) -> None:
    """An event that says nothing, two things, or half of one is refused."""
    with pytest.raises(CodecError) as caught:
        server_messages().text(EVENT + rest)
    assert (caught.value.code, caught.value.param, caught.value.id) == ("invalid_message", param, None)
