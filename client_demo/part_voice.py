"""Third part: voices in real recordings, streamed in real time by several clients; when they speak, and how high they are."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

import tidegate

from .asking import CHUNK, PITCH, PITCH_HOP, VOICE, follow_pitch, pitches
from .cable import Cable
from .hearing import STEP_S, Hearing, hear
from .pictures import ruler, spans, strip, thinned
from .recordings import RATE_HZ
from .stage import new_table

if TYPE_CHECKING:
    from rich.table import Table

    from tidegate.client.stream import Stream
    from tidegate.results import Array

    from .recordings import Recording
    from .scene import Scene

_CLIENTS = 6
_CUT = 3  # the client whose connection is cut; from 0
_CUT_S = 1.5  # in the middle of a sentence
_TIMEOUT_S = 20.0
_OTHER_COLUMNS = 62  # characters of a line that are not the curve
_BAR_S = 2 * STEP_S
_LOW_HZ, _HIGH_HZ = 60.0, 140.0  # what the bars can show


async def show(scene: Scene) -> None:
    """Stream the recordings as if somebody spoke now, cut a connection meanwhile, and print what was heard."""
    scene.need(VOICE, PITCH)
    scene.stage.say(
        f"{_CLIENTS} clients, each with a connection and a stream of its own, send 32 ms of sound every 32 ms. "
        "What the model remembers of it stays at the gateway. p50 and p99: from the end of a chunk to its result."
    )
    recordings = scene.recordings
    hearings = [Hearing(recordings[number % len(recordings)]) for number in range(_CLIENTS)]
    cut = Cable.fits(scene.gw.url)
    await _hear_all(scene, hearings, cut=cut)
    if cut:
        scene.stage.say(_resumed(hearings), style="green")
    else:
        scene.stage.say("No connection was cut: that is shown with a gateway on this machine only.")
    scene.stage.say("")
    heights = await asyncio.gather(*(_pitch(scene, recording) for recording in recordings))
    for hearing, height in zip(hearings, heights, strict=False):
        _print(scene, hearing, height)
    scene.stage.say(f"{PITCH} was asked once for each recording, since it cannot be batched.")


async def _hear_all(scene: Scene, hearings: list[Hearing], *, cut: bool) -> None:
    async with AsyncExitStack() as stack:
        cable = await stack.enter_async_context(Cable(scene.gw.url)) if cut else None
        streams: list[Stream] = []
        for number in range(len(hearings)):
            url = cable.url if cable and number == _CUT else scene.gw.url
            gw = await stack.enter_async_context(tidegate.connect(url, timeout=_TIMEOUT_S))
            streams.append(await stack.enter_async_context(gw.stream(VOICE, sr=RATE_HZ)))
        width = scene.stage.console.width
        async with scene.stage.live(lambda: _table(hearings, width)), asyncio.TaskGroup() as group:
            start_s = perf_counter()
            for stream, hearing in zip(streams, hearings, strict=True):
                group.create_task(hear(stream, hearing, start_s))
            if cable:
                await asyncio.sleep(_CUT_S)
                cable.cut()
                hearings[_CUT].cut_s = perf_counter() - start_s


def _table(hearings: list[Hearing], width: int) -> Table:
    bars = width - _OTHER_COLUMNS
    group = -(-max(int(hearing.recording.seconds / STEP_S) for hearing in hearings) // bars)
    table = new_table("client", "speech", "p50", "p99", "batch", widths=(bars, 8, 9, 5))
    table.columns[1].justify = "left"
    table.add_column("connection", min_width=17, no_wrap=True)
    for number, hearing in enumerate(hearings, 1):
        curve = Text(strip(thinned(hearing.probabilities, group), 0, 1), style="green")
        latencies = (f"{hearing.latency_ms(50):.1f} ms", f"{hearing.latency_ms(99):.1f} ms")
        table.add_row(f"{number}", curve, *latencies, f"{hearing.rows_per_batch:.1f}", _connection(hearing))
    return table


def _connection(hearing: Hearing) -> Text:
    if hearing.cut_s is None:
        return Text("steady")
    if hearing.silent_s is None:
        return Text("cut", style="bold red")
    return Text(f"back after {hearing.silent_s:.2f} s", style="bold green")


def _resumed(hearings: list[Hearing]) -> str:
    """Say what became of the client whose connection was cut, compared with one that heard the same undisturbed."""
    hearing = hearings[_CUT]
    twin = next(other for other in hearings if other is not hearing and other.recording is hearing.recording)
    apart = hearing.apart(twin)
    kept = "none was lost and none came twice" if hearing.complete else "some are missing"
    close = f"the same to within {apart:.0e} as" if apart < 1 else "not"
    return (
        f"The connection of client {_CUT + 1} was cut at {hearing.cut_s:.2f} s; {hearing.silent_s:.2f} s later it went on with "
        f"its stream over another one, and caught up with the {hearing.waited} chunks that were spoken meanwhile. Of its "
        f"{len(hearing.places)} results {kept}; they are "
        f"{close if apart else 'bit for bit'} those of client {hearings.index(twin) + 1}, who heard the same undisturbed."
    )


async def _pitch(scene: Scene, recording: Recording) -> Array:
    return np.concatenate([pitches(result) async for result in follow_pitch(scene.gw, [recording.samples])])


def _print(scene: Scene, hearing: Hearing, heights: Array) -> None:
    stage, recording, found = scene.stage, hearing.recording, spans(hearing.probabilities, STEP_S)
    stage.say(f"“{recording.words}”  ({recording.seconds:.1f} s, read by a volunteer of LibriVox)", style="italic")
    stage.draw(f"speech  {strip(thinned(hearing.probabilities, 2), 0, 1)}", style="green")
    stage.draw(f"pitch   {strip(thinned(heights, 2 * CHUNK // PITCH_HOP), _LOW_HZ, _HIGH_HZ)}", style="magenta")
    stage.draw(f"        {ruler(recording.seconds, _BAR_S)}", style="dim")
    times = " and ".join(f"from {start:.2f} s to {end:.2f} s" for start, end in found) or "nowhere"
    stage.say(f"Speech {times}; {_told(heights)}.")
    stage.say("")


def _told(heights: Array) -> str:
    if np.isnan(heights).all():
        return "no pitch"
    low, middle, high = np.nanpercentile(heights, (10, 50, 90))
    return f"the voice is at {middle:.0f} Hz, mostly between {low:.0f} and {high:.0f} Hz"
