"""Proves at load that rows whose caches have different lengths may share a run, the shorter ones padded on the left.

Two rows are run alone and together and compared. It believes nothing that is declared but which input is the mask.
"""

from __future__ import annotations

from threading import Timer
from typing import TYPE_CHECKING

import numpy as np

from tidegate.errors import InvalidInput, TidegateError

from ..backend import RunControl
from ..probe_compare import compare
from ..worker import Worker
from .generation import generation_agenda
from .rows import Rows, join
from .together import Generations

if TYPE_CHECKING:
    from tidegate.results import Array

    from ..model import Model
    from .loop import Loop

_TOLERANCE = 1e-4
_PROMPTS = (2, 7)  # tokens
_MORE = 3  # tokens that are fed at once on top of caches
_LEAST_CONTEXT = max(_PROMPTS) + 1 + _MORE
_LIMIT_S = 20.0
_SEED = 11


def prove_padding(model: Model) -> str | None:
    """Find out whether caches of different lengths may share a batch, with a few runs of a model that feeds itself.

    Returns:
        None if they may, else why not. Raises nothing.
    """
    loop = model.stream.loop
    assert loop is not None
    control = RunControl()
    timer = Timer(_LIMIT_S, control.stop)
    timer.daemon = True
    timer.start()
    try:
        return _obstacle(loop) or _Trial(model, loop, control).difference()
    except InvalidInput as error:
        return f"without constants it cannot be tried: {error.message}"
    except TidegateError as error:
        return f"it fails with padding: {error.message}"
    except Exception as error:  # a proof that fails must not cost the model
        return f"the proof failed unexpectedly: {type(error).__name__}: {error}"
    finally:
        timer.cancel()


def _obstacle(loop: Loop) -> str | None:
    if not loop.grows:
        return "it has no cache that grows"
    if loop.model.batching.verdict == "none":
        return "it runs one request at a time"
    if loop.mask is None:
        return "[loop] names no mask"
    if loop.context is not None and loop.context < _LEAST_CONTEXT:
        return f"a context of {loop.context} is too short to try it"
    return None


class _Trial:
    """Runs of two rows."""

    def __init__(self, model: Model, loop: Loop, control: RunControl) -> None:
        self._model = model
        self._loop = loop
        self._control = control
        self._together = Generations(loop)

    def difference(self) -> str | None:
        """Return what is different for rows in company; None if nothing is."""
        alone = [self._run(rows)[0] for rows in self._prompts()]
        width = _MORE if self._loop.width is None else 1
        for fed in (1, width):
            joined, where = join([(rows, 0) for rows in alone])
            before = [_fed(rows, fed) for rows in alone]
            together, scores = self._run(_fed(joined, fed))
            alone = []
            for rows, index in zip(before, where, strict=True):
                after, own_scores = self._run(rows)
                alone.append(after)
                found = _worst([scores[index : index + 1], *together.copy_of(index)], [own_scores, *after.copy_of(0)])
                if found > _TOLERANCE:
                    return f"beside a longer one, a row differs by {found:.2g} from what it is alone"
        return None

    def _prompts(self) -> list[Rows]:
        fixed, state = self._model.stream.begin({})
        random, worker = np.random.default_rng(_SEED), Worker(self._model)
        prompts = [random.integers(self._loop.vocabulary or 2, size=length) for length in _PROMPTS]
        return [
            generation_agenda(self._loop, worker, fixed.constants, {"prompt": prompt}, None, None, 0).begin(state)
            for prompt in prompts
        ]

    def _run(self, rows: Rows) -> tuple[Rows, Array]:
        """Feed rows until a token is chosen; returns them as they are then, and the scores."""
        while True:
            outputs = self._model.backend.run(self._together.inputs(rows), self._control)
            rows, _ = self._together.after(rows, outputs)
            if rows.table["chosen"].all():
                return rows, outputs[self._loop.scores]


def _fed(rows: Rows, tokens: int) -> Rows:
    """Return rows that are fed the same token so many times."""
    return Rows(rows.group, rows.moved, np.repeat(rows.tokens, tokens, axis=1), None, rows.carried)


def _worst(some: list[Array], others: list[Array]) -> float:
    if any(a.shape != b.shape for a, b in zip(some, others, strict=True)):
        return float("inf")
    return max(compare(a, b).difference for a, b in zip(some, others, strict=True))
