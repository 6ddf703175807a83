"""The proof of batchability on models that lie, hint, mix rows, or fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import loaded
from onnx import helper
from onnx_models import MARKER, build, value, weights

from tidegate.errors import ModelFailed
from tidegate.models.config import ModelConfig
from tidegate.models.probe import prove
from tidegate.models.probe_subject import Subject
from tidegate.models.signature import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tidegate.models.model import Model


def axes(model: Model) -> tuple[list[int | None], list[int | None]]:
    return [spec.batch_axis for spec in model.inputs], [spec.batch_axis for spec in model.outputs]


@pytest.mark.parametrize(
    ("make", "inputs", "outputs"),
    [
        (onnx_models.row_wise_mlp, [0], [0]),
        (onnx_models.shared_scalar, [0, None, None], [0]),
        (onnx_models.state_on_axis_one, [0, 1], [0, 1]),
        (lambda: onnx_models.state_on_axis_one(named=True), [0, 1], [0, 1]),
        (onnx_models.recurrent, [1, 1], [2, 1]),
        (lambda: onnx_models.recurrent(named=False), [1, 1], [2, 1]),
        (onnx_models.embedding, [0, 0], [0]),
        (onnx_models.strings, [0], [0, 0]),
        (onnx_models.bfloat16, [0], [0]),
        (onnx_models.two_inputs, [0, 0], [0, 0]),
        (lambda: onnx_models.window(500), [0], [0]),
        (onnx_models.fails_on_poisoned_row, [0], [0]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_batch_axes_are_found(
    tmp_path: Path, make: Callable[[], Any], inputs: list[int | None], outputs: list[int | None]
) -> None:
    """The axis is found for each tensor, named or not; what all rows share has none; the verdict is exact."""
    model = loaded(tmp_path, make())
    assert axes(model) == (inputs, outputs)
    assert model.batching.verdict == "exact"
    assert model.batching.sizes[-1] == 128


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (onnx_models.fixed_batch_one, "every dimension of every input is fixed: 'x' is [1, 4]"),
        (onnx_models.lying_batch, "it runs with 1 row and fails with 3"),
        (lambda: onnx_models.lying_batch(7), "it runs with 1 row and fails with 8"),
        (onnx_models.time_on_axis_zero, "rows depend on each other along axis 0 of 'x'"),
        (onnx_models.mean_over_batch, "rows depend on each other along axis 0 of 'x'"),
        (onnx_models.scaled_by_largest, "a large number in one changes the answers of others"),
        (onnx_models.dynamic_quantized, "DynamicQuantizeLinear scales by the whole batch"),
        (onnx_models.dynamic_quantized_inside_if, "DynamicQuantizeLinear"),
        (onnx_models.dynamic_quantized_in_function, "DynamicQuantizeLinear"),
        (onnx_models.random_noise, "RandomNormalLike draws random numbers"),
        (onnx_models.pairwise, "not one entry a row"),
        (onnx_models.summed, "output 'y' does not grow with the rows"),
        (onnx_models.squeezed, "output 'y' is [4] for 1 row and [3, 4] for 3"),
        (onnx_models.constant, "rows cannot be told apart"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_models_that_must_run_one_at_a_time_say_why(tmp_path: Path, make: Callable[[], Any], reason: str) -> None:
    """A model whose rows cannot be joined is served alone, and its metadata says why in plain words."""
    model = loaded(tmp_path, make())
    assert model.batching.verdict == "none"
    assert model.batching.sizes == (1,)
    assert reason in model.batching.reason
    assert "\n" not in model.batching.reason
    assert {axis for side in axes(model) for axis in side} == {None}
    assert model.batching.cost_s[1] > 0


@pytest.mark.parametrize("ir_version", [8, 9, 10])
def test_every_file_version_is_proved_alike(tmp_path: Path, ir_version: int) -> None:
    """The proof does not depend on the version of the file format."""
    model = onnx_models.shared_scalar()
    model.ir_version = ir_version
    assert axes(loaded(tmp_path, model)) == ([0, None, None], [0])


def test_rows_that_agree_but_for_rounding_are_close(tmp_path: Path) -> None:
    """A product whose right side comes with the request is summed otherwise for one row than for several: close."""
    model = loaded(
        tmp_path,
        build(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            [value("x", 1, ["batch", 64]), value("w", 1, [64, 48])],
            [value("y", 1, ["batch", 48])],
        ),
    )
    assert model.batching.verdict in ("close", "exact")  # which of them is the machine's choice
    assert axes(model) == ([0, None], [0])
    assert model.batching.sizes[-1] == 128


def test_batching_can_be_turned_off(tmp_path: Path) -> None:
    """The operator's word is the last; the model is warmed up all the same."""
    for toml, reason in (('batching = "off"', 'batching = "off"'), ("max_batch = 1", "max_batch = 1")):
        model = loaded(tmp_path, onnx_models.row_wise_mlp(), toml)
        assert model.batching.verdict == "none"
        assert model.batching.reason == f"{reason} in model.toml"
        assert 1 in model.batching.cost_s


