"""The models that come with Tidegate: what they are, what they can, what the proof says of them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from loop_models import Table, chars_script

from tidegate.models.loader import load
from tidegate.models.repository import bundled, scan

if TYPE_CHECKING:
    from tidegate.models.model import Model

ROOT = Path(__file__).parents[2]

HELD_BACK = """\
Vanity of vanities, saith the Preacher, vanity of vanities; all is vanity.
What profit hath a man of all his labour which he taketh under the sun?
One generation passeth away, and another generation cometh: but the earth abideth for ever.
The sun also ariseth, and the sun goeth down, and hasteth to his place where he arose.
The wind goeth toward the south, and turneth about unto the north; it whirleth about continually, and the wind returneth \
again according to his circuits.
All the rivers run into the sea; yet the sea is not full; unto the place from whence the rivers come, thither they return \
again.
All things are full of labour; man cannot utter it: the eye is not satisfied with seeing, nor the ear filled with hearing.
The thing that hath been, it is that which shall be; and that which is done is that which shall be done: and there is no \
new thing under the sun.
Is there any thing whereof it may be said, See, this is new? it hath been already of old time, which was before us.
There is no remembrance of former things; neither shall there be any remembrance of things that are to come with those \
that shall come after.
"""
"""From Ecclesiastes 1, a chapter that the character model has not seen."""


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


def test_chars_is_as_good_as_it_claims() -> None:
    """On a chapter that was held back, the perplexity is about what the file's metadata says of all of them."""
    folder = ROOT / "models" / "bundled" / "chars"
    assert (folder / "model.onnx").stat().st_size < 1_000_000
    model = onnx.load(folder / "model.onnx")
    said = {prop.key: prop.value for prop in model.metadata_props}
    vocab = json.loads((folder / "vocab.json").read_text())
    assert {"perplexity", "perplexity_of", "data", "licence", "trained_by"} <= set(said)
    assert int(said["vocabulary"]) == len(vocab)
    measured = chars_script().perplexity(model, np.array([vocab.index(character) for character in HELD_BACK]))
    assert measured == pytest.approx(float(said["perplexity"]), rel=0.25)
    assert float(said["perplexity"]) < 3.5


def test_chars_writes_verses_side_by_side(models: dict[str, Model]) -> None:
    """Caches are found by their names and padded; verses that begin alike and are written side by side end on their own."""
    chars = models["chars"]
    loop: dict[str, Any] = chars.stream.describe()["loop"]
    assert (loop["padded"], loop["context"], chars.batching.verdict != "none") == (True, 256, True)
    vocab, table = loop["vocab"], Table(chars)
    prompts = ["And God said", "The", "In the beginning"]
    players = [
        table.player().step([vocab.index(character) for character in prompt], temperature=0.5, seed=3) for prompt in prompts
    ]
    table.play(*players)
    for player in players:
        text = "".join(made.text or "" for made in player.told)
        words = set(text.replace(",", " ").split())
        assert player.told[-1].reason in ("stop", "length")
        assert len(words & {"and", "the", "of", "to", "in", "his", "unto", "he", "that", "for"}) >= 3, text


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
