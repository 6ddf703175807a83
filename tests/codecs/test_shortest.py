"""Numbers as text: few digits, and read back they are the same bits."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidegate.codecs import json_elements, shortest
from tidegate.codecs.datatypes import BF16_DTYPE, DATATYPES
from tidegate.codecs.json_text import data_pieces

BITS: dict[str, Any] = {"FP16": np.uint16, "BF16": np.uint16, "FP32": np.uint32}


def of_bits(name: str, bits: Any) -> Any:
    """Make numbers of a datatype out of their bits; every NaN becomes the usual one."""
    array = bits.view(BF16_DTYPE if name == "BF16" else DATATYPES[name].dtype)
    wide = (bits.astype(np.uint32) << 16).view(np.float32) if name == "BF16" else array
    return array[~np.isnan(wide)]


def written(array: Any, name: str) -> bytes:
    return b"".join(data_pieces(array, name))


def read(text: bytes, name: str) -> Any:
    return json_elements.decode(msgspec.Raw(text), DATATYPES[name], 1)


@pytest.mark.parametrize("name", ["FP16", "BF16"])
def test_each_small_float_comes_back(name: str) -> None:
    """Every number of 16 bits is read as the bits that were written."""
    array = of_bits(name, np.arange(65_536).astype(np.uint16))
    assert read(written(array, name), name).tobytes() == array.tobytes()


@given(st.sampled_from([1, 10, 48, 49, 300]), st.data())
def test_any_fp32_comes_back(size: int, data: st.DataObject) -> None:
    """Any FP32, few of them or many, is read as the bits that were written."""
    array = of_bits("FP32", data.draw(hnp.arrays(np.uint32, size)))
    assert read(written(array, "FP32"), "FP32").tobytes() == array.tobytes()


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e7, 1e-30, 1e30])
def test_digits_are_as_few_as_numpys(scale: float) -> None:
    """Numbers of any size have the digits that numpy prints, which are the fewest; whole numbers may have more."""
    numbers = (np.random.default_rng(7).standard_normal(5000) * scale).astype(np.float32)
    numbers = numbers[(numbers % 1 != 0) | (np.abs(numbers) > 1e16)]
    assert shortest.shortest(numbers, "FP32").tolist() == [float(str(number)) for number in numbers]


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("FP32", 0.1, "0.1"),
        ("FP32", -0.0, "-0.0"),
        ("FP32", 1 / 3, "0.33333334"),
        ("FP32", 16_777_216.0, "16777216.0"),
        ("FP32", 123_456_792.0, "123456792.0"),
        ("FP32", 3.4028234663852886e38, "3.4028235e38"),
        ("FP32", 1e-45, "1e-45"),
        ("FP16", 0.1, "0.1"),
        ("FP16", 65_504.0, "65504.0"),
        ("FP16", 6e-8, "6e-8"),
    ],
)
@pytest.mark.parametrize("count", [1, 100])
def test_what_is_written(name: str, number: float, text: str, count: int) -> None:
    """Known numbers have their known texts, alone or among many; whole ones are exact."""
    array = np.full(count, number, DATATYPES[name].dtype)
    assert written(array, name) == f"[{','.join([text] * count)}]".encode()
