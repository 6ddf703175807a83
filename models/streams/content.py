"""What a step says, in one number: to tell a repetition from another step with the same number. Pure.

A client could only deceive itself, so 64 bits of Python's own keyed hash are enough. They cost a third of what a digest does,
and do not let go of the interpreter lock, which beside a busy compute thread costs more than all of it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tidegate.results import Array

    Scalar = bool | int | float | str

_LARGE_BYTES = 64 * 1024  # of what is larger mostly no copy is made, and others may run meanwhile


def content(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar] | None) -> int:
    """Return a hash of a step's tensors, in any order, and its parameters."""
    names = sorted(inputs) if len(inputs) > 1 else inputs
    return of_elements(described(inputs, parameters), [inputs[name] for name in names])


def described(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar] | None) -> int:
    """Return a hash of all but the elements: what steps have in common that look alike."""
    tensors = [(name, inputs[name].dtype.str, inputs[name].shape) for name in sorted(inputs)]
    return hash((*tensors, repr(sorted(parameters.items())) if parameters else None))


def of_elements(described: int, arrays: Sequence[Array]) -> int:
    """Return the ``content`` of a step that was ``described``, whose tensors are given in the order of their names."""
    return hash((described, *[_elements(array) for array in arrays]))


def _elements(array: Array) -> Hashable:
    if array.dtype.hasobject:
        return tuple(array.ravel().tolist())
    if array.nbytes < _LARGE_BYTES:
        return array.tobytes()
    data = array.data if array.flags.c_contiguous and array.dtype.names is None else array.tobytes()
    return blake2b(data, digest_size=16).digest()
