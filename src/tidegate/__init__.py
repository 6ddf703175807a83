"""A streaming WebSocket inference gateway: generic tensors over one connection, batched across connections.

Two faces, loaded only when they are used, so that a client alone never imports onnxruntime:

- ``tidegate.connect(url)``: the client of a running gateway;
- ``tidegate.Engine(folder)``: the same models in this process, with no socket at all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import TidegateError
from .results import Result, StreamResult, Timing
from .version import __version__

if TYPE_CHECKING:
    from .client.connect import connect
    from .models.engine import Engine

__all__ = ["Engine", "Result", "StreamResult", "TidegateError", "Timing", "__version__", "connect"]

_LAZY = {"connect": "tidegate.client.connect", "Engine": "tidegate.models.engine"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tidegate' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
