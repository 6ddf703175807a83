"""Memory that two processes share: anonymous, passed by descriptor, gone with the last who maps it. It knows no tensors.

Bounds: a segment is a power of two from 64 KiB to 2 GiB, of which only what is written takes memory. One that is too small
is replaced, never resized: it is sealed, so that whoever maps it cannot be made to read beyond its end, which kills.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import ModelFailed

if TYPE_CHECKING:
    from tidegate.results import Array

LEAST_BYTES = 64 * 1024
MOST_BYTES = 2 * 1024**3


def is_supported() -> bool:
    """Tell whether this system has what it takes."""
    return hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")


def size_for(nbytes: int) -> int:
    """Return the size of a segment that holds so many bytes.

    Raises:
        ModelFailed: they are more than any segment holds.
    """
    if nbytes > MOST_BYTES:
        raise ModelFailed(f"{nbytes} bytes of tensors; a worker process takes and gives at most {MOST_BYTES}")
    return max(LEAST_BYTES, 1 << (nbytes - 1).bit_length())


def create(size: int) -> tuple[Array, int]:
    """Make a segment; returns its bytes, mapped, and a descriptor to pass on and to close."""
    descriptor = os.memfd_create("tidegate", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        return _mapped(descriptor, size, mmap.PROT_READ | mmap.PROT_WRITE), descriptor
    except BaseException:
        os.close(descriptor)
        raise


def attach(descriptor: int) -> Array:
    """Map a segment that another process made, for reading; closes the descriptor.

    Raises:
        ValueError: it is not sealed against shrinking.
    """
    try:
        if not fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
            raise ValueError("shared memory that could shrink")
        return _mapped(descriptor, os.fstat(descriptor).st_size, mmap.PROT_READ)
    finally:
        os.close(descriptor)


def _mapped(descriptor: int, size: int, protection: int) -> Array:
    # The array holds the mapping: it goes when the last view of it does.
    return np.frombuffer(mmap.mmap(descriptor, size, mmap.MAP_SHARED, protection), np.uint8)


class Outgoing:
    """The segment into which one side writes.

    Attributes:
        memory: its bytes.
        descriptor: of a segment that the other side has not been given yet.
    """

    def __init__(self) -> None:
        self.memory: Array = np.empty(0, np.uint8)
        self.descriptor: int | None = None

    def reserve(self, nbytes: int) -> None:
        """Have room for so many bytes, in a new segment if need be; what was written before may be gone.

        Raises:
            ModelFailed: there is no such room.
        """
        if nbytes <= self.memory.size:
            return
        size = size_for(nbytes)
        self.forget()  # before there are two
        try:
            self.memory, self.descriptor = create(size)
        except OSError as error:
            raise ModelFailed(f"no {size} bytes of shared memory: {error.strerror}") from None

    def sent(self) -> None:
        """Take note that the other side has been given the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def forget(self) -> None:
        """Let go of the segment."""
        self.sent()
        self.memory = np.empty(0, np.uint8)
