"""What a model takes: each refusal names the place and what was expected; what passes has its rows counted and its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes import model
from hypothesis import given
from hypothesis import strategies as st

from tidegate.codecs.datatypes import DATATYPES
from tidegate.errors import InvalidInput
from tidegate.models.model import Model
from tidegate.models.signature import TensorSpec
from tidegate.models.worker import Worker

if TYPE_CHECKING:
    from tidegate.models.admission import Admission


def admission(*inputs: TensorSpec, outputs: tuple[str, ...] = ("y",), verdict: str = "exact") -> Admission:
    """The check of a model with these inputs."""
    base = model(verdict=verdict)
    made = Model(
        "m", "1", inputs, tuple(TensorSpec(name, "FP32", (-1,)) for name in outputs), base.batching, base.backend, base.config
    )
    return Worker(made).admission


def spec(name: str, shape: tuple[int, ...], axis: int | None = 0, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name, datatype, shape, axis)


def zeros(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


TWO = (spec("a", (-1, 4)), spec("state", (2, -1, 3), 1))


def refused(check: Admission, tensors: dict[str, Any], **asked: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        check.check(tensors, **asked)
    return caught.value


def test_what_fits_is_put_in_order() -> None:
    """Arrays come back in the signature's order, whatever the request's was, with the number of rows on the batch axis."""
    a, state = zeros(5, 4), zeros(2, 5, 3)
    arrays, kind = admission(*TWO).check({"state": state, "a": a})
    assert arrays[0] is a
    assert arrays[1] is state
    assert (kind.rows, kind.nbytes, kind.outputs, kind.priority) == (5, a.nbytes + state.nbytes, None, 0)


@pytest.mark.parametrize(
    ("tensors", "param", "phrase"),
    [
        ({"a": zeros(5, 4)}, "inputs", "missing ['state']"),
        ({}, "inputs", "missing ['a', 'state']"),
        ({"a": zeros(5, 4), "state": zeros(2, 5, 3), "b": zeros(1)}, "inputs[2].name", "not an input of this model: ['b']"),
        ({"b": zeros(1), "state": zeros(2, 5, 3)}, "inputs[0].name", "missing ['a']"),
        (
            {"state": zeros(2, 5, 3), "a": zeros(5, 4, dtype=np.float64)},
            "inputs[1].datatype",
            "'a' is FP64, the model takes FP32",
        ),
        ({"a": zeros(5, 5), "state": zeros(2, 5, 3)}, "inputs[0].shape", "[5, 5], the model takes [any, 4]"),
        ({"a": zeros(4), "state": zeros(2, 5, 3)}, "inputs[0].shape", "[4], the model takes [any, 4]"),
        ({"a": zeros(5, 4), "state": zeros(3, 5, 3)}, "inputs[1].shape", "[3, 5, 3], the model takes [2, any, 3]"),
        ({"a": zeros(5, 4), "state": zeros(2, 6, 3)}, "inputs[1].shape", "'a' has 5, 'state' has 6"),
        ({"a": zeros(0, 4), "state": zeros(2, 0, 3)}, "inputs[0].shape", "at least 1"),
    ],
)
def test_a_refusal_names_the_place(tensors: dict[str, Any], param: str, phrase: str) -> None:
    """Every way not to fit is told with the place in the request and the words for it, the second time too."""
    check = admission(*TWO)
    for _ in range(2):
        error = refused(check, tensors)
        assert error.param == param
        assert phrase in error.message
        assert error.expected


def test_long_names_of_a_client_are_shown_short() -> None:
    """A surplus name, which is the client's own text, does not blow up the message."""
    error = refused(
        admission(*TWO), {"a": zeros(1, 4), "state": zeros(2, 1, 3), **{"x" * 1000 + str(i): zeros(1) for i in range(50)}}
    )
    assert len(error.message) < 1000


@pytest.mark.parametrize("name", DATATYPES)
def test_every_datatype_is_told_from_the_others(name: str) -> None:
    """A tensor passes exactly when its datatype is the model's."""
    check = admission(spec("x", (-1,), 0, name))
    for other, datatype in DATATYPES.items():
        tensors = {"x": np.zeros(3, datatype.dtype) if other != "BYTES" else np.array([b"a", b"b", b"c"], object)}
        if other == name:
            assert check.check(tensors)[1].rows == 3
        else:
            assert refused(check, tensors).expected == name


def test_outputs_are_chosen_by_name() -> None:
    """Wanted outputs become their indices, in the order asked for and without doubles; an unknown one is refused."""
    check = admission(spec("x", (-1,)), outputs=("a", "b", "c"))
    tensors = {"x": zeros(1)}
    assert check.check(tensors, ("c", "a", "c"))[1].outputs == (2, 0)
    assert check.check(tensors)[1].outputs is None
    error = refused(check, tensors, outputs=("a", "z"))
    assert (error.param, "'z'" in error.message, "'b'" in str(error.expected)) == ("outputs[1].name", True, True)


def test_a_model_that_is_not_batched_takes_any_rows_as_one() -> None:
    """Without batching a request is one row, whatever its shape; all its requests have one key."""
    check = admission(spec("x", (-1, -1), None), verdict="none")
    kinds = [check.check({"x": zeros(*shape)})[1] for shape in ((1, 1), (7, 3), (0, 2))]
    assert [(kind.rows, kind.key) for kind in kinds] == [(1, None)] * 3


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.0, 0.5])),
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.0, 0.5])),
)
def test_keys_are_equal_exactly_when_rows_may_be_joined(one: tuple[int, int, float], two: tuple[int, int, float]) -> None:
    """Requests share a key if their other dimensions and the values of shared inputs are equal; the number of rows is free."""
    check = admission(spec("x", (-1, -1)), spec("gain", (-1,), None))

    def key(rows: int, width: int, gain: float) -> Any:
        return check.check({"x": zeros(rows, width), "gain": np.full(20, gain, np.float32)})[1].key

    assert (key(*one) == key(*two)) == (one[1:] == two[1:])


def test_equal_bytes_of_another_shape_are_another_key() -> None:
    """A shared input's shape belongs to the key as its values do."""
    check = admission(spec("x", (-1, 2)), spec("shared", (-1, -1), None))
    keys = {check.check({"x": zeros(1, 2), "shared": zeros(*shape)})[1].key for shape in ((2, 8), (8, 2), (4, 4))}
    assert len(keys) == 3


def test_shared_text_is_compared_by_element() -> None:
    """Two lists of texts with the same bytes in all, cut elsewhere, are two keys."""
    check = admission(spec("x", (-1, 2)), spec("labels", (2,), None, "BYTES"))
    texts = ([b"ab", b"c"], [b"a", b"bc"])
    keys = {check.check({"x": zeros(1, 2), "labels": np.array(text, object)})[1].key for text in texts}
    assert len(keys) == 2


def test_priority_and_text_are_counted() -> None:
    """The kind knows the priority, and counts the bytes of texts rather than those of pointers."""
    check = admission(spec("text", (-1,), 0, "BYTES"))
    short, long = [check.check({"text": np.array([b"x" * size], object)}, None, -3)[1] for size in (10, 10_000)]
    assert (short.priority, long.priority) == (-3, -3)
    assert long.nbytes - short.nbytes == 9_990


def test_what_is_remembered_has_a_bound() -> None:
    """Shapes beyond those that are remembered are checked again, and stay right."""
    check = admission(spec("x", (-1, -1)))
    for width in range(1, 3000):
        kind = check.check({"x": zeros(1, width)})[1]
        assert kind.key == ((width,),)
    assert len(check._good) <= 1024
