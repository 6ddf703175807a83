"""Numbers drawn with characters: shades, bars, time lines, and where somebody speaks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidegate.client_demo.pictures import picture, ruler, spans, strip, thinned


def test_a_picture_has_a_line_for_each_row_and_two_characters_for_each_pixel() -> None:
    """Nothing is a blank, the brightest is a full block, half is in between."""
    assert picture(np.array([[0.0, 16.0], [8.0, 0.0]]), 16.0) == ["  ██", "▒▒  "]


def test_a_strip_goes_from_the_lowest_bar_to_the_highest() -> None:
    """What is beyond the range is cut to it, and NaN is a gap."""
    assert strip([0.0, 0.5, 1.0, 7.0, -7.0, math.nan], 0, 1) == "▁▅██▁ "


def test_thinning_ignores_what_is_not_a_number() -> None:
    """Groups become their medians, a group of NaN stays NaN, a short group at the end counts."""
    assert thinned([1.0, 3.0, math.nan, 5.0, math.nan, math.nan, 9.0], 2)[:2] == [2.0, 5.0]
    assert math.isnan(thinned([1.0, 3.0, math.nan, 5.0, math.nan, math.nan, 9.0], 2)[2])
    assert thinned([1.0, 3.0, 9.0], 2)[-1] == 9.0


def test_a_ruler_marks_each_second_where_it_begins() -> None:
    """With a tenth of a second for each character, second two begins at character twenty."""
    line = ruler(2.4, 0.1)
    assert [line.index(mark) for mark in ("0 s", "1 s", "2 s")] == [0, 10, 20]


def test_short_gaps_in_speech_are_bridged_and_long_ones_are_not() -> None:
    """One step of silence joins, four of them part."""
    found = spans([0, 1, 0, 1, 0, 0, 0, 0, 1], 0.032)
    assert [(round(start, 3), round(end, 3)) for start, end in found] == [(0.032, 0.128), (0.256, 0.288)]


@given(st.lists(st.floats(0, 1)))
def test_spans_cover_all_speech_in_order(probabilities: list[float]) -> None:
    """Every step with a probability of one half lies in exactly one span; spans are in order and apart from each other."""
    step_s = 0.032
    found = spans(probabilities, step_s)
    assert all(end < start for (_, end), (start, _) in pairwise(found))
    for index, probability in enumerate(probabilities):
        if probability >= 0.5:
            middle = (index + 0.5) * step_s
            assert sum(start < middle < end for start, end in found) == 1
