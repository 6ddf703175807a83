"""Something that ``model.toml`` says once, or once for each value of a constant (``by``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from .tensors import fault

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from .constants import Constant

T = TypeVar("T")


class Choice(Generic[T]):
    """What is said, by the value of a constant.

    Attributes:
        constant: name of the constant; None if it depends on none.
        declared: as it stands in ``model.toml``.
    """

    def __init__(self, table: str, given: T | Mapping[str, T], by: str | None, constants: Sequence[Constant]) -> None:
        """Take what ``table`` says.

        Raises:
            ModelUnavailable: ``by`` names no constant, or one that may have a value of which nothing is said; one line.
        """
        self.constant = by
        self.declared = given
        self._known: dict[Hashable, T] = {None: given} if by is None else _by_value(table, given, by, constants)  # type: ignore[dict-item, arg-type]

    def of(self, values: Mapping[str, Hashable]) -> T:
        """Return what holds for these values of the constants, by name."""
        return self._known[None if self.constant is None else values[self.constant]]


def _by_value(table: str, given: Mapping[str, T], by: str, constants: Sequence[Constant]) -> dict[Hashable, T]:
    constant = next((each for each in constants if each.spec.name == by), None)
    if constant is None:
        raise fault(f"{table} depends on {by!r}, which is no [[constant]]")
    if constant.values is None or constant.declared.values is None:
        raise fault(f"{table} depends on {by!r}: give all its `values` in its [[constant]]")
    keys = {value: _key(written) for value, written in zip(constant.values, constant.declared.values, strict=True)}
    for key in keys.values():
        if key not in given:
            raise fault(f"{table} says nothing for {by} = {key}")
    if surplus := given.keys() - keys.values():
        raise fault(f"{table} speaks of {by} = {min(surplus)}, which is none of its `values`")
    return {value: given[key] for value, key in keys.items()}


def _key(value: object) -> str:
    """Return a value as it is written for a key in TOML."""
    return str(value).lower() if isinstance(value, bool) else str(value)
