"""Compares what rows gave in company with what they gave alone; it runs nothing and knows no model."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tidegate.codecs.datatypes import BF16_DTYPE

if TYPE_CHECKING:
    from tidegate.results import Array

TOLERANCE = 1e-5
"""Greatest difference, relative or absolute, at which two floating-point results count as close."""


class Grade(IntEnum):
    """How two results compare; the greater, the worse."""

    EXACT = 0
    CLOSE = 1
    DIFFERENT = 2


class Comparison(NamedTuple):
    """How two results compare, and by how much they differ at most: absolute below 1, relative above."""

    grade: Grade
    difference: float


SAME = Comparison(Grade.EXACT, 0.0)


def compare(actual: Array, expected: Array) -> Comparison:
    """Compare two arrays of equal datatype and shape. Only floating-point numbers can be close; NaN is close to NaN."""
    if same_bits(actual, expected):
        return SAME
    if actual.dtype == BF16_DTYPE:
        actual, expected = _widen(actual), _widen(expected)
    if actual.dtype.kind != "f":
        return Comparison(Grade.DIFFERENT, float("inf"))
    difference = _difference(actual.astype(np.float64), expected.astype(np.float64))
    return Comparison(Grade.CLOSE if difference <= TOLERANCE else Grade.DIFFERENT, difference)


def same_bits(actual: Array, expected: Array) -> bool:
    """Tell whether two arrays of equal datatype and shape hold the same bits; NaN equals itself, 0.0 and -0.0 differ."""
    if actual.dtype == object:
        return bool((actual == expected).all())
    bits = f"u{actual.dtype.itemsize}"  # compared as integers: numpy then lets other threads run meanwhile
    return np.array_equal(np.ascontiguousarray(actual).view(bits), np.ascontiguousarray(expected).view(bits))


def _difference(actual: Array, expected: Array) -> float:
    settled = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        differences = np.where(settled, 0.0, np.abs(actual - expected) / np.maximum(1.0, np.abs(expected)))
    return float(np.where(np.isnan(differences), np.inf, differences).max(initial=0.0))


def _widen(bits: Array) -> Array:
    return (np.ascontiguousarray(bits).view(np.uint16).astype(np.uint32) << 16).view(np.float32)