@pytest.mark.parametrize("max_batch", [2, 3, 20])
def test_no_size_beyond_max_batch_is_used(tmp_path: Path, max_batch: int) -> None:
    """``max_batch`` bounds the sizes, and every size up to it is there when there is time."""
    batching = loaded(tmp_path, onnx_models.row_wise_mlp(), f"max_batch = {max_batch}").batching
    assert batching.sizes == tuple(range(1, max_batch + 1))
    assert set(batching.cost_s) == set(batching.sizes)


def test_numbers_and_sizes_are_guessed_until_the_model_runs(tmp_path: Path) -> None:
    """A small vocabulary and a minimal length, of which the file says nothing, are found by trying."""
    assert loaded(tmp_path, onnx_models.embedding(vocabulary=3), name="a").batching.verdict == "exact"
    assert loaded(tmp_path, onnx_models.window(4000), name="b").batching.verdict == "exact"


def test_what_cannot_be_guessed_can_be_declared(tmp_path: Path) -> None:
    """A model that runs with no guess is served alone and says what to write; with that, it is batched."""
    model = onnx_models.window(20_000)
    silent = loaded(tmp_path, model, name="silent")
    assert silent.batching.verdict == "none"
    assert "say what does under [dims] and [inputs] of model.toml" in silent.batching.reason
    assert loaded(tmp_path, model, '[dims]\n"audio.1" = 20000', name="declared").batching.verdict == "exact"


def test_axes_can_be_declared_and_are_still_proved(tmp_path: Path) -> None:
    """A declared axis that is right is used; a wrong one is found out."""
    right = loaded(tmp_path, onnx_models.recurrent(named=False), "[axes]\nx = 1\nh = 1", name="right")
    assert axes(right) == ([1, 1], [2, 1])
    wrong = loaded(tmp_path, onnx_models.recurrent(named=False), "[axes]\nx = 0\nh = 1", name="wrong")
    assert wrong.batching.verdict == "none"


def test_a_proof_is_the_same_every_time(tmp_path: Path) -> None:
    """Two loads of a model find the same, but for the time that runs took."""
    first, second = (loaded(tmp_path, onnx_models.recurrent()).describe() for _ in range(2))
    assert first == second


_BATCHED = {
    "mlp": onnx_models.row_wise_mlp(64, 64, 10),
    "recurrent": onnx_models.recurrent(),
    "state": onnx_models.state_on_axis_one(),
}


@pytest.fixture(scope="module")
def batched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models")
    return {name: loaded(folder, model, name=name) for name, model in _BATCHED.items()}


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_exact_means_exact(batched: dict[str, Model], data: st.DataObject) -> None:
    """In any proved size, any rows give bit for bit what each gives alone."""
    model = batched[data.draw(st.sampled_from(sorted(batched)))]
    size = data.draw(st.sampled_from(model.batching.sizes))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows = [[_row(spec, random) for spec in model.inputs] for _ in range(size)]
    alone = [model.backend.run(row) for row in rows]
    together = model.backend.run(
        [np.concatenate([row[i] for row in rows], spec.batch_axis) for i, spec in enumerate(model.inputs)]
    )
    for i, spec in enumerate(model.outputs):
        expected = np.concatenate([outputs[i] for outputs in alone], spec.batch_axis)
        assert together[i].tobytes() == expected.tobytes()


