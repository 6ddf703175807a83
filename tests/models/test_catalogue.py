"""What is said of the versions of a model, those that failed included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakes import model
from model_folders import broken

import tidegate
from tidegate.errors import ModelUnavailable, TidegateError, UnknownModel
from tidegate.models.catalogue import Catalogue
from tidegate.models.repository import BadSource
from tidegate.models.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

BAD = (
    BadSource("m", "torn in half", "2"),
    BadSource("m", "empty", "10"),
    BadSource("lost", "no such file", "9"),
    BadSource("lost", "no ONNX file", "10"),
    BadSource("whole", "bad model.toml"),
)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue([Worker(model("m"))], BAD)


def test_each_version_is_listed(catalogue: Catalogue) -> None:
    """Each version that failed is an entry of its own, with its version; what failed as a whole has none."""
    ready, *failed = catalogue.describe()
    assert (ready["name"], ready["version"], ready["state"]) == ("m", "1", "ready")
    assert [(each["name"], each.get("version"), each["error"]) for each in failed] == [
        (source.name, source.version, source.error) for source in BAD
    ]
    assert "version" not in failed[-1]


@pytest.mark.parametrize(
    ("name", "version", "error", "words", "expected"),
    [
        ("m", "2", ModelUnavailable, "version '2' of model 'm' could not be loaded: torn in half", None),
        ("m", "10", ModelUnavailable, "version '10' of model 'm' could not be loaded: empty", None),
        ("m", "3", UnknownModel, "model 'm' has no such version", "one of 1"),
        ("lost", None, ModelUnavailable, "model 'lost' could not be loaded: no ONNX file", None),
        ("lost", "9", ModelUnavailable, "version '9' of model 'lost' could not be loaded: no such file", None),
        ("lost", "3", UnknownModel, "model 'lost' has no such version", "one of 9, 10"),
        ("whole", None, ModelUnavailable, "model 'whole' could not be loaded: bad model.toml", None),
        ("whole", "7", ModelUnavailable, "model 'whole' could not be loaded: bad model.toml", None),
    ],
)
def test_why_a_version_does_not_serve(
    catalogue: Catalogue, name: str, version: str | None, error: type[TidegateError], words: str, expected: str | None
) -> None:
    """A version that failed is unavailable for its own reason; one that was never there is unknown."""
    with pytest.raises(error) as caught:
        catalogue.find(name, version)
    assert (caught.value.message, caught.value.expected) == (words, expected)


def test_a_failed_version_is_not_the_default(catalogue: Catalogue) -> None:
    """Who names no version gets the highest of those that serve."""
    assert catalogue.find("m").model.version == "1"


async def test_versions_of_a_folder_that_fail(quick_models: Path, tmp_path: Path) -> None:
    """From the folder to the error: the engine knows which version failed, and lists versions in natural order."""
    (tmp_path / "mlp.onnx").write_bytes((quick_models / "mlp" / "model.onnx").read_bytes())
    for version in ("10", "9"):
        broken(tmp_path / "torn" / version, "model")
    async with tidegate.Engine(tmp_path) as engine:
        listed: list[Any] = [(each["name"], each["version"], each["state"]) for each in engine.models()]
        assert listed == [("mlp", "1", "ready"), ("torn", "9", "failed"), ("torn", "10", "failed")]
        with pytest.raises(ModelUnavailable, match="version '9' of model 'torn' could not be loaded: "):
            engine.submit("torn", version="9")
