"""What ``make`` says of tests that it cannot run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"CI", "MAKEFLAGS", "MAKELEVEL"}}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=inherited | environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("missing", [("NODE_20=false",), ("NODE_20=true", "CHROMIUM=/nowhere", "-o", "pages")])
def test_browser_tests_are_not_skipped_in_silence(missing: tuple[str, ...]) -> None:
    """Without Node or without a browser, one line says that the pages were not tested; where nobody reads it, that fails."""
    by_hand = make("test-browser", *missing)
    assert "The pages were not tested in a browser" in by_hand.stdout
    assert by_hand.returncode == 0
    assert make("test-browser", *missing, CI="true").returncode != 0
