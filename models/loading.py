"""Loads all models of a folder, one after the other, off the event loop; it schedules nothing."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tidegate.errors import ModelUnavailable

from .loader import load
from .model import Model
from .repository import BadSource, ModelSource, bundled, scan

if TYPE_CHECKING:
    from pathlib import Path

    from .processes.pool import ProcessPool

_log = logging.getLogger("tidegate.models")


async def load_all(folder: Path | None, pool: ProcessPool) -> tuple[list[Model], list[BadSource]]:
    """Find and load the models, in a thread; those that want it in a process, which serves them once the pool is started.

    When cancelled it returns at once; the thread ends with the load that it is at.
    """
    loop = asyncio.get_running_loop()
    loader = ThreadPoolExecutor(1, thread_name_prefix="tidegate-load")
    try:
        found = await loop.run_in_executor(loader, bundled if folder is None else lambda: scan(folder))
        loaded = [await loop.run_in_executor(loader, load_one, source, pool) for source in found.sources]
    finally:
        loader.shutdown(wait=False, cancel_futures=True)  # waiting for its thread would hold the loop
    models = [result for result in loaded if isinstance(result, Model)]
    bad = [*found.bad, *[result for result in loaded if isinstance(result, BadSource)]]
    try:
        await pool.start()
    except ModelUnavailable as error:
        bad += [_bad(model, error) for model in models if model.config.executor == "process"]
        models = [model for model in models if model.config.executor != "process"]
    return models, bad


def load_one(source: ModelSource, pool: ProcessPool) -> Model | BadSource:
    """Load a model where it wants to be loaded, or say why it cannot be served. Takes up to seconds."""
    try:
        model = pool.load(source) if source.config.executor == "process" else load(source)
    except ModelUnavailable as error:
        return _bad(source, error)
    if found := model.stream.found:
        pairs = ", ".join(f"{state.source.name} -> {state.spec.name}" for state in found)
        _log.info("%s: by their names these are its states in a stream: %s", model.name, pairs)
    return model


def _bad(source: ModelSource | Model, error: ModelUnavailable) -> BadSource:
    return BadSource(source.name, error.message, source.version)
