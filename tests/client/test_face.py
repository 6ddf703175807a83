"""What ``import tidegate`` gives a client, and what it must not load."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("statement", ["tidegate.connect", "tidegate.client.sync.connect"])
def test_a_client_loads_nothing_heavy(statement: str) -> None:
    """A client alone imports neither onnxruntime nor uvloop, nor anything of the gateway or the models."""
    program = (
        f"import sys, tidegate, tidegate.client.sync; {statement}; "
        "print([name for name in sys.modules if name.split('.')[0] in ('onnxruntime', 'uvloop', 'prometheus_client') "
        "or name.startswith(('tidegate.gateway', 'tidegate.models'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
