"""The recorded sentences beside this file, as numbers. It knows WAV files, and nothing of models. See ``data/README.md``."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tidegate.results import Array

RATE_HZ = 16_000

_FOLDER = Path(__file__).with_name("data")
_WORDS = {
    "austen_0880.wav": "He was not an ill-disposed young man,",
    "austen_0930.wav": "he might even have been made amiable himself.",
}


@dataclass(frozen=True, slots=True)
class Recording:
    """A sentence that somebody read aloud.

    Attributes:
        words: what is said.
        samples: FP32 from -1 to 1, at ``RATE_HZ``.
    """

    words: str
    samples: Array

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE_HZ


def load_recordings() -> list[Recording]:
    """Read the recordings; it blocks."""
    return [Recording(words, _samples(_FOLDER / name)) for name, words in _WORDS.items()]


def _samples(path: Path) -> Array:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
