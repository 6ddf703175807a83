"""What the client remembers of the served models: what they take and whether they are pure. It asks nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.codecs.datatypes import DATATYPES

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One version of one model.

    Attributes:
        pure: whether running it twice does no harm.
        datatypes: the datatype of each input, by name.
        dtypes: the same as numpy has it.
        takes: the datatypes of each input that a step of a stream brings, by name, the model's own first.
    """

    pure: bool = False
    datatypes: Mapping[str, str] = field(default_factory=dict)
    dtypes: Mapping[str, np.dtype[Any]] = field(default_factory=dict)
    takes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NOTHING = ModelFacts()
"""What is assumed of a model that is not known: that it is not pure, and that its inputs are right as they are."""


class Catalogue:
    """The models by name and version; what was learned last replaces what was known before."""

    __slots__ = ("_facts",)

    def __init__(self) -> None:
        self._facts: dict[tuple[str, str | None], ModelFacts] = {}

    def learn(self, models: Sequence[Mapping[str, Any]]) -> None:
        """Take in the list that the server gave; entries of another make, and models that do not serve, are skipped."""
        versions: dict[str, dict[str, ModelFacts]] = {}
        for entry in models:
            name, version = entry.get("name"), entry.get("version")
            if isinstance(name, str) and isinstance(version, str) and entry.get("state", "ready") == "ready":
                versions.setdefault(name, {})[version] = _facts(entry)
        self._facts = {(name, version): facts for name, known in versions.items() for version, facts in known.items()}
        for name, known in versions.items():
            self._facts[name, None] = known[_chosen(known)]

    def knows(self, name: str, version: str | None) -> bool:
        """Tell whether this model was in the list."""
        return (name, version) in self._facts

    def facts(self, name: str, version: str | None) -> ModelFacts:
        """Return what is known, or ``NOTHING``."""
        return self._facts.get((name, version), NOTHING)


def _facts(entry: Mapping[str, Any]) -> ModelFacts:
    inputs = entry.get("inputs")
    datatypes = {
        str(spec.get("name")): str(spec.get("datatype"))
        for spec in (inputs if isinstance(inputs, Sequence) else ())
        if isinstance(spec, Mapping) and spec.get("datatype") in DATATYPES
    }
    dtypes = {name: DATATYPES[datatype].dtype for name, datatype in datatypes.items()}
    return ModelFacts(entry.get("pure") is True, datatypes, dtypes, _takes(entry.get("stream")))


def _takes(stream: object) -> dict[str, tuple[str, ...]]:
    inputs = stream.get("inputs") if isinstance(stream, Mapping) else None
    return {
        str(spec.get("name")): tuple(datatype for datatype in spec["datatypes"] if datatype in DATATYPES)
        for spec in (inputs if isinstance(inputs, Sequence) else ())
        if isinstance(spec, Mapping) and isinstance(spec.get("datatypes"), Sequence)
    }


def _chosen(versions: Mapping[str, ModelFacts]) -> str:
    """Choose the version that the server chooses when none is named: the highest number, else the last in natural order."""

    def order(version: str) -> tuple[bool, list[tuple[int, str]]]:
        parts = [part for part in re.split(r"(\d+)", version) if part]
        return version.isdecimal(), [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

    return max(versions, key=order)
