"""Streams as a program uses them, over real sockets that break."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stream_story import Summing
from waiting import connected, until

import tidegate
from tidegate import errors
from tidegate.client.stream import AHEAD
from tidegate.client.testing import FakeGateway
from tidegate.codecs.messages import Cancel, Close, Open, Step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tidegate.client.testing_stream import Parameters, Tensors

pytestmark = [pytest.mark.usefixtures("leaves_nothing"), pytest.mark.timeout(20)]

SUM = {
    "name": "sum",
    "version": "1",
    "inputs": [{"name": "start", "datatype": "INT32"}],
    "stream": {"inputs": [{"name": "x", "datatypes": ["INT64"]}]},
}


class Counting:
    """A stream model that makes tokens until it is told to stop, and goes on counting with the next step."""

    def __init__(self, constants: Tensors) -> None:
        self.token = 0

    def __call__(self, tensors: Tensors, parameters: Parameters) -> Iterator[Tensors]:
        for _ in range(int(parameters.get("max_steps", 1_000_000))):
            self.token += 1
            yield {"token": np.array(self.token)}


def gateway(**options: Any) -> FakeGateway:
    listing = [SUM, {**SUM, "name": "count"}]
    return FakeGateway(streams={"sum": Summing, "count": Counting}, listing=listing, **options)


def sent(fake: FakeGateway, kind: type) -> list[Any]:
    return [message for message in fake.received if isinstance(message, kind)]


class TestSteps:
    async def test_one_step_after_the_other(self) -> None:
        """A step gives its last result; constants and inputs take the datatypes of the model, in any shape that it takes."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum", start=5) as stream:
            result = await stream.step(x=1)
            assert (int(result["sum"]), result.step, result.seq, result.final, result.reason) == (6, 1, 1, True, None)
            assert (result.model, result.version, stream.version, stream.model) == ("sum", "1", "1", "sum")
            assert isinstance(result, tidegate.StreamResult)
            assert repr(result) == "<StreamResult 1, step 1 of sum {sum: int64[]} in 2 us, batch of 1>"
            assert int((await stream.step({"x": np.int8(2)}))["sum"]) == 8
            assert repr(stream) == "<Stream of sum open, 2 results, 0 dropped>"
        (opened,) = sent(fake, Open)
        assert [header.datatype for header in opened.constants] == ["INT32"]
        assert [header.datatype for step in sent(fake, Step) for header in step.inputs] == ["INT64", "INT64"]
        assert repr(stream) == "<Stream of sum closed, 2 results, 0 dropped>"

    async def test_several_at_once(self) -> None:
        """Steps that are awaited together run in the order in which they were asked for."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            results = await asyncio.gather(*[stream.step(x=x) for x in range(100)])
            assert [int(result["sum"]) for result in results] == list(np.cumsum(range(100)))

    async def test_a_failed_step_is_not_the_end(self) -> None:
        """It raises its error, those behind it say that they did not run, and the next one goes on."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            await stream.step(x=1)
            failed, behind = await asyncio.gather(stream.step(x=-1), stream.step(x=1), return_exceptions=True)
            assert isinstance(failed, errors.ModelFailed)
            assert isinstance(behind, errors.UnexpectedStep)
            assert int((await stream.step(x=1))["sum"]) == 2

    async def test_cancelling_who_awaits_a_step(self) -> None:
        """The step is given up, and the stream goes on."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("count") as stream:
            task = asyncio.create_task(stream.step(x=1))
            await until(lambda: sent(fake, Step))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with aclosing(stream.generate([0], max_steps=2)) as results:
                tokens = [int(result["token"]) async for result in results]
            assert tokens[1] == tokens[0] + 1
            assert sent(fake, Cancel)[0].step == 1

    async def test_time_limits(self) -> None:
        """A step that takes too long fails, and the next one goes on where it was stopped."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("count", timeout=30.0) as stream:
            with pytest.raises(errors.DeadlineExceeded):
                await stream.step(x=1, timeout=0.02)
            limits = [step.timeout_ms for step in sent(fake, Step)]
            assert limits[0] <= 20
            with pytest.raises(ValueError, match="timeout"):
                await stream.step(x=1, timeout=0)

    async def test_a_result_that_was_dropped(self) -> None:
        """Under latest a program that does not take its results sees what was dropped."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum", overflow="latest", window=1) as stream:
            results = stream.run([1] * 3 + [2] * 3)
            first = await anext(results)
            await until(lambda: fake.streams.opened[0].seq == 6)
            last = [result async for result in results][-1]
            assert (first.seq, last.seq, int(last["sum"])) == (1, 6, 9)
            assert stream.dropped > 0

    async def test_a_step_whose_result_was_dropped(self) -> None:
        """Who awaits it is told so; the stream goes on."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum", overflow="latest", window=1) as stream:
            outcomes = await asyncio.gather(*[stream.step(x=1) for _ in range(50)], return_exceptions=True)
            dropped = [outcome for outcome in outcomes if isinstance(outcome, errors.Cancelled)]
            assert {error.outcome for error in dropped} <= {"dropped"}
            assert len(dropped) == stream.dropped > 0
            assert int((await stream.step(x=1))["sum"]) == 51

    async def test_mistakes_are_raised_where_they_are_made(self) -> None:
        """A stream that is not open, a window of nothing, two states to begin with."""
        async with gateway() as fake, connected(fake) as gw:
            stream = gw.stream("sum")
            assert repr(stream) == "<Stream of sum not open>"
            assert (stream.version, stream.dropped) == (None, 0)
            with pytest.raises(errors.TidegateError, match="not open"):
                await stream.step(x=1)
            await stream.close()
            async with gw.stream("sum") as other:
                for _ in range(2):
                    await other.close()
            with pytest.raises(ValueError, match="window"):
                gw.stream("sum", window=0)
            with pytest.raises(TypeError, match="start"):
                gw.stream("sum", snapshot=b"", start=1)
            with pytest.raises(errors.UnknownModel):
                await gw.stream("nothing").open()
            async with stream:
                with pytest.raises(errors.InvalidInput, match="input 'x'"):
                    await stream.step(x=np.zeros(1, "c8"))
            with pytest.raises(errors.UnknownStream):
                await stream.step(x=1)


