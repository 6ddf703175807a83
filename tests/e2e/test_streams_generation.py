"""Generations of the bundled model over sockets: each says what it says alone, whatever is cut, joins or is interrupted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import solo_streams
from restless import Restless
from stream_client import StreamClient, connected
from stream_script import Line, Script

import tidegate.models.bundled.chars
from tidegate.codecs.messages import Cancel, Open, Opened, Snapshot, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server_process import ServerProcess
    from stream_script import Heard

SEED = 20_261_122
CLIENTS, STREAMS = 4, 3
FOLDER = Path(*tidegate.models.bundled.chars.__path__)
LETTERS: list[str] = json.loads((FOLDER / "vocab.json").read_text())
STOP = 0


@pytest.fixture
def port(bundled_server: ServerProcess) -> int:
    """Where the gateway with the bundled models listens."""
    return bundled_server.port


def ids(text: str) -> list[int]:
    """Give the tokens of a text."""
    return [LETTERS.index(letter) for letter in text]


def line(prompt: str, cancel_after: int | None = None, **parameters: Any) -> Line:
    """Make one step."""
    return Line({"prompt": np.array(ids(prompt))}, parameters, cancel_after)


def lines(random: Random) -> list[Line]:
    """Make three steps with parameters chosen at random; the random numbers of the first go on in the others."""
    chances: dict[str, Any] = random.choice([{}, {"temperature": 0.8}, {"top_k": 5}, {"top_p": 0.9, "temperature": 1.2}])
    seeded = chances and {"seed": random.randrange(2**53)}
    words = ["And it came to pass", "In", "The LORD said unto", "Behold, ", "Z"]
    made = [line(random.choice(words), max_steps=random.randint(1, 50), **chances) for _ in range(3)]
    made[0] = made[0]._replace(parameters={**(made[0].parameters or {}), **seeded})
    return made


async def read_step(client: StreamClient) -> list[Any]:
    """Return what comes until a step has ended."""
    told = [await client.received()]
    while not told[-1].message.final:
        told.append(await client.received())
    return told


async def generate(client: StreamClient, name: str, number: int, each: Line) -> list[int]:
    """Do one step; return its tokens."""
    await client.send(Step(stream=name, step=number, parameters=each.parameters), each.inputs)
    return [int(told.tensors["token"][0]) for told in await read_step(client)]


async def begin(client: StreamClient, name: str) -> None:
    """Open a stream."""
    assert isinstance(await client.ask(Open(id=0, stream=name, model_name="chars")), Opened)


def said(heard: Sequence[Heard]) -> list[tuple[Any, ...]]:
    """Give what was told, but for how it was run."""
    return [(each.step, tokens(each), each.final, each.text, each.reason) for each in heard]


def tokens(heard: Heard) -> list[int]:
    """Give the tokens of a result: one, or none at the end of a step that was cancelled."""
    return [int(token) for array in heard.tensors.values() for token in array]


async def run(port: int, scripts: Sequence[Script], patience: tuple[int, int] = (8, 60)) -> list[Restless]:
    """Let clients with a few scripts each go through them, all at the same time."""
    clients = [Restless(port, scripts[at : at + STREAMS], SEED + at, patience) for at in range(0, len(scripts), STREAMS)]
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.run())
    return clients


async def test_a_text_is_the_same_alone_and_in_company(port: int) -> None:
    """Twelve generations at once whose connections are cut all the time make the tokens that each makes alone and in peace."""
    plans = [lines(Random(SEED + number)) for number in range(CLIENTS * STREAMS)]
    alone = [Script(number, "chars", plan) for number, plan in enumerate(plans)]
    for script in alone:
        await Restless(port, [script], SEED, (10_000, 10_000)).run()
    scripts = [Script(number, "chars", plan, credit=(None, 4, 30)[number % 3]) for number, plan in enumerate(plans)]
    clients = await run(port, scripts)
    assert sum(client.cuts for client in clients) >= 2 * CLIENTS
    assert sum(client.takeovers for client in clients) >= 1
    for script, lonely in zip(scripts, alone, strict=True):
        assert said(script.heard) == said(lonely.heard)
    sizes = [heard.batch_size for script in scripts for heard in script.heard]
    assert sum(size > 1 for size in sizes) > len(sizes) / 4
    assert {heard.batch_size for script in alone for heard in script.heard} == {1}


async def test_a_text_is_what_the_model_says(port: int) -> None:
    """Greedy texts of several steps, some of them interrupted, are those of the model run anew for every token."""
    plans = [[line("And the ", 6, max_steps=90), line("Go to", max_steps=20), line("x", 2, max_steps=40)] for _ in range(3)]
    plans += [[line("In the begin", max_steps=120), line("And ", max_steps=30)] for _ in range(3)]
    scripts = [Script(f"text {number}", "chars", plan) for number, plan in enumerate(plans)]
    await run(port, scripts)
    for script in scripts:
        history: list[int] = []
        for number, each in enumerate(script.lines, 1):
            heard = [one for one in script.heard if one.step == number]
            made = [token for one in heard for token in tokens(one)]
            history += ids("".join(LETTERS[token] for token in each.inputs["prompt"]))
            expected = solo_streams.chars(history, (each.parameters or {})["max_steps"])
            assert made == expected[: len(made)]
            assert [one.text for one in heard if tokens(one)] == [LETTERS[token] for token in made]
            assert [one.reason for one in heard[:-1]] == [None] * (len(heard) - 1)
            if heard[-1].reason == "cancelled":
                assert each.cancel_after is not None
                assert each.cancel_after <= len(made)
            else:
                assert heard[-1].reason == ("stop" if made[-1] == STOP else "length")
                assert made == expected
            history += made


async def test_barge_in(port: int) -> None:
    """A generation that is cancelled ends with the run under way, and the stream goes on from there with the next step."""
    async with connected(port) as client:
        await begin(client, "a")
        await client.send(Step(stream="a", step=1, parameters={"max_steps": 250}), line("And ").inputs)
        made = [int((await client.received()).tensors["token"][0])]
        await client.send(Cancel(stream="a", step=1))
        rest = await read_step(client)
        made += [int(token) for each in rest for token in each.tensors.get("token", [])]
        reason = rest[-1].message.reason
        assert reason in ("cancelled", "stop", "length")  # the last two when it was over before the message came
        assert await generate(client, "a", 2, line("But", max_steps=5)) == solo_streams.chars(
            [*ids("And "), *made, *ids("But")], 5
        )
        await client.close("a")
        assert await client.hear() == [("closed", "a", "closed")]


async def test_a_newcomer_need_not_wait(port: int) -> None:
    """Who begins while sixteen others run, on two slots, is done long before they are, with the text that it makes alone."""
    names = [f"long {number}" for number in range(16)]
    async with connected(port) as client:
        for name in [*names, "new"]:
            await begin(client, name)
        for seed, name in enumerate(names):
            parameters = {"max_steps": 200, "seed": seed, "temperature": 0.5}
            await client.send(Step(stream=name, step=1, parameters=parameters), line("T").inputs)
        told = [await client.received()]
        await client.send(Step(stream="new", step=1, parameters={"max_steps": 6}), line("And it c").inputs)
        while sum(each.message.final for each in told) < len(names) + 1:
            told.append(await client.received())
        new = [each for each in told if each.message.stream == "new"]
        assert [int(each.tensors["token"][0]) for each in new] == solo_streams.chars(ids("And it c"), 6)
        over = [each.message.stream for each in told if each.message.final]
        assert over.index("new") < len(names) / 2
        for name in [*names, "new"]:
            await client.close(name)
            assert await client.hear() == [("closed", name, "closed")]


async def test_a_text_goes_on_from_a_snapshot(port: int) -> None:
    """What a generation has read and said is in its snapshot, the state of its random numbers too."""
    chance: dict[str, Any] = {"temperature": 1.0, "seed": 11}
    async with connected(port) as client:
        await begin(client, "a")
        await generate(client, "a", 1, line("The ", max_steps=20, **chance))
        await client.send(Snapshot(id=1, stream="a"))
        taken = await client.received()
        assert (taken.message.id, taken.message.step) == (1, 1)
        opened = await client.ask(Open(id=2, stream="b", model_name="chars", from_snapshot=True), taken.tensors)
        assert (opened.id, opened.next_step) == (2, 1)
        ends = [
            await generate(client, name, number, line("of", max_steps=60, temperature=1.0))
            for name, number in (("a", 2), ("b", 1))
        ]
        assert ends[0] == ends[1]
        for name in "ab":
            await client.close(name)
            assert await client.hear() == [("closed", name, "closed")]