def _row(spec: TensorSpec, random: np.random.Generator) -> Any:
    shape = [1 if axis == spec.batch_axis else 6 if size == -1 else size for axis, size in enumerate(spec.shape)]
    return random.standard_normal(shape).astype(np.float32)


class FakeClock:
    """Time that passes only when the model runs."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def subject(compute: Callable[[Sequence[Any]], list[Any]], clock: FakeClock, seconds_per_row: float) -> Subject:
    """Make a model of one input and output out of a function."""

    def run(arrays: Sequence[Any]) -> list[Any]:
        clock.now += seconds_per_row * len(arrays[0])
        return compute(arrays)

    return Subject(run, (TensorSpec("x", "FP32", (-1, 4)),), ((None, None),), ("y",), clock=clock)


@pytest.mark.parametrize("ms", [0.1, 1, 5, 20, 50])
def test_the_proof_keeps_its_time(ms: float) -> None:
    """However slow the model, the proof takes little more than the second that it has, or gives up."""
    clock = FakeClock()
    proof = prove(subject(lambda arrays: [arrays[0] * 2], clock, ms / 1000), ModelConfig())
    assert proof.batching.verdict == "exact"
    assert clock.now < 2.5
    assert proof.batching.sizes[-1] >= (128 if ms <= 1 else 3)


def test_a_model_that_is_too_slow_runs_one_at_a_time() -> None:
    """A model of half a second a run is not probed for a minute; the reason says how to give it time."""
    clock = FakeClock()
    proof = prove(subject(lambda arrays: [arrays[0] * 2], clock, 0.5), ModelConfig())
    assert proof.batching.verdict == "none"
    assert "raise probe_ms" in proof.batching.reason
    assert clock.now < 3
    assert (
        prove(subject(lambda arrays: [arrays[0] * 2], FakeClock(), 0.5), ModelConfig(probe_ms=30_000)).batching.verdict
        == "exact"
    )


def test_a_model_that_runs_out_of_memory_keeps_the_sizes_that_ran() -> None:
    """Failing for lack of memory says nothing about rows: smaller sizes stay."""

    def compute(arrays: Sequence[Any]) -> list[Any]:
        if len(arrays[0]) > 20:
            raise ModelFailed("std::bad_alloc")
        return [arrays[0] * 2]

    batching = prove(subject(compute, FakeClock(), 1e-4), ModelConfig()).batching
    assert (batching.verdict, batching.sizes) == ("exact", (1, 2, 3, 4, 8, 16))


def test_rows_that_are_exact_in_even_sizes_only_keep_the_verdict() -> None:
    """Sizes in which a kernel rounds otherwise are left out, and those that remain are exact."""

    def compute(arrays: Sequence[Any]) -> list[Any]:
        return [arrays[0] * np.float32(2 if len(arrays[0]) % 2 == 0 or len(arrays[0]) == 1 else 2.000001)]

    batching = prove(subject(compute, FakeClock(), 1e-6), ModelConfig(max_batch=16)).batching
    assert (batching.verdict, batching.sizes) == ("exact", (1, 2, 4, 6, 8, 10, 12, 14, 16))


def test_what_depends_on_the_place_in_the_batch_is_found() -> None:
    """A row that gives the same anywhere but in the last place of a large batch is not joined."""

    def compute(arrays: Sequence[Any]) -> list[Any]:
        y = arrays[0] * 2
        if len(y) == 64:
            y[-1] += 1
        return [y]

    batching = prove(subject(compute, FakeClock(), 1e-6), ModelConfig()).batching
    assert batching.verdict == "none"
    assert "64 rows together differ" in batching.reason


def test_an_answer_that_changes_from_run_to_run_is_found() -> None:
    """A model that gives something else each time cannot be proved, whatever its operators are."""
    random = np.random.default_rng(0)
    batching = prove(
        subject(lambda arrays: [random.standard_normal(arrays[0].shape)], FakeClock(), 1e-6), ModelConfig()
    ).batching
    assert "does not give the same answer twice" in batching.reason


def test_a_row_of_nan_must_not_spoil_others() -> None:
    """A model in which one row's NaN reaches the others is not batched, though all ordinary rows are right."""

    def compute(arrays: Sequence[Any]) -> list[Any]:
        return [arrays[0] + 0 * arrays[0].sum()]

    batching = prove(subject(compute, FakeClock(), 1e-6), ModelConfig()).batching
    assert batching.verdict == "none"
    assert "NaN in one" in batching.reason


