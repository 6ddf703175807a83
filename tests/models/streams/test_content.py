"""Claims about what a step says: equal contents are told from others by every part of them, whatever their size."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.models.streams.content import content, described, of_elements

SMALL = np.arange(512, dtype=np.float32)
LARGE = np.arange(100_000, dtype=np.float32)


@pytest.mark.parametrize("array", [SMALL, LARGE, LARGE[::2], np.array([b"a", b"bc"], object)])
def test_equal_contents_are_equal(array: np.ndarray) -> None:
    """Other arrays with the same elements, in another order of names, say the same."""
    other = content({"y": array.copy(), "x": array.copy()}, {"b": 1, "a": "z"})
    assert content({"x": array, "y": array}, {"a": "z", "b": 1}) == other


def test_what_steps_look_like_can_be_found_out_before() -> None:
    """Steps that look alike are told apart by their elements alone, with the same outcome."""
    look = described({"y": SMALL, "x": LARGE}, {"seed": 1})
    for x in (LARGE, LARGE + 1):
        assert of_elements(look, [x, SMALL]) == content({"x": x, "y": SMALL}, {"seed": 1})


@pytest.mark.parametrize("array", [SMALL, LARGE])
def test_each_part_of_a_content_counts(array: np.ndarray) -> None:
    """Another name, element, datatype, shape or parameter makes another content."""
    changed = array.copy()
    changed[-1] += 1
    said = [
        content({"x": array}, None),
        content({"y": array}, None),
        content({"x": changed}, None),
        content({"x": array.view(np.int32)}, None),
        content({"x": array.reshape(2, -1)}, None),
        content({"x": array}, {"seed": 1}),
        content({"x": array}, {"seed": 2}),
        content({}, None),
    ]
    assert len(set(said)) == len(said)


def test_strings_are_not_run_together() -> None:
    """Two strings differ from one that they make together."""
    assert content({"x": np.array([b"ab", b"c"], object)}, None) != content({"x": np.array([b"a", b"bc"], object)}, None)
