"""Silero VAD, which hears nothing without its carry: streams of both rates, in batches, against onnxruntime alone."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import onnxruntime
import pytest

from tidegate.errors import InvalidInput
from tidegate.models.batch import Batch
from tidegate.models.loader import load
from tidegate.models.onnx_backend import session_options
from tidegate.models.repository import bundled
from tidegate.models.request import Request
from tidegate.models.worker import Worker

from .stepping import Stepper

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.models.model import Model
    from tidegate.models.repository import ModelSource

RECORDINGS = Path(__file__).parents[3] / "client_demo" / "data"
LENGTHS = {16000: 512, 8000: 256}
OUTPUTS = ("output", "stateN")


@pytest.fixture(scope="module")
def source() -> ModelSource:
    found = [source for source in bundled().sources if source.name == "silero_vad"]
    assert found, "the tests need the demo extra"
    return found[0]


@pytest.fixture(scope="module")
def silero(source: ModelSource) -> Model:
    return load(source)


def solo(source: ModelSource, rate: int, chunks: Sequence[Any]) -> Iterator[list[bytes]]:
    """Give the bits of a loop over onnxruntime, as the model's makers write it."""
    session = onnxruntime.InferenceSession(str(source.path), session_options(1), providers=["CPUExecutionProvider"])
    state, before = np.zeros((2, 1, 128), np.float32), np.zeros((1, LENGTHS[rate] // 8), np.float32)
    for chunk in chunks:
        whole = np.concatenate([before, chunk], axis=1)
        output, state = session.run(None, {"input": whole, "state": state, "sr": np.array(rate)})
        before = whole[:, -before.shape[1] :]
        yield [output.tobytes(), state.tobytes()]


class Batched:
    """A stream of which single steps run beside those of others."""

    def __init__(self, model: Model, rate: int, seed: int) -> None:
        length = LENGTHS[rate]
        self.rate = rate
        self.chunks = np.random.default_rng(seed).normal(0, 0.1, (20, 1, length)).astype(np.float32)
        self.told: list[list[bytes]] = []
        self._spec = model.stream
        self._fixed, self._state = self._spec.begin({"sr": np.array(rate)})

    def begin(self, worker: Worker) -> Request:
        inputs = {"input": self.chunks[len(self.told)]}
        self._agenda = self._spec.agenda(worker, self._fixed, inputs, OUTPUTS)
        arrays, kind = self._agenda.arrays(self._state)
        return Request(kind, None, arrays, None, None, 0.0)

    def end(self, run: Any, place: int) -> None:
        made = self._agenda.ran(self._state, run, place, place + 1)
        self._state = made.state
        self.told.append([made.outputs[name].tobytes() for name in OUTPUTS])

    @property
    def is_done(self) -> bool:
        return len(self.told) == len(self.chunks)


def test_streams_in_batches_give_the_bits_of_a_solo_run(silero: Model, source: ModelSource) -> None:
    """Twelve streams of two rates, a random choice in each batch: every output and state is that of a loop alone."""
    draw, worker = np.random.default_rng(4), Worker(silero)
    streams = [Batched(silero, rate, seed) for seed, rate in enumerate([16000, 8000] * 6)]
    while waiting := [stream for stream in streams if not stream.is_done]:
        chosen = [stream for stream in waiting[1:] if stream.rate == waiting[0].rate and draw.random() < 0.6]
        chosen = [chosen[place] for place in draw.permutation(len(chosen))] + waiting[:1]
        batch = Batch(worker, [(stream.begin(worker), 0, 1) for stream in chosen])
        batch.execute()
        for place, stream in enumerate(chosen):
            stream.end(batch.run, place)
    for stream in streams:
        assert stream.told == list(solo(source, stream.rate, stream.chunks))


def test_a_stream_hears_speech(silero: Model) -> None:
    """A recording of a voice is heard, with no more than its chunks sent and nothing said of states and carries."""
    stepper = Stepper(silero)
    heard = [made.outputs["output"].item() for chunk in chunks_of_a_voice() for made in stepper.step({"input": chunk})]
    assert max(heard) > 0.9
    assert min(heard) < 0.3


def test_a_telephone_may_send_what_it_has(silero: Model, source: ModelSource) -> None:
    """INT16 in pieces of any length gives what FP32 in whole chunks gives, where the model is declared so."""
    chunk = msgspec.structs.replace(source.config.chunk, rebuffer=True, scale_int16=True)
    patient = Stepper(configured(silero, chunk=chunk))
    exact = Stepper(silero)
    chunks = chunks_of_a_voice()
    heard = [made.outputs["output"].item() for chunk in chunks for made in exact.step({"input": chunk})]
    raw = np.concatenate([(chunk * 32768).astype(np.int16) for chunk in chunks])
    told = [made for piece in np.array_split(raw, 77) for made in patient.step({"input": piece})]
    assert [made.outputs["output"].item() for made in told if made.outputs] == heard


def test_wrong_chunks_and_rates_are_errors(silero: Model) -> None:
    """What the model would answer with garbage is refused: a length of the other rate, a rate that it does not know."""
    spec, worker = silero.stream, Worker(silero)
    for rate, other in ((16000, 256), (8000, 512)):
        fixed, _ = spec.begin({"sr": np.array(rate)})
        with pytest.raises(InvalidInput) as caught:
            spec.agenda(worker, fixed, {"input": np.zeros((1, other), np.float32)})
        assert caught.value.expected == f"{LENGTHS[rate]} along axis 1 for sr = {rate}"
    with pytest.raises(InvalidInput) as caught:
        spec.begin({"sr": np.array(44100)})
    assert caught.value.expected == "one of 16000, 8000"


def test_without_batching_it_streams_all_the_same(source: ModelSource, silero: Model) -> None:
    """One line that turns batching off changes no stream."""
    alone = load(configured(source, batching="off"))
    assert alone.batching.verdict == "none"
    one, other = Stepper(silero), Stepper(alone)
    for chunk in chunks_of_a_voice()[:3]:
        (here,), (there,) = one.step({"input": chunk}), other.step({"input": chunk})
        assert here.outputs["output"].tobytes() == there.outputs["output"].tobytes()


def chunks_of_a_voice() -> list[Any]:
    """Give a recording as chunks [512]."""
    with wave.open(str(next(iter(sorted(RECORDINGS.glob("*.wav")))))) as recording:
        samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16).astype(np.float32) / 32768
    return [samples[at : at + 512] for at in range(0, len(samples) - 511, 512)]


def configured(what: Any, **changes: Any) -> Any:
    """Give a model, or the source of one, with another configuration."""
    return replace(what, config=msgspec.structs.replace(what.config, **changes))
