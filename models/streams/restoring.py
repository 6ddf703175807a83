"""Is this the state of such a stream? For one that came from elsewhere, and that somebody may have written by hand. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import InvalidInput

from .row_state import check_resting
from .states import same_but_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.results import Array

    from .agenda import State
    from .chunk import Rest
    from .fixed import Fixed
    from .loop import Loop

_LOOP = "loop:"


def check_state(fixed: Fixed, loop: Loop | None, tensors: Mapping[str, Array]) -> State:
    """Return the tensors as the state of a stream.

    Raises:
        InvalidInput: one is missing, not known, or of another datatype or shape.
    """
    for held in fixed.states:
        if not held.fits(_tensor(tensors, held.key)):
            raise _bad(held.key, tensors, held.shape_text)
    for carry in fixed.carries:
        if not _alike(_tensor(tensors, carry.key), carry.initial):
            raise _bad(carry.key, tensors, str(list(carry.initial.shape)))
    if fixed.rest is not None and not _is_rest(_tensor(tensors, fixed.rest.key), fixed.rest):
        raise _bad(fixed.rest.key, tensors, f"less than {fixed.rest.length} along axis {fixed.rest.axis}")
    surplus = [key for key in tensors if key not in fixed.initial and not (loop is not None and key.startswith(_LOOP))]
    if surplus:
        raise _refused(f"its state has {surplus[0][:64]!r}", f"a state of {list(fixed.initial)}")
    if loop is not None:
        check_resting(loop, tensors)
    return dict(tensors)


def _tensor(tensors: Mapping[str, Array], key: str) -> Array:
    if key not in tensors:
        raise _refused(f"its state has no {key!r}", f"a state with {key!r}")
    return tensors[key]


def _alike(array: Array, initial: Array) -> bool:
    return array.dtype == initial.dtype and array.shape == initial.shape


def _is_rest(array: Array, rest: Rest) -> bool:
    alike = same_but_for(rest.axis, array.shape, rest.initial.shape) and array.dtype == rest.initial.dtype
    return alike and array.shape[rest.axis] < rest.length


def _bad(key: str, tensors: Mapping[str, Array], expected: str) -> InvalidInput:
    array = tensors[key]
    return _refused(f"its {key!r} is {array.dtype} of shape {list(array.shape)}", expected)


def _refused(why: str, expected: str) -> InvalidInput:
    return InvalidInput(f"the snapshot is of another stream: {why}", param="snapshot", expected=expected)
