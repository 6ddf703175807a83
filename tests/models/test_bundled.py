"""The models that come with Tidegate: what they are, what they can, what the proof says of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tidegate.models.loader import load
from tidegate.models.repository import bundled, scan

if TYPE_CHECKING:
    from tidegate.models.model import Model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    found = bundled()
    assert not found.bad, "the tests need the demo extra"
    return {source.name: load(source) for source in found.sources}


def test_digits_recognises_what_it_claims(models: dict[str, Model]) -> None:
    """The accuracy in the file's metadata is what onnxruntime reaches on the images that were held back."""
    script = ROOT / "models" / "bundled" / "digits" / "train.py"
    spec = importlib.util.spec_from_file_location("train_digits", script)
    assert spec is not None
    assert spec.loader is not None
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    _, held_back, _, labels = train.split()
    digits = models["digits"]
    (probs,) = digits.backend.run([held_back])
    assert f"{np.mean(probs.argmax(axis=1) == labels):.4f}" == digits.metadata["accuracy"]
    assert float(digits.metadata["accuracy"]) > 0.95
    assert {"data", "licence", "trained_by"} <= set(digits.metadata)
    assert (ROOT / digits.metadata["trained_by"]).samefile(script)


def test_digits_is_small_and_batched_exactly(models: dict[str, Model]) -> None:
    """The smallest real model is 20 KB and exact in every size."""
    digits = models["digits"]
    assert (ROOT / "models/bundled/digits/model.onnx").stat().st_size < 21_000
    assert digits.batching.verdict == "exact"
    assert digits.batching.sizes == tuple(range(1, 129))
    assert [(spec.name, spec.datatype, spec.shape, spec.batch_axis) for spec in (*digits.inputs, *digits.outputs)] == [
        ("image", "FP32", (-1, 8, 8), 0),
        ("probs", "FP32", (-1, 10), 0),
    ]


def test_silero_has_its_state_on_axis_one_and_shares_its_rate(models: dict[str, Model]) -> None:
    """Of a file that declares no dimension, the proof finds the batch on two axes, and the sampling rate in the batch key."""
    silero = models["silero_vad"]
    assert silero.batching.verdict == "exact"
    assert silero.batching.max_batch >= 32
    assert {spec.name: spec.batch_axis for spec in (*silero.inputs, *silero.outputs)} == {
        "input": 0, "state": 1, "sr": None, "output": 0, "stateN": 1,
    }  # fmt: skip


def test_silero_needs_no_configuration(models: dict[str, Model], tmp_path: Path) -> None:
    """The same file, dropped into a folder, is proved just as well: sizes and numbers are found by trying."""
    source = next(source for source in bundled().sources if source.name == "silero_vad")
    (tmp_path / "vad.onnx").write_bytes(source.path.read_bytes())
    (bare,) = scan(tmp_path).sources
    silero = load(bare)
    assert [spec.batch_axis for spec in silero.inputs] == [spec.batch_axis for spec in models["silero_vad"].inputs]
    assert silero.batching.verdict == "exact"


def test_pitch_cannot_be_batched_and_says_so(models: dict[str, Model]) -> None:
    """A fixed first dimension is named in the reason, and the other one is no batch either."""
    pitch = models["pitch"]
    assert pitch.batching.verdict == "none"
    assert "the first dimension of 'audio' is fixed at 1" in pitch.batching.reason
    assert [(spec.name, spec.datatype) for spec in pitch.outputs] == [("pitch", "FP64"), ("confidence", "FP32")]


def test_pitch_hears_a_tone(models: dict[str, Model]) -> None:
    """A tone of 220 Hz with overtones is heard as one."""
    seconds = np.arange(16_000) / 16_000
    audio = sum(0.2 / n * np.sin(2 * np.pi * 220 * n * seconds) for n in range(1, 6)).astype(np.float32)[None]
    pitch, confidence = models["pitch"].backend.run([audio, np.array(46.875, np.float32), np.array(2093.75, np.float32)])
    assert np.median(pitch) == pytest.approx(220, rel=0.01)
    assert np.median(confidence) > 0.5
