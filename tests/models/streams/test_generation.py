"""Generations: the same text alone and in any company, its ends, its parameters, and what a step may bring."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import loaded
from loop_models import (
    CACHED_LOOP,
    CONTEXT,
    RECURRENT_LOOP,
    VOCABULARY,
    Player,
    Table,
    load_transformer,
    recurrent,
    transformer,
)

from tidegate.errors import InvalidInput, ModelFailed
from tidegate.models.batch import Batch, Run
from tidegate.models.streams.row_state import RowState, alone, bytes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.models.model import Model

STOP = 3
ENDLESS = CACHED_LOOP.replace("stop = [3]", "stop = []")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("loops")
    return {
        "cached": load_transformer(folder / "cached", ENDLESS),
        "stopping": load_transformer(folder / "stopping"),
        "unmasked": loaded(folder / "unmasked", transformer(masked=False), ENDLESS),
        "recurrent": loaded(folder / "recurrent", recurrent(), RECURRENT_LOOP),
    }


@pytest.fixture
def table(models: dict[str, Model]) -> Table:
    return Table(models["cached"])


def greedy(model: Model, history: Sequence[int], steps: int) -> list[int]:
    """Make the most likely text by computing everything anew for each token, without a cache and without a stream."""
    tokens = list(history)
    empty = [np.zeros((1, 4, 0, 16), np.float32)] * 4
    for _ in range(steps):
        length = len(tokens)
        arrays = [np.array([tokens]), np.ones((1, length), np.int64), np.arange(length)[None], *empty]
        logits = model.backend.run(arrays)[0]
        tokens.append(int(logits[0, -1].argmax()))
    return tokens[len(history) :]


def test_it_is_what_the_model_says_without_a_cache(table: Table) -> None:
    """Token by token with a cache gives the text that the model gives when everything is computed anew."""
    player = table.player().step([1, 5, 2], max_steps=30)
    table.play(player)
    assert player.tokens == greedy(table.model, [1, 5, 2], 30)


def test_a_next_step_goes_on(table: Table) -> None:
    """What a step brings is read after everything before it, the last token that was made included."""
    player = table.player().step([1, 5], max_steps=4)
    table.play(player)
    first = player.tokens
    table.play(player.step([7, 7, 9], max_steps=5))
    assert player.tokens[4:] == greedy(table.model, [1, 5, *first, 7, 7, 9], 5)


@settings(max_examples=25)
@given(st.data())
@pytest.mark.parametrize("name", ["cached", "unmasked", "recurrent"])
def test_company_changes_nothing(models: dict[str, Model], name: str, data: st.DataObject) -> None:
    """Streams that join at any time, pause, come in any order and leave make the text that each makes alone."""
    table, count = Table(models[name]), data.draw(st.integers(2, 6))
    prompts = [data.draw(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4)) for _ in range(count)]
    asked = [{"max_steps": data.draw(st.integers(1, 12)), "seed": seed} for seed in range(count)]
    players = [table.player().step(prompt, **wish) for prompt, wish in zip(prompts, asked, strict=True)]
    while going := [player for player in players if player.agenda is not None]:
        table.run(*data.draw(st.permutations(going))[: data.draw(st.integers(1, len(going)))])
    for player, prompt, wish in zip(players, prompts, asked, strict=True):
        lonely = table.player().step(prompt, **wish)
        table.play(lonely)
        assert player.tokens == lonely.tokens
        assert player.state.keys() == lonely.state.keys()
        for key, array in player.state.items():
            np.testing.assert_allclose(array, lonely.state[key], atol=1e-4)


def test_different_lengths_share_runs_where_that_was_proved(models: dict[str, Model]) -> None:
    """Caches of different lengths run together if padding was proved, else only those of one length."""
    for name, sizes in (("cached", [1, 1, 2, 2, 2]), ("unmasked", [1, 1, 1, 1, 1, 1, 1, 1])):
        table = Table(models[name])
        table.play(table.player().step([1], max_steps=4), table.player().step([1, 2], max_steps=4))
        assert table.sizes == sizes, name


def test_padding_is_refused_with_a_reason(models: dict[str, Model]) -> None:
    """A model that looks at what its mask excludes says in its description why it is not padded."""
    assert models["cached"].stream.describe()["loop"]["padded"] is True
    described = models["unmasked"].stream.describe()["loop"]
    assert described["padded"] is False
    assert "beside a longer one, a row differs by" in described["padding"]


def test_a_batch_that_stays_together_is_not_copied(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caches that one run gives go into the next as they are, also where rows at an end of the batch leave."""
    runs: list[tuple[list[Any], list[Any]]] = []
    backend = table.model.backend

    class Spy:
        def run(self, arrays: list[Any], control: Any = None) -> list[Any]:
            outputs = backend.run(arrays, control)
            runs.append((list(arrays), list(outputs)))
            return outputs

    monkeypatch.setattr(table.worker, "model", replace(table.model, backend=Spy()))
    players = [table.player().step([1, 2], max_steps=steps) for steps in (4, 9, 9, 9)]
    table.play(*players)
    for (_, before), (arrays, _) in pairwise(runs):
        assert all(np.shares_memory(given, made) for given, made in zip(arrays[3:], before[1:], strict=True))
        assert all(given.flags.c_contiguous for given in arrays)


