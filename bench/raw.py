"""The limit of computing: onnxruntime in this process, one pinned core, one thread, no server; it knows no socket.

``python -m bench.raw MODEL.onnx --core 0`` prints one JSON line: rows/s per batch size, and the p50 of a single run.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import proc
from .stats import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


def session(path: Path) -> Any:
    """Return a session on the CPU with one thread, set up as a server of one-thread compute slots would."""
    from tidegate.models.quiet_onnxruntime import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run_times(run: Any, batch: Any, seconds: float) -> list[float]:
    """Run ``batch`` again and again for ``seconds`` and return the time of each run, in seconds; at least three."""
    times: list[float] = []
    names, feed = ["y"], {"x": batch}
    for _ in range(3):
        run.run(names, feed)
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end or len(times) < 3:
        run.run(names, feed)
        times.append(time.perf_counter() - start)
    return times


def rows_per_second(run: Any, columns: int, batch_sizes: Sequence[int], seconds: float) -> dict[int, float]:
    """Return rows/s for each batch size, each measured for ``seconds``."""
    rates = {}
    rng = np.random.default_rng(0)
    for size in batch_sizes:
        times = run_times(run, rng.standard_normal((size, columns)).astype(np.float32), seconds)
        rates[size] = size * len(times) / sum(times)
    return rates


def main() -> None:
    """Measure what the command line asks for and print it as one JSON line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=BATCH_SIZES)
    parser.add_argument("--seconds", type=float, default=0.5, help="per batch size")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    run = session(options.model)
    columns = run.get_inputs()[0].shape[1]
    before, own_s = proc.machine_times(), time.process_time()
    rates = rows_per_second(run, columns, options.batch_sizes, options.seconds)
    single = run_times(run, np.ones((1, columns), np.float32), options.seconds)
    noise = proc.Noise.between(before, proc.machine_times(), time.process_time() - own_s)
    print(json.dumps({"rows": rates, "single_us": quantile(single, 0.5) * 1e6, "noise": asdict(noise)}))


if __name__ == "__main__":
    main()
