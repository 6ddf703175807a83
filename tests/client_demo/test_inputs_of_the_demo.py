"""What the demo shows to the models is real, licensed, and was never seen in training."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path

import numpy as np

from tidegate.client_demo.images import load_held_back
from tidegate.client_demo.recordings import load_recordings

ROOT = Path(__file__).parents[2]
DATA = ROOT / "client_demo" / "data"


def test_the_images_are_those_that_training_holds_back() -> None:
    """The demo splits as the training script does, number for number, and no image is on both sides."""
    spec = importlib.util.spec_from_file_location("train", ROOT / "models" / "bundled" / "digits" / "train.py")
    assert spec
    assert spec.loader
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    learnt, held_back, _, labels = train.split()
    shown = load_held_back()
    assert np.array_equal(shown.images, held_back)
    assert np.array_equal(shown.labels, labels)
    assert not {image.tobytes() for image in learnt} & {image.tobytes() for image in shown.images}


def test_the_recordings_are_those_whose_origin_is_written_down() -> None:
    """Each file is listed with its checksum in the README beside it, and they are small."""
    listed = dict(re.findall(r"`(\w+\.wav)` .*`([0-9a-f]{64})`", (DATA / "README.md").read_text()))
    files = {path.name: path.read_bytes() for path in DATA.glob("*.wav")}
    assert listed == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert sum(map(len, files.values())) <= 200 * 1024


def test_recordings_are_sound_at_the_models_rate() -> None:
    """FP32 from -1 to 1, loud enough to be heard, as long as the README says."""
    recordings = load_recordings()
    assert [round(recording.seconds, 2) for recording in recordings] == [2.99, 3.29]
    for recording in recordings:
        assert recording.samples.dtype == np.float32
        assert 0.1 < float(np.abs(recording.samples).max()) <= 1
