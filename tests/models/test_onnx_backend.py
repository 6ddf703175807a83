"""Running a model with onnxruntime: conventions, failures, threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_models import MARKER, bfloat16, build, fails_on_poisoned_row, row_wise_mlp, slow, strings, two_inputs, value, write

from tidegate.codecs.datatypes import BF16_DTYPE, DATATYPES, datatype_of
from tidegate.errors import InvalidInput, ModelFailed, ModelUnavailable
from tidegate.models.onnx_backend import OnnxBackend, session_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import onnx


def backend(folder: Path, model: onnx.ModelProto, **options: Any) -> OnnxBackend:
    return OnnxBackend(write(folder, m=model) / "m.onnx", **options)


def bits(*values: float) -> Any:
    return (np.array(values, np.float32).view(np.uint32) >> 16).astype(np.uint16).view(BF16_DTYPE)


def texts(*elements: bytes) -> Any:
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


def test_signature_is_read_in_order(tmp_path: Path) -> None:
    """Inputs and outputs have the order, names, datatypes and shapes of the file."""
    opened = backend(tmp_path, two_inputs("1:/b::c"))
    assert [(spec.name, spec.datatype, spec.shape) for spec in opened.inputs] == [
        ("a", "FP32", (-1, 2)),
        ("1:/b::c", "FP32", (-1, 2)),
    ]
    assert [spec.name for spec in opened.outputs] == ["sum", "difference"]
    assert opened.symbols == (("batch", None), ("batch", None))
    a, b = np.ones((3, 2), np.float32), np.full((3, 2), 2, np.float32)
    total, difference = opened.run([a, b])
    assert total.tolist() == [[3, 3]] * 3
    assert difference.tolist() == [[-1, -1]] * 3


@pytest.mark.parametrize("name", sorted(set(DATATYPES) - {"BYTES", "BF16"}))
def test_every_datatype_of_numpy_passes(tmp_path: Path, name: str) -> None:
    """What numpy has goes in and comes out as the same bits, read-only, empty and without dimensions too."""
    dtype = DATATYPES[name].dtype
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    opened = backend(
        tmp_path, build([helper.make_node("Identity", ["x"], ["y"])], [value("x", kind, None)], [value("y", kind, None)])
    )
    assert opened.inputs[0].datatype == name
    for array in (np.array([[0, 1], [1, 0]], dtype), np.zeros((0, 3), dtype), np.array(1, dtype)):
        array.setflags(write=False)
        (out,) = opened.run([array])
        assert (datatype_of(out), out.shape, out.tobytes()) == (name, array.shape, array.tobytes())


def test_bfloat16_goes_in_and_comes_out(tmp_path: Path) -> None:
    """BF16, which numpy lacks, is computed by onnxruntime and comes back in our own dtype."""
    (out,) = backend(tmp_path, bfloat16()).run([bits([1, 2, 3, -4])])
    assert out.dtype == BF16_DTYPE
    assert out.view(np.uint16).tolist() == bits([1, 4, 9, 16]).view(np.uint16).tolist()


def test_bfloat16_may_be_empty_or_scattered_in_memory(tmp_path: Path) -> None:
    """No elements, a single one without dimensions, and elements that do not lie in one piece, are BF16 as well."""
    opened = backend(tmp_path, bfloat16())
    assert opened.run([np.zeros((0, 4), BF16_DTYPE)])[0].shape == (0, 4)
    scalar = build([helper.make_node("Identity", ["x"], ["y"])], [value("x", 16, [])], [value("y", 16, [])])
    assert backend(tmp_path / "scalar", scalar).run([np.zeros((), BF16_DTYPE)])[0].shape == ()
    twice = np.repeat(bits([1, 2, 3, 4]), 2, axis=1)
    assert opened.run([twice[:, ::2]])[0].view(np.uint16).tolist() == bits([1, 4, 9, 16]).view(np.uint16).tolist()


def test_bfloat16_mixes_with_other_datatypes(tmp_path: Path) -> None:
    """A model may take and give BF16 beside other datatypes, and its own array outlives the next run."""
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16), helper.make_node("Neg", ["x"], ["z"])]
    model = build(nodes, [value("x", 1, ["n"])], [value("y", TensorProto.BFLOAT16, ["n"]), value("z", 1, ["n"])])
    opened = backend(tmp_path, model)
    kept = [opened.run([np.full(4, number, np.float32)]) for number in range(100)]
    for number, (y, z) in enumerate(kept):
        assert y.view(np.uint16).tolist() == bits(*[number] * 4).view(np.uint16).tolist()
        assert z.tolist() == [-number] * 4


def test_text_is_bytes_outside_and_text_inside(tmp_path: Path) -> None:
    """BYTES are decoded for a model that takes text and encoded again; a NUL and other alphabets survive."""
    same, number = backend(tmp_path, strings()).run([texts(b"tide", b"gate", b"a\0b", "wächst".encode(), b"")])
    assert same.tolist() == [b"tide", b"gate", b"a\0b", "wächst".encode(), b""]
    assert number.tolist() == [1, 2, 0, 0, 0]


def test_text_that_is_not_utf8_is_the_callers_fault(tmp_path: Path) -> None:
    """A BYTES element that is no text is refused before the model runs."""
    with pytest.raises(InvalidInput, match="'text' takes text, and an element is not UTF-8"):
        backend(tmp_path, strings()).run([texts(b"tide", b"\xff")])


def test_a_failing_run_is_one_line_and_hurts_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A run that fails raises ModelFailed with one line, prints nothing, and the next run works."""
    opened = backend(tmp_path, fails_on_poisoned_row())
    x = np.ones((2, 4), np.float32)
    poisoned = x.copy()
    poisoned[1, 0] = MARKER
    with pytest.raises(ModelFailed) as caught:
        opened.run([poisoned])
    assert "\n" not in str(caught.value)
    assert "onnxruntime/core" not in str(caught.value)
    np.testing.assert_array_equal(opened.run([x])[0], 2 * x)
    assert capfd.readouterr() == ("", "")


