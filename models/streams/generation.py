"""The agenda of a generation: a step that feeds itself, run by run, until it comes to an end.

Its first run takes the prompt, every further one the token that was chosen last; the very last token is not fed any more and
stays pending, so the next step of the stream begins with it. Knows one step's inputs and parameters; how rows share a run is
known to ``Generations``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

import numpy as np

from tidegate.codecs.datatypes import datatype_of
from tidegate.errors import InvalidInput

from ..request import Kind
from .agenda import Made
from .group import FIELDS, Group
from .row_state import DRAWS, LENGTH, PENDING, SEED, RowState
from .rows import Rows
from .together import Generations
from .wishes import read_wish

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from tidegate.results import Array

    from ..batch import Run
    from ..worker import Worker
    from .agenda import State
    from .loop import Loop
    from .wishes import Scalar, Wish

_ALIAS = "prompt"
_NOTHING = np.empty(0, np.int64)


class Generation:
    """One step of a generating stream (see ``Agenda``).

    Attributes:
        nbytes: bytes that it holds while it waits.
        is_one_run: False.
        ran_changes: False.
        most: most results that it makes.
        constants: the stream's, by name.
        wanted: outputs that were asked for beside the token, by name and index.
        stopped: whether it is to end after the run that is under way.
    """

    is_one_run = False
    ran_changes = False
    __slots__ = (
        "_last_kind",
        "_loop",
        "_priority",
        "_prompt",
        "_shared",
        "_together",
        "_wish",
        "_worker",
        "constants",
        "most",
        "nbytes",
        "stopped",
        "wanted",
    )

    def __init__(
        self,
        loop: Loop,
        worker: Worker,
        constants: Mapping[str, Array],
        prompt: Array,
        wish: Wish,
        wanted: tuple[tuple[str, int], ...],
        priority: int,
    ) -> None:
        self.constants = constants
        self.wanted = wanted
        self.nbytes = prompt.nbytes
        self.most = wish.max_steps
        self.stopped = False
        self._loop = loop
        self._worker = worker
        self._prompt = prompt
        self._wish = wish
        self._priority = priority
        self._together = Generations(loop)
        self._last_kind: Kind | None = None
        self._shared = tuple([_fingerprint(constants[name]) for _, name in loop.shared])

    def nothing(self, state: State) -> Made | None:
        """Return None: a generation always runs."""
        return None

    def arrays(self, state: State) -> tuple[list[Array], Kind]:
        """Return the row that is to be fed next, in place of arrays: ``Generations`` makes the inputs.

        Raises:
            InvalidInput: the prompt does not fit into what the state may still take.
        """
        if not isinstance(state, RowState) or state.owner is not self:
            state = RowState(self.begin(state), 0)
        return [cast("Array", state)], self._kind(state)

    def ran(self, state: State, run: Run, start: int, stop: int) -> Made:
        """Return what came of the run; it was made at the compute slot."""
        made: Made = run.extra[start]
        if self.stopped and not made.final and made.state is not None:  # else it ends with what comes back from the slot
            outputs = {} if made.outputs is None else made.outputs
            return Made(dict(made.state), outputs, final=True, text=made.text, reason="cancelled")
        return made

    def stop(self) -> None:
        """End after the run that is under way."""
        self.stopped = True

    def begin(self, state: State) -> Rows:
        """Return the row of a stream in that state which is fed the prompt.

        Raises:
            InvalidInput: the prompt does not fit into what the state may still take.
        """
        loop, wish = self._loop, self._wish
        carried = [state[each.key] if each.output is not None else self.constants[each.key] for each in loop.carried]
        feed = np.concatenate([state.get(PENDING, _NOTHING), self._prompt])
        length = int(state[LENGTH][0]) if LENGTH in state else 0
        self._check_room(length + feed.size)
        goes_on = SEED in state and not wish.seeded
        seed, draws = (int(state[SEED][0]), int(state[DRAWS][0])) if goes_on else (wish.seed, 0)
        row = np.array([(length, wish.max_steps, wish.temperature, wish.top_k, wish.top_p, seed, draws, False)], FIELDS)
        width = loop.width or feed.size
        ahead = [feed[width:]] if feed.size > width else None
        return Rows(Group(loop, [self], row), 0, feed[None, :width], ahead, carried)

    def _check_room(self, needed: int) -> None:
        context = self._loop.context
        if context is not None and needed > context:
            room = max(0, context - needed + self._prompt.size)
            raise InvalidInput(
                f"the prompt has {self._prompt.size} tokens, and the model's context has room for {room}",
                param="inputs[0].shape",
                expected=f"at most {room} tokens; the context holds {context}, of the steps before as well",
            )

    def _kind(self, state: RowState) -> Kind:
        """Return the kind of a run: those share it that are fed equally many tokens and, without padding, hold as many."""
        loop, (rows, index) = self._loop, state.place
        fed = rows.tokens.shape[1]
        alike = loop.unpadded is not None and (loop.grows or loop.mask is not None)
        key = ("loop", fed, rows.length(index) if alike else None, *self._shared)
        kind = self._last_kind
        if kind is None or kind.key != key:
            kind = Kind(self._worker, key, nbytes=8 * fed, priority=self._priority, together=self._together)
            self._last_kind = kind
        return kind


def generation_agenda(
    loop: Loop,
    worker: Worker,
    constants: Mapping[str, Array],
    inputs: Mapping[str, Array],
    outputs: tuple[str, ...] | None,
    parameters: Mapping[str, Scalar] | None,
    priority: int,
) -> Generation:
    """Check the inputs and parameters of a step and return what it does.

    Args:
        loop: how the model feeds itself.
        worker: who serves it.
        constants: what the stream was opened with, by name.
        inputs: the prompt, INT64 [L] or [1, L], under the name of the model's input or as ``prompt``.
        outputs: names of outputs to tell beside ``token``; None for none.
        parameters: see ``read_wish``.
        priority: larger is served first.

    Raises:
        InvalidInput: they are not what the model takes.
    """
    wish = read_wish(parameters, loop.max_steps)
    prompt = _read_prompt(loop, inputs)
    known = {spec.name: index for index, spec in enumerate(loop.model.outputs)}
    wanted = tuple((name, known[name]) for name in dict.fromkeys(outputs or ()) if name in known)
    return Generation(loop, worker, constants, prompt, wish, wanted, priority)


def _read_prompt(loop: Loop, inputs: Mapping[str, Array]) -> Array:
    name = loop.model.inputs[loop.tokens.place].name
    given = next(iter(inputs), "")
    if len(inputs) != 1 or given not in (name, _ALIAS):
        expected = f"one tensor, {name!r} or {_ALIAS!r}"
        raise InvalidInput(f"inputs are {[other[:64] for other in inputs][:8]}", param="inputs", expected=expected)
    array = inputs[given]
    if array.dtype != np.int64:
        raise _refused(f"is {datatype_of(array)}", "datatype", "INT64")
    if array.ndim not in (1, 2) or not array.size or array.size != array.shape[-1]:
        raise _refused(f"has shape {list(array.shape)}", "shape", "[L] or [1, L], with at least 1 token")
    if loop.context is not None and array.size > loop.context:
        raise _refused(f"has {array.size} tokens", "shape", f"at most {loop.context} tokens, the model's context")
    last = np.iinfo(np.int64).max if loop.vocabulary is None else loop.vocabulary - 1
    if array.min() < 0 or array.max() > last:
        raise _refused(f"has tokens from {array.min()} to {array.max()}", "data", f"tokens from 0 to {last}")
    return array.reshape(-1).copy()


def _refused(what: str, field: str, expected: str) -> InvalidInput:
    return InvalidInput(f"the prompt {what}", param=f"inputs[0].{field}", expected=expected)


def _fingerprint(array: Array) -> Hashable:
    return array.dtype.str, array.shape, hashlib.blake2b(array.tobytes(), digest_size=16).digest()
