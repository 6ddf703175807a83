"""The parts of the proof that run nothing: comparing, making up values, choosing shapes and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.codecs.datatypes import BF16_DTYPE, DATATYPES
from tidegate.models.config import InputProbe
from tidegate.models.probe_compare import Comparison, Grade, compare, same_bits
from tidegate.models.probe_measure import Room
from tidegate.models.probe_shapes import SIZINGS, Sizer, Sizing, layouts
from tidegate.models.probe_sizes import Measured, conclude, deciding_sizes, further_sizes
from tidegate.models.probe_values import Guess, ValueMaker
from tidegate.models.signature import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.models.probe_shapes import Symbols

EXACT, CLOSE = Comparison(Grade.EXACT, 0.0), Comparison(Grade.CLOSE, 2e-6)
DIFFERENT = Comparison(Grade.DIFFERENT, 0.5)


def spec(name: str, shape: Sequence[int | str | None], datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name, datatype, tuple(-1 if not isinstance(size, int) else size for size in shape))


def symbols(*shapes: Sequence[int | str | None]) -> Symbols:
    return tuple(tuple(size if isinstance(size, str) else None for size in shape) for shape in shapes)


@pytest.mark.parametrize(
    ("actual", "expected", "grade"),
    [
        ([1.0, 2.0], [1.0, 2.0], Grade.EXACT),
        ([np.nan], [np.nan], Grade.EXACT),
        ([0.0], [-0.0], Grade.CLOSE),
        ([1.0], [1.000005], Grade.CLOSE),
        ([1e6], [1e6 + 1], Grade.CLOSE),
        ([1.0], [1.0001], Grade.DIFFERENT),
        ([np.nan], [1.0], Grade.DIFFERENT),
        ([np.inf], [-np.inf], Grade.DIFFERENT),
        ([np.inf], [1e30], Grade.DIFFERENT),
    ],
)
def test_floats_are_exact_close_or_different(actual: list[float], expected: Any, grade: Grade) -> None:
    """Equal bits are exact, a difference within 1e-5 (relative above 1) is close, and NaN equals only itself."""
    assert compare(np.array(actual, np.float64), np.array(expected, np.float64)).grade is grade


def test_integers_and_text_are_never_close() -> None:
    """A class that differs by one is another class."""
    assert compare(np.array([1]), np.array([2])).grade is Grade.DIFFERENT
    assert compare(np.array([b"a"], object), np.array([b"b"], object)).grade is Grade.DIFFERENT
    assert compare(np.array([b"a"], object), np.array([b"a"], object)).grade is Grade.EXACT


def test_bfloat16_is_compared_as_the_number_that_it_is() -> None:
    """The bits of BF16 differ by one where the numbers differ by a 128th."""
    one, next_to_one = np.array([0x3F80], np.uint16).view(BF16_DTYPE), np.array([0x3F81], np.uint16).view(BF16_DTYPE)
    found = compare(one, next_to_one)
    assert (found.grade, found.difference) == (Grade.DIFFERENT, pytest.approx(1 / 129, rel=0.02))
    assert compare(one, one).grade is Grade.EXACT


@given(st.lists(st.floats(width=32), min_size=1))
def test_every_array_is_exactly_itself(values: list[float]) -> None:
    """No value, NaN with its payload included, differs from itself."""
    array = np.array(values, np.float32)
    assert same_bits(array, array.copy())


def test_sizes_are_tried_once_and_the_deciding_ones_first() -> None:
    """Together the two lists hold every size from 2 on once; powers of two and 3 decide."""
    assert deciding_sizes(128) == [2, 3, 4, 8, 16, 32, 64, 128]
    assert deciding_sizes(20) == [2, 3, 4, 8, 16, 20]
    assert deciding_sizes(2) == [2]
    assert further_sizes(32)[:13] == [5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 24, 17, 18]
    for limit in range(1, 140):
        assert sorted(deciding_sizes(limit) + further_sizes(limit)) == list(range(2, limit + 1))


def measured(*pairs: tuple[int, Comparison]) -> list[Measured]:
    return [Measured(size, comparison, size * 1e-3) for size, comparison in pairs]


def test_all_exact_is_exact() -> None:
    """Sizes come out ascending with 1 first, each with its cost."""
    found = conclude(1e-3, measured((2, EXACT), (8, EXACT), (4, EXACT)), 8)
    assert (found.verdict, found.sizes) == ("exact", (1, 2, 4, 8))
    assert found.cost_s == {1: 1e-3, 2: 2e-3, 4: 4e-3, 8: 8e-3}


def test_exact_sizes_are_kept_when_they_reach_far_enough() -> None:
    """Where the even sizes are exact and the odd ones close, only the even ones are used and the verdict stays exact."""
    found = conclude(1e-3, measured((2, EXACT), (3, CLOSE), (4, EXACT), (8, EXACT), (16, CLOSE), (128, CLOSE)), 128)
    assert (found.verdict, found.sizes) == ("exact", (1, 2, 4, 8))
    assert "3 sizes that are merely close are not used" in found.reason


def test_a_few_small_exact_sizes_are_not_worth_it() -> None:
    """Where only small sizes are exact, all sizes are used and the verdict is close."""
    found = conclude(1e-3, measured((2, EXACT), (3, CLOSE), (4, EXACT), (8, CLOSE), (64, CLOSE)), 64)
    assert (found.verdict, found.sizes) == ("close", (1, 2, 3, 4, 8, 64))
    assert "2e-06" in found.reason


def test_merely_close_for_other_dimensions_is_close() -> None:
    """Exactness that hangs on the sizes with which it was probed is not claimed."""
    assert conclude(1e-3, measured((2, EXACT), (8, EXACT)), 8, CLOSE).verdict == "close"


def test_one_different_size_is_none() -> None:
    """A model that gives other answers for one size is not trusted with any."""
    found = conclude(1e-3, measured((2, EXACT), (4, DIFFERENT), (8, EXACT)), 8)
    assert (found.verdict, found.sizes, dict(found.cost_s)) == ("none", (1,), {1: 1e-3})


def test_batch_like_names_are_tried_first() -> None:
    """A dimension called batch is tried before others, wherever it is, and scalars are always shared."""
    shapes = (["time", "batch", 4], [1, "batch", 8], [])
    specs = [spec(f"i{index}", shape) for index, shape in enumerate(shapes)]
    assert next(layouts(specs, symbols(*shapes), {})) == (1, 1, None)


def test_every_layout_is_tried_once() -> None:
    """Without names every combination of dynamic axes is tried, all joined before some shared."""
    shapes = ([None, None], [2, None])
    specs = [spec("a", shapes[0]), spec("b", shapes[1])]
    assert list(layouts(specs, symbols(*shapes), {})) == [(0, 1), (1, 1), (0, None), (1, None), (None, 1)]


def test_pinned_axes_are_kept() -> None:
    """What ``[axes]`` says about an input is not tried otherwise."""
    shapes = ([None, None], [None])
    specs = [spec("a", shapes[0]), spec("b", shapes[1])]
    assert {layout[0] for layout in layouts(specs, symbols(*shapes), {"a": 1})} == {1}


def test_a_letter_is_no_batch_behind_other_rows() -> None:
    """The n of [rows, n] is a length: one request of four million numbers is not so many rows. A batch is one anywhere."""
    for names, axis in [(("rows", "n"), 0), (("n", "rows"), 0), (("time", "batch"), 1), ((None, "n"), 1)]:
        specs = (TensorSpec("x", "FP32", tuple(-1 if name else 1 for name in names)),)
        assert next(layouts(specs, (names,), {})) == (axis,)


def test_a_model_with_many_inputs_has_few_layouts() -> None:
    """The many tensors of a cache are declared alike and treated alike."""
    shapes = [["batch", "seq"], *[["batch", 4, "past", 16]] * 48]
    specs = [spec(f"i{index}", shape) for index, shape in enumerate(shapes)]
    found = list(layouts(specs, symbols(*shapes), {}))
    assert found[0] == (0,) * 49
    assert len(found) < 20


def test_sizes_of_one_name_are_equal_and_others_differ() -> None:
    """Guessed sizes follow names; sums of names are sums; the batch axis is 1."""
    shapes = (["batch", "seq"], ["batch", "past + seq"], ["batch", 4, "past", 8], [None, 3])
    specs = [spec(f"i{index}", shape) for index, shape in enumerate(shapes)]
    sizer = Sizer(specs, symbols(*shapes), {})
    ids, mask, cache, other = sizer.shapes((0, 0, 0, None), SIZINGS[0])
    assert ids[0] == mask[0] == cache[0] == 1
    assert mask[1] == ids[1] + cache[2]
    assert len({ids[1], cache[2], other[0], 1, 2, 3, 4, 8}) == 8


def test_declared_sizes_are_kept() -> None:
    """``[dims]`` gives a size by name or by input and axis; then nothing has to be guessed."""
    shapes = (["batch", "seq"], [None, 3])
    specs = [spec("a", shapes[0]), spec("b", shapes[1])]
    sizer = Sizer(specs, symbols(*shapes), {"seq": 40, "b.0": 6})
    assert sizer.shapes((0, None), Sizing((99,))) == ((1, 40), (6, 3))
    assert not sizer.guesses((0, None))
    assert Sizer(specs, symbols(*shapes), {"seq": 40}).guesses((0, None))


@pytest.mark.parametrize("name", sorted(DATATYPES))
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_values_have_the_datatype_and_the_shape_and_are_always_the_same(name: str, shape: tuple[int, ...]) -> None:
    """Two makers make equal arrays, of each datatype and shape."""
    wanted = spec("x", shape, name)
    makers = [ValueMaker({}, Guess()) for _ in range(2)]
    for make in (lambda maker: maker.row(wanted, shape, 1), lambda maker: maker.shared(wanted, shape)):
        first, second = map(make, makers)
        assert isinstance(first, np.ndarray)
        assert (first.dtype, first.shape) == (DATATYPES[name].dtype, shape)
        assert same_bits(first, second)


def test_values_keep_to_what_is_declared() -> None:
    """A range and a list of values are kept, and a shared input takes the first value."""
    probes = {"x": InputProbe(low=-2, high=3), "n": InputProbe(low=4, high=6), "v": InputProbe(values=(8000, 16000))}
    maker = ValueMaker(probes, Guess())
    x = maker.row(spec("x", (1000,)), (1000,), 0)
    assert -2 <= x.min() < -1.5
    assert 2.5 < x.max() <= 3
    assert set(maker.row(spec("n", (100,), "INT32"), (100,), 0)) == {4, 5, 6}
    assert set(maker.row(spec("v", (100,), "INT64"), (100,), 0)) == {8000, 16000}
    assert maker.shared(spec("v", (), "INT64"), ()).item() == 8000


def test_a_batch_that_would_take_too_long_or_too_much_does_not_fit() -> None:
    """Room is judged by what smaller batches took."""
    now = [0.0]
    room = Room(row_bytes=1000, deadline=1.0, clock=lambda: now[0])
    assert room.fits(128)
    room.took(10, 0.1)
    assert room.fits(100)
    assert not room.fits(101)
    now[0] = 0.5
    assert not room.fits(51)
    assert not Room(row_bytes=2**30, deadline=1.0, clock=lambda: 0.0).fits(1)
