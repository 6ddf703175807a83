"""What waits to be sent, and when a peer counts as stalled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tidegate.gateway.outbox import BINARY, TEXT, Outbox, StallWatch, frame_header


@given(
    st.sampled_from([(TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)]), st.sampled_from([0, 1, 125, 126, 65535, 65536, 100_000])
)
def test_frames_are_the_librarys(kind: tuple[int, Opcode], size: int) -> None:
    """Header and payload are byte for byte what the library would write."""
    payload = b"x" * size
    assert frame_header(kind[0], size) + payload == Frame(kind[1], payload).serialize(mask=False)


def test_the_outbox_counts_what_it_holds() -> None:
    """Bytes are counted with their headers, and taking empties it."""
    outbox = Outbox()
    outbox.put(BINARY, b"abc")
    outbox.put(TEXT, b"{}")
    assert outbox.nbytes == 3 + 2 + 2 + 2
    assert b"".join(outbox.take()) == b"\x82\x03abc\x81\x02{}"
    assert (outbox.nbytes, outbox.take()) == (0, [])


@given(st.lists(st.binary(max_size=200), max_size=9))
def test_many_results_are_framed_like_one(payloads: list[bytes]) -> None:
    """Whatever their lengths, messages that are put together are framed as if each had been put alone."""
    together, alone = Outbox(), Outbox()
    together.put_binaries(payloads)
    for payload in payloads:
        alone.put(BINARY, payload)
    assert together.nbytes == alone.nbytes
    assert b"".join(together.take()) == b"".join(alone.take())


def test_a_peer_that_takes_nothing_is_stalled() -> None:
    """The clock runs while the buffer is not empty and nothing leaves it, though more is written into it."""
    watch = StallWatch()
    watch.wrote(1000)
    assert watch.stalled_for(1000, 10.0) == 0.0
    watch.wrote(500)
    assert watch.stalled_for(1500, 15.0) == 5.0
    assert watch.stalled_for(1500, 20.0) == 10.0


def test_a_peer_that_reads_a_little_is_not() -> None:
    """Each byte that leaves the buffer starts the clock anew, and an empty buffer stops it."""
    watch = StallWatch()
    watch.wrote(1000)
    assert watch.stalled_for(1000, 10.0) == 0.0
    assert watch.stalled_for(999, 19.0) == 0.0
    assert watch.stalled_for(999, 20.0) == 1.0
    assert watch.stalled_for(0, 30.0) == 0.0
    watch.wrote(10)
    assert watch.stalled_for(10, 40.0) == 0.0
