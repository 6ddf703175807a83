"""What a step says, in sixteen bytes: to tell a repetition from another step with the same number. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.results import Array

    Scalar = bool | int | float | str


def content(inputs: Mapping[str, Array], parameters: Mapping[str, Scalar] | None) -> bytes:
    """Return a digest of a step's tensors, in any order, and its parameters."""
    digest = blake2b(digest_size=16)
    for name in sorted(inputs) if len(inputs) > 1 else inputs:
        array = inputs[name]
        digest.update(f"{name}\0{array.dtype.str}{array.shape}".encode())
        if array.dtype.hasobject:
            for element in array.ravel().tolist():
                digest.update(b"%d:" % len(element))
                digest.update(element)
        else:
            digest.update(array.data if array.flags.c_contiguous and array.dtype.names is None else array.tobytes())
    if parameters:
        digest.update(repr(sorted(parameters.items())).encode())
    return digest.digest()