def test_a_model_that_refuses_nan_is_still_batched() -> None:
    """Not to accept a spoilt row is no sign of mixing rows."""

    def compute(arrays: Sequence[Any]) -> list[Any]:
        if not (np.abs(arrays[0]) < 1e3).all():
            raise ModelFailed("out of range")
        return [arrays[0] * 2]

    assert prove(subject(compute, FakeClock(), 1e-6), ModelConfig()).batching.verdict == "exact"


def test_a_shape_that_depends_on_values_is_no_row() -> None:
    """An output that is as long as there are positive numbers cannot be told apart into rows."""

    def compute(arrays: Sequence[Any]) -> list[Any]:
        return [np.append(arrays[0][arrays[0] > 0.2], 1)]

    batching = prove(subject(compute, FakeClock(), 1e-6), ModelConfig()).batching
    assert "output 'y' has a shape that depends on the values of the input" in batching.reason


def test_numbers_that_give_nan_are_avoided() -> None:
    """A model that takes a logarithm is probed with positive numbers, else all rows would seem to be equal."""

    def compute(arrays: Sequence[Any]) -> list[Any]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return [np.log(arrays[0]) - np.log(arrays[0]).max()]  # mixes rows, which NaN would hide

    batching = prove(subject(compute, FakeClock(), 1e-6), ModelConfig()).batching
    assert "rows depend on each other" in batching.reason


def test_declared_text_is_used(tmp_path: Path) -> None:
    """Texts to probe with can be declared."""
    toml = '[inputs.text]\nvalues = ["tide", "gate"]'
    assert loaded(tmp_path, onnx_models.strings(), toml).batching.verdict == "exact"


def test_a_model_without_inputs_says_so() -> None:
    """Nothing can be joined where nothing comes in."""
    alone = Subject(lambda arrays: [np.ones(3)], (), (), ("y",))
    assert prove(alone, ModelConfig()).batching.reason == "it has no inputs"


def test_a_defect_of_the_proof_does_not_cost_the_model() -> None:
    """Whatever goes wrong while probing, the model is served one at a time."""

    def compute(arrays: Sequence[Any]) -> list[Any]:
        raise MemoryError("no memory for the probe")

    proof = prove(subject(compute, FakeClock(), 1e-6), ModelConfig())
    assert proof.batching.verdict == "none"
    assert "MemoryError" in proof.batching.reason


def test_a_marker_row_fails_alone_and_together(tmp_path: Path) -> None:
    """The model with a poisoned row, which other tests use, is batched and fails as a whole."""
    model = loaded(tmp_path, onnx_models.fails_on_poisoned_row())
    x = np.ones((8, 4), np.float32)
    x[5, 0] = MARKER
    with pytest.raises(ModelFailed):
        model.backend.run([x])


def test_attention_is_exact_at_several_lengths(tmp_path: Path) -> None:
    """A dimension that had to be guessed is guessed twice: what is proved for one length holds for another."""
    d, split = 16, np.array([0, 0, 2, 8])
    nodes = [helper.make_node("MatMul", ["x", name], [f"{name}x"]) for name in ("q", "k", "v")]
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            helper.make_node("Reshape", [f"{name}x", "split"], [f"{name}s"]),
            helper.make_node("Transpose", [f"{name}s"], [f"{name}t"], perm=order),
        ]
    nodes += [
        helper.make_node("MatMul", ["qt", "kt"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "vt"], ["y"]),
    ]
    constants = {name: weights(d, d, seed=seed) for seed, name in enumerate("qkv")} | {"split": split}
    model = build(nodes, [value("x", 1, ["batch", "seq", d])], [value("y", 1, ["batch", 2, "seq", 8])], constants)
    proved = loaded(tmp_path, model)
    assert proved.batching.verdict in ("exact", "close")
    assert axes(proved) == ([0], [0])
    assert proved.outputs[0].shape == (-1, 2, -1, 8)
