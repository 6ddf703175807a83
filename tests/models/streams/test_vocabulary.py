"""The text of tokens in a file beside ``model.toml``: read when models are looked for, from that folder and no other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from onnx_models import row_wise_mlp, write

from tidegate.models.repository import scan

if TYPE_CHECKING:
    from pathlib import Path

LOOP = '[loop]\ninput = "ids"\noutput = "logits"\nvocab = '


def folder_with(tmp_path: Path, toml: str) -> Path:
    write(tmp_path / "models/m", model=row_wise_mlp())
    (tmp_path / "models/m/model.toml").write_text(toml)
    return tmp_path / "models"


def test_the_file_is_read(tmp_path: Path) -> None:
    """In place of the file's name stands what is in it."""
    folder = folder_with(tmp_path, LOOP + '"vocab.json"')
    (folder / "m/vocab.json").write_text(json.dumps(["a", "é", ""]))
    (source,) = scan(folder).sources
    assert source.config.loop is not None
    assert source.config.loop.vocab == ("a", "é", "")


def test_a_list_is_taken_as_it_is(tmp_path: Path) -> None:
    """Few tokens may stand in ``model.toml`` itself."""
    (source,) = scan(folder_with(tmp_path, LOOP + '["a", "b"]')).sources
    assert source.config.loop is not None
    assert source.config.loop.vocab == ("a", "b")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'["a"', b"[" * 100_000])
def test_what_is_no_list_of_strings_is_one_line(tmp_path: Path, content: bytes) -> None:
    """Whatever is in the file, the model is listed with one line that names it."""
    folder = folder_with(tmp_path, LOOP + '"vocab.json"')
    (folder / "m/vocab.json").write_bytes(content)
    (bad,) = scan(folder).bad
    assert "[loop] `vocab`: 'vocab.json' is no JSON list of strings" in bad.error
    assert "\n" not in bad.error


@pytest.mark.parametrize("name", ["missing.json", "../secret.json", "link.json", "hard.json"])
def test_a_file_that_lies_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """A model cannot carry a file away as its vocabulary."""
    folder = folder_with(tmp_path, LOOP + json.dumps(name))
    secret = folder / "secret.json"
    secret.write_text('["secret"]')
    (folder / "m/link.json").symlink_to(secret)
    (folder / "m/hard.json").hardlink_to(secret)
    (bad,) = scan(folder).bad
    assert "[loop] `vocab`" in bad.error
    assert not scan(folder).sources
