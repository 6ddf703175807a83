"""``model.toml``: what it may say, and how it is refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import ModelUnavailable
from tidegate.models import config
from tidegate.models.config import ModelConfig

if TYPE_CHECKING:
    from pathlib import Path

SHA = "a" * 64


def test_an_empty_file_gives_the_defaults() -> None:
    """A model needs no configuration."""
    assert config.parse("") == ModelConfig()
    assert ModelConfig().max_batch == 128
    assert ModelConfig().pure


def test_every_key_is_understood() -> None:
    """Each documented key arrives in the structure."""
    parsed = config.parse(
        f"""
        batching = "off"
        max_batch = 16
        max_delay_ms = 2.5
        weight = 2
        pure = false
        intra_op_threads = 2
        probe_ms = 50
        [axes]
        state = 1
        [dims]
        "x.1" = 576
        [source]
        package = "some_package"
        resource = "data/m.onnx"
        sha256 = "{SHA}"
        extra = "demo"
        [inputs.x]
        shape = [-1, 4]
        low = -1
        high = 1
        [inputs.sr]
        values = [8000, 16000]
        """
    )
    assert (parsed.batching, parsed.max_batch, parsed.max_delay_ms, parsed.weight) == ("off", 16, 2.5, 2.0)
    assert (parsed.pure, parsed.intra_op_threads, parsed.probe_ms) == (False, 2, 50.0)
    assert (parsed.axes, parsed.dims) == ({"state": 1}, {"x.1": 576})
    assert parsed.source is not None
    assert parsed.source.extra == "demo"
    assert parsed.inputs["x"].shape == (-1, 4)
    assert parsed.inputs["sr"].values == (8000, 16000)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("max_bach = 3", "max_bach"),
        ("max_batch = 0", "max_batch"),
        ("max_batch = true", "max_batch"),
        ('batching = "maybe"', "batching"),
        ("weight = 0", "weight"),
        ("max_delay_ms = -1", "max_delay_ms"),
        ("[axes]\nx = -1", "axes"),
        ("[dims]\nn = 0", "dims"),
        ("[inputs.x]\nlow = 2\nhigh = 1", "low"),
        ("[inputs.x]\nlow = 2\nvalues = [1]", "values"),
        ("[inputs.x]\nvalues = []", "values"),
        ('[source]\npackage = "a.b"\nresource = "m.onnx"\nsha256 = "0"', "package"),
        ("this is not toml", "line 1"),
        ("[source]", "package"),
    ],
)
def test_what_is_not_understood_is_named_in_one_line(text: str, part: str) -> None:
    """A mistake is refused with one line that names it."""
    with pytest.raises(ModelUnavailable) as caught:
        config.parse(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Bytes that are no text give the same error as text that is no TOML."""
    path = tmp_path / "model.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelUnavailable, match=r"model\.toml"):
        config.read(path)


@given(st.text())
def test_only_one_error_leaves_the_parser(text: str) -> None:
    """Whatever the text is, it is understood or refused with ModelUnavailable."""
    with contextlib.suppress(ModelUnavailable):
        assert isinstance(config.parse(text), ModelConfig)