def test_needless_padding_is_let_go(table: Table) -> None:
    """When the long one leaves, the short ones shrink to what they need."""
    long = table.player().step([1] * 40, max_steps=2)
    short = [table.player().step([2] * n, max_steps=6) for n in (3, 4)]
    table.play(long, *short)
    state = short[0].step([5], max_steps=3).state
    assert {array.shape for key, array in state.items() if key.startswith("state:")} == {(1, 4, 8, 16)}
    table.run(*short[:1])
    assert isinstance(short[0].state, RowState)
    assert short[0].state.place[0].cached == 10


def test_a_generation_ends_with_its_stop_token(models: dict[str, Model]) -> None:
    """The stop token is told, without text, and is final."""
    table = Table(models["stopping"])
    players = [table.player().step([1], max_steps=40, seed=seed) for seed in range(9)]
    table.play(*players)
    player = next(player for player in players if player.told[-1].reason == "stop")
    assert player.tokens[-1] == STOP
    assert STOP not in player.tokens[:-1]
    assert [made.final for made in player.told] == [False] * (len(player.told) - 1) + [True]
    assert player.state["loop:pending"].tolist() == [STOP]


def test_a_generation_ends_at_its_length(table: Table) -> None:
    """It makes as many tokens as it may, and no more than the context holds."""
    player = table.player().step([1, 2], max_steps=3)
    table.play(player)
    assert (len(player.tokens), player.told[-1].reason) == (3, "length")
    table.play(player.step([4] * (CONTEXT - 6), max_steps=40))
    assert (len(player.told), player.told[-1].reason) == (3 + 2, "length")
    assert player.state["loop:length"].tolist() == [CONTEXT]


def test_a_prompt_beyond_the_context_is_refused(table: Table) -> None:
    """A prompt that can never fit is refused when it comes, one that does not fit now when it is its turn; the state stays."""
    player = table.player()
    with pytest.raises(InvalidInput, match=f"has {CONTEXT + 1} tokens"):
        player.step([1] * (CONTEXT + 1))
    table.play(player.step([1, 2], max_steps=3))
    player.step([1] * (CONTEXT - 4))
    with pytest.raises(InvalidInput) as told:
        player.request()
    assert told.value.expected is not None
    assert told.value.expected.startswith(f"at most {CONTEXT - 5} tokens")
    table.play(player.step([1] * (CONTEXT - 5), max_steps=9))
    assert len(player.tokens) == 3 + 1


def test_a_stop_ends_it_after_the_run(table: Table) -> None:
    """A generation that is stopped tells the token of the run under way as its last, and the stream goes on from there."""
    player = table.player().step([1, 2], max_steps=9)
    table.run(player)
    table.run(player)
    player.agenda.stop()
    table.run(player)
    assert (player.agenda, len(player.tokens), player.told[-1].reason) == (None, 3, "cancelled")
    tokens = player.tokens
    table.play(player.step([6], max_steps=2))
    assert player.tokens[3:] == greedy(table.model, [1, 2, *tokens, 6], 2)


