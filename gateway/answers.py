"""Writes the results of requests out of the runs that they shared with others. Pure; knows no connection.

With a msgpack header, what all results of a model have in common is packed once and kept (``ResultTemplate``), and what
all results of a run have in common once for each run; the other forms are for people and small clients, and are written
one by one. What is too large for that is given back as it is (see ``large_result``). Bounds: so many templates, at the bound
all are forgotten; bytes and elements of one run's results that are written on the event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.datatypes import datatype_of
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Result
from tidegate.codecs.parts import Timing
from tidegate.codecs.result_template import ResultTemplate, run_part
from tidegate.codecs.tensors import pack_strings
from tidegate.codecs.writer import encode

from .large_result import LARGE_BYTES, LargeResult, is_large

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tidegate.codecs.parts import Id
    from tidegate.models.batch import Run
    from tidegate.models.request import Request
    from tidegate.results import Array

    Bytes = bytes | memoryview
    Source = Callable[[int, int], Bytes]
    Wanted = tuple[int, ...] | None

MSGPACK = Form.MSGPACK  # looking a member up in its class takes longer than comparing it
_TEMPLATES = 1024
_COPIED_BYTES = 1 << 22  # a millisecond
_ELEMENTS = 16_384  # two milliseconds, as text


class Answers:
    """Writes results; one for all connections."""

    __slots__ = ("_templates",)

    def __init__(self) -> None:
        self._templates: dict[Hashable, ResultTemplate] = {}

    def write(self, id_: Id, form: Form, request: Request, run: Run, start: int, stop: int) -> bytes | LargeResult:
        """Write rows ``start`` to ``stop`` of a run as the result of a request, unless it is large.

        Raises:
            TidegateError: an output cannot be written.
        """
        queue_us = int(1e6 * (run.started - request.arrival))
        if queue_us < 0:
            queue_us = 0
        context = run.context
        if context is None:
            run.context = context = {}
        kind = request.kind
        if form is not MSGPACK:
            arrays = outputs_of(kind.outputs, run, start, stop)
            result = _result(id_, run, queue_us)
            context[form] = written = context.get(form, 0) + sum(array.size for array in arrays.values())
            large = written > _ELEMENTS or is_large(arrays.values(), form)
            return LargeResult(result, form, arrays) if large else encode(result, form, arrays)
        shared: _Shared | None = context.get(kind)
        if shared is None:
            template = self._template(kind.outputs, run, start, stop)
            context[kind] = shared = _Shared(template, kind.outputs, run, stop - start)
        shared.left -= 1
        if shared.left < 0:
            arrays = outputs_of(kind.outputs, run, start, stop)
            if not shared.varies or is_large(arrays.values(), form):
                return LargeResult(_result(id_, run, queue_us), form, arrays)
        return shared.message(id_, queue_us, start, stop)

    def _template(self, outputs: Wanted, run: Run, start: int, stop: int) -> ResultTemplate:
        specs = run.model.outputs
        # Without the batch's rows, so that one template serves all sizes of batches.
        shapes = [
            array.shape[1:] if spec.batch_axis == 0 else array.shape for spec, array in zip(specs, run.outputs, strict=True)
        ]
        key = (run.model.name, run.model.version, outputs, stop - start, *shapes)
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _TEMPLATES:
                self._templates.clear()
            arrays = outputs_of(outputs, run, start, stop)
            described = [(name, datatype_of(array), array.shape) for name, array in arrays.items()]
            self._templates[key] = template = ResultTemplate(run.model.name, run.model.version, described)
        return template


class _Shared:
    """What the results of one run have in common that hold the same outputs and number of rows.

    Attributes:
        left: how many of them may still be written on the event loop without another look.
        varies: whether each has to be looked at, since there are strings in it.
    """

    __slots__ = ("_fill", "_run", "_sources", "_view", "left", "varies")

    def __init__(self, template: ResultTemplate, outputs: Wanted, run: Run, rows: int) -> None:
        self._fill = template.frame
        self._run = run_part(compute_us(run), run.size)
        wanted = _wanted(outputs, run)
        self._view = _view(run, wanted[0]) if len(wanted) == 1 else None
        if self._view is not None:
            self.varies = False
            nbytes = len(self._view[0])
        else:
            self._sources = [_source(run, index) for index in wanted]
            self.varies = any(run.outputs[index].dtype.hasobject for index in wanted)
            nbytes = sum(run.outputs[index].nbytes for index in wanted)
        self.left = 0 if self.varies else _COPIED_BYTES if nbytes < LARGE_BYTES else self._may_be_copied(wanted, run, rows)

    def _may_be_copied(self, wanted: tuple[int, ...], run: Run, rows: int) -> int:
        nbytes = sum(run.rows(index, 0, rows).nbytes for index in wanted)
        return 0 if nbytes >= LARGE_BYTES else _COPIED_BYTES // max(1, nbytes)

    def message(self, id_: Id, queue_us: int, start: int, stop: int) -> bytes:
        """Write one result."""
        if self._view is not None:
            view, row = self._view
            return self._fill(id_, queue_us, self._run, (view[start * row : stop * row],))
        return self._fill(id_, queue_us, self._run, [source(start, stop) for source in self._sources])


def _view(run: Run, index: int) -> tuple[memoryview, int] | None:
    """Return an output's bytes and the bytes of one row, where rows lie one after the other."""
    array = run.outputs[index]
    if run.model.outputs[index].batch_axis != 0 or array.dtype.hasobject or not array.flags.c_contiguous or not array.size:
        return None
    return array.reshape(-1).view("u1").data, array.nbytes // len(array)


def _source(run: Run, index: int) -> Source:
    """Return what gives the bytes of rows of one output. It must not know the run, which knows it and would be kept by it."""
    array, axis = run.outputs[index], run.model.outputs[index].batch_axis
    if array.dtype.hasobject:
        return lambda start, stop: pack_strings(_cut(array, axis, start, stop))
    seen = _view(run, index)
    if seen is None:
        return lambda start, stop: _cut(array, axis, start, stop).tobytes()
    view, row = seen
    return lambda start, stop: view[start * row : stop * row]


def _cut(array: Array, axis: int | None, start: int, stop: int) -> Array:
    return array if axis is None else array[(slice(None),) * axis + (slice(start, stop),)]


def _wanted(outputs: Wanted, run: Run) -> tuple[int, ...]:
    return tuple(range(len(run.outputs))) if outputs is None else outputs


def outputs_of(outputs: Wanted, run: Run, start: int, stop: int) -> dict[str, Array]:
    """Return the outputs that are wanted, those rows of them."""
    specs = run.model.outputs
    return {specs[index].name: run.rows(index, start, stop) for index in _wanted(outputs, run)}


def _result(id_: Id, run: Run, queue_us: int) -> Result:
    timing = Timing(queue_us=queue_us, compute_us=compute_us(run), batch_size=run.size)
    return Result(id=id_, model_name=run.model.name, model_version=run.model.version, final=True, timing=timing)


def compute_us(run: Run) -> int:
    """Return the microseconds that a run took."""
    return int(1e6 * run.compute_s)
