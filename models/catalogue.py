"""Which models there are, by name and version: those that serve and those that could not be loaded.

Pure once built; knows nothing of queues' contents or of sockets.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from tidegate.errors import ModelUnavailable, TidegateError, UnknownModel

from .repository import BadSource, default_version, natural_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .worker import Worker


class Catalogue:
    """The models of one engine."""

    def __init__(self, workers: Iterable[Worker], bad: Iterable[BadSource]) -> None:
        self._bad = {source.name: source for source in bad}
        self._by_name: dict[str, dict[str, Worker]] = {}
        for worker in workers:
            self._by_name.setdefault(worker.model.name, {})[worker.model.version] = worker
        self._default = {name: versions[default_version(versions)] for name, versions in self._by_name.items()}

    def __iter__(self) -> Iterator[Worker]:
        for versions in self._by_name.values():
            yield from versions.values()

    def find(self, name: str, version: str | None = None) -> Worker:
        """Return the worker that serves a model.

        Args:
            name: the model's name.
            version: its version; None for the newest.

        Raises:
            UnknownModel: there is no such model or version.
            ModelUnavailable: there is, and it could not be loaded.
        """
        worker = self._default.get(name) if version is None else self._by_name.get(name, {}).get(version)
        if worker is None:
            raise self._not_found(name, version)
        return worker

    def failures(self) -> list[BadSource]:
        """Return the models that should serve and cannot; optional ones that are not installed do not count."""
        return [source for source in self._bad.values() if not source.optional]

    def describe(self) -> list[dict[str, Any]]:
        """Return every model as JSON-able data, the unavailable ones with their error."""
        ready = [worker.model.describe() for worker in self]
        bad = [
            {"name": name, "state": "not_installed" if source.optional else "failed", "error": source.error}
            for name, source in self._bad.items()
        ]
        return ready + bad

    def _not_found(self, name: str, version: str | None) -> TidegateError:
        if name in self._bad and version is None:
            return ModelUnavailable(f"model {name!r} could not be loaded: {self._bad[name].error}", param="model_name")
        shown = name[:64]
        if name in self._by_name:
            versions = ", ".join(sorted(self._by_name[name], key=natural_order))
            return UnknownModel(f"model {shown!r} has no such version", param="model_version", expected=f"one of {versions}")
        close = difflib.get_close_matches(shown, self._by_name, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        names = ", ".join(list(self._by_name)[:16])
        return UnknownModel(f"no model is called {shown!r}{hint}", param="model_name", expected=f"one of {names}")
