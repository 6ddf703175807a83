"""What the commands do: settings in, an exit code out. Each imports what it needs when it is called."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tidegate.errors import ModelUnavailable

from .models_table import table

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.models.repository import ModelSource

    from .settings import Settings


def serve(settings: Settings) -> int:
    """Serve until a signal comes."""
    from .server import run

    return run(settings)


def demo(url: str | None) -> int:
    """Run the demo client against a running gateway."""
    try:
        from tidegate.client_demo.main import main

        return main(url)
    except ModuleNotFoundError as error:
        package = (error.name or "tidegate").partition(".")[0]
        if package == "tidegate":
            raise
        return _failed(f"the demo needs the package {package!r}: pip install 'tidegate[demo]'")


def list_models(folder: Path | None, *, as_json: bool) -> int:
    """Load every model and print what would be served; 1 when none loads."""
    from tidegate.models.repository import nothing_to_serve

    try:
        models = describe_models(folder)
    except ModelUnavailable as error:
        return _failed(str(error))
    if as_json:
        print(json.dumps({"models": models}, indent=2, ensure_ascii=False))
    elif models:
        print(table(models))
    if any(model["state"] == "ready" for model in models):
        return 0
    return _failed(nothing_to_serve(folder, models))


def describe_models(folder: Path | None) -> list[dict[str, Any]]:
    """Load the models of a folder, or the bundled ones, and describe each as the gateway would.

    Raises:
        ModelUnavailable: when the folder cannot be read.
    """
    from tidegate.models.repository import bundled, scan

    found = scan(folder) if folder else bundled()
    return [_described(source) for source in found.sources] + [bad.describe() for bad in found.bad]


def _described(source: ModelSource) -> dict[str, Any]:
    from tidegate.models.loading import load_one
    from tidegate.models.processes.pool import ProcessPool

    return load_one(source, ProcessPool(1)).describe()


def _failed(line: str) -> int:
    print(f"tidegate: {line}", file=sys.stderr)
    return 1
