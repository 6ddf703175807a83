"""What a model's streams are like: settled when it is loaded. Opens them and says what a step does. Pure; schedules nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.errors import InvalidInput

from ..admission import fingerprint
from .constants import given_constants
from .generation import generation_agenda
from .plain import PlainAgenda
from .rebuffer import RebufferAgenda
from .restoring import check_state

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tidegate.results import Array

    from ..worker import Worker
    from .agenda import Agenda, State
    from .declared import DeclaredStream
    from .fixed import Fixed, Wanted
    from .loop import Loop
    from .rules import Rules
    from .states import HeldState

    Scalar = bool | int | float | str

TOKEN = "token"  # noqa: S105 - what a generation tells beside the model's outputs

_REMEMBERED = 64  # of what equal streams share, and of choices of outputs; at the bound, all are forgotten
_SHARED_BYTES = 256  # of constants that are worth comparing


class StreamSpec:
    """How a model is streamed.

    Attributes:
        idle_timeout_s: seconds without a step after which a stream is ended.
        max_streams: how many may be open at once.
        found: the states that nobody declared.
        int16: the input that may come as INT16, to be scaled; None if none may. Nobody else may convert it before.
        loop: how a step feeds itself; None if it does not.
    """

    def __init__(self, rules: Rules, settings: DeclaredStream, loop: Loop | None = None) -> None:
        self.idle_timeout_s = settings.idle_timeout_s
        self.max_streams = settings.max_streams
        self.found: tuple[HeldState, ...] = tuple(state for state in rules.states if state.found)
        self.int16 = rules.chunk.spec.name if rules.chunk is not None and rules.chunk.scale_int16 else None
        self.loop = loop
        self._rules = rules
        self._outputs = {spec.name: index for index, spec in enumerate(rules.tensors.outputs)}
        held = {state.output for state in rules.states}
        told = tuple((name, index) for name, index in self._outputs.items() if index not in held)
        self._usual: Wanted = told or tuple(self._outputs.items())
        self._wanted: dict[tuple[str, ...], Wanted] = {}
        self._fixed: dict[Hashable, Fixed] = {}

    def begin(self, constants: Mapping[str, Array]) -> tuple[Fixed, State]:
        """Return what is settled for a new stream, and its state before the first step.

        Args:
            constants: as given by the client, by name; they are copied.

        Raises:
            InvalidInput: a constant is unknown, missing, or not what the model takes.
        """
        fixed = self._shared(given_constants(self._rules.constants, constants))
        return fixed, fixed.initial

    def restore(self, constants: Mapping[str, Array], tensors: Mapping[str, Array]) -> tuple[Fixed, State]:
        """Return what is settled for a stream that goes on from a state which came from elsewhere.

        Args:
            constants: as ``constants_of`` gave them.
            tensors: the state, by name.

        Raises:
            InvalidInput: they are not what a stream of this model has.
        """
        fixed, _ = self.begin(constants)
        return fixed, check_state(fixed, self.loop, tensors)

    def constants_of(self, fixed: Fixed) -> Mapping[str, Array]:
        """Return the constants of a stream, by name."""
        return fixed.constants

    def agenda(
        self,
        worker: Worker,
        fixed: Fixed,
        inputs: Mapping[str, Array],
        outputs: tuple[str, ...] | None = None,
        parameters: Mapping[str, Scalar] | None = None,
        priority: int = 0,
    ) -> Agenda:
        """Say what a step does.

        Args:
            worker: who serves the model.
            fixed: the stream's, from ``begin``.
            inputs: what the step brings, by name; not to be changed as long as the step lives.
            outputs: names of the outputs that are wanted, seen by ``check_outputs``; None for the usual ones.
            parameters: of a generation; other steps pass over them.
            priority: larger is served first.

        Raises:
            InvalidInput: an input is missing, not asked for, or of another datatype, shape or length; or a parameter is.
        """
        if self.loop is not None:
            return generation_agenda(self.loop, worker, fixed.constants, inputs, outputs, parameters, priority)
        wanted = self._usual if outputs is None else self._wanted_of(outputs)
        taken = fixed.taken(inputs)
        if fixed.rest is not None:
            return RebufferAgenda(worker, fixed, fixed.rest, taken, wanted, priority)
        return PlainAgenda(worker, fixed, taken, wanted, priority)

    def check_outputs(self, names: Sequence[str]) -> None:
        """Refuse outputs that a step does not have.

        Raises:
            InvalidInput: there is no output of that name.
        """
        known = [*self._outputs, *([] if self.loop is None else [TOKEN])]
        for index, name in enumerate(names):
            if name not in known:
                told = f"there is no output {name[:64]!r}"
                raise InvalidInput(told, param=f"outputs[{index}].name", expected=f"some of {known}")

    def describe(self) -> dict[str, Any]:
        """Return what a client may know, as JSON-able data."""
        rules = self._rules
        return {
            "inputs": rules.describe_inputs(),
            "outputs": [TOKEN] if self.loop else [name for name, _ in self._usual],
            "constants": [constant.describe() for constant in rules.constants],
            "states": [state.describe() for state in rules.states],
            "loop": None if self.loop is None else self.loop.describe(),
            "idle_timeout_s": self.idle_timeout_s,
            "max_streams": self.max_streams,
        }

    def _wanted_of(self, names: tuple[str, ...]) -> Wanted:
        wanted = self._wanted.get(names)
        if wanted is None:
            if len(self._wanted) >= _REMEMBERED:
                self._wanted.clear()
            wanted = self._wanted[names] = tuple((name, self._outputs[name]) for name in dict.fromkeys(names))
        return wanted

    def _shared(self, constants: dict[str, Array]) -> Fixed:
        """Return what equal streams share; those with large constants share nothing."""
        if sum([array.nbytes for array in constants.values()]) > _SHARED_BYTES:
            return self._rules.fixed(constants)
        key = tuple([(array.shape, fingerprint(array)) for array in constants.values()])
        fixed = self._fixed.get(key)
        if fixed is None:
            if len(self._fixed) >= _REMEMBERED:
                self._fixed.clear()
            fixed = self._fixed[key] = self._rules.fixed(constants)
        return fixed
