"""``[loop]`` against a model's tensors: what does not fit is told when the model is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest
from loop_models import CACHED_LOOP, RECURRENT_LOOP, VOCABULARY, recurrent, transformer

from tidegate.errors import ModelUnavailable
from tidegate.models.loader import load
from tidegate.models.repository import scan

if TYPE_CHECKING:
    from pathlib import Path

QUICK = "probe_ms = 1\nmax_batch = 4\n"


def _fault(folder: Path, model: onnx.ModelProto, toml: str) -> str:
    """Load a model that cannot be served; returns why."""
    (folder / "m").mkdir()
    onnx.save(model, folder / "m" / "model.onnx")
    (folder / "m" / "model.toml").write_text(QUICK + toml, encoding="utf-8")
    found = scan(folder)
    if found.bad:
        return str(found.bad[0].describe()["error"])
    with pytest.raises(ModelUnavailable) as told:
        load(found.sources[0])
    return told.value.message


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('output = "logits"', 'output = "scores"', "'scores'"),
        ('input = "input_ids"', 'input = "ids"', "'ids'"),
        ('mask = "attention_mask"', 'mask = "mask"', "'mask'"),
        ('mask = "attention_mask"', "", "'attention_mask'"),
        ('output = "logits"', 'output = "present.0.key"', "'present.0.key'"),
        ('input = "input_ids"\n', 'input = "past_key_values.0.key"\n', "'past_key_values.0.key'"),
        ("stop = [3]", f"stop = [{VOCABULARY}]", f"stop has token {VOCABULARY}, and there are {VOCABULARY}"),
        ("stop = [3]", 'vocab = ["a", "b"]', f"vocab has 2 tokens, the output 'logits' has {VOCABULARY}"),
        ("stop = [3]", "stop = [-1]", "stop"),
        ("context = 64\n", "", "context"),
        ("max_steps = 40", "max_steps = 0", "max_steps"),
        ("max_steps = 40", "steps = 40", "steps"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    """A loop that names what is not there, or cannot be, makes the model unavailable with a line that names it."""
    toml = CACHED_LOOP.replace(old, new, 1)
    assert toml != CACHED_LOOP
    why = _fault(tmp_path, transformer(), toml)
    assert told in why
    assert "\n" not in why


def test_an_input_without_a_part_is_told(tmp_path: Path) -> None:
    """An input that nobody would give to a run is told by its name."""
    toml = RECURRENT_LOOP.replace('[[constant]]\ninput = "scale"\ndefault = 1.0\n', "")
    assert "'scale'" in _fault(tmp_path, recurrent(), toml)
