"""What a client hears is written down as it comes, chunk for chunk, over a cut connection too."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tidegate
from tidegate.client.testing import FakeGateway
from tidegate.client_demo.asking import VOICE
from tidegate.client_demo.cable import Cable
from tidegate.client_demo.hearing import STEP_S, Hearing, hear
from tidegate.client_demo.recordings import Recording
from tidegate.results import StreamResult, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.results import Array

TAKES = {"inputs": [{"name": "input", "datatypes": ["FP32"]}]}
LISTING: dict[str, Any] = {"name": VOICE, "version": "1", "inputs": [], "pure": True, "stream": TAKES}
STEPS = 40
LONG_AGO_S = 60.0


def recording(steps: int = STEPS) -> Recording:
    samples = np.repeat(np.linspace(0, 1, steps, dtype=np.float32), 512)
    return Recording("…", np.append(samples, np.zeros(100, np.float32)))


def loudness(after: Callable[[int], None]) -> Callable[[dict[str, Array]], Any]:
    """A model that hears how loud each chunk is, and says after which."""

    def opened(_constants: dict[str, Array]) -> Any:
        def step(tensors: dict[str, Array], _parameters: Any) -> dict[str, Array]:
            level = tensors["input"].ravel()[:1]
            after(round(float(level[0]) * (STEPS - 1)) + 1)
            return {"output": level[None]}

        return step

    return opened


def result(step: int, *, batch_size: int = 1) -> StreamResult:
    outputs = {"output": np.array([[0.5]], np.float32)}
    timing = Timing(queue_us=0, compute_us=1, batch_size=batch_size)
    return StreamResult(outputs, model=VOICE, version="1", timing=timing, seq=step, step=step, final=True)


async def test_a_cut_in_the_middle_loses_nothing() -> None:
    """Every chunk of the recording has its result, once and in order, though the connection died on the way."""
    hearing = Hearing(recording())
    async with FakeGateway(listing=[LISTING]) as gateway, Cable(gateway.url) as cable:
        gateway.streams.models = {VOICE: loudness(lambda step: cable.cut() if step == STEPS // 2 else None)}
        async with tidegate.connect(cable.url) as gw, gw.stream(VOICE, sr=16_000) as stream:
            await hear(stream, hearing, perf_counter() - LONG_AGO_S)
    assert hearing.complete
    assert hearing.probabilities == pytest.approx(np.linspace(0, 1, STEPS))


def test_latency_counts_from_the_end_of_a_chunk() -> None:
    """Whether it was sent then or had to wait: step two ends after 64 ms, so a result at 84 ms is 20 ms late."""
    hearing = Hearing(recording())
    hearing.add(result(1, batch_size=4), at_s=STEP_S + 0.01)
    hearing.add(result(2), at_s=2 * STEP_S + 0.02)
    assert hearing.latency_ms(100) == pytest.approx(20)
    assert hearing.rows_per_batch == pytest.approx(1.6)
    assert not hearing.complete


def test_what_was_spoken_while_the_connection_was_away_is_counted() -> None:
    """From the cut to the first result after it, and the chunks that ended in between."""
    hearing = Hearing(recording())
    hearing.add(result(1), at_s=STEP_S)
    assert (hearing.silent_s, hearing.waited) == (None, 0)
    hearing.cut_s = 1.5 * STEP_S
    hearing.add(result(2), at_s=5.2 * STEP_S)
    hearing.add(result(3), at_s=5.3 * STEP_S)
    assert hearing.silent_s == pytest.approx(3.7 * STEP_S)
    assert hearing.waited == 4


def test_before_anything_came_there_are_no_numbers() -> None:
    """A table can be drawn from the first moment on."""
    hearing = Hearing(recording())
    assert np.isnan([hearing.latency_ms(50), hearing.rows_per_batch]).all()


def test_what_two_clients_heard_is_compared() -> None:
    """By the largest difference, and as wholly different where there are not as many results."""
    one, other = Hearing(recording(), probabilities=[0.5, 0.25]), Hearing(recording(), probabilities=[0.5, 0.5])
    assert (one.apart(one), one.apart(other), one.apart(Hearing(recording()))) == (0.0, 0.25, 1.0)
