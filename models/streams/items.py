"""What a stream tells: results, errors in their places, gaps, its end. Plain types, no behaviour."""

from __future__ import annotations

from msgspec import Struct

from tidegate.errors import TidegateError  # noqa: TC001 - the structures' annotations are read
from tidegate.results import Array, Timing  # noqa: TC001

ITEM_BYTES = 256  # what an item takes beside its tensors


class Produced(Struct, gc=False):
    """Something that a step has made.

    Attributes:
        seq: its number in the stream.
        nbytes: bytes of memory that it takes, about; the ring's.
        step: the step's number.
        final: whether the step is done.
        outputs: tensors by name.
        timing: what the run cost that it comes from.
        text: the outputs as text, for a model with a vocabulary.
        reason: why a generation ended.
    """

    step: int
    final: bool
    outputs: dict[str, Array]
    timing: Timing
    text: str | None = None
    reason: str | None = None
    seq: int = 0
    nbytes: int = 0


class Failed(Struct, gc=False):
    """The end of a step that was accepted and could not be done.

    Attributes:
        seq: its number in the stream.
        step: the step's number.
        error: why.
        expected_step: the number that the next step must have.
    """

    step: int
    error: TidegateError
    expected_step: int
    seq: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes, about."""
        return ITEM_BYTES


class Gap(Struct, frozen=True, gc=False):
    """Items ``first`` to ``last`` are not kept any more."""

    first: int
    last: int

    @property
    def seq(self) -> int:
        """The last number that it stands for."""
        return self.last


class Ended(Struct, frozen=True, gc=False):
    """The end of a stream; nothing comes after it."""

    reason: str


Numbered = Produced | Failed
Item = Numbered | Gap
