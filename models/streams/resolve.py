"""How a model is streamed: what ``model.toml`` declares and what is found by names, checked against its tensors at load."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .carry import settle_carry
from .chunk import settle_chunk
from .constants import settle_constant
from .find import find_states
from .loop import settle_loop
from .rules import Rules
from .spec import StreamSpec
from .states import held_state
from .tensors import Tensors, fault

if TYPE_CHECKING:
    from ..config import ModelConfig
    from ..model import Model
    from .loop import Loop


def resolve(model: Model) -> StreamSpec:
    """Return how a model is streamed.

    Raises:
        ModelUnavailable: what is declared does not fit the model; one line.
    """
    config = model.config
    _check_parts(config)
    rules = _with_found(_declared(Tensors(model), config), config)
    rules.check()
    return StreamSpec(rules, config.stream, _loop(model, rules))


def _declared(tensors: Tensors, config: ModelConfig) -> Rules:
    constants = tuple(settle_constant(tensors, declared) for declared in config.constant)
    return Rules(
        tensors,
        tuple(held_state(tensors, declared) for declared in config.state),
        constants,
        tuple(settle_carry(tensors, declared, constants) for declared in config.carry),
        None if config.chunk is None else settle_chunk(tensors, config.chunk, constants),
        _made_by_loop(config),
    )


def _with_found(rules: Rules, config: ModelConfig) -> Rules:
    """Add the states that names tell, unless nothing would be left for a step to bring."""
    if not config.stream.find_states:
        return rules
    spoken = {name for _, name in _parts(config)}
    outputs = {declared.output for declared in config.state} | ({config.loop.output} if config.loop else set())
    found = find_states(rules.tensors, spoken, outputs)
    more = replace(rules, states=(*rules.states, *found))
    return more if more.brought else rules


def _loop(model: Model, rules: Rules) -> Loop | None:
    declared = model.config.loop
    if declared is None:
        return None
    states = [(state.spec.name, state.source.name, state.grows) for state in rules.states]
    if declared.context is None and any(state.grows is not None for state in rules.states):
        raise fault("[loop] needs `context`, the most tokens that the state may hold: it grows")
    if isinstance(declared.vocab, str):
        raise fault(f"[loop] `vocab` names {declared.vocab!r}, which was not read")
    return settle_loop(model, declared, states, [constant.spec.name for constant in rules.constants], declared.vocab)


def _parts(config: ModelConfig) -> list[tuple[str, str]]:
    """Return what each table has to do with which input."""
    parts = [("[[state]]", declared.input) for declared in config.state]
    parts += [("[[constant]]", declared.input) for declared in config.constant]
    parts += [("[[carry]]", declared.input) for declared in config.carry]
    parts += [("[chunk]", config.chunk.input)] if config.chunk else []
    return parts + [("[loop]", name) for name in (config.loop.input, *_made_by_loop(config))] if config.loop else parts


def _made_by_loop(config: ModelConfig) -> frozenset[str]:
    loop = config.loop
    return frozenset() if loop is None else frozenset(name for name in (loop.mask, loop.positions) if name is not None)


def _check_parts(config: ModelConfig) -> None:
    """Refuse an input that is to be two things at once; only what is cut into chunks may be carried as well."""
    known: dict[str, str] = {}
    for table, name in _parts(config):
        before = known.get(name)
        if before is not None and (before, table) != ("[[carry]]", "[chunk]"):
            raise fault(f"{table} names {name!r}, and so does {before if before != table else 'another one'}")
        known[name] = table
    outputs = [declared.output for declared in config.state] + ([config.loop.output] if config.loop else [])
    if twice := [name for index, name in enumerate(outputs) if name in outputs[:index]]:
        raise fault(f"[[state]] output {twice[0]!r} is used twice")
    carries = {declared.input: declared.axis for declared in config.carry}
    if config.chunk is not None and carries.get(config.chunk.input, config.chunk.axis) != config.chunk.axis:
        raise fault(f"[chunk] and [[carry]] name different axes of {config.chunk.input!r}")
