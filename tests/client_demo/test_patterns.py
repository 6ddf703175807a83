"""The programs that people copy work, are short, and say what they are meant to say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PATTERNS = Path(__file__).parents[2] / "client_demo" / "patterns"
SAYS = {
    "as_completed": r"\d+ of 450 images show a one\n",
    "cancel": r"the last question was (removed|dropped), its status is cancelled\nthe other 49 were answered\n",
    "engine_in_process": r"they are 2 0 4 9 4 1 2 4 6 7\n",
    "gather": r"they are 2 0 4 9 4 1 2 4 6 7\nrows in the batch of each:( \d+){10}\n",
    "generate": r"And God said.+\n\(ended by (stop|length)\)\n",
    "stream": r"somebody speaks after 0\.[23]\d s\n",
    "sync_notebook": r"the first is a 2\n450 recognised in \d+ µs of computing\n",
    "task_group": r"they are 2 0 4 9 4 1 2 4 6 7\n",
    "timeout": r"(\d+) of 100 were answered within 20 ms, (\d+) ended as deadline_exceeded\n",
}


@pytest.mark.parametrize("name", sorted(SAYS))
def test_a_pattern_runs_against_a_real_gateway(name: str, gateway_url: str) -> None:
    """Started as its users start it, it prints a real result and nothing else."""
    arguments = [] if name == "engine_in_process" else [gateway_url]
    command = [sys.executable, "-m", f"tidegate.client_demo.patterns.{name}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = re.fullmatch(SAYS[name], done.stdout)
    assert found, done.stdout
    if name == "timeout":
        assert int(found[1]) + int(found[2]) == 100


def test_every_pattern_is_run_and_short() -> None:
    """None is left out above, and each fits on a screen: fewer than 30 lines."""
    files = {path.stem: path for path in PATTERNS.glob("*.py")}
    assert files.keys() == SAYS.keys()
    assert [name for name, path in files.items() if len(path.read_text().splitlines()) >= 30] == []
