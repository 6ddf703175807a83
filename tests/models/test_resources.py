"""What the process knows of its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.models import resources

if TYPE_CHECKING:
    import pytest


def test_memory_is_a_plausible_number_or_unknown() -> None:
    """Where the system tells, the process holds more than a MiB, and some is left."""
    for known in (resources.resident_bytes(), resources.available_bytes()):
        assert known is None or known > 2**20


def test_a_system_that_says_nothing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the files of Linux nothing is known, and nothing fails."""

    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(resources.Path, "read_text", missing)
    assert resources.resident_bytes() is None
    assert resources.available_bytes() is None


def test_the_limit_of_the_container_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smaller of what the machine and the container have left is available."""
    texts = {"meminfo": "MemTotal: 9 kB\nMemAvailable: 4 kB\n", "memory.max": "3000\n", "memory.current": "1000\n"}
    monkeypatch.setattr(resources.Path, "read_text", lambda path, **_: texts[path.name])
    assert resources.available_bytes() == 2000
    texts["memory.max"] = "max\n"
    assert resources.available_bytes() == 4096
