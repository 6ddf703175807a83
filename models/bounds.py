"""How much may wait: requests and bytes of tensors, by model, by client and in the whole process. Pure.

At each bound a request is refused as ``overloaded``, with the name of the bound, and costs nothing. One exception keeps
a flood from locking others out: a client that has nothing waiting or running may always queue one request where all
places are taken, so that the places are exceeded by at most one for each client.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Client
    from .queue import RequestQueue
    from .worker import Worker

MIB = 1024 * 1024
_BYTES_PER_REQUEST = 16 * 1024
_REQUESTS_AT_LEAST = 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one engine.

    Attributes:
        queue_requests: requests that may wait for one model.
        queue_bytes: bytes of tensors that may wait or run in the process.
        model_bytes: bytes of tensors that may wait for one model; None for no bound of its own.
        client_bytes: bytes of tensors that one client may have waiting or running; None for no bound of its own.
        max_requests: requests that may wait or run in the process; None for one for each 16 KiB of ``queue_bytes``.
    """

    queue_requests: int = 8192
    queue_bytes: int = 1024 * MIB
    model_bytes: int | None = None
    client_bytes: int | None = None
    max_requests: int | None = None


class Held:
    """What waits or runs in one process, held against its bounds; ``Service`` counts it, as it does for each client.

    Attributes:
        requests: how many requests wait or run.
        nbytes: bytes of their tensors.
    """

    __slots__ = (
        "_client_bytes",
        "_max_requests",
        "_model_bytes",
        "_queue_bytes",
        "_queue_requests",
        "nbytes",
        "requests",
    )

    def __init__(self, bounds: Bounds) -> None:
        self.requests = 0
        self.nbytes = 0
        self._queue_requests = bounds.queue_requests
        self._queue_bytes = bounds.queue_bytes
        self._model_bytes = bounds.queue_bytes if bounds.model_bytes is None else bounds.model_bytes
        self._client_bytes = bounds.queue_bytes if bounds.client_bytes is None else bounds.client_bytes
        derived = max(_REQUESTS_AT_LEAST, bounds.queue_bytes // _BYTES_PER_REQUEST)
        self._max_requests = derived if bounds.max_requests is None else bounds.max_requests

    def has_room(self, queue: RequestQueue, client: Client, nbytes: int) -> bool:
        """Tell whether one more request exceeds no bound."""
        return (
            self.nbytes + nbytes <= self._queue_bytes
            and queue.nbytes + nbytes <= self._model_bytes
            and client.nbytes + nbytes <= self._client_bytes
            and (not client.requests or (queue.requests < self._queue_requests and self.requests < self._max_requests))
        )

    def why_not(self, worker: Worker, client: Client, nbytes: int) -> tuple[str, str]:
        """Return the bound that one more request, for which there is no room, would exceed, and how in words."""
        queue = worker.queue
        if self.nbytes + nbytes > self._queue_bytes:
            return "queue_bytes", f"{self.nbytes} of {self._queue_bytes} bytes of tensors are taken"
        if queue.nbytes + nbytes > self._model_bytes:
            return "model_bytes", f"{queue.nbytes} of {self._model_bytes} bytes wait for {worker.model.name!r}"
        if client.nbytes + nbytes > self._client_bytes:
            return "client_bytes", f"{client.nbytes} of {self._client_bytes} bytes of this client wait or run"
        if queue.requests >= self._queue_requests:
            return "queue_requests", f"{queue.requests} requests wait for {worker.model.name!r}"
        return "max_requests", f"{self.requests} requests wait or run"
