"""What holds for all tests of this folder; where its helpers are found, the conftest above says."""

from __future__ import annotations

import pytest
from fakes import CLIENTS


@pytest.fixture(autouse=True)
def _no_client_is_known_from_before() -> None:
    """A client's name means the same client within one test only."""
    CLIENTS.clear()
