"""Is a request what the model takes, how many rows has it, and with which others may it share a batch?

Pure; knows one model's signature and nothing of queues. What was once found good is remembered by its shapes, so that
the usual request costs a few dictionary look-ups.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tidegate.codecs.datatypes import DATATYPES, datatype_of
from tidegate.errors import InvalidInput

from .request import Kind

if TYPE_CHECKING:
    from collections.abc import Container, Hashable, Iterable, Mapping, Sequence

    from tidegate.results import Array

    from .signature import TensorSpec
    from .worker import Worker

_REMEMBERED_SHAPES = 1024  # at the bound, all are forgotten
_SHORT_BYTES = 64  # a shared input up to this long stands in the batch key itself, a longer one by its digest

_Shapes = tuple[tuple[int, ...], ...]
_Asked = tuple[_Shapes, tuple[str, ...] | None, int]  # shapes, names of outputs, priority


class Admission:
    """The check of one model's inputs."""

    __slots__ = ("_batched", "_dtypes", "_good", "_has_strings", "_names", "_outputs", "_shared", "_specs", "_worker")

    def __init__(self, worker: Worker) -> None:
        model = worker.model
        self._worker = worker
        self._specs = model.inputs
        self._outputs = tuple(spec.name for spec in model.outputs)
        self._batched = model.batching.verdict != "none"
        self._names = tuple(spec.name for spec in self._specs)
        self._dtypes = tuple(DATATYPES[spec.datatype].dtype for spec in self._specs)
        self._shared = tuple(i for i, spec in enumerate(self._specs) if spec.batch_axis is None) if self._batched else ()
        self._has_strings = any(spec.datatype == "BYTES" for spec in self._specs)
        self._good: dict[_Asked, Kind] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of ``Request.arrays``."""
        return self._names

    @property
    def depends_on_values(self) -> bool:
        """Whether the batch key depends on what is in the tensors, not on their shapes alone."""
        return bool(self._shared)

    def is_settled_by(self, known: Container[int]) -> bool:
        """Tell whether a request's kind depends on shapes alone once the inputs in these places are known."""
        return not self._has_strings and all(index in known for index in self._shared)

    def check(
        self, tensors: Mapping[str, Array], outputs: tuple[str, ...] | None = None, priority: int = 0
    ) -> tuple[list[Array], Kind]:
        """Check a request's tensors, and the names of the outputs that it wants.

        Returns:
            The arrays in the signature's order, and the kind of the request.

        Raises:
            InvalidInput: a tensor is missing, not asked for, or of another datatype or shape; an output is unknown.
        """
        arrays = self._in_order(tensors)
        return arrays, self.kind(arrays, outputs, priority, tensors)

    def kind(
        self,
        arrays: Sequence[Array],
        outputs: tuple[str, ...] | None = None,
        priority: int = 0,
        tensors: Mapping[str, Array] | None = None,
    ) -> Kind:
        """Check arrays that are in the signature's order; return the kind of the request, and raise as ``check`` does.

        Args:
            arrays: the inputs.
            outputs: as in ``check``.
            priority: as in ``check``.
            tensors: as they were given, so that an error can tell the place; None for the signature's order.
        """
        for array, dtype, spec in zip(arrays, self._dtypes, self._specs, strict=True):
            if array.dtype is not dtype and array.dtype != dtype:
                raise InvalidInput(
                    f"input {spec.name!r} is {datatype_of(array)}, the model takes {spec.datatype}",
                    param=_param(tensors or self._names, spec.name, "datatype"),
                    expected=spec.datatype,
                )
        asked = (tuple([array.shape for array in arrays]), outputs, priority)
        kind = self._good.get(asked) or self._learn(asked, arrays, tensors or self._names)
        if self._shared:
            key = (kind.key, *[fingerprint(arrays[index]) for index in self._shared])
            kind = self._kind(key, kind.rows, kind.nbytes, kind.outputs, priority)
        if self._has_strings:
            kind = self._kind(kind.key, kind.rows, sum(map(size_of, arrays)), kind.outputs, priority)
        return kind

    def _kind(self, key: Hashable, rows: int, nbytes: int, outputs: tuple[int, ...] | None, priority: int) -> Kind:
        return Kind(self._worker, key, rows, nbytes=nbytes, outputs=outputs, priority=priority)

    def _in_order(self, tensors: Mapping[str, Array]) -> list[Array]:
        try:
            arrays = [tensors[name] for name in self._names]
        except KeyError:
            raise self._names_differ(tensors) from None
        if len(tensors) != len(arrays):
            raise self._names_differ(tensors)
        return arrays

    def _learn(self, asked: _Asked, arrays: Sequence[Array], tensors: Iterable[str]) -> Kind:
        shapes, outputs, priority = asked
        for spec, shape in zip(self._specs, shapes, strict=True):
            self._check_shape(spec, shape, tensors)
        rows, key = self._rows_and_key(shapes, tensors) if self._batched else (1, None)
        kind = self._kind(key, rows, sum(map(size_of, arrays)), self._output_indices(outputs), priority)
        if len(self._good) >= _REMEMBERED_SHAPES:
            self._good.clear()
        self._good[asked] = kind
        return kind

    def _output_indices(self, wanted: tuple[str, ...] | None) -> tuple[int, ...] | None:
        if wanted is None:
            return None
        for index, name in enumerate(wanted):
            if name not in self._outputs:
                expected = f"some of {list(self._outputs)}"
                raise InvalidInput(f"there is no output {name[:64]!r}", param=f"outputs[{index}].name", expected=expected)
        return tuple(self._outputs.index(name) for name in dict.fromkeys(wanted))

    def _check_shape(self, spec: TensorSpec, shape: tuple[int, ...], tensors: Iterable[str]) -> None:
        fits = len(shape) == len(spec.shape) and all(want in (-1, got) for want, got in zip(spec.shape, shape, strict=True))
        if not fits:
            raise InvalidInput(
                f"input {spec.name!r} has shape {list(shape)}, the model takes {_shape_text(spec)}",
                param=_param(tensors, spec.name, "shape"),
                expected=_shape_text(spec),
            )

    def _rows_and_key(self, shapes: _Shapes, tensors: Iterable[str]) -> tuple[int, Hashable]:
        counts: dict[str, int] = {}
        rest: list[tuple[int, ...]] = []
        for spec, shape in zip(self._specs, shapes, strict=True):
            axis = spec.batch_axis
            if axis is None:
                rest.append(shape)
            else:
                counts[spec.name] = shape[axis]
                rest.append(shape[:axis] + shape[axis + 1 :])
        rows = next(iter(counts.values()))
        odd = next((name for name, count in counts.items() if count != rows or count < 1), None)
        if odd is not None:
            told = ", ".join(f"{name!r} has {count}" for name, count in counts.items())
            raise InvalidInput(
                f"inputs must hold the same number of rows, at least 1: {told}",
                param=_param(tensors, odd, "shape"),
                expected="the same number of rows in all inputs, at least 1",
            )
        return rows, tuple(rest)

    def _names_differ(self, tensors: Mapping[str, Array]) -> InvalidInput:
        missing = [name for name in self._names if name not in tensors]
        surplus = [name for name in tensors if name not in self._names]
        told = [f"missing {missing}"] if missing else []
        told += [f"not an input of this model: {[name[:64] for name in surplus[:8]]}"] if surplus else []
        param = _param(tensors, surplus[0], "name") if surplus else "inputs"
        return InvalidInput(f"inputs: {'; '.join(told)}", param=param, expected=f"inputs {list(self._names)}")


def _param(tensors: Iterable[str], name: str, field: str) -> str:
    return f"inputs[{list(tensors).index(name)}].{field}"


def _shape_text(spec: TensorSpec) -> str:
    return "[" + ", ".join("any" if size == -1 else str(size) for size in spec.shape) + "]"


def size_of(array: Array) -> int:
    """Return the bytes that an array takes; those of strings, not of pointers to them."""
    return sum(map(len, array.ravel().tolist())) + array.nbytes if array.dtype.hasobject else array.nbytes


def fingerprint(array: Array) -> Hashable:
    """Return what is equal for arrays of one datatype that hold the same elements in the same order."""
    if array.dtype.hasobject:
        return tuple(array.ravel().tolist())
    content = array.tobytes()
    return content if len(content) <= _SHORT_BYTES else hashlib.blake2b(content, digest_size=16).digest()
