"""Shared memory by descriptor: seen at both ends, replaced when it must grow, and gone when nobody holds it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tidegate.errors import ModelFailed
from tidegate.models.processes import segment

pytestmark = pytest.mark.skipif(not segment.is_supported(), reason="needs memfd_create")


def descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def test_both_ends_see_the_same() -> None:
    """What one side writes the other reads, later writes too; the other cannot write."""
    outgoing = segment.Outgoing()
    outgoing.reserve(5)
    assert outgoing.descriptor is not None
    seen = segment.attach(os.dup(outgoing.descriptor))
    outgoing.memory[:5] = [1, 2, 3, 4, 5]
    assert seen[:5].tolist() == [1, 2, 3, 4, 5]
    assert not seen.flags.writeable
    outgoing.forget()


def test_growth_is_by_powers_of_two() -> None:
    """A segment is replaced only when it is too small, by the next power of two."""
    outgoing = segment.Outgoing()
    sizes = []
    for nbytes in (0, 1, 65_536, 65_537, 70_000, 300_000, 10):
        outgoing.reserve(nbytes)
        sizes.append((outgoing.memory.size, outgoing.descriptor is not None))
        outgoing.sent()
    new, old = True, False
    assert sizes == [
        (0, old),
        (65_536, new),
        (65_536, old),
        (131_072, new),
        (131_072, old),
        (524_288, new),
        (524_288, old),
    ]


def test_too_much_is_refused() -> None:
    """What no segment holds is an error of the run, and the old segment stays."""
    outgoing = segment.Outgoing()
    outgoing.reserve(1)
    with pytest.raises(ModelFailed, match="at most"):
        outgoing.reserve(segment.MOST_BYTES + 1)
    assert outgoing.memory.size == segment.LEAST_BYTES
    outgoing.forget()


def test_nothing_is_left() -> None:
    """Neither a descriptor nor a mapping outlives a segment, whether it was sent or not; views keep it."""
    before = descriptors()
    outgoing = segment.Outgoing()
    outgoing.reserve(1)
    seen = segment.attach(os.dup(outgoing.descriptor or 0))
    seen_part = seen[3:4]
    outgoing.reserve(100_000)
    outgoing.sent()
    outgoing.forget()
    del seen
    assert seen_part.tolist() == [0]
    del seen_part
    assert descriptors() == before
    assert "memfd:tidegate" not in Path("/proc/self/maps").read_text()


def test_memory_that_could_shrink_is_refused() -> None:
    """A segment without a seal could end under whoever reads it: it is not mapped, and its descriptor is closed."""
    descriptor = os.memfd_create("test")
    os.ftruncate(descriptor, 4096)
    with pytest.raises(ValueError, match="shrink"):
        segment.attach(descriptor)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)


def test_a_segment_cannot_be_resized() -> None:
    """Whoever has the descriptor cannot make the segment end earlier."""
    memory, descriptor = segment.create(segment.LEAST_BYTES)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    os.close(descriptor)
    assert np.count_nonzero(memory) == 0
