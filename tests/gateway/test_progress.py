"""Whether a message gets on, on a clock of the test's."""

from __future__ import annotations

from tidegate.gateway.progress import LEAST_BYTES, Progress


def test_a_byte_now_and_then_is_no_progress() -> None:
    """The time since the last 64 KiB is told; bytes that are fewer do not start it anew."""
    progress = Progress()
    assert progress.stalled_for(0, 1, 100.0) == 0
    assert progress.stalled_for(0, 2, 110.0) == 10
    assert progress.stalled_for(0, LEAST_BYTES, 120.0) == 20
    assert progress.stalled_for(0, LEAST_BYTES + 1, 129.0) == 0
    assert progress.stalled_for(0, LEAST_BYTES + 2, 139.0) == 10


def test_whole_messages_are_progress() -> None:
    """A client that finishes messages gets on, even if something unfinished is there whenever one looks."""
    progress = Progress()
    for messages in range(10):
        assert progress.stalled_for(messages, 50, 100.0 + 10 * messages) == 0
    assert progress.stalled_for(9, 0, 300.0) == 0


def test_time_in_which_nobody_listened_does_not_count() -> None:
    """After a pause that was not the client's it has all the time again."""
    progress = Progress()
    progress.stalled_for(0, 1, 100.0)
    progress.pardon(190.0)
    assert progress.stalled_for(0, 1, 200.0) == 10