class TestRun:
    async def test_a_loop_does_not_notice_that_the_connection_died(self) -> None:
        """Every result comes once and in order, however often the connection is cut."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            seen = []
            async for result in stream.run(range(200)):
                seen.append((result.seq, int(result["sum"])))
                if len(seen) % 17 == 0:
                    fake.drop()
            assert seen == [*enumerate(np.cumsum(range(200)), 1)]
            assert fake.streams.opened[0].ran == [*range(1, 201)]
            assert len(fake.streams.opened) == 1

    async def test_many_streams_and_requests_through_cuts(self) -> None:
        """Streams and unary requests of one connection go on side by side."""

        async def double(tensors: Tensors) -> Tensors:
            return {"y": tensors["x"] * 2}

        async with gateway() as fake, connected(fake) as gw:
            fake.models["double"] = double
            fake.listing.append({"name": "double", "version": "1", "pure": True, "inputs": []})

            async def talk(number: int) -> list[int]:
                async with gw.stream("sum", start=number) as stream:
                    return [int(result["sum"]) async for result in stream.run([1] * 50)]

            async def ask() -> None:
                for _ in range(50):
                    await gw.infer("double", x=np.ones(1))

            async def cut() -> None:
                for _ in range(5):
                    await asyncio.sleep(0.01)
                    fake.drop()

            *sums, _, _ = await asyncio.gather(*[talk(number) for number in range(10)], ask(), cut())
            assert sums == [[*range(number + 1, number + 51)] for number in range(10)]

    async def test_chunks_are_drawn_as_results_are_taken(self) -> None:
        """No more than a few are ahead of the program, however fast the gateway is."""
        drawn = 0

        def chunks() -> Iterator[int]:
            nonlocal drawn
            while True:
                drawn += 1
                yield 1

        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            taken = 0
            async for result in stream.run(chunks()):
                taken += 1
                assert drawn <= taken + AHEAD
                if result.seq == 50:
                    break
            assert int((await stream.step(x=0))["sum"]) >= 50

    async def test_chunks_that_have_to_be_waited_for(self) -> None:
        """Each result comes as soon as it is there, not with the next chunk."""
        ask = asyncio.Queue[int]()

        async def chunks() -> AsyncIterator[dict[str, int]]:
            for _ in range(3):
                yield {"x": await ask.get()}

        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            results = stream.run(chunks())
            for number in (1, 2, 3):
                ask.put_nowait(number)
                assert (await anext(results)).seq == number
            with pytest.raises(StopAsyncIteration):
                await anext(results)

    async def test_an_error_comes_in_its_place(self) -> None:
        """Results of the chunks before it come first, whether a step failed, a chunk was no good or the source broke off."""

        def broken() -> Iterator[int]:
            yield from (1, 1)
            raise KeyError("gone")

        async def broken_too() -> AsyncIterator[int]:
            yield 1
            yield 1
            raise KeyError("gone")

        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            for chunks, kind in [
                ([1, 1, -1, 1, 1], errors.ModelFailed),
                ([1, 1, np.zeros(1, "c8"), 1], errors.InvalidInput),
                (broken(), KeyError),
                (broken_too(), KeyError),
            ]:
                results = stream.run(chunks)
                assert [(await anext(results)).final for _ in range(2)] == [True, True]
                with pytest.raises(kind):
                    await anext(results)
            assert int((await stream.step(x=0))["sum"]) == 8

    async def test_forgotten_in_another_thread(self) -> None:
        """What has not ended is given up as well, soon."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("count") as stream:
            box = [stream.generate([1])]
            await anext(box[0])
            await asyncio.to_thread(box.clear)
            await until(lambda: sent(fake, Cancel))

    async def test_leaving_the_loop(self) -> None:
        """What has not begun is given up at once, so that the very next step is not taken for one behind it."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            async for _ in stream.run([1] * 100):
                break
            total = int((await stream.step(x=0))["sum"])
            assert 1 <= total <= AHEAD + 1

            async def endless() -> AsyncIterator[int]:
                yield 1
                await asyncio.Event().wait()

            async for _ in stream.run(endless()):
                break
            async with aclosing(stream.run(endless())) as results:
                await anext(results)
            assert int((await stream.step(x=0))["sum"]) == total + 2

    async def test_what_a_step_brings_is_not_known(self) -> None:
        """Then chunks have to say what they are."""
        async with FakeGateway(streams={"sum": Summing}) as fake, connected(fake) as gw, gw.stream("sum") as stream:
            with pytest.raises(errors.InvalidInput, match="not known"):
                await anext(stream.run([1]))
            assert int((await anext(stream.run([{"x": 1}])))["sum"]) == 1

    async def test_integers_that_the_gateway_scales(self) -> None:
        """Where a model takes INT16 to be scaled, integers are sent as they are."""
        takes = {"inputs": [{"name": "x", "datatypes": ["FP32", "INT16"]}]}
        fake = FakeGateway(streams={"sum": Summing}, listing=[{**SUM, "stream": takes}])
        async with fake, connected(fake) as gw, gw.stream("sum") as stream:
            for chunk in (np.int16(1), np.zeros((), "f8"), 1):
                await stream.step(x=chunk)
        assert [step.inputs[0].datatype for step in sent(fake, Step)] == ["INT16", "FP32", "FP32"]


class TestGenerate:
    async def test_tokens_as_they_are_made(self) -> None:
        """The parameters that were given travel, and the prompt is a tensor of token ids."""
        async with gateway() as fake, connected(fake) as gw:
            wishes: dict[str, Any] = {"max_steps": 3, "temperature": 0.5, "top_k": 4, "top_p": 0.9, "seed": 7}
            tokens = [int(result["token"]) async for result in gw.generate("count", prompt=[1, 2], **wishes)]
            assert tokens == [1, 2, 3]
            await until(lambda: sent(fake, Close))
        (step,) = sent(fake, Step)
        assert step.parameters == wishes
        assert [(header.name, header.shape, header.datatype) for header in step.inputs] == [("prompt", (2,), "INT64")]

    async def test_barge_in(self) -> None:
        """Leaving the loop ends the generation and keeps the stream, whose next step goes on from there."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("count") as stream:
            async for result in stream.generate([1]):
                if result.seq == 300:
                    break
            last = fake.streams.opened[0].seq
            result = await anext(stream.generate([1], max_steps=5))
            assert int(result["token"]) > 300
            assert last < 1000

    async def test_cancel_by_somebody_else(self) -> None:
        """The loop ends with a last result that says so."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("count") as stream:
            reasons = []
            async for result in stream.generate([1]):
                reasons.append(result.reason)
                if result.seq == 10:
                    cancelling = asyncio.create_task(stream.cancel())
            await cancelling
            assert reasons[-1] == "cancelled"
            assert not any(reasons[:-1])

    async def test_a_generation_through_cuts(self) -> None:
        """Tokens come once and in order, though the connection is cut, and no faster than they are taken."""
        async with gateway() as fake, connected(fake) as gw:
            tokens = []
            async for result in gw.generate("count", [1], max_steps=500):
                tokens.append(int(result["token"]))
                if len(tokens) % 100 == 0:
                    fake.drop()
            assert tokens == [*range(1, 501)]

    async def test_leaving_gw_generate(self) -> None:
        """The stream is closed, and so the generation ends."""
        async with gateway() as fake, connected(fake) as gw:
            async with aclosing(gw.generate("count", [1])) as results:
                assert int((await anext(results))["token"]) == 1
            await until(lambda: not any(session.streams for session in fake.streams.sessions.values()))


class TestStates:
    async def test_snapshot_and_fork(self) -> None:
        """A copy goes its own way, in this connection or in another."""
        async with gateway() as fake, connected(fake) as gw:
            async with gw.stream("sum", start=3) as stream:
                await stream.step(x=1)
                state = await stream.snapshot()
                async with await stream.fork() as other:
                    assert int((await other.step(x=10))["sum"]) == 14
                assert int((await stream.step(x=1))["sum"]) == 5
            async with connected(fake) as later, later.stream("sum", snapshot=state) as stream:
                assert int((await stream.step(x=1))["sum"]) == 5

    async def test_leaving_the_block(self) -> None:
        """The stream is closed when its steps are done; after an error, when they are cancelled."""
        async with gateway() as fake, connected(fake) as gw:
            async with gw.stream("sum") as stream:
                late = asyncio.create_task(stream.step(x=1))
                await asyncio.sleep(0)
            assert int((await late)["sum"]) == 1
            with suppress(KeyError):
                async with gw.stream("count") as stream:
                    late = asyncio.create_task(stream.step(x=1))
                    await until(lambda: len(sent(fake, Step)) == 2)
                    raise KeyError("something else")
            assert (await late).reason == "cancelled"

    async def test_being_cancelled_in_the_block(self) -> None:
        """Nothing is waited for, and the gateway is told."""
        async with gateway() as fake, connected(fake) as gw:

            async def talk() -> None:
                async with gw.stream("count") as stream:
                    await stream.step(x=1)

            task = asyncio.create_task(talk())
            await until(lambda: sent(fake, Step))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: sent(fake, Close))

    async def test_being_cancelled_while_opening(self) -> None:
        """A stream that comes to be though nobody waits for it any more is closed."""
        async with gateway() as fake, connected(fake) as gw:
            fake.stop_reading()
            task = asyncio.create_task(gw.stream("sum").open())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            fake.read_again()
            await until(lambda: sent(fake, Close))


class TestLost:
    async def test_a_gateway_that_forgot(self) -> None:
        """The error says what is lost, and comes for later steps as well; a new stream can be opened."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            await stream.step(x=1)
            fake.streams.sessions.clear()
            fake.drop()
            await until(lambda: "open" not in repr(gw))
            for _ in range(2):
                with pytest.raises(errors.ResumeFailed, match="the state of a stream of 'sum' is lost, after result 1"):
                    await stream.step(x=1)
            async with gw.stream("sum") as other:
                assert int((await other.step(x=1))["sum"]) == 1
            assert "ended (resume_failed)" in repr(stream)

    async def test_somebody_else_has_taken_over(self) -> None:
        """A connection that is closed as superseded does not come back, so that two do not fight for the streams."""
        async with gateway() as fake, connected(fake) as gw, gw.stream("sum") as stream:
            task = asyncio.create_task(stream.step(x=1))
            await task
            await fake.close(4501, "superseded")
            with pytest.raises(errors.ConnectionLost, match="4501: superseded"):
                await stream.step(x=1)
            with pytest.raises(errors.ConnectionLost, match="4501: superseded"):
                await gw.stream("sum").open()
            assert not fake.connections

    async def test_without_reconnect(self) -> None:
        """A cut is the end of everything, as for requests."""
        async with gateway() as fake, connected(fake, reconnect=False) as gw, gw.stream("sum") as stream:
            fake.drop()
            with pytest.raises(errors.ConnectionLost):
                async for _ in stream.run(range(1000)):
                    pass

    async def test_closing_the_connection(self) -> None:
        """Steps that are unfinished fail, and nothing is left, here or at the gateway."""
        async with gateway() as fake:
            async with connected(fake) as gw:
                stream = await gw.stream("count").open()
                task = asyncio.create_task(stream.step(x=1))
                await until(lambda: sent(fake, Step))
            with pytest.raises(errors.ConnectionLost):
                await task
            await until(lambda: sent(fake, Close))
            assert len(sent(fake, Cancel)) == 1
