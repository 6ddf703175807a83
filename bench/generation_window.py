"""What one window of generations says: how many tokens came, when, and whether they were right. It knows no sockets."""

from __future__ import annotations

import dataclasses
import hashlib
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .checks import Checked
from .generation_cases import STEPS
from .stats import quantile
from .streams_wire import Told, shown, told_of
from .window import Snapshot, Usage, usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .generation_asking import Asked
    from .generation_cases import Prompts

EIGHT = 8
"""Bytes of a token."""


@dataclass(slots=True, kw_only=True)
class GenerationWindow(Usage):
    """One window of generations; ``server_us`` and the shares are per token.

    Attributes:
        rate: tokens per second.
        first_ms: median time from when a generation was asked for to its first token.
        gap_p50_ms: from a token to the next of the same generation; likewise the 99th percentile.
        ended: generations that ended in the whole run.
        digests: of each prompt, of the tokens of its whole generations: one digest if all were equal.
    """

    rate: float
    first_ms: float
    gap_p50_ms: float
    gap_p99_ms: float
    ended: int
    digests: dict[str, list[str]]


@dataclass(slots=True)
class _Made:
    """What came of one generation."""

    times: list[float]
    tokens: list[int]
    ended: bool = False


def window(
    asked: dict[int, Asked],
    kept: Iterable[tuple[float, Sequence[bytes]]],
    prompts: Prompts | None,
    clocks: tuple[Snapshot, Snapshot],
    watched: int,
    failures: list[str],
) -> GenerationWindow:
    """Turn what came, and the clocks at both ends, into a window; with ``prompts``, tokens must be those."""
    made, checked = _made(asked, kept)
    times = sorted(when for each in made.values() for when in each.times)
    counts = [bisect_left(times, clock.wall) for clock in clocks]
    first, last = (dataclasses.replace(clock, answers=count) for clock, count in zip(clocks, counts, strict=True))
    gaps = [(later - earlier) * 1000 for each in made.values() for earlier, later in pairwise(each.times)]
    if prompts:
        _compare(checked, asked, made, prompts)
    for stream, each in made.items():
        if not each.ended:
            checked.refuse(f"generation {stream} has no end")
    return GenerationWindow(
        rate=(last.answers - first.answers) / (last.wall - first.wall),
        first_ms=quantile([each.times[0] - asked[stream].at for stream, each in made.items() if each.times], 0.5) * 1000,
        gap_p50_ms=quantile(gaps, 0.5),
        gap_p99_ms=quantile(gaps, 0.99),
        ended=sum(each.ended for each in made.values()),
        digests=_digests(asked, made),
        **usage(first, last, watched, checked, failures),  # type: ignore[arg-type]
    )


def _made(asked: dict[int, Asked], kept: Iterable[tuple[float, Sequence[bytes]]]) -> tuple[dict[int, _Made], Checked]:
    """Read everything, and check that each generation's tokens came in order, each once, and the last as the last."""
    made, checked = {stream: _Made([], []) for stream in asked}, Checked()
    rows, compute_us = 0, []
    for when, messages in kept:
        for message in messages:
            try:
                told, start = told_of(message)
                if told.op in {"opened", "closed"}:
                    continue
                checked.answers += 1
                _take(made[told.stream], asked[told.stream], told, message[start:], when)
            except (ValueError, KeyError) as error:
                checked.refuse(f"{type(error).__name__} {error}")
                continue
            rows += told.timing.batch_size
            compute_us.append(told.timing.compute_us)
    if compute_us:
        checked.mean_batch = rows / len(compute_us)
        checked.compute_us, checked.longest_us = quantile(compute_us, 0.5), max(compute_us)
    return made, checked


def _take(made: _Made, asked: Asked, told: Told, data: bytes, when: float) -> None:
    seq = len(made.tokens) + 1
    if told.op != "result" or (told.step, told.seq) != (1, seq) or made.ended:
        raise ValueError(f"{shown(told)} seq {told.seq} instead of {seq}")
    if told.final != (seq == asked.steps) or told.reason != ("length" if told.final else ""):
        raise ValueError(f"{shown(told)} after {seq} tokens of {asked.steps}")
    if [(t.name, t.datatype) for t in told.outputs] != [("token", "INT64")] or len(data) != EIGHT:
        raise ValueError(f"outputs are {told.outputs}, {len(data)} bytes")
    made.tokens.append(int.from_bytes(data, "little", signed=True))
    made.times.append(when)
    made.ended = told.final


def _compare(checked: Checked, asked: dict[int, Asked], made: dict[int, _Made], prompts: Prompts) -> None:
    """Note the share of generations that are token for token what a lone loop makes."""
    equal = [each.tokens == prompts.tokens[asked[stream].prompt, : len(each.tokens)].tolist() for stream, each in made.items()]
    checked.exact_share = sum(equal) / max(1, len(equal))


def _digests(asked: dict[int, Asked], made: dict[int, _Made]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for stream, each in made.items():
        if len(each.tokens) == STEPS:
            digest = hashlib.blake2b(np.array(each.tokens).tobytes(), digest_size=8).hexdigest()
            found.setdefault(str(asked[stream].prompt), set()).add(digest)
    return {prompt: sorted(digests) for prompt, digests in found.items()}
