"""Writes the result of a request out of the run that it shared with others. Pure; knows no connection.

With a msgpack header, what all results of a run have in common is made once and kept in ``run.context``; the other forms
are for people and small clients, and are written one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tidegate.codecs.datatypes import datatype_of
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Result, Timing
from tidegate.codecs.result_template import ResultTemplate
from tidegate.codecs.tensors import pack_strings
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from tidegate.codecs.messages import Id
    from tidegate.models.batch import Run
    from tidegate.models.request import Request
    from tidegate.results import Array

_Bytes = bytes | memoryview
_Source = Callable[[int, int], _Bytes]


def answer(id_: Id, form: Form, request: Request, run: Run, start: int, stop: int) -> bytes:
    """Write rows ``start`` to ``stop`` of a run as the result of a request.

    Raises:
        TidegateError: an output cannot be written.
    """
    queue_us = max(0, int(1e6 * (run.started - request.arrival)))
    outputs = request.kind.outputs
    if form is not Form.MSGPACK:
        return encode(_result(id_, run, queue_us), form, _rows(outputs, run, start, stop))
    if run.context is None:
        run.context = {}
    shared: _Shared | None = run.context.get((outputs, stop - start))
    if shared is None:
        run.context[outputs, stop - start] = shared = _Shared(outputs, run, start, stop)
    return shared.frame(id_, queue_us, start, stop)


class _Shared:
    """What the results of one run have in common that hold the same outputs and number of rows."""

    __slots__ = ("_frame", "_sources", "_views")

    def __init__(self, outputs: tuple[int, ...] | None, run: Run, start: int, stop: int) -> None:
        arrays = _rows(outputs, run, start, stop)
        described = [(name, datatype_of(array), array.shape) for name, array in arrays.items()]
        compute_us = _compute_us(run)
        self._frame = ResultTemplate(run.model.name, run.model.version, described, compute_us, run.size).frame
        wanted = _wanted(outputs, run)
        views = [_view(run, index) for index in wanted]
        self._views = None if None in views else [view for view in views if view is not None]
        self._sources = [_source(run, index) for index in wanted]

    def frame(self, id_: Id, queue_us: int, start: int, stop: int) -> bytes:
        """Write one result."""
        if self._views is not None:
            return self._frame(id_, queue_us, [view[start * row : stop * row] for view, row in self._views])
        return self._frame(id_, queue_us, [source(start, stop) for source in self._sources])


def _view(run: Run, index: int) -> tuple[memoryview, int] | None:
    """Return an output's bytes and the bytes of one row, where rows lie one after the other."""
    array = run.outputs[index]
    if run.model.outputs[index].batch_axis != 0 or array.dtype.hasobject or not array.flags.c_contiguous or not array.size:
        return None
    return array.reshape(-1).view("u1").data, array.nbytes // len(array)


def _source(run: Run, index: int) -> _Source:
    """Return what copies the rows of one output together."""
    if run.outputs[index].dtype.hasobject:
        return lambda start, stop: pack_strings(run.rows(index, start, stop))
    return lambda start, stop: run.rows(index, start, stop).tobytes()


def _wanted(outputs: tuple[int, ...] | None, run: Run) -> tuple[int, ...]:
    return tuple(range(len(run.outputs))) if outputs is None else outputs


def _rows(outputs: tuple[int, ...] | None, run: Run, start: int, stop: int) -> dict[str, Array]:
    specs = run.model.outputs
    return {specs[index].name: run.rows(index, start, stop) for index in _wanted(outputs, run)}


def _result(id_: Id, run: Run, queue_us: int) -> Result:
    timing = Timing(queue_us=queue_us, compute_us=_compute_us(run), batch_size=run.size)
    return Result(id=id_, model_name=run.model.name, model_version=run.model.version, final=True, timing=timing)


def _compute_us(run: Run) -> int:
    return int(1e6 * run.compute_s)
