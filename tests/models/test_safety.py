"""Which files a model may consist of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx_models import row_wise_mlp, write

from tidegate.errors import ModelUnavailable
from tidegate.models.graph import GraphFacts
from tidegate.models.loader import load
from tidegate.models.repository import scan
from tidegate.models.safety import check_external_data, check_model_file, read_model_file

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.models.model import Model


def with_external_data(folder: Path, location: str = "weights.bin", name: str = "m") -> Path:
    """Save a model whose weights lie beside it, then say that they lie at ``location``."""
    model = row_wise_mlp()
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    onnx.save(model, place / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    if location != "weights.bin":
        broken = onnx.load(place / "model.onnx", load_external_data=False)
        for tensor in broken.graph.initializer:
            for entry in tensor.external_data:
                entry.value = location if entry.key == "location" else entry.value
        (place / "model.onnx").write_bytes(broken.SerializeToString())
    return place


def load_one(folder: Path) -> Model:
    (source,) = scan(folder).sources
    return load(source)


def test_data_beside_the_model_is_used(tmp_path: Path) -> None:
    """A model with its weights in a file of its own folder loads and computes what it did with its weights inside."""
    with_external_data(tmp_path / "outside")
    outside = load_one(tmp_path / "outside")
    inside = load_one(write(tmp_path / "inside", m=row_wise_mlp()))
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(outside.backend.run([x])[0], inside.backend.run([x])[0])


@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "sub/../../secret.bin",
        "/etc/passwd",
        "C:\\secret.bin",
        "..\\secret.bin",
        "a\x00b",
        "",
        ".",
        "*/_ORT_MEM_ADDR_/*",
    ],
)
def test_data_elsewhere_is_refused(tmp_path: Path, location: str) -> None:
    """No location leads out of the model's folder, however it is written, nor to what is no file."""
    place = with_external_data(tmp_path)
    (tmp_path / "secret.bin").write_bytes((place / "weights.bin").read_bytes())
    facts = GraphFacts(frozenset(), frozenset({location}), frozenset())
    with pytest.raises(ModelUnavailable):
        check_external_data(facts, place / "model.onnx")


def test_a_location_outside_is_refused_at_load(tmp_path: Path) -> None:
    """The check is part of loading, and its line names the location."""
    place = with_external_data(tmp_path, "../secret.bin")
    (tmp_path / "secret.bin").write_bytes((place / "weights.bin").read_bytes())
    with pytest.raises(ModelUnavailable, match=r"outside of the model's folder: '\.\./secret\.bin'"):
        load_one(tmp_path)


def test_a_symbolic_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Data behind a link that leads out of the model's folder is refused."""
    place = with_external_data(tmp_path)
    (place / "weights.bin").rename(tmp_path / "secret.bin")
    (place / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ModelUnavailable, match="link that leads out"):
        load_one(tmp_path)


def test_a_hard_link_is_refused(tmp_path: Path) -> None:
    """Data with a second name may be somebody else's file; onnxruntime would load it."""
    place = with_external_data(tmp_path)
    os.link(place / "weights.bin", tmp_path / "elsewhere.bin")
    with pytest.raises(ModelUnavailable, match="2 hard links"):
        load_one(tmp_path)


def test_missing_data_is_one_clear_line(tmp_path: Path) -> None:
    """Data that is not there gives its name."""
    (with_external_data(tmp_path) / "weights.bin").unlink()
    with pytest.raises(ModelUnavailable, match=r"'weights\.bin' cannot be opened: No such file"):
        load_one(tmp_path)


def test_a_model_file_behind_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """The model file itself must lie in the folder of models as well."""
    write(tmp_path / "elsewhere", m=row_wise_mlp())
    (tmp_path / "models").mkdir()
    (tmp_path / "models/m.onnx").symlink_to(tmp_path / "elsewhere/m.onnx")
    with pytest.raises(ModelUnavailable, match="link that leads out of the folder of models"):
        load_one(tmp_path / "models")


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    """Mounted configuration folders are full of links that stay inside; those work, as does a link to the whole folder."""
    write(tmp_path / "models/.2024", m=row_wise_mlp())
    (tmp_path / "models/m.onnx").symlink_to(tmp_path / "models/.2024/m.onnx")
    (tmp_path / "link").symlink_to(tmp_path / "models")
    assert load_one(tmp_path / "link").name == "m"


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    """A link to itself is an error and not a traceback."""
    (tmp_path / "m.onnx").symlink_to(tmp_path / "m.onnx")
    with pytest.raises(ModelUnavailable, match="cannot be opened"):
        check_model_file(tmp_path / "m.onnx", tmp_path)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    """A pipe would block the loader for ever."""
    os.mkfifo(tmp_path / "m.onnx")
    with pytest.raises(ModelUnavailable, match="not a regular file"):
        check_model_file(tmp_path / "m.onnx", tmp_path)


def test_hard_links_of_installed_packages_are_accepted(tmp_path: Path) -> None:
    """Installers link a package's files from their cache; whoever can write there can do anything."""
    write(tmp_path, m=row_wise_mlp())
    os.link(tmp_path / "m.onnx", tmp_path / "n.onnx")
    assert check_model_file(tmp_path / "m.onnx", tmp_path, own=True) == (tmp_path / "m.onnx").resolve()
    with pytest.raises(ModelUnavailable):
        check_model_file(tmp_path / "m.onnx", tmp_path)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """A broken file gives one line."""
    (tmp_path / "m.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelUnavailable, match=r"m\.onnx is not an ONNX file"):
        read_model_file(tmp_path / "m.onnx")
