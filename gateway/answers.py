"""Writes the results of requests out of the runs that they shared with others. Pure; knows no connection.

With a msgpack header, what all results of a model have in common is packed once and kept (``ResultTemplate``), and what
all results of a run have in common once for each run; the other forms are for people and small clients, and are written
one by one. Bound: so many templates; at the bound all are forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.codecs.datatypes import datatype_of
from tidegate.codecs.errors import Form
from tidegate.codecs.messages import Result, Timing
from tidegate.codecs.result_template import ResultTemplate, run_part
from tidegate.codecs.tensors import pack_strings
from tidegate.codecs.writer import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tidegate.codecs.messages import Id
    from tidegate.models.batch import Run
    from tidegate.models.request import Request
    from tidegate.results import Array

    Bytes = bytes | memoryview
    Source = Callable[[int, int], Bytes]
    Wanted = tuple[int, ...] | None

_TEMPLATES = 1024


class Answers:
    """Writes results; one for all connections."""

    __slots__ = ("_templates",)

    def __init__(self) -> None:
        self._templates: dict[Hashable, ResultTemplate] = {}

    def write(self, id_: Id, form: Form, request: Request, run: Run, start: int, stop: int) -> bytes:
        """Write rows ``start`` to ``stop`` of a run as the result of a request.

        Raises:
            TidegateError: an output cannot be written.
        """
        queue_us = int(1e6 * (run.started - request.arrival))
        if queue_us < 0:
            queue_us = 0
        outputs = request.kind.outputs
        if form is not Form.MSGPACK:
            return encode(_result(id_, run, queue_us), form, _rows(outputs, run, start, stop))
        if run.context is None:
            run.context = {}
        shared: _Shared | None = run.context.get((outputs, stop - start))
        if shared is None:
            shared = _Shared(self._template(outputs, run, start, stop), outputs, run)
            run.context[outputs, stop - start] = shared
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
            arrays = _rows(outputs, run, start, stop)
            described = [(name, datatype_of(array), array.shape) for name, array in arrays.items()]
            self._templates[key] = template = ResultTemplate(run.model.name, run.model.version, described)
        return template


class _Shared:
    """What the results of one run have in common that hold the same outputs and number of rows."""

    __slots__ = ("_fill", "_run", "_sources", "_view")

    def __init__(self, template: ResultTemplate, outputs: Wanted, run: Run) -> None:
        self._fill = template.frame
        self._run = run_part(_compute_us(run), run.size)
        wanted = _wanted(outputs, run)
        self._view = _view(run, wanted[0]) if len(wanted) == 1 else None
        self._sources = [_source(run, index) for index in wanted] if self._view is None else []

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
    """Return what gives the bytes of rows of one output."""
    if run.outputs[index].dtype.hasobject:
        return lambda start, stop: pack_strings(run.rows(index, start, stop))
    seen = _view(run, index)
    if seen is None:
        return lambda start, stop: run.rows(index, start, stop).tobytes()
    view, row = seen
    return lambda start, stop: view[start * row : stop * row]


def _wanted(outputs: Wanted, run: Run) -> tuple[int, ...]:
    return tuple(range(len(run.outputs))) if outputs is None else outputs


def _rows(outputs: Wanted, run: Run, start: int, stop: int) -> dict[str, Array]:
    specs = run.model.outputs
    return {specs[index].name: run.rows(index, start, stop) for index in _wanted(outputs, run)}


def _result(id_: Id, run: Run, queue_us: int) -> Result:
    timing = Timing(queue_us=queue_us, compute_us=_compute_us(run), batch_size=run.size)
    return Result(id=id_, model_name=run.model.name, model_version=run.model.version, final=True, timing=timing)


def _compute_us(run: Run) -> int:
    return int(1e6 * run.compute_s)
