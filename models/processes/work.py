"""What a worker process does: loads, opens and runs models, one thing at a time, as it is told over its channel.

It keeps the models that it opened and two segments of shared memory: one that it reads, one that it writes.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tidegate.errors import ModelUnavailable, TidegateError

from ..backend import RunControl
from ..loader import load, open_model
from .arrays import laid_out, read, span, write
from .messages import Description, Failed, Forget, Load, Open, Opened, Ran, Run, decode_request, encode
from .segment import Outgoing, attach
from .warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.results import Array

    from ..onnx_backend import OnnxBackend
    from .channel import Channel
    from .messages import Reply


class _Running(NamedTuple):
    number: int
    control: RunControl


class Work:
    """The models of one worker process, and what it is doing."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._orders: dict[int, Open] = {}
        self._opened: dict[int, OnnxBackend] = {}
        self._incoming: Array = np.empty(0, np.uint8)
        self._outgoing = Outgoing()
        self._running: _Running | None = None
        self._stopped = 0

    def serve(self) -> None:
        """Do what one is told; ends only by raising ``Ended``."""
        while True:
            data, descriptor = self._channel.receive()
            if descriptor is not None:
                self._incoming = attach(descriptor)
            request = decode_request(data)
            try:
                reply = self._run(request) if isinstance(request, Run) else self._do(request)
            except TidegateError as error:
                reply = _failed(error.code, error.message)
            except Exception as error:
                traceback.print_exc()
                reply = _failed("internal", f"{type(error).__name__}: {error}")
            self._say(reply)

    def stop(self, number: int) -> None:
        """Stop the run of that number, which may be about to begin, or over; called by another thread."""
        self._stopped = number
        running = self._running
        if running is not None and running.number == number:
            running.control.stop()

    def _do(self, request: Load | Open | Forget) -> Reply:
        if isinstance(request, Load):
            return Description.of(load(request.source.restored()))
        if isinstance(request, Forget):
            self._incoming = np.empty(0, np.uint8)
            self._outgoing.forget()
        else:
            self._orders[request.model] = request
            if not request.later:
                self._model(request.model)
        return Opened()

    def _model(self, number: int) -> OnnxBackend:
        """Return a model, opened; raises ModelUnavailable if that cannot be done (now)."""
        backend = self._opened.get(number)
        if backend is None:
            order = self._orders[number]
            source = order.source.restored()
            opened = open_model(source)
            if opened.sha256 != order.sha256:
                raise ModelUnavailable(f"the file of {source.name} has changed since it was loaded")
            warm_up(opened, source.config, order.layout, order.sizes)
            backend = self._opened[number] = opened.backend
        return backend

    def _run(self, request: Run) -> Ran:
        running = self._running = _Running(request.number, RunControl())
        if self._stopped == request.number:
            running.control.stop()
        try:
            outputs = self._model(request.model).run(read(self._incoming, request.inputs), running.control)
        finally:
            self._running = None
        return self._written(request.number, outputs)

    def _written(self, number: int, outputs: Sequence[Array]) -> Ran:
        tensors, payloads = laid_out(outputs)
        self._outgoing.reserve(span(tensors))
        write(self._outgoing.memory, payloads)
        return Ran(number, tensors)

    def _say(self, reply: Reply) -> None:
        """Send a reply, and a new segment with it, whether the reply speaks of it or not."""
        try:
            self._channel.send(encode(reply), self._outgoing.descriptor)
        except ValueError as error:  # too large for a message
            self._channel.send(encode(_failed("internal", str(error))), self._outgoing.descriptor)
        self._outgoing.sent()


def _failed(code: str, message: str) -> Failed:
    """Say that something failed; a path in the message may hold what is not UTF-8."""
    return Failed(code, message.encode("utf-8", "replace").decode())
