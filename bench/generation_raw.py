"""The limit of generating: a loop by hand around onnxruntime, one pinned core, one thread, no server; it knows no socket.

``python -m bench.generation_raw --core 0`` prints one JSON line: tokens/s by temperature and then by rows, which begin
together and stay together; one row is the loop that one would write first.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import proc
from .generation_cases import HOME, PROMPT, SEED, STEPS, TEMPERATURE, Drawn, Loop, most_likely

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cases import Array

ROWS = (1, 32)
CHOICES: dict[float, Callable[[Array], Array]] = {0.0: most_likely, TEMPERATURE: Drawn(TEMPERATURE, SEED)}


def rate(loop: Loop, rows: int, temperature: float, seconds: float) -> float:
    """Return tokens/s of ``rows`` generations at a time, whole ones, measured for at least ``seconds``."""
    prompts = np.random.default_rng(SEED).integers(loop.vocabulary, size=(rows, PROMPT))
    loop.generate(prompts, PROMPT, most_likely)
    count, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds or not count:
        loop.generate(prompts, STEPS, CHOICES[temperature])
        count += rows * STEPS
    return count / passed


def main() -> None:
    """Measure what the command line asks for and print it as one JSON line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, default=HOME, help="folder of the model")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each of four")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    loop = Loop.of(options.home)
    before, own_s = proc.machine_times(), time.process_time()
    rates = {choice: {rows: rate(loop, rows, choice, options.seconds) for rows in ROWS} for choice in CHOICES}
    noise = proc.Noise.between(before, proc.machine_times(), time.process_time() - own_s)
    print(json.dumps({"rates": rates, "noise": asdict(noise)}))


if __name__ == "__main__":
    main()