def test_a_stop_that_comes_late_still_counts(models: dict[str, Model]) -> None:
    """A stop that comes when the run is over, and nobody was told yet, ends it just so."""
    table = Table(models["recurrent"])
    player = table.player().step([1], max_steps=9)
    table.run(player)
    run = Run(table.model, 1, [], 0.0, 0.0)
    run.extra = _finished(table, player)
    player.agenda.stop()
    late = player.agenda.ran(player.state, run, 0, 1)
    assert (late.final, late.reason, type(late.state)) == (True, "cancelled", dict)


def test_what_is_told_while_a_batch_stays_keeps_no_caches(models: dict[str, Model]) -> None:
    """Once the batch goes on, the rows are its own: what is told has the token and no state, and a stop waits for the end."""
    table = Table(models["recurrent"])
    player = table.player().step([1], max_steps=9)
    table.run(player)
    request = player.request()
    together = request.kind.together
    assert together is not None
    arrays, gathered = together.gather([(request, 0, 1)])
    run = Run(table.model, 1, [], 0.0, 0.0)
    run.extra = together.finish(gathered, table.model.backend.run(arrays))
    assert run.extra[0].state is not None
    assert together.again(gathered, run.extra) is not None
    player.agenda.stop()
    made = player.agenda.ran(player.state, run, 0, 1)
    assert (made.state, made.final, len(made.outputs or {})) == (None, False, 1)


def _finished(table: Table, player: Player) -> Any:
    """Make a player's next run, of which nobody is told."""
    request = player.request()
    together = request.kind.together
    assert together is not None
    arrays, gathered = together.gather([(request, 0, 1)])
    return together.finish(gathered, table.model.backend.run(arrays))


def test_a_stop_within_the_prompt_tells_no_token(models: dict[str, Model]) -> None:
    """A model that is fed one token at a time, stopped within the prompt, has made nothing and says so."""
    table = Table(models["recurrent"])
    player = table.player().step([1, 2, 3, 4], max_steps=9)
    table.run(player)
    assert player.told == []
    player.agenda.stop()
    table.run(player)
    (made,) = player.told
    assert (made.outputs, made.final, made.reason, made.text) == ({}, True, "cancelled", None)
    assert "loop:pending" not in player.state
    assert player.state["loop:length"].tolist() == [2]


def test_chance_is_part_of_the_state(table: Table) -> None:
    """A stream goes on with its own random numbers; a seed begins anew; two steps are one long one."""
    whole = table.player().step([1], max_steps=12, seed=9)
    table.play(whole)
    halves = table.player().step([1], max_steps=6, seed=9)
    table.play(halves)
    assert halves.tokens == whole.tokens[:6]
    assert (halves.state["loop:seed"].tolist(), halves.state["loop:draws"].tolist()) == ([9], [6])
    fork = table.player(halves.state)
    table.play(halves.step([2], max_steps=5, temperature=1.0), fork.step([2], max_steps=5, temperature=1.0))
    assert halves.tokens[6:] == fork.tokens
    table.play(fork.step([2], max_steps=1, seed=4))
    assert (fork.state["loop:seed"].tolist(), fork.state["loop:draws"].tolist()) == ([4], [1])


def test_a_state_is_never_changed(table: Table) -> None:
    """A run leaves the state before it as it was, so that it can be made again with the same outcome."""
    player = table.player().step([1, 2], max_steps=9, seed=1)
    others = [table.player().step([n], max_steps=9, seed=n) for n in range(3)]
    table.run(player, *others)
    before = player.state
    copy = {key: array.copy() for key, array in RowState(*before.place).items()}  # type: ignore[attr-defined]
    table.run(player, *others)
    token, player.state = player.tokens[-1], before
    assert {key: array.tobytes() for key, array in before.items()} == {key: array.tobytes() for key, array in copy.items()}
    table.run(player)
    assert player.tokens[-1] == token


