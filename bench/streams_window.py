"""What one window of streams in real time says: when chunks were answered, and whether that was right. It knows no sockets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .checks import Checked
from .stats import quantile
from .streams_voices import OUTPUT, PERIOD_S
from .streams_wire import Told, shown, told_of
from .window import Snapshot, Usage, usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .cases import Array
    from .streams_pace import Pace
    from .streams_voices import Voices

SHAPE = (1, 1)


@dataclass(slots=True, kw_only=True)
class StreamsWindow(Usage):
    """One window; times of chunks in milliseconds.

    Attributes:
        streams: how many there were.
        rate: chunks answered per second.
        due_p50_ms: from when a chunk was due to its answer, so that a late generator cannot hide; likewise the next two.
        sent_p99_ms: from when it was sent.
        late_p99_ms: from when it was due to when it was sent: how late the generator was itself.
        overrun: whether answers fell so far behind that the generator stopped.
    """

    streams: int
    rate: float
    due_p50_ms: float
    due_p99_ms: float
    due_max_ms: float
    sent_p99_ms: float
    late_p99_ms: float
    overrun: bool

    @property
    def holds(self) -> bool:
        """Whether 99 of 100 chunks were answered before the next one was due."""
        return not self.overrun and self.due_p99_ms < PERIOD_S * 1000


class Answered(NamedTuple):
    """When each chunk [stream, step - 1] was answered, in seconds (NaN: not), and whether that was right and exact."""

    at: Array
    checked: Checked


def window(
    pace: Pace,
    kept: Iterable[tuple[float, Sequence[bytes]]],
    voices: Voices,
    clocks: tuple[Snapshot, Snapshot],
    watched: int,
    failures: list[str],
    *,
    echoed: bool = False,
) -> StreamsWindow:
    """Turn what came, and the clocks at both ends, into a window; what was due between them counts.

    ``echoed`` says that the steps themselves come back.
    """
    first, last = clocks
    steps = -(-len(pace.sent) // len(pace.phases))
    answered = (echoes if echoed else partial(checked_answers, voices=voices))(kept, streams=len(pace.phases), steps=steps)
    count = len(pace.sent)
    sent, at = np.array(pace.sent), answered.at[pace.order].T.ravel()[:count]
    due = (np.array(pace.phases) + pace.began + np.arange(len(answered.at[0]))[:, None] * PERIOD_S).ravel()[:count]
    if not pace.overrun and np.isnan(at).any():
        failures.append(f"{np.isnan(at).sum()} chunks without an answer")
    inside = (due >= first.wall) & (due < last.wall) & ~np.isnan(at)
    took = ((at - due)[inside] * 1000).tolist()
    return StreamsWindow(
        streams=len(pace.phases),
        rate=(last.answers - first.answers) / (last.wall - first.wall),
        due_p50_ms=quantile(took, 0.5),
        due_p99_ms=quantile(took, 0.99),
        due_max_ms=max(took, default=float("nan")),
        sent_p99_ms=quantile(((at - sent)[inside] * 1000).tolist(), 0.99),
        late_p99_ms=quantile(((sent - due)[inside] * 1000).tolist(), 0.99),
        overrun=pace.overrun,
        **usage(first, last, watched, answered.checked, failures),  # type: ignore[arg-type]
    )


def checked_answers(kept: Iterable[tuple[float, Sequence[bytes]]], voices: Voices, streams: int, steps: int) -> Answered:
    """Check that each stream's results came in order, each once, with the very bits of its voice alone."""
    at, checked, next_seq = np.full((streams, steps), np.nan), Checked(), [1] * streams
    right, exact, rows, compute_us = voices.answers.astype("<f4"), 0, 0, []
    for when, messages in kept:
        for message in messages:
            checked.answers += 1
            try:
                told, value = _result(message, next_seq)
            except ValueError as error:
                checked.refuse(str(error))
                continue
            next_seq[told.stream] += 1
            at[told.stream, told.step - 1] = when
            want = right[told.stream % len(right), told.step - 1]
            exact += value == want.tobytes()
            rows += told.timing.batch_size
            compute_us.append(told.timing.compute_us)
            if not np.isclose(np.frombuffer(value, "<f4")[0], want, rtol=1e-5, atol=1e-5):
                checked.refuse(f"the numbers of stream {told.stream} step {told.step} are wrong")
    if compute_us:
        checked.exact_share, checked.mean_batch = exact / len(compute_us), rows / len(compute_us)
        checked.compute_us, checked.longest_us = quantile(compute_us, 0.5), max(compute_us)
    return Answered(at, checked)


def echoes(kept: Iterable[tuple[float, Sequence[bytes]]], streams: int, steps: int) -> Answered:
    """Check that each stream's steps came back in order, each once."""
    at, checked, last = np.full((streams, steps), np.nan), Checked(), [0] * streams
    for when, messages in kept:
        for message in messages:
            checked.answers += 1
            told, _ = told_of(message)
            if told.op != "step" or told.step != last[told.stream] + 1:
                checked.refuse(shown(told))
                continue
            last[told.stream] = told.step
            at[told.stream, told.step - 1] = when
    return Answered(at, checked)


def _result(message: bytes, next_seq: Sequence[int]) -> tuple[Told, bytes]:
    told, start = told_of(message)
    if told.op != "result" or not 0 <= told.stream < len(next_seq):
        raise ValueError(shown(told))
    if not told.seq == told.step == next_seq[told.stream] or not told.final:
        raise ValueError(f"{shown(told)} seq {told.seq} instead of {next_seq[told.stream]}")
    if [(t.name, t.shape, t.datatype) for t in told.outputs] != [(OUTPUT, SHAPE, "FP32")] or len(message) != start + 8:
        raise ValueError(f"outputs are {told.outputs}, {len(message)} bytes in all")
    return told, message[start : start + 4]
