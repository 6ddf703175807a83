"""Runs one ONNX file with onnxruntime on the CPU; it knows nothing of batches, queues, or where the file came from."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from threading import Timer
from typing import TYPE_CHECKING, Any

from tidegate.errors import InvalidInput, ModelFailed, ModelUnavailable

from .onnx_values import datatype_of_onnx, from_ort_value, from_text, to_bfloat16, to_ort_value, to_text
from .quiet_onnxruntime import onnxruntime
from .signature import DYNAMIC, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tidegate.results import Array

    from .backend import RunControl

    Run = Callable[[Sequence[Array]], list[Array]]

_PROVIDERS = ["CPUExecutionProvider"]
_ONLY_FATAL = 4  # what fails is raised; onnxruntime would print it as well
_NOISE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |(?:/\S+)?/onnxruntime/\S+?:\d+ |onnxruntime::\w\S*\([^)]*\)\s*")
_MESSAGE_CHARACTERS = 300
_CONVERTERS_IN: dict[str, Callable[[str, Array], Any]] = {"BYTES": to_text, "BF16": to_bfloat16}


def plain(error: BaseException) -> str:
    """Return onnxruntime's message as one line, without its own source paths and C++ signatures."""
    line = " ".join(_NOISE.sub("", str(error)).split())
    return line[:_MESSAGE_CHARACTERS] or type(error).__name__


def session_options(intra_op_threads: int) -> onnxruntime.SessionOptions:
    """Return the options of every session: no spinning, so that idle threads leave the cores to other models.

    And no arena: it never gives memory back, and results that are sent from where they lie would keep all of it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _ONLY_FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _open(path: Path, intra_op_threads: int) -> onnxruntime.InferenceSession:
    try:
        session = onnxruntime.InferenceSession(str(path), session_options(intra_op_threads), providers=_PROVIDERS)
    except Exception as error:  # onnxruntime's errors have no common base
        raise ModelUnavailable(f"onnxruntime cannot load it: {plain(error)}") from None
    session.disable_fallback()  # else a failing run is silently repeated on another provider
    if session.get_providers() != _PROVIDERS:
        raise ModelUnavailable(f"onnxruntime loaded it on {session.get_providers()} instead of {_PROVIDERS}")
    return session


def _specs(nodes: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            node.name,
            datatype_of_onnx(node.name, node.type),
            tuple(size if isinstance(size, int) and size >= 0 else DYNAMIC for size in node.shape),
        )
        for node in nodes
    )


class OnnxBackend:
    """One onnxruntime session, pinned to the CPU.

    Attributes:
        inputs: as declared, in order, without batch axes.
        outputs: as declared, in order, without batch axes.
        symbols: per input, what the file calls each dimension (None for one that it does not name).
        metadata: the file's custom metadata.
    """

    def __init__(self, path: Path, *, intra_op_threads: int = 1) -> None:
        session = _open(path, intra_op_threads)
        self._session: onnxruntime.InferenceSession | None = session
        self.inputs = _specs(session.get_inputs())
        self.outputs = _specs(session.get_outputs())
        self.symbols = tuple(
            tuple(size if isinstance(size, str) else None for size in node.shape) for node in session.get_inputs()
        )
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self._input_names = [spec.name for spec in self.inputs]
        self._output_names = [spec.name for spec in self.outputs]
        self._text_outputs = [index for index, spec in enumerate(self.outputs) if spec.datatype == "BYTES"]
        self._convert_in = [
            (spec.name, _CONVERTERS_IN[spec.datatype]) for spec in self.inputs if spec.datatype in _CONVERTERS_IN
        ]
        self._typed = any(spec.datatype == "BF16" for spec in self.outputs)
        if self._typed and any(spec.datatype == "BYTES" for spec in (*self.inputs, *self.outputs)):
            raise ModelUnavailable("onnxruntime gives no BF16 output to a model that has text tensors")

    def run(self, arrays: Sequence[Array], /, control: RunControl | None = None) -> list[Array]:
        """Run the model once; see ``Backend.run``. It can be stopped between two nodes of the graph."""
        if control is None:
            return self._run(arrays, None)
        if control.options is None:
            control.options = options = onnxruntime.RunOptions()
            control.begins(partial(setattr, options, "terminate", True))
        return self._run(arrays, control.options)

    @contextmanager
    def stoppable(self, limit_s: float) -> Iterator[Run]:
        """Give a ``run`` whose calls fail once ``limit_s`` seconds have passed, between two nodes of the graph."""
        options = onnxruntime.RunOptions()
        timer = Timer(limit_s, setattr, (options, "terminate", True))
        timer.daemon = True
        timer.start()
        try:
            yield partial(self._run, options=options)
        finally:
            timer.cancel()

    def close(self) -> None:
        """Let go of the session; runs that have begun keep it until they are done."""
        self._session = None

    def _run(self, arrays: Sequence[Array], options: onnxruntime.RunOptions | None) -> list[Array]:
        session = self._session
        if session is None:
            raise ModelFailed("the model was closed")
        feed: dict[str, Any] = dict(zip(self._input_names, arrays, strict=True))
        try:
            for name, convert in self._convert_in:
                feed[name] = convert(name, feed[name])
            return self._typed_run(session, feed, options) if self._typed else self._usual_run(session, feed, options)
        except InvalidInput:
            raise
        except Exception as error:  # onnxruntime's errors have no common base
            raise ModelFailed(plain(error)) from None

    def _usual_run(self, session: Any, feed: dict[str, Any], options: onnxruntime.RunOptions | None) -> list[Array]:
        outputs: list[Array] = session.run(self._output_names, feed, options)
        for index in self._text_outputs:
            outputs[index] = from_text(outputs[index])
        return outputs

    def _typed_run(self, session: Any, feed: dict[str, Any], options: onnxruntime.RunOptions | None) -> list[Array]:
        """Run with typed values throughout, since ``session.run`` cannot turn a BF16 output into an array."""
        values = {name: to_ort_value(value) for name, value in feed.items()}
        return [from_ort_value(value) for value in session.run_with_ort_values(self._output_names, values, options)]
