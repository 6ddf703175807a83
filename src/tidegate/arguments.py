"""What ``infer`` and ``submit`` take, read the same way by the engine and the SDK. It knows no model and no connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def merge_tensors(inputs: Mapping[str, Any] | None, named: dict[str, Any]) -> Mapping[str, Any]:
    """Join the two ways of passing tensors.

    Raises:
        TypeError: a name was passed both ways, or ``inputs`` is not a mapping.
    """
    if inputs is None:
        return named
    if not isinstance(inputs, Mapping):
        raise TypeError(f"inputs must be a mapping from names to tensors, not {type(inputs).__name__}")
    twice = inputs.keys() & named.keys()
    if twice:
        raise TypeError(f"passed twice, in the mapping and by keyword: {', '.join(sorted(twice))}")
    return {**inputs, **named}


def output_names(outputs: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the wanted outputs, of which a string is one; none means all."""
    return (outputs,) if isinstance(outputs, str) else tuple(outputs or ())


def check_timeout(timeout: float | None) -> None:
    """Refuse a time limit that has passed before it begins.

    Raises:
        ValueError: ``timeout`` is given and not more than 0 seconds.
    """
    if timeout is not None and not timeout > 0:  # NaN is refused too
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
