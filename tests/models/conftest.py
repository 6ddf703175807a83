"""Makes the helpers of this folder importable, since tests are no package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_client_is_known_from_before() -> Iterator[None]:
    """A client's name means the same client within one test only."""
    from fakes import CLIENTS  # noqa: PLC0415 (this folder is importable only now)

    CLIENTS.clear()
    yield
