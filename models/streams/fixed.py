"""What is settled when a stream is opened, and how the inputs of a run are made of it, of the state and of what a step brings.

Nothing here ever changes, so streams that were opened with equal constants share it. Pure; schedules nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.errors import ModelFailed

from ..appended import whole
from .takes import unexpected_names
from .values import own_rows

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tidegate.results import Array

    from ..admission import Admission
    from ..appended import Appended
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
        kept_outputs: places of the outputs that are kept.
    """

    __slots__ = (
        "_carried",
        "_growing",
        "_held",
        "_kept",
        "_kinds",
        "_made",
        "_places",
        "_settled",
        "_template",
        "carries",
        "constants",
        "initial",
        "kept_outputs",
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
        self._made = tuple((held.key, held.output, held.initial.shape, held) for held in states)
        self.kept_outputs = frozenset(held.output for held in states)
        self._growing = tuple(held.key for held in states if held.grows is not None)
        by_input = {carry.input: carry for carry in carries}
        self._places = tuple((at, take.input, by_input.get(take.input)) for at, take in enumerate(takes))
        self._carried = tuple((at, carry) for at, _, carry in self._places if carry is not None)

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

    def asked(
        self, state: State, taken: Sequence[Array], admission: Admission, priority: int
    ) -> tuple[list[Array | Appended], Kind]:
        """Return all inputs of a run in the order of the model's signature, and the kind of its request.

        Raises:
            InvalidInput: they are not what the model takes.
        """
        arrays: list[Any] = self._template.copy()
        for index, key in self._held:
            arrays[index] = state[key]
        for at, index, carry in self._places:
            arrays[index] = taken[at] if carry is None else carry.before(state[carry.key], taken[at])
        shapes = (priority, *[array.shape for array in taken], *[state[key].shape for key in self._growing])
        kind = self._kinds.get(shapes)
        if kind is None:
            kind = self._learn(shapes, [whole(array) for array in arrays], admission, priority)
        return arrays, kind

    def _learn(self, shapes: Hashable, arrays: Sequence[Array], admission: Admission, priority: int) -> Kind:
        """Return the kind, as for any request; beside the shapes nothing differs: what is carried always has one length."""
        kind = admission.kind(arrays, None, priority)
        if admission.is_settled_by(self._settled) and len(self._kinds) < _REMEMBERED_KINDS:
            self._kinds[shapes] = kind
        return kind

    def after(self, state: State, taken: Sequence[Array], run: Run, start: int, stop: int) -> dict[str, Array]:
        """Return the state after a run, of which rows ``start`` to ``stop`` are this stream's.

        Raises:
            ModelFailed: what came out cannot go in again.
        """
        made: dict[str, Array] = {}
        for key, output, shape, held in self._made:
            array = made[key] = own_rows(run, output, start, stop)
            if array.shape != shape and not held.fits(array):
                told = f"output {held.source.name!r} has shape {list(array.shape)}, and the state {held.shape_text}"
                raise ModelFailed(f"{told}: no further step could take it")
        for at, carry in self._carried:
            made[carry.key] = carry.after(state[carry.key], taken[at])
        return made
