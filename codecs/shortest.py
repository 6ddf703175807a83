"""Floats of fewer than 64 bits → the float64 numbers that are written with the fewest digits and still round back to them.

Written as it is, an FP32 of 0.1 reads 0.10000000149011612: ten characters that say nothing. A decimal of at most 15 digits
is what Python writes for the float64 next to it, so the work is to find that number. Rounding to so many digits is done by
whole arrays: an integer below 10^9, divided or multiplied by a power of ten that float64 holds exactly, is rounded only once.
What lies beyond those powers is left to numpy's own printing, which takes ten times as long. This module does not know JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .datatypes import Array

_TENS = 10.0 ** np.arange(23)  # the powers that float64 holds exactly
_WHOLE = 1e16  # from here on whole numbers are written with an exponent
_FEW = 48  # elements; up to here one by one is quicker

# The digits that any number of the type survives, and those that some number of it needs. Subnormals have fewer, so FP16 and
# BF16, which are made of few bits anyway, begin at 1; those of FP32 are beyond the powers above.
_DIGITS = {"FP16": range(1, 6), "BF16": range(1, 5), "FP32": range(6, 10)}


def shortest(flat: Array, name: str) -> Array:
    """Give the float64 numbers to write for a flat array of FP16, BF16 (as float32) or FP32.

    Whole numbers stay what they are, since zeros at the end save nothing; so do those that are not finite.
    """
    if name != "BF16" and len(flat) <= _FEW:
        return _printed(flat)
    narrow: Callable[[Array], Array] = _to_bf16 if name == "BF16" else lambda wide: wide.astype(flat.dtype)
    with np.errstate(all="ignore"):
        exact = flat.astype(np.float64)
        found = exact.copy()
        left = np.isfinite(exact) & ((exact != np.rint(exact)) | (np.abs(exact) >= _WHOLE))
        # Where a logarithm is rounded up, a digit less is tried in each step, and the last step may be missing.
        exponents = np.where(left, np.floor(np.log10(np.abs(exact))), 0.0)
        within = left & (np.abs(exponents) <= len(_TENS) - _DIGITS[name].stop)
        for digits in _DIGITS[name]:
            near = _rounded(exact, digits - 1 - exponents)
            good = within & left & (narrow(near) == flat)
            np.copyto(found, near, where=good)
            left &= ~good
    if left.any():
        found[left] = _printed(flat[left]) if name != "BF16" else _printed_bf16(flat[left])
    return found


def _rounded(exact: Array, places: Array) -> Array:
    """Round to so many decimal places, or to tens where that is negative."""
    scale = np.take(_TENS, np.abs(places).astype(np.int64), mode="clip")
    right = places >= 0
    whole = np.rint(np.where(right, exact * scale, exact / scale))
    return np.where(right, whole / scale, whole * scale)


def _printed(flat: Array) -> Array:
    pairs = zip(flat, flat.tolist(), strict=True)
    return np.array([float(str(narrow)) if wide % 1 or abs(wide) >= _WHOLE else wide for narrow, wide in pairs], np.float64)


def _printed_bf16(flat: Array) -> Array:
    return np.array([_shortest_bf16(number) for number in flat], np.float64)


def _shortest_bf16(number: Any) -> float:
    texts = (f"{number:.{digits}e}" for digits in range(4))
    return next((float(text) for text in texts if _to_bf16(np.array(float(text))) == number), float(number))


def _to_bf16(wide: Array) -> Array:
    """Round to BF16 by way of FP32, ties to even, as a reader does; given as float32."""
    bits = wide.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