def test_a_state_that_waits_can_be_alone(table: Table) -> None:
    """A generation that has to wait lets go of the batch that it was in, and makes the same text."""
    players = [table.player().step([1, 2][: 1 + n % 2], max_steps=9, seed=n) for n in range(4)]
    table.run(*players)
    table.run(*players)
    waiting = players[0]
    state = alone(waiting.state)
    assert state is waiting.state
    assert isinstance(state, RowState)
    assert len(state.place[0]) == 1
    assert not any(np.shares_memory(state.place[0].carried[0], player.state.place[0].carried[0]) for player in players[1:])  # type: ignore[attr-defined]
    assert alone({}) == {}
    table.play(*players)
    lonely = table.player().step([1], max_steps=9, seed=0)
    table.play(lonely)
    assert waiting.tokens == lonely.tokens


def test_what_rests_keeps_nothing_of_the_others(table: Table) -> None:
    """One that has ended is taken out of the run when that is settled, and weighs before what it weighs then."""
    players = [table.player().step([1, 2][: 1 + n % 2], max_steps=4 + 5 * (n > 1), seed=n) for n in range(4)]
    table.play(*players[:2])
    for player in players[:2]:
        state = player.state
        assert isinstance(state, RowState)
        shared, nbytes = state.place[0].carried[0], bytes_of(state)
        state.settle()
        assert not np.shares_memory(state.place[0].carried[0], shared)
        assert bytes_of(state) == nbytes == bytes_of(dict(state))


def test_who_has_ended_leaves_its_run_when_everybody_was_told(table: Table) -> None:
    """Settling a batch takes those out of its run that have ended, and leaves those that go on."""
    players = [table.player().step([1], max_steps=steps) for steps in (1, 5)]
    batch = Batch(table.worker, [(player.request(), 0, 1) for player in players])
    batch.execute()
    assert batch.run is not None
    states = [batch.run.extra[at].state for at in range(2)]
    assert [len(state.place[0]) for state in states] == [2, 2]
    batch.settle()
    assert [len(state.place[0]) for state in states] == [1, 2]


def test_outputs_are_told_when_asked_for(table: Table) -> None:
    """Beside the token, the rows of outputs that were asked for are told as copies; of caches only what is the row's."""
    longer = table.player().step([4] * 9, max_steps=3)
    player = table.player().step([1, 2], "logits", "present.1.key", "token", max_steps=3)
    table.play(longer, player)
    told = [made.outputs for made in player.told]
    assert [list(outputs) for outputs in told if outputs] == [["token", "logits", "present.1.key"]] * 3
    assert [outputs["present.1.key"].shape[2] for outputs in told if outputs] == [2, 3, 4]
    for outputs in told:
        assert outputs is not None
        assert outputs["logits"][0, -1].argmax() == outputs["token"][0]
        assert all(array.base is None for name, array in outputs.items() if name != "token")
    assert [list(made.outputs or ()) for made in longer.told] == [["token"]] * 3


@pytest.mark.parametrize(
    ("inputs", "param"),
    [
        ({}, "inputs"),
        ({"prompt": np.array([1]), "input_ids": np.array([1])}, "inputs"),
        ({"attention_mask": np.array([1])}, "inputs"),
        ({"prompt": np.array([1], np.int32)}, "inputs[0].datatype"),
        ({"prompt": np.array([], np.int64)}, "inputs[0].shape"),
        ({"prompt": np.array(1)}, "inputs[0].shape"),
        ({"prompt": np.array([[1], [2]])}, "inputs[0].shape"),
        ({"prompt": np.array([-1])}, "inputs[0].data"),
        ({"prompt": np.array([VOCABULARY])}, "inputs[0].data"),
    ],
)
def test_a_prompt_is_checked_when_it_comes(table: Table, inputs: dict[str, Any], param: str) -> None:
    """What is no prompt is refused with its place, before anything runs."""
    fixed, _ = table.model.stream.begin({})
    with pytest.raises(InvalidInput) as told:
        table.model.stream.agenda(table.worker, fixed, inputs)
    assert told.value.param == param


