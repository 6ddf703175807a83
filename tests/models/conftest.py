"""Makes the helpers of this folder importable, since tests are no package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _no_client_is_known_from_before() -> None:
    """A client's name means the same client within one test only."""
    from fakes import CLIENTS

    CLIENTS.clear()
    return
