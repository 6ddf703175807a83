"""Says along which axes the rows of a model might lie, most plausible first, and how large to make its other dimensions.

Declared names are hints and nothing more: everything that comes from here is tried, and believed only when it proves right.
"""

from __future__ import annotations

import re
from itertools import chain, islice, product
from typing import TYPE_CHECKING, NamedTuple

from .signature import DYNAMIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .signature import TensorSpec

Layout = tuple[int | None, ...]
"""Per input, the axis along which rows are joined; None for an input that all rows share."""

Shapes = tuple[tuple[int, ...], ...]
Symbols = tuple[tuple[str | None, ...], ...]

_MOST_LAYOUTS = 48
_BATCH_NAMES = re.compile(r"batch|^(bs|bsz|none|unk__0)$", re.IGNORECASE)
_BATCH_LETTERS = re.compile(r"^(n|b)$", re.IGNORECASE)  # where a batch usually lies; elsewhere any count is called so
# All different, so that no axis can be taken for another; none is a number of rows with which the proof begins.
_DISTINCT = (5, 7, 11, 13, 17, 19, 23, 29)
_DISTINCT_TOO = (12, 10, 14, 9, 15, 18, 22, 26)
# For models whose dimensions belong together, or that need a certain length (a window, a stack of strides).
_EQUAL = (6, 16, 32, 64, 128, 224, 256, 512, 576, 1024, 4096, 16_000)


class Sizing(NamedTuple):
    """One way to choose sizes that nobody gave: taken in turn by dimensions that are not known to be equal."""

    sizes: tuple[int, ...]


SIZINGS = (Sizing(_DISTINCT), *(Sizing((size,)) for size in _EQUAL))
OTHER_SIZING = Sizing(_DISTINCT_TOO)
"""A second choice, to see that what was proved does not hang on the first."""


def dynamic_axes(spec: TensorSpec) -> tuple[int, ...]:
    """Return the axes of a tensor whose size the request chooses."""
    return tuple(axis for axis, size in enumerate(spec.shape) if size == DYNAMIC)


def layouts(specs: Sequence[TensorSpec], symbols: Symbols, pinned: Mapping[str, int]) -> Iterator[Layout]:
    """Yield the layouts worth trying, most plausible first, each once.

    Args:
        specs: the model's inputs.
        symbols: their dimensions' names.
        pinned: batch axis by input name, from ``model.toml``.
    """
    seen: set[Layout] = set()
    guesses = chain(_by_symbol(specs, symbols), _first_axes(specs), _all_layouts(specs, symbols))
    for layout in islice(guesses, 100 * _MOST_LAYOUTS):
        fixed = tuple(pinned.get(spec.name, axis) for spec, axis in zip(specs, layout, strict=True))
        if fixed not in seen and any(axis is not None for axis in fixed):
            seen.add(fixed)
            yield fixed
        if len(seen) == _MOST_LAYOUTS:
            return


def _by_symbol(specs: Sequence[TensorSpec], symbols: Symbols) -> Iterator[Layout]:
    """All inputs that have a dimension of one name are joined along it; names that sound like a batch come first."""
    first_axis: dict[str, int] = {}
    for names in symbols:
        for axis, name in enumerate(names):
            if name:
                first_axis[name] = min(axis, first_axis.get(name, axis))
    for symbol in sorted(first_axis, key=lambda name: (not _sounds_like_batch(name, first_axis[name]), first_axis[name])):
        yield tuple(names.index(symbol) if symbol in names else None for names in symbols)


def _sounds_like_batch(name: str, axis: int) -> bool:
    return bool(_BATCH_NAMES.search(name) or (axis == 0 and _BATCH_LETTERS.search(name)))


def _first_axes(specs: Sequence[TensorSpec]) -> Iterator[Layout]:
    yield tuple(min(dynamic_axes(spec), default=None) for spec in specs)


def _all_layouts(specs: Sequence[TensorSpec], symbols: Symbols) -> Iterator[Layout]:
    """Every combination; inputs that are declared alike (the many tensors of a cache) are treated alike."""
    kinds = list(dict.fromkeys(zip((spec.shape for spec in specs), symbols, strict=True)))
    choices: list[tuple[int | None, ...]] = [
        (*(axis for axis, size in enumerate(shape) if size == DYNAMIC), None) for shape, _ in kinds
    ]
    kind_of = [kinds.index((spec.shape, names)) for spec, names in zip(specs, symbols, strict=True)]
    combinations = sorted(islice(product(*choices), 100 * _MOST_LAYOUTS), key=_implausibility)
    return (tuple(combination[kind] for kind in kind_of) for combination in combinations)


def _implausibility(axes: tuple[int | None, ...]) -> tuple[int, int]:
    return axes.count(None), sum(axis for axis in axes if axis is not None)


class Sizer:
    """Gives every dynamic dimension a size; dimensions of one name get the same."""

    def __init__(self, specs: Sequence[TensorSpec], symbols: Symbols, declared: Mapping[str, int]) -> None:
        """Take the model's inputs, their dimensions' names, and ``[dims]`` of ``model.toml``."""
        self._specs = specs
        self._symbols = symbols
        self._declared = declared

    def guesses(self, layout: Layout) -> bool:
        """Tell whether any size has to be guessed for this layout."""
        return bool(self._free(layout))

    def shapes(self, layout: Layout, sizing: Sizing) -> Shapes:
        """Return the shape of every input for a single row."""
        free = {key: sizing.sizes[index % len(sizing.sizes)] for index, key in enumerate(self._free(layout))}
        return tuple(
            tuple(self._size(index, axis, layout, free) for axis in range(len(spec.shape)))
            for index, spec in enumerate(self._specs)
        )

    def _free(self, layout: Layout) -> list[str]:
        """Name the sizes that have to be guessed, in order."""
        keys = (
            term
            for index, spec in enumerate(self._specs)
            for axis in dynamic_axes(spec)
            if axis != layout[index] and not self._is_declared(index, axis)
            for term in self._terms(index, axis)
        )
        return [key for key in dict.fromkeys(keys) if not key.isdecimal() and key not in self._declared]

    def _is_declared(self, index: int, axis: int) -> bool:
        symbol = self._symbols[index][axis]
        return f"{self._specs[index].name}.{axis}" in self._declared or (symbol is not None and symbol in self._declared)

    def _terms(self, index: int, axis: int) -> Iterable[str]:
        """Split ``past_length + 1``, as exporters call the sum of two dimensions, into what it is the sum of."""
        symbol = self._symbols[index][axis]
        return [term.strip() for term in symbol.split("+")] if symbol else [f"{self._specs[index].name}.{axis}"]

    def _size(self, index: int, axis: int, layout: Layout, free: Mapping[str, int]) -> int:
        size = self._specs[index].shape[axis]
        if size != DYNAMIC:
            return size
        if axis == layout[index]:
            return 1
        for key in (f"{self._specs[index].name}.{axis}", self._symbols[index][axis]):
            if key is not None and key in self._declared:
                return self._declared[key]
        terms = self._terms(index, axis)
        return sum(int(term) if term.isdecimal() else self._declared.get(term, free.get(term, 1)) for term in terms)
