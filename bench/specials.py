"""Models with a manner of their own, written into a workspace with their cases; it knows nothing of servers.

*heavy* and *brisk* cost the same for each row of a batch, *poisoned* fails on marked rows, *wide* answers with a MiB for
each row, *large* is a file of 100 MB, *slow* (VGG 19 from the package ``onnx``) takes hundreds of milliseconds and
cannot be batched, and *digits* is the one that Tidegate brings along.
"""

from __future__ import annotations

import importlib.resources
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cases import solved
from .models import CASES, IR_VERSION, OPSET, SEED, TINY, Shape, inputs, write_model
from .raw import session
from .servers import ROOT

if TYPE_CHECKING:
    from .workspace import Workspace

HEAVY, BRISK, POISONED, CLEAN, WIDE, SLOW, DIGITS = "heavy", "brisk", "poisoned", "clean", "wide", "slow", "digits"
LAYERS = {HEAVY: 32, BRISK: 4}
STEPS, WIDTH = 64, 256
LARGE = Shape("large", (64, 2560, 2560, 2560, 2560, 2560, 8))
GROUP = 32
"""Cases of the poisoned model; one of them is marked."""
MARKED = 13
MARKER = 777.0
WIDE_BYTES = 1024 * 1024


def _save(space: Workspace, name: str, nodes: list[Any], columns: tuple[int, int], weights: dict[str, Any]) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    given, got = (
        helper.make_tensor_value_info(value, TensorProto.FLOAT, ["batch", count])
        for value, count in zip("xy", columns, strict=True)
    )
    constants = [numpy_helper.from_array(np.asarray(array), key) for key, array in weights.items()]
    graph = helper.make_graph(nodes, name, [given], [got], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    path = space.models / f"{name}.onnx"
    onnx.save(model, path)
    return path


def _node(kind: str, given: str, got: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, given.split(), got.split(), **attributes)


def _random(*shape: int) -> Any:
    return (np.random.default_rng(SEED).standard_normal(shape) * np.sqrt(2 / shape[0])).astype(np.float32)


def heavy(space: Workspace, name: str = HEAVY) -> str:
    """Write x [B, 16] → y [B, 4]: each row becomes ``STEPS`` rows inside, so that a batch of one is as efficient as any.

    A row takes 8.4 MFLOP a layer: in *heavy* a millisecond or so of a core, in *brisk* an eighth of that.
    """
    layers = LAYERS[name]
    nodes = [_node("MatMul", "x spread", "flat"), _node("Reshape", "flat steps", "h0")]
    weights = {"spread": _random(16, STEPS * WIDTH), "steps": np.array([-1, STEPS, WIDTH])}
    for i in range(layers):
        weights[f"w{i}"] = _random(WIDTH, WIDTH)
        nodes += [_node("MatMul", f"h{i} w{i}", f"m{i}"), _node("Relu", f"m{i}", f"h{i + 1}")]
    nodes += [_node("ReduceMean", f"h{layers}", "mean", axes=[1], keepdims=0), _node("MatMul", "mean last", "y")]
    weights["last"] = _random(WIDTH, 4)
    path = _save(space, name, nodes, (16, 4), weights)
    solved(session(path), inputs((16,))).save(space.cases / f"{name}.npz")
    return name


def poisoned(space: Workspace) -> None:
    """Write x [B, 4] → y [B, 4] = 2 x, which fails if the first column of a row is ``MARKER``: an index out of range.

    *clean* is the same model with cases none of which is marked.
    """
    nodes = [
        _node("Slice", "x zero one one", "column"),
        _node("Equal", "column marker", "bad"),
        _node("Cast", "bad", "index", to=7),
        _node("Gather", "table index", "factor"),
        _node("Reshape", "factor tall", "factors"),
        _node("Mul", "x factors", "y"),
    ]
    weights = {"zero": np.array([0]), "one": np.array([1]), "marker": np.array(MARKER, np.float32)}
    weights |= {"table": np.array([2], np.float32), "tall": np.array([-1, 1])}
    path = _save(space, POISONED, nodes, (4, 4), weights)
    x = inputs((4,))[:GROUP]
    shutil.copyfile(path, space.models / f"{CLEAN}.onnx")
    solved(session(path), x).save(space.cases / f"{CLEAN}.npz")
    x[MARKED, 0] = MARKER
    solved(session(path), x, (MARKED,)).save(space.cases / f"{POISONED}.npz")


def wide(space: Workspace) -> str:
    """Write x [B, 16] → y [B, 262144]: a MiB for each row; it is asked with the tiny model's inputs."""
    shape = (TINY.columns, WIDE_BYTES // 4)
    _save(space, WIDE, [_node("MatMul", "x w", "y")], shape, {"w": np.ones(shape, np.float32)})
    return WIDE


def large(space: Workspace) -> str:
    """Write x [B, 64] → y [B, 8] with 26 million weights: 105 MB."""
    solved(session(write_model(LARGE, space.models)), inputs((64,))).save(space.cases / f"{LARGE.name}.npz")
    return LARGE.name


def slow(space: Workspace) -> str:
    """Copy one picture [1, 3, 224, 224] → 1000 numbers; fixed to one row."""
    from_package = importlib.resources.files("onnx") / "backend/test/data/light/light_vgg19.onnx"
    return _copied(space, SLOW, Path(str(from_package)), (3, 224, 224), count=4)


def digits(space: Workspace) -> str:
    """Copy the bundled model: image [B, 8, 8] → probabilities [B, 10]."""
    return _copied(space, DIGITS, ROOT / "models" / "bundled" / "digits" / "model.onnx", (8, 8))


def _copied(space: Workspace, name: str, path: Path, shape: tuple[int, ...], count: int = CASES) -> str:
    copy = Path(shutil.copyfile(path, space.models / f"{name}.onnx"))
    solved(session(copy), inputs(shape)[:count]).save(space.cases / f"{name}.npz")
    return name
