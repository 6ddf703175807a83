"""What the tests of the documents share: the page reader, and a folder as a reader of the documents would have it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from doc_pages import ROOT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder that has ``my_models/`` with one model, and no settings from elsewhere."""
    shutil.copytree(ROOT / "models" / "bundled" / "digits", tmp_path / "my_models" / "digits")
    monkeypatch.chdir(tmp_path)
    return tmp_path
