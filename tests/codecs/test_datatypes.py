"""What the datatype table and ``normalise`` promise."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tidegate.codecs.datatypes import BF16_DTYPE, DATATYPES, datatype_of, normalise
from tidegate.errors import InvalidInput


def test_table_has_the_fourteen_datatypes_with_their_sizes() -> None:
    """The allow-list holds fourteen names; a fixed size goes with each but BYTES."""
    sizes = {name: datatype.itemsize for name, datatype in DATATYPES.items()}
    assert sizes == {
        "BOOL": 1, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8,
        "FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8, "BYTES": 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", DATATYPES)
def test_a_dtype_names_its_datatype_and_no_other(name: str) -> None:
    """Going from a datatype to its dtype and back gives the same name."""
    assert datatype_of(DATATYPES[name].dtype) == name
    assert datatype_of(np.empty((2, 0), DATATYPES[name].dtype)) == name


@pytest.mark.parametrize("dtype", [">f4", "c8", "M8[s]", "U3", "S3", "V2", ">i8", "g"])
def test_a_dtype_without_a_datatype_is_refused(dtype: str) -> None:
    """Big-endian, complex, dates, fixed text, void and long double have no datatype."""
    with pytest.raises(InvalidInput):
        datatype_of(np.dtype(dtype))


def test_integers_of_either_c_type_are_int64() -> None:
    """Where ``long`` and ``long long`` are the same integer, both are INT64."""
    assert datatype_of(np.dtype("longlong")) == datatype_of(np.dtype("long")) == "INT64"


@pytest.mark.parametrize(
    ("value", "name", "shape"),
    [
        (1.5, "FP64", ()),
        ([1, 2], "INT64", (2,)),
        ([[True], [False]], "BOOL", (2, 1)),
        ("é", "BYTES", ()),
        (["a", b"b\0"], "BYTES", (2,)),
        (np.array(["a", "bc"]), "BYTES", (2,)),
        (np.array(["a"], np.dtypes.StringDType()), "BYTES", (1,)),
        (np.arange(3, dtype=">u2"), "UINT16", (3,)),
        (np.float16(1), "FP16", ()),
        (np.ones(2, BF16_DTYPE), "BF16", (2,)),
        (np.ones((), ml_dtypes.bfloat16), "BF16", ()),
        (np.ones((2, 3), ml_dtypes.bfloat16).T, "BF16", (3, 2)),
        (np.arange(6).reshape(2, 3)[:, ::2], "INT64", (2, 2)),
    ],
)
def test_normalise_gives_a_contiguous_array_with_a_datatype(value: object, name: str, shape: tuple[int, ...]) -> None:
    """Whatever numpy takes comes out row-major with a supported dtype and its shape, scalars included."""
    array = normalise(value)
    assert (datatype_of(array), array.shape, array.flags.c_contiguous) == (name, shape, True)


def test_normalise_keeps_the_numbers() -> None:
    """Swapping bytes and gathering strides change no value."""
    assert normalise(np.arange(6, dtype=">i4").reshape(2, 3).T).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert normalise(np.array([1.5], ml_dtypes.bfloat16)).view(np.uint16).tolist() == [0x3FC0]
    assert normalise(["é", b"\0\xff"]).tolist() == ["é".encode(), b"\0\xff"]


def test_normalise_copies_nothing_that_is_right() -> None:
    """An array that is as it should be shares its memory with the result."""
    array = np.arange(4, dtype=np.float32)
    assert np.shares_memory(normalise(array), array)


@pytest.mark.parametrize("value", [None, object(), [b"a", 1], 1j, [[1], [2, 3]], ["\ud800"], np.datetime64("now"), 2**70])
def test_normalise_refuses_what_has_no_datatype(value: object) -> None:
    """What cannot be a tensor raises InvalidInput and nothing else."""
    with pytest.raises(InvalidInput):
        normalise(value)
