"""Numbers drawn with characters. Pure; it knows no terminal."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.results import Array

_SHADES = " ░▒▓█"
_LEVELS = "▁▂▃▄▅▆▇█"


def picture(image: Array, brightest: float) -> list[str]:
    """Draw an image in lines; a pixel is two characters, since characters are twice as high as wide."""
    return ["".join(2 * _SHADES[_step(pixel / brightest, len(_SHADES))] for pixel in row) for row in image]


def strip(values: Iterable[float], low: float, high: float) -> str:
    """Draw one bar for each value between ``low`` and ``high``; nothing where it is NaN."""
    return "".join(" " if math.isnan(value) else _LEVELS[_step((value - low) / (high - low), len(_LEVELS))] for value in values)


def thinned(values: Sequence[float] | Array, group: int) -> list[float]:
    """Replace each ``group`` values by their median, not counting NaN; by NaN where there is nothing else."""
    parts = ([value for value in values[i : i + group] if not math.isnan(value)] for i in range(0, len(values), group))
    return [median(part) if part else math.nan for part in parts]


def ruler(seconds: float, step_s: float) -> str:
    """Draw a time line to go under a strip, one character for each ``step_s`` seconds and a number at each second."""
    line = [" "] * (math.ceil(seconds / step_s) + 4)
    for second in range(int(seconds) + 1):
        start = round(second / step_s)
        line[start : start + 4] = f"{second} s ".ljust(4)
    return "".join(line).rstrip()


def spans(probabilities: Sequence[float], step_s: float, shortest_gap_s: float = 0.1) -> list[tuple[float, float]]:
    """Find where a probability is at least one half, in seconds; gaps shorter than ``shortest_gap_s`` are bridged."""
    found: list[tuple[float, float]] = []
    for index, probability in enumerate(probabilities):
        if probability >= 0.5:
            start, end = index * step_s, (index + 1) * step_s
            if found and start - found[-1][1] < shortest_gap_s:
                start = found.pop()[0]
            found.append((start, end))
    return found


def _step(share: float, steps: int) -> int:
    return min(steps - 1, max(0, int(share * steps)))
