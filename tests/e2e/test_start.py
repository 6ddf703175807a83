"""How a gateway starts and ends, as its user sees it."""

from __future__ import annotations

from pathlib import Path

from server_process import Serve


def test_it_starts(serve: Serve, models: Path) -> None:
    """x."""
    s = serve(models)
    print(s.log)
