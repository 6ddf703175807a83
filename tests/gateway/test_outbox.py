"""What waits to be sent and what it keeps in memory, and when a peer counts as stalled or slow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tidegate.gateway.outbox import BINARY, FAIR_BYTES_S, TEXT, Outbox, Reading, frame_header


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


@given(st.lists(st.binary(max_size=200), max_size=9))
def test_pieces_are_one_message(pieces: list[bytes]) -> None:
    """A message that comes in pieces is framed as if it had come whole, and counts for what its pieces keep."""
    cut, whole = Outbox(), Outbox()
    cut.put_pieces(BINARY, [memoryview(piece) for piece in pieces], 1000)
    whole.put(BINARY, b"".join(pieces))
    assert (cut.nbytes, cut.memory, whole.memory) == (whole.nbytes, whole.nbytes + 1000, whole.nbytes)
    assert b"".join(cut.take()) == b"".join(whole.take())
    assert cut.memory == 0


def test_a_write_is_kept_until_all_of_it_is_taken() -> None:
    """Of a large write that was taken in part all is still in memory, with all that views in it keep; small ones shrink."""
    reading = Reading(10.0, 30.0)
    reading.wrote(100)
    assert reading.memory(60) == 60
    reading.wrote(1000)
    reading.keep(1000, 1500)
    reading.wrote(1000)
    reading.keep(1000, 1000)
    assert reading.memory(2060) == 60 + 1500 + 1000
    assert reading.memory(1001) == 1500 + 1000
    assert reading.memory(1000) == 1000
    assert reading.memory(1) == 1000
    assert reading.memory(0) == 0


def test_a_peer_that_takes_nothing_is_stalled() -> None:
    """The clock runs while the buffer is not empty and nothing leaves it, though more is written into it."""
    reading = Reading(10.0, 100.0)
    reading.wrote(1000)
    assert reading.fault(1000, 10.0) is None
    reading.wrote(500)
    assert reading.fault(1500, 19.9) is None
    assert reading.fault(1500, 20.0) == "stalled"


def test_a_peer_that_reads_a_little_is_not() -> None:
    """Each byte that leaves the buffer starts the clock anew, and an empty buffer stops it."""
    reading = Reading(10.0, 100.0)
    reading.wrote(1000)
    assert reading.fault(1000, 10.0) is None
    assert reading.fault(999, 19.0) is None
    assert reading.fault(999, 28.0) is None
    assert reading.fault(0, 30.0) is None
    reading.wrote(10)
    assert reading.fault(10, 40.0) is None
    assert reading.fault(10, 50.0) == "stalled"


@given(st.floats(0.1, 9.0), st.integers(1_000, 100_000_000), st.floats(0.01, 0.9))
def test_a_peer_that_trickles_is_slow(step_s: float, due: int, share: float) -> None:
    """Whoever takes something all the time, but too little, is found out when the oldest of it is too old, and not before."""
    reading = Reading(10.0, 30.0)
    rate = min(share * FAIR_BYTES_S, due / 1000)
    reading.wrote(due)
    now = 0.0
    while (fault := reading.fault(due - int(rate * now), now)) is None:
        now += step_s
        assert now < 30.0 * 17 / 16 + 2 * step_s + 1
    assert now >= 30.0
    assert fault == "slow" or rate * step_s < 1


@given(st.floats(0.1, 9.0), st.integers(1, 1 << 27), st.floats(1.01, 100.0))
def test_a_peer_on_a_poor_line_stays(step_s: float, due: int, times: float) -> None:
    """Whoever reads steadily at a fair rate gets all that is due, however long that takes."""
    reading = Reading(10.0, 30.0)
    reading.wrote(due)
    now, left = 0.0, due
    for _ in range(2000):
        left = max(0, due - int(times * FAIR_BYTES_S * now))
        assert reading.fault(left, now) is None
        now += step_s


@given(st.floats(0.1, 5.0), st.integers(1, 1000))
def test_a_peer_that_keeps_up_stays(step_s: float, nbytes: int) -> None:
    """A few bytes that wait at each look are no fault while they are not the same ones for too long."""
    reading = Reading(10.0, 30.0)
    for number in range(500):
        reading.wrote(nbytes)
        assert reading.fault(nbytes, number * step_s) is None


def test_looks_that_are_remembered_have_a_bound() -> None:
    """However often a peer is looked at, a few marks are kept of it."""
    reading = Reading(10.0, 30.0)
    reading.wrote(1 << 40)
    for number in range(100_000):
        reading.fault((1 << 40) - 2000 * number, number * 0.01)
        assert len(reading._marks) <= 18
