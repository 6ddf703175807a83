"""Finds models in a folder and says which files they would be loaded from; it loads nothing and imports no model's package.

::

    FOLDER/NAME.onnx                  served with no configuration at all
    FOLDER/NAME/model.onnx            with FOLDER/NAME/model.toml, if there is one
    FOLDER/NAME/VERSION/model.onnx    several versions of one model
    FOLDER/NAME/model.toml            alone, with [source]: the file lies inside an installed package
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tidegate.errors import ModelUnavailable

from . import config as model_config
from .config import ModelConfig, PackageSource
from .streams.vocabulary import with_vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MODEL_FILE = "model.onnx"
CONFIG_FILE = "model.toml"
FIRST_VERSION = "1"
"""The version of a model that names none."""

_BUNDLED = Path(__file__).parent / "bundled"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that can be loaded.

    Attributes:
        name: what requests will call it.
        version: which version of that name.
        path: the ONNX file.
        config: what ``model.toml`` says, or the defaults.
        root: the folder that the file must not lead out of.
        own: whether the file belongs to an installed package.
    """

    name: str
    version: str
    path: Path
    config: ModelConfig
    root: Path
    own: bool = False


@dataclass(frozen=True, slots=True)
class BadSource:
    """Something that should be a model and cannot be loaded.

    Attributes:
        name: what requests would call it.
        error: why, in one line.
        version: which version of that name; None if the fault lies with all of them.
        optional: whether nobody need miss it: its package comes with an extra that is not installed.
    """

    name: str
    error: str
    version: str | None = None
    optional: bool = False

    def describe(self) -> dict[str, Any]:
        """Return it as JSON-able data, in the list of models."""
        version = {} if self.version is None else {"version": self.version}
        return {"name": self.name, **version, "state": "not_installed" if self.optional else "failed", "error": self.error}


class Scan(NamedTuple):
    """What a folder holds, each in the order of names and, below them, of versions."""

    sources: tuple[ModelSource, ...]
    bad: tuple[BadSource, ...]


def scan(folder: Path) -> Scan:
    """List the models in a folder.

    Raises:
        ModelUnavailable: there is no such folder, or it cannot be read.
    """
    return _scan(folder, own=False)


def bundled() -> Scan:
    """List the models that come with Tidegate."""
    return _scan(_BUNDLED, own=True)


def nothing_to_serve(folder: Path | None, described: Iterable[Mapping[str, Any]]) -> str:
    """Say in one line that no model serves, and why, given the descriptions of those that cannot."""
    where = "the bundled models" if folder is None else str(folder)
    reasons = [f"{_title(each)}: {each['error']}" for each in described]
    if not reasons:
        return f"no model to serve in {where}: it holds no .onnx file and no folder with a model.onnx"
    return f"no model in {where} could be loaded: " + "; ".join(reasons)


def _title(described: Mapping[str, Any]) -> str:
    version = described.get("version", FIRST_VERSION)  # which most models have without knowing it
    return str(described["name"]) if version == FIRST_VERSION else f"{described['name']} {version}"


def natural_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key under which ``v9`` comes before ``v10``."""
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", text) if part)


def default_version(versions: Iterable[str]) -> str:
    """Choose the version for requests that name none: the highest number, else the last in natural order."""
    return max(versions, key=lambda version: (version.isdecimal(), natural_order(version)))


def _scan(folder: Path, *, own: bool) -> Scan:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: natural_order(entry.name))
    except OSError as error:
        raise ModelUnavailable(f"the folder {str(folder)!r} cannot be read: {error.strerror}") from None
    sources: list[ModelSource] = []
    bad: list[BadSource] = []
    seen: set[str] = set()
    for entry in entries:
        name = entry.stem if entry.suffix == ".onnx" else entry.name
        try:
            found = list(_models_of(entry, name, folder, own=own))
            if found and name in seen:
                raise ModelUnavailable(f"there is both {name}.onnx and a folder {name}")
        except (ModelUnavailable, OSError) as error:
            bad.append(BadSource(_shown(name), str(error), optional=isinstance(error, _PackageMissing)))
            continue
        sources += found
        seen.update(source.name for source in found)
    return Scan(tuple(sources), tuple(bad))


def _models_of(entry: Path, name: str, root: Path, *, own: bool) -> Iterator[ModelSource]:
    """Yield the model's versions; nothing for an entry that is no model."""
    if entry.name.startswith((".", "__")):
        return
    if entry.suffix == ".onnx" and not entry.is_dir():
        _check_name(name)
        yield ModelSource(name, FIRST_VERSION, entry, ModelConfig(), root, own)
    elif entry.is_dir():
        yield from _models_in(entry, root, own=own)


def _models_in(folder: Path, root: Path, *, own: bool) -> Iterator[ModelSource]:
    """Yield the versions in a model's folder; nothing if the folder has nothing to do with models."""
    has_config = (folder / CONFIG_FILE).exists()
    config = with_vocabulary(model_config.read(folder / CONFIG_FILE), folder, own=own) if has_config else ModelConfig()
    files = _version_files(folder)
    if config.source is not None:
        if files:
            raise ModelUnavailable(f"there is a {MODEL_FILE}, and {CONFIG_FILE} names a [source]: one of them is too many")
        _check_name(folder.name)
        yield _from_package(folder.name, config, config.source)
        return
    if not files:
        _complain_of_no_model(folder, has_config=has_config)
    for version, path in files.items():
        _check_name(folder.name)
        _check_name(version)
        yield ModelSource(folder.name, version, path, config, root, own)


def _version_files(folder: Path) -> dict[str, Path]:
    single = folder / MODEL_FILE
    found = (path for path in folder.glob(f"*/{MODEL_FILE}") if not path.parent.name.startswith("."))
    versions = sorted(found, key=lambda path: natural_order(path.parent.name))
    if not (single.exists() or single.is_symlink()):
        return {path.parent.name: path for path in versions}
    if versions:
        raise ModelUnavailable(f"there is both a {MODEL_FILE} and a folder with a version of it: {versions[0].parent.name!r}")
    return {FIRST_VERSION: single}


def _complain_of_no_model(folder: Path, *, has_config: bool) -> None:
    if others := sorted(path.name for path in folder.glob("*.onnx")):
        raise ModelUnavailable(f"the model file must be called {MODEL_FILE}, not {others[0]!r}")
    if has_config:
        raise ModelUnavailable(f"there is a {CONFIG_FILE} and no {MODEL_FILE}")


class _PackageMissing(ModelUnavailable):
    """Raised when the package of an optional model is not installed."""


def _from_package(name: str, config: ModelConfig, source: PackageSource) -> ModelSource:
    try:
        spec = find_spec(source.package)  # a top-level name, so nothing is imported
    except ValueError:  # "__main__" has no spec
        spec = None
    if spec is None or not spec.submodule_search_locations:
        if source.extra is not None:
            raise _PackageMissing(f"needs: pip install 'tidegate[{source.extra}]'")
        raise ModelUnavailable(f"needs the Python package {source.package!r}, which is not installed")
    for location in spec.submodule_search_locations:
        if (path := Path(location) / source.resource).is_file():
            return ModelSource(name, FIRST_VERSION, path, config, Path(location), own=True)
    raise ModelUnavailable(f"the package {source.package!r} has no file {source.resource!r}")


def _check_name(name: str) -> None:
    if not name.isprintable():  # a control character could forge lines in logs; what is no UTF-8 cannot be sent
        raise ModelUnavailable("its name has characters that cannot be printed")


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]