def test_inputs_of_a_wrong_shape_fail_and_nothing_else(tmp_path: Path) -> None:
    """What the caller should have checked is an error of this run only."""
    opened = backend(tmp_path, row_wise_mlp())
    with pytest.raises(ModelFailed, match="invalid dimensions"):
        opened.run([np.ones((2, 5), np.float32)])


def test_one_backend_runs_in_several_threads_at_once(tmp_path: Path) -> None:
    """Concurrent runs do not disturb each other."""
    opened = backend(tmp_path, row_wise_mlp(64, 64, 8))
    inputs = [np.random.default_rng(seed).standard_normal((5, 64)).astype(np.float32) for seed in range(40)]
    alone = [opened.run([x])[0] for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for expected, actual in zip(alone, pool.map(lambda x: opened.run([x])[0], inputs * 5), strict=False):
            np.testing.assert_array_equal(actual, expected)


class HeldSession:
    """A session whose run waits until a test lets it go."""

    def __init__(self) -> None:
        self.begun, self.gate = threading.Event(), threading.Event()

    def run(self, *_: Any) -> list[Any]:
        self.begun.set()
        assert self.gate.wait(10)
        return [np.ones(1)]


def test_closing_fails_later_runs_and_spares_those_that_have_begun(tmp_path: Path) -> None:
    """A run that has begun when the model is closed gives its answer; one after that fails; closing twice is harmless."""
    opened = backend(tmp_path, row_wise_mlp())
    x = np.ones((1, 4), np.float32)
    held = opened._session = HeldSession()
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(opened.run, [x])
        assert held.begun.wait(10)
        opened.close()
        opened.close()
        with pytest.raises(ModelFailed, match="closed"):
            opened.run([x])
        held.gate.set()
        assert begun.result(10)[0].tolist() == [1]


def test_a_run_can_be_stopped_by_a_time_limit(tmp_path: Path) -> None:
    """Past its limit a stoppable run fails, and later ones fail at once; the model itself is unharmed."""
    opened = backend(tmp_path, slow(2))
    x = np.ones((1, 512), np.float32)
    with opened.stoppable(0.0) as run:
        for _ in range(2):
            with pytest.raises(ModelFailed, match="terminate"):
                _run_until_it_fails(run, x)
    opened.run([x])


def _run_until_it_fails(run: Callable[[list[Any]], Any], x: Any) -> None:
    for _ in range(10_000):
        run([x])


def test_sessions_leave_the_cores_alone() -> None:
    """Threads are as many as configured and do not spin while they wait."""
    options = session_options(3)
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_what_onnxruntime_cannot_load_is_one_line(tmp_path: Path) -> None:
    """A model with an unknown operator gives one line that names it."""
    model = build([helper.make_node("NoSuchOperator", ["x"], ["y"])], [value("x", 1, [1])], [value("y", 1, [1])])
    with pytest.raises(ModelUnavailable, match="NoSuchOperator") as caught:
        backend(tmp_path, model)
    assert "\n" not in str(caught.value)


def test_what_no_tensor_can_carry_is_refused_with_advice(tmp_path: Path) -> None:
    """A classifier converted from scikit-learn with its default options gives maps; the line says what to do."""
    zipmap = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    outputs = [
        helper.make_value_info(
            "y", helper.make_sequence_type_proto(helper.make_map_type_proto(7, helper.make_tensor_type_proto(1, [])))
        )
    ]
    model = build(
        [zipmap],
        [value("x", 1, ["n", 2])],
        outputs,
        opset_imports=[helper.make_opsetid("ai.onnx.ml", 1), helper.make_opsetid("", 17)],
    )
    with pytest.raises(ModelUnavailable, match="zipmap off"):
        backend(tmp_path, model)


def test_a_model_with_bfloat16_outputs_and_text_is_refused(tmp_path: Path) -> None:
    """Onnxruntime offers no way to run such a model from Python, so it is refused at load and not at the first request."""
    nodes = [helper.make_node("Identity", ["t"], ["u"]), helper.make_node("Identity", ["x"], ["y"])]
    kinds = TensorProto.STRING, TensorProto.BFLOAT16
    model = build(
        nodes, [value("t", kinds[0], [1]), value("x", kinds[1], [1])], [value("u", kinds[0], [1]), value("y", kinds[1], [1])]
    )
    with pytest.raises(ModelUnavailable, match="BF16"):
        backend(tmp_path, model)
