"""Nothing about the models that are served is told to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SERVE_ONCE = """
import asyncio, numpy as np, tidegate
async def main():
    async with tidegate.Engine() as engine:
        await engine.infer("digits", image=np.zeros((1, 8, 8), np.float32))
asyncio.run(main())
"""
_QUIET_ANYWAY = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}  # what would make the test pass by itself


def test_onnxruntime_collects_nothing(tmp_path: Path) -> None:
    """A process that loads and runs a model leaves nothing in its user's home, where onnxruntime keeps what it would report."""
    environment = {name: value for name, value in os.environ.items() if name not in _QUIET_ANYWAY}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", _SERVE_ONCE], env=environment, timeout=60, check=True)
    assert list(tmp_path.rglob("*")) == []