def test_a_prompt_has_two_names_and_two_shapes(table: Table) -> None:
    """It may have the name of the input or be called ``prompt``, with or without a dimension for its one row."""
    fixed, state = table.model.stream.begin({})
    for name in ("prompt", "input_ids"):
        for prompt in (np.array([1, 2]), np.array([[1, 2]])):
            agenda = table.model.stream.agenda(table.worker, fixed, {name: prompt}, parameters={"max_steps": 7})
            (row,), kind = agenda.arrays(state)
            assert (row.place[0].tokens.tolist(), kind.rows, agenda.most) == ([[1, 2]], 1, 7)  # type: ignore[attr-defined]


def test_constants_belong_to_their_rows(models: dict[str, Model]) -> None:
    """A constant with rows goes with its stream; streams with different values of a shared one share no run."""
    table = Table(models["recurrent"])
    biases = [np.eye(VOCABULARY, dtype=np.float32)[n] * 50 for n in (4, 9)]
    players = [table.player(bias=bias).step([1], max_steps=3) for bias in biases]
    table.play(*players)
    assert [player.tokens for player in players] == [[4] * 3, [9] * 3]
    assert table.sizes == [2, 2, 2]
    table.play(
        table.player(scale=np.array(0.5, np.float32)).step([1], max_steps=2),
        table.player().step([1], max_steps=2),
    )
    assert table.sizes[3:] == [1, 1, 1, 1]


def test_a_snapshot_of_a_generation_goes_on(table: Table) -> None:
    """A state that was written down and read again makes the text that the original makes."""
    player = table.player().step([1, 2, 6], max_steps=5, seed=3)
    table.play(player)
    _, state = table.model.stream.restore({}, {key: array.copy() for key, array in player.state.items()})
    again = table.player(state)
    table.play(player.step([4], max_steps=5, temperature=1), again.step([4], max_steps=5, temperature=1))
    assert player.tokens[5:] == again.tokens


@pytest.mark.parametrize(
    ("key", "array"),
    [
        ("loop:pending", np.array([VOCABULARY])),
        ("loop:pending", np.array([1, 2])),
        ("loop:length", np.array([5])),
        ("loop:length", np.array([-1])),
        ("loop:seed", np.array([1.0])),
        ("loop:draws", None),
        ("loop:surplus", np.array([1])),
    ],
)
def test_a_forged_snapshot_is_refused(table: Table, key: str, array: Any) -> None:
    """A state that no generation leaves behind is told to be none."""
    player = table.player().step([1, 2, 6], max_steps=2, seed=3)
    table.play(player)
    forged = {**player.state, key: array}
    with pytest.raises(InvalidInput):
        table.model.stream.restore({}, {name: value for name, value in forged.items() if value is not None})


def test_scores_that_are_no_numbers_fail_the_run(models: dict[str, Model]) -> None:
    """A row whose scores are NaN fails the run, which is then taken apart as any that fails."""
    table = Table(models["recurrent"])
    player = table.player(bias=np.full(VOCABULARY, np.nan, np.float32)).step([1], max_steps=3)
    with pytest.raises(ModelFailed, match="'logits': the logits are not finite"):
        _finished(table, player)


def test_scores_of_other_tokens_fail_the_run(table: Table) -> None:
    """A model that gives more or fewer scores than it has tokens is told to have failed."""
    request = table.player().step([1, 2]).request()
    together = request.kind.together
    assert together is not None
    _, gathered = together.gather([(request, 0, 1)])
    with pytest.raises(ModelFailed, match=f"scores of 5 tokens, and there are {VOCABULARY}"):
        together.finish(gathered, [np.zeros((1, 2, 5), np.float32)])


def test_texts_are_the_vocabularys(tmp_path: Any) -> None:
    """A model with a vocabulary tells each token's text, and nothing for the stop token."""
    letters = [chr(ord("a") + n) for n in range(VOCABULARY)]
    table = Table(load_transformer(tmp_path, CACHED_LOOP.replace("stop = [3]", f"stop = [3]\nvocab = {letters}")))
    for seed in range(30):
        player = table.player().step([1], max_steps=20, seed=seed)
        table.play(player)
        expected = [letters[token] for token in player.tokens]
        if player.told[-1].reason == "stop":
            expected[-1] = ""
        assert [made.text for made in player.told] == expected
    assert table.model.stream.describe()["loop"]["vocab"] == letters
