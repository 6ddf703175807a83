"""Snapshots are written and read; what is none is refused."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidegate.errors import InvalidInput
from tidegate.models.streams.snapshot import Snapshot, read, write

DTYPES = st.sampled_from(["<f4", "<f8", "<i8", "u1", "?", "<f2"])
arrays = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
named = st.dictionaries(st.text(min_size=1, max_size=8), arrays, max_size=4)


@given(constants=named, state=named, step=st.integers(0, 2**40))
def test_what_is_written_is_read(constants: dict[str, np.ndarray], state: dict[str, np.ndarray], step: int) -> None:
    """Every tensor comes back bit for bit, with its name, datatype and shape."""
    back = read(write(Snapshot("m", "ab" * 32, step, constants, state)))
    assert (back.model, back.sha256, back.step) == ("m", "ab" * 32, step)
    for before, after in ((constants, back.constants), (state, back.state)):
        assert before.keys() == after.keys()
        for name, array in before.items():
            assert (array.dtype, array.shape, array.tobytes()) == (
                after[name].dtype,
                after[name].shape,
                after[name].tobytes(),
            )


@given(data=st.binary(max_size=64), at=st.integers(0, 200), cut=st.integers(0, 200))
def test_what_is_no_snapshot_is_refused(data: bytes, at: int, cut: int) -> None:
    """Whatever the bytes are, they are read or refused as invalid input; nothing else is raised."""
    good = write(Snapshot("m", "ab" * 32, 3, {}, {"state:h": np.zeros((1, 2), np.float32)}))
    for bad in (data, good[:at] + data + good[at:], good[:cut], good[:8] + data):
        if bad != good:
            with suppress(InvalidInput):
                read(bad)


def test_a_tensor_with_too_few_bytes_is_refused() -> None:
    """A shape that the bytes do not fill is named."""
    good = write(Snapshot("m", "ab" * 32, 3, {}, {"h": np.zeros(4, np.float32)}))
    with pytest.raises(InvalidInput, match="'h'"):
        read(good.replace(b"\x91\x04", b"\x91\x05"))


def test_strings_cannot_be_kept() -> None:
    """A state of strings says so when a snapshot is asked for."""
    with pytest.raises(InvalidInput):
        write(Snapshot("m", "ab", 1, {}, {"h": np.array([b"x"], object)}))
