"""Makes up inputs that a model might really be given, always the same; knows datatypes and declared ranges, runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tidegate.codecs.datatypes import BF16_DTYPE, DATATYPES
from tidegate.errors import ModelUnavailable

from .config import InputProbe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.results import Array

    from .signature import TensorSpec

_SEED = 20_240_229
_NOTHING_SAID = InputProbe()
_WORDS = (b"tide", b"gate", b"", b"stream", b"a longer piece of text", "wächst".encode())
# Rows of different magnitude: whatever depends on a batch's extremes shows.
_MAGNITUDES = (1.0, 0.25, 4.0, 1.0, 2.0)
_OUTLIER = 1e4


class Guess(NamedTuple):
    """What numbers a model takes, where nobody said.

    Attributes:
        integers: least and greatest integer. Models index tables with them, or take them for lengths.
        positive: whether floating-point numbers are kept within 0 and 1.
    """

    integers: tuple[int, int] = (0, 7)
    positive: bool = False


class ValueMaker:
    """Makes arrays for the inputs of one model; two makers make the same arrays in the same order."""

    def __init__(self, probes: Mapping[str, InputProbe], guess: Guess) -> None:
        self._random = np.random.default_rng(_SEED)
        self._probes = probes
        self._guess = guess

    def shared(self, spec: TensorSpec, shape: tuple[int, ...]) -> Array:
        """Make a value that a whole batch shares: the first of the declared values, or one within range."""
        probe = self._probes.get(spec.name, _NOTHING_SAID)
        if probe.values is not None:
            return _cast(spec, np.full(shape, probe.values[0]))
        if _is_float(spec) and probe.low is None and probe.high is None:
            return _cast(spec, self._random.uniform(0.5, 1.5, shape))
        return self.row(spec, shape, 0)

    def row(self, spec: TensorSpec, shape: tuple[int, ...], index: int) -> Array:
        """Make the value of one row."""
        probe = self._probes.get(spec.name, _NOTHING_SAID)
        if probe.values is not None:
            return _cast(spec, self._random.choice(np.array(probe.values), shape))
        if spec.datatype == "BYTES":
            return _texts([_WORDS[i] for i in self._random.integers(len(_WORDS), size=np.prod(shape, dtype=int))], shape)
        if spec.datatype == "BOOL":
            return np.asarray(self._random.integers(2, size=shape) > 0)
        if probe.low is not None or probe.high is not None:
            return _cast(spec, self._within(spec, probe, shape))
        if _is_float(spec):
            return _cast(spec, self._floats(shape, index))
        low, high = self._integers(spec)
        return _cast(spec, self._random.integers(low, high, shape, endpoint=True))

    def _floats(self, shape: tuple[int, ...], index: int) -> Array:
        if self._guess.positive:
            return self._random.uniform(0.0, 1.0, shape)
        return self._random.standard_normal(shape) * _MAGNITUDES[index % len(_MAGNITUDES)]

    def _within(self, spec: TensorSpec, probe: InputProbe, shape: tuple[int, ...]) -> Array:
        low = probe.low if probe.low is not None else min(0.0, (probe.high or 0.0) - 1)
        high = probe.high if probe.high is not None else max(1.0, low + 1)
        if _is_float(spec):
            return self._random.uniform(low, high, shape)
        return self._random.integers(int(low), int(high), shape, endpoint=True)

    def _integers(self, spec: TensorSpec) -> tuple[int, int]:
        if "mask" in spec.name.lower():
            return 0, 1
        return (0, 255) if spec.datatype == "UINT8" else self._guess.integers


def undeclared(specs: Sequence[TensorSpec], probes: Mapping[str, InputProbe]) -> tuple[bool, bool]:
    """Tell whether any integers, and any floating-point numbers, have to be guessed."""
    silent = [
        spec for spec in specs if spec.name not in probes or probes[spec.name] == InputProbe(shape=probes[spec.name].shape)
    ]
    return any("INT" in spec.datatype for spec in silent), any(map(_is_float, silent))


class Poison(NamedTuple):
    """A way to spoil a row that no other row may notice.

    Attributes:
        name: what is in the row.
        values: by position of the input, what fills it.
    """

    name: str
    values: dict[int, float]


def poisons(specs: Sequence[TensorSpec], layout: Sequence[int | None]) -> list[Poison]:
    """List the ways to spoil a row: NaN finds most sums over rows, an outlier finds scales taken over rows."""
    spoilt = [i for i, spec in enumerate(specs) if layout[i] is not None and spec.datatype in ("FP16", "FP32", "FP64")]
    kinds = {"NaN": np.nan, "a large number": _OUTLIER}
    return [Poison(name, dict.fromkeys(spoilt, value)) for name, value in kinds.items() if spoilt]


def finite(array: Array) -> bool:
    """Tell whether no element is NaN or infinite."""
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _is_float(spec: TensorSpec) -> bool:
    return spec.datatype in ("FP16", "BF16", "FP32", "FP64")


def _texts(elements: list[bytes], shape: tuple[int, ...]) -> Array:
    array = np.empty(len(elements), object)
    array[:] = elements
    return array.reshape(shape)


def _cast(spec: TensorSpec, values: Array) -> Array:
    values = np.asarray(values)  # numpy makes scalars of arrays without dimensions
    try:
        if spec.datatype == "BYTES":
            return _texts([str(value).encode() for value in values.reshape(-1).tolist()], values.shape)
        if spec.datatype == "BF16":
            bits = values.astype(np.float32).view(np.uint32) >> 16
            return np.asarray(bits, np.uint16).view(BF16_DTYPE)
        return np.asarray(values.astype(DATATYPES[spec.datatype].dtype))
    except (ValueError, OverflowError) as error:
        raise ModelUnavailable(f"model.toml: the values for {spec.name!r} are no {spec.datatype}: {error}") from None
