"""Decides which files a model may consist of: only what lies in its own folder. It knows files and paths, and no runtime.

onnxruntime refuses most escapes itself (``..``, absolute paths, symbolic links), but not hard links, and not in every version.
A model could otherwise carry a secret file away as its weights. What is checked here and opened later can still be exchanged
in between by somebody who may write in the folder; such a person can exchange the model as well.
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from tidegate.errors import ModelUnavailable

from .graph import GraphFacts, MalformedModel, read_graph


def check_model_file(path: Path, root: Path, *, own: bool = False) -> Path:
    """Return the real path of a model file, to be opened by that name.

    Args:
        path: the model file.
        root: the folder that it must not leave.
        own: whether the file belongs to an installed package: installers may hard-link those from their cache.

    Raises:
        ModelUnavailable: it is missing, no regular file, or really lies elsewhere.
    """
    return _inside(path, root, path.name, "the folder of models", links_allowed=own)


def check_external_data(facts: GraphFacts, model_file: Path, *, own: bool = False) -> None:
    """Check that all data outside of the model file lies in the model's own folder.

    Args:
        facts: what the model file says.
        model_file: its real path, from ``check_model_file``.
        own: as for ``check_model_file``.

    Raises:
        ModelUnavailable: a location leads elsewhere, or to nothing.
    """
    for location in sorted(facts.external):
        _check_location(location)
        _inside(model_file.parent / location, model_file.parent, location, "the model's folder", links_allowed=own)


def read_model_file(path: Path) -> tuple[GraphFacts, str]:
    """Read a model file; returns what it says and its sha256.

    Raises:
        ModelUnavailable: it cannot be read, or is no ONNX file.
    """
    try:
        data = path.read_bytes()  # not mapped: a file that shrinks meanwhile would kill the process
        return read_graph(data), hashlib.sha256(data).hexdigest()
    except OSError as error:
        raise ModelUnavailable(f"{path.name} cannot be read: {error.strerror}") from None
    except MalformedModel as error:
        raise ModelUnavailable(f"{path.name} is not an ONNX file: {error}") from None


def _check_location(location: str) -> None:
    path = PurePosixPath(location)
    foreign = "\\" in location or PureWindowsPath(location).drive
    if not location.isprintable() or not path.parts or path.is_absolute() or ".." in path.parts or foreign:
        raise ModelUnavailable(f"its data lies outside of the model's folder: {location[:200]!r}")


def _inside(path: Path, root: Path, name: str, where: str, *, links_allowed: bool) -> Path:
    try:
        real, real_root = path.resolve(strict=True), root.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle, before Python 3.13
        raise ModelUnavailable(f"{name!r} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if not real.is_relative_to(real_root):
        raise ModelUnavailable(f"{name!r} is a link that leads out of {where}")
    if not stat.S_ISREG(status.st_mode):
        raise ModelUnavailable(f"{name!r} is not a regular file")
    if status.st_nlink > 1 and not links_allowed:
        raise ModelUnavailable(
            f"{name!r} has {status.st_nlink} hard links, one of which may lie outside of {where}: copy the file"
        )
    return real
