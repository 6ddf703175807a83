"""What is settled when a stream is opened, and how the inputs of a run are made of it, of the state and of what a step brings.

Nothing here ever changes, so streams that were opened with equal constants share it. Pure; schedules nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import ModelFailed

from .takes import unexpected_names
from .values import own_rows

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tidegate.results import Array

    from ..admission import Admission
    from ..batch import Run
    from ..request import Kind
    from .agenda import State
    from .carry import Carry
    from .chunk import Rest
    from .states import HeldState
    from .takes import Take

_REMEMBERED_KINDS = 64

Wanted = tuple[tuple[str, int], ...]
"""Names and places of the outputs that a step tells."""


class Fixed:
    """What is the same in all steps of a stream.

    Attributes:
        constants: inputs that were given when it was opened, by name; not to be changed.
        takes: what a step has to bring.
        states: what is kept of a step's outputs.
        carries: what is kept of a step's inputs.
        rest: what is left over of an input that is cut into chunks; None if none is.
        initial: the state before the first step; not to be changed.
    """

    __slots__ = (
        "_held",
        "_kept",
        "_kinds",
        "_places",
        "_settled",
        "_template",
        "carries",
        "constants",
        "initial",
        "rest",
        "states",
        "takes",
    )

    def __init__(
        self,
        template: Sequence[Array | None],
        constants: Mapping[str, Array],
        states: Sequence[HeldState],
        takes: Sequence[Take],
        carries: Sequence[Carry],
        rest: Rest | None,
        kept: Mapping[str, str],
    ) -> None:
        """Take what is settled.

        Args:
            template: the model's inputs, with the constants in their places.
            constants: as the attribute.
            states: as the attribute.
            takes: as the attribute.
            carries: as the attribute.
            rest: as the attribute.
            kept: inputs that no step brings, and in words where they come from.
        """
        self.constants = constants
        self.states = tuple(states)
        self.takes = tuple(takes)
        self.carries = tuple(carries)
        self.rest = rest
        parts: list[HeldState | Carry | Rest] = [*states, *carries, *([] if rest is None else [rest])]
        self.initial: State = {part.key: part.initial for part in parts}
        self._template = list(template)
        self._settled = frozenset(at for at, array in enumerate(template) if array is not None)
        self._kinds: dict[Hashable, Kind] = {}
        self._kept = kept
        self._held = tuple((held.input, held.key) for held in states)
        by_input = {carry.input: carry for carry in carries}
        self._places = tuple((take.input, by_input.get(take.input)) for take in takes)

    def taken(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Return what a step brings, checked, in the order of ``takes``.

        Raises:
            InvalidInput: it is not what the stream takes.
        """
        takes = self.takes
        if len(inputs) != len(takes):
            raise unexpected_names(takes, inputs, self._kept)
        try:
            return [take.check(inputs[take.name], inputs) for take in takes]
        except KeyError:
            raise unexpected_names(takes, inputs, self._kept) from None

    def arrays(self, state: State, taken: Sequence[Array]) -> list[Array]:
        """Return all inputs of a run in the order of the model's signature."""
        arrays = self._template.copy()
        for index, key in self._held:
            arrays[index] = state[key]
        for (index, carry), array in zip(self._places, taken, strict=True):
            arrays[index] = array if carry is None else carry.before(state[carry.key], array)
        return arrays  # type: ignore[return-value]  # every place has been filled

    def kind(self, arrays: Sequence[Array], admission: Admission, priority: int) -> Kind:
        """Return the kind of a run's request, by shapes and by values of shared inputs, as for any request.

        Raises:
            InvalidInput: they are not what the model takes.
        """
        asked = (tuple([array.shape for array in arrays]), priority)
        kind = self._kinds.get(asked)
        if kind is None:
            kind = admission.kind(arrays, None, priority)
            if admission.is_settled_by(self._settled) and len(self._kinds) < _REMEMBERED_KINDS:
                self._kinds[asked] = kind
        return kind

    def after(self, state: State, taken: Sequence[Array], run: Run, start: int, stop: int) -> dict[str, Array]:
        """Return the state after a run, of which rows ``start`` to ``stop`` are this stream's.

        Raises:
            ModelFailed: what came out cannot go in again.
        """
        made: dict[str, Array] = {}
        for held in self.states:
            array = made[held.key] = own_rows(run, held.output, start, stop)
            if array.shape != held.initial.shape and not held.fits(array):
                told = f"output {held.source.name!r} has shape {list(array.shape)}, and the state {held.shape_text}"
                raise ModelFailed(f"{told}: no further step could take it")
        for (_, carry), array in zip(self._places, taken, strict=True):
            if carry is not None:
                made[carry.key] = carry.after(state[carry.key], array)
        return made
