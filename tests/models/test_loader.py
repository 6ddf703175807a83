"""From a source to a model: what is checked on the way, and how it fails."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from loading import loaded
from onnx import helper
from onnx_models import row_wise_mlp, shared_scalar, state_on_axis_one, unshaped, write

from tidegate.errors import ModelUnavailable
from tidegate.models.loader import load
from tidegate.models.repository import scan

if TYPE_CHECKING:
    from pathlib import Path


def test_a_bare_file_is_served_without_configuration(tmp_path: Path) -> None:
    """A file dropped into a folder is a batched model."""
    (source,) = scan(write(tmp_path, mlp=row_wise_mlp())).sources
    model = load(source)
    assert (model.name, model.version, model.batching.verdict) == ("mlp", "1", "exact")
    assert model.sha256 == hashlib.sha256((tmp_path / "mlp.onnx").read_bytes()).hexdigest()
    assert model.backend.run([np.ones((2, 4), np.float32)])[0].shape == (2, 3)


def test_metadata_of_the_file_is_kept(tmp_path: Path) -> None:
    """What a model's maker wrote into the file can be read by those who use it."""
    onnx_model = row_wise_mlp()
    helper.set_model_props(onnx_model, {"accuracy": "0.97"})
    assert loaded(tmp_path, onnx_model).metadata == {"accuracy": "0.97"}


@pytest.mark.parametrize(
    "content",
    [b"", b"not a model", b"\x08\x08", row_wise_mlp().SerializeToString()[:200]],
    ids=["empty", "text", "no graph", "cut"],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    """Whatever is in the file, loading gives one line and one kind of error."""
    (tmp_path / "m.onnx").write_bytes(content)
    (source,) = scan(tmp_path).sources
    with pytest.raises(ModelUnavailable) as caught:
        load(source)
    assert "\n" not in str(caught.value)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("[inputs.z]\nlow = 1", "[inputs] names 'z'; the model has state, x"),
        ("[axes]\nz = 1", "[axes] names 'z'"),
        ('[dims]\n"x.1" = 3', "[dims] names 'x.1'; the model has batch, state.1, x.0"),
        ("[axes]\nstate = 0", "axis 0 of 'state' is not dynamic; its shape is [2, -1, 4]"),
    ],
)
def test_a_configuration_that_does_not_fit_the_model_is_refused(tmp_path: Path, toml: str, reason: str) -> None:
    """A slip of the pen in a name is not passed over in silence."""
    with pytest.raises(ModelUnavailable) as caught:
        loaded(tmp_path, state_on_axis_one(named=True), toml)
    assert reason in str(caught.value)


def test_a_model_without_shapes_asks_for_them(tmp_path: Path) -> None:
    """An input of which not even the rank is known is refused with what to write, and served when it is written."""
    with pytest.raises(ModelUnavailable, match="input 'x' declares no shape"):
        loaded(tmp_path, unshaped(), name="silent")
    model = loaded(tmp_path, unshaped(), "[inputs.x]\nshape = [-1, 4]", name="declared")
    assert (model.inputs[0].shape, model.inputs[0].batch_axis) == ((-1, 4), 0)
    assert (model.outputs[0].shape, model.outputs[0].batch_axis) == ((-1, 4), 0)


def test_values_of_the_wrong_kind_are_named(tmp_path: Path) -> None:
    """Text for a number is no value to probe with; the model says so and runs one at a time."""
    reason = loaded(tmp_path, shared_scalar(), '[inputs.gain]\nvalues = ["loud"]').batching.reason
    assert "the values for 'gain' are no FP32" in reason


def test_a_wrong_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of another release, or a file that was changed, is not loaded."""
    write(tmp_path / "lib/some_package", m=row_wise_mlp())
    monkeypatch.syspath_prepend(tmp_path / "lib")
    (tmp_path / "lib/some_package/__init__.py").touch()
    folder = tmp_path / "models"
    (folder / "m").mkdir(parents=True)
    right = hashlib.sha256((tmp_path / "lib/some_package/m.onnx").read_bytes()).hexdigest()
    for sha256 in (right, "0" * 64):
        (folder / "m/model.toml").write_text(f'[source]\npackage = "some_package"\nresource = "m.onnx"\nsha256 = "{sha256}"')
        (source,) = scan(folder).sources
        if sha256 == right:
            assert load(source).sha256 == right
        else:
            with pytest.raises(ModelUnavailable, match=r"model\.toml expects 0000"):
                load(source)


def test_outputs_get_the_shape_that_was_seen(tmp_path: Path) -> None:
    """Where a file says nothing of an output and no size was guessed, the description holds what came out."""
    model = loaded(tmp_path, state_on_axis_one())
    assert [spec.shape for spec in model.outputs] == [(-1, 4), (2, -1, 4)]
