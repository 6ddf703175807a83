"""A temporary folder with the benches' models and their cases, and folders of some of them for servers to serve."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .models import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where models and cases lie; a model's name is its file's."""

    models: Path
    cases: Path

    def only(self, *names: str) -> Path:
        """Return a folder with these models alone, to be served with no configuration."""
        return self.folder("-".join(("only", *names)), dict.fromkeys(names, ""))

    def folder(self, label: str, configs: dict[str, str]) -> Path:
        """Return a folder with these models alone, each with this text as its ``model.toml``; none if it is empty."""
        folder = self.models.parent / label
        for name, config in configs.items():
            home = folder / name
            home.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.models / f"{name}.onnx", home / "model.onnx")
            if config:
                (home / "model.toml").write_text(config)
        return folder


@contextlib.contextmanager
def workspace() -> Iterator[Workspace]:
    """Make the three models and their cases, and remove everything at the end."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
        space = Workspace(Path(folder) / "models", Path(folder) / "cases")
        write_all(space.models, space.cases)
        yield space
