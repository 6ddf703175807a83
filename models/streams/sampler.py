"""Chooses a token for each row of logits: the most likely one, or one drawn at random. Pure; knows no model and no stream.

What a row gets depends on that row alone, bit for bit, whatever else is in the batch: everything is computed in 64 bits and
along rows. Random numbers are counted, not remembered: number ``n`` of a seed is the n-th output of SplitMix64 started with
that seed (Steele, Lea and Flood, OOPSLA 2014; constants as in Vigna's public-domain ``splitmix64.c``), so the state of a
row's randomness is two integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tidegate.results import Array

NO_LIMIT = 2**31 - 1
"""``top_k`` that considers all tokens."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST_SHIFT = np.uint64(31)
# 52 bits, not 53: then the number times any total stays below that total, also when the product is rounded.
_UNUSED_BITS = np.uint64(12)
_UNIT = 2.0**-52
_AHEAD = 16  # random numbers of each row that are made at once: a call of numpy costs more than what it computes here
_TINY = 1e-200  # temperature; above it a 32-bit logit divided by it is a 64-bit number


class Sampling:
    """How the tokens of some rows are chosen.

    Attributes:
        temperature: FP64 [B]; 0 takes the most likely token, the first one among equals. Above 0, logits are divided by it.
        top_k: INT64 [B], at least 1: only so many of the most likely tokens are considered.
        top_p: FP64 [B], above 0 and up to 1: of these, only the fewest that together have this share of the probability.
        seed: UINT64 [B], of each row's random numbers.
    """

    __slots__ = ("_ahead", "_drawn", "_is_limited", "_is_tiny", "_rows", "_some", "seed", "temperature", "top_k", "top_p")

    def __init__(self, temperature: Array, top_k: Array, top_p: Array, seed: Array) -> None:
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.seed = seed
        self._drawn = temperature > 0
        self._rows = np.arange(len(temperature))
        self._is_tiny = bool((temperature < _TINY).any())
        self._ahead: tuple[Array, int, Array] | None = None  # whose numbers, which of them, and the numbers
        self._is_limited = bool((top_k < NO_LIMIT).any() or (top_p < 1).any())
        self._some: Sampling | None = self  # for the rows that leave anything to chance
        if not self._drawn.all():
            rows = self._drawn
            self._some = Sampling(temperature[rows], top_k[rows], top_p[rows], seed[rows]) if rows.any() else None

    def choose(self, logits: Array, draw: Array, moved: int = 0) -> Array:
        """Choose one token for each row.

        Args:
            logits: floating-point numbers [B, V]; -inf for a token that is never chosen.
            draw: UINT64 [B]: which of its seed's random numbers each row uses, from 0.
            moved: how many numbers behind that one; for the same object ``draw`` several are made at once.

        Returns:
            INT64 [B].

        Raises:
            ValueError: a row's greatest logit is NaN or infinite.
        """
        if self._some is self:
            best = logits.max(axis=1)
            _check_finite(best)
            return self._draw(logits, best, self._numbers(draw, moved))
        tokens: Array = logits.argmax(axis=1)
        _check_finite(logits[self._rows, tokens])
        if self._some is not None:
            rows = self._drawn
            tokens[rows] = self._some.choose(logits[rows], draw[rows], moved)
        return tokens

    def _numbers(self, draw: Array, moved: int) -> Array:
        which, at = divmod(moved, _AHEAD)
        ahead = self._ahead
        if ahead is None or ahead[0] is not draw or ahead[1] != which:
            steps = np.arange(moved - at, moved - at + _AHEAD, dtype=np.uint64)[:, None]
            ahead = self._ahead = draw, which, uniform(self.seed, draw + steps)
        numbers: Array = ahead[2][at]
        return numbers

    def _draw(self, logits: Array, best: Array, numbers: Array) -> Array:
        weights = self._weights(logits, best)
        if self._is_limited:
            weights = np.where(self._most_likely(logits, best), weights, 0.0)
        sums = weights.cumsum(axis=1)
        targets = numbers * sums[:, -1]  # below the last sum, and sums never fall
        tokens: Array = (sums > targets[:, None]).argmax(axis=1)
        return tokens

    def _weights(self, logits: Array, best: Array) -> Array:
        weights = np.subtract(logits, best[:, None], dtype=np.float64)
        if self._is_tiny or logits.dtype == np.float64:
            with np.errstate(over="ignore"):  # to -inf: such tokens are not chosen
                weights /= self.temperature[:, None]
        else:
            weights /= self.temperature[:, None]
        return np.exp(weights, out=weights)

    def _most_likely(self, logits: Array, best: Array) -> Array:
        """Tell which tokens ``top_k`` and ``top_p`` leave, BOOL [B, V]; the first ones among equals."""
        rows = self._rows
        falling = np.sort(logits, axis=1)[:, ::-1]
        weights = self._weights(falling, best)
        sums = weights.cumsum(axis=1)
        kept = np.minimum(self.top_k, logits.shape[1])
        share = self.top_p * sums[rows, kept - 1]
        needed = (sums - weights < share[:, None]).sum(axis=1)  # the others have it without the last of these
        kept = np.where(self.top_p < 1, np.minimum(kept, np.maximum(needed, 1)), kept)
        least = falling[rows, kept - 1][:, None]
        above, equal = logits > least, logits == least
        room = kept - above.sum(axis=1)
        likely: Array = above | (equal & (equal.cumsum(axis=1) <= room[:, None]))
        return likely


def _check_finite(best: Array) -> None:
    if not np.isfinite(best).all():
        raise ValueError("the logits are not finite numbers")


def uniform(seed: Array, draw: Array) -> Array:
    """Return a random number from 0 up to, but not including, 1 for each row: FP64 [B]. Takes UINT64 [B], numbered from 0."""
    bits = seed + (draw + np.uint64(1)) * _GAMMA  # modulo 2**64, as meant
    for shift, factor in _MIX:
        bits = (bits ^ (bits >> shift)) * factor
    numbers: Array = ((bits ^ (bits >> _LAST_SHIFT)) >> _UNUSED_BITS) * _UNIT
    return numbers
