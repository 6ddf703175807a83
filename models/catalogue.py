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
        self._failed = list(bad)
        self._bad: dict[str, dict[str | None, BadSource]] = {}
        for source in self._failed:
            self._bad.setdefault(source.name, {})[source.version] = source
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

    def describe(self) -> list[dict[str, Any]]:
        """Return every model as JSON-able data, the unavailable ones with their error."""
        return [worker.model.describe() for worker in self] + [source.describe() for source in self._failed]

    def _not_found(self, name: str, version: str | None) -> TidegateError:
        bad = self._bad.get(name, {})
        # What failed as a whole failed in every version.
        source = bad.get(version) or bad.get(None) or (_newest(bad.values()) if bad and version is None else None)
        if source is not None:
            which = "" if None in (version, source.version) else f"version {version!r} of "
            param = "model_version" if which else "model_name"
            return ModelUnavailable(f"{which}model {name!r} could not be loaded: {source.error}", param=param)
        shown = name[:64]
        if known := self._by_name.get(name) or bad:
            versions = ", ".join(sorted(filter(None, known), key=natural_order))
            return UnknownModel(f"model {shown!r} has no such version", param="model_version", expected=f"one of {versions}")
        close = difflib.get_close_matches(shown, self._by_name, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        names = ", ".join(list(self._by_name)[:16])
        return UnknownModel(f"no model is called {shown!r}{hint}", param="model_name", expected=f"one of {names}")


def _newest(sources: Iterable[BadSource]) -> BadSource:
    """Choose, of versions that failed, the one that would have been the default."""
    by_version = {source.version or "": source for source in sources}
    return by_version[default_version(by_version)]
