"""The limit of Silero streams: onnxruntime in this process, one pinned core, one thread, no server; it knows no socket.

``python -m bench.streams_raw --core 0`` prints one JSON line: chunks/s per batch size. A batch size of 1 is the loop that
one would write for a single stream; with more, so many streams go on together, in step, from a first chunk to the end.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from . import proc
from .raw import session
from .streams_voices import Solo, model_file, voices

if TYPE_CHECKING:
    from .cases import Array

SOLO = 1
BATCH_SIZES = (SOLO, 16, 32, 64)
WARM_UP = 3
BATCHES = 8


def rate(run: Any, chunks: Array, size: int, seconds: float) -> float:
    """Return chunks/s of ``size`` streams together, measured for ``seconds``."""
    solo, count = Solo(run, size), 0
    batches = [np.resize(np.roll(chunks, shift, axis=0), (size, chunks.shape[1])) for shift in range(BATCHES)]
    for batch in batches[:WARM_UP]:
        solo.step(batch)
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds or not count:
        solo.step(batches[count % len(batches)])
        count += 1
    return count * size / passed


def main() -> None:
    """Measure what the command line asks for and print it as one JSON line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=BATCH_SIZES)
    parser.add_argument("--seconds", type=float, default=0.5, help="per batch size")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    run, chunks = session(model_file()), voices(0).chunks
    before, own_s = proc.machine_times(), time.process_time()
    rates = {size: rate(run, chunks, size, options.seconds) for size in options.batch_sizes}
    noise = proc.Noise.between(before, proc.machine_times(), time.process_time() - own_s)
    print(json.dumps({"rows": rates, "single_us": 1e6 / rates.get(SOLO, float("nan")), "noise": asdict(noise)}))


if __name__ == "__main__":
    main()
