"""When freed memory is given back to the system."""

from __future__ import annotations

from tidegate.gateway.give_back import WORTH_BYTES, GiveBack


def test_only_what_is_worth_it_is_given_back() -> None:
    """Nothing is done for nothing or little, and once for much."""
    give_back = GiveBack()
    assert not give_back.check(0.0)
    give_back.freed(WORTH_BYTES - 1)
    assert not give_back.check(1.0)
    give_back.freed(WORTH_BYTES)
    assert give_back.check(2.0)
    assert not give_back.check(60.0)


def test_a_flood_of_clients_that_are_cut_off_does_not_keep_it_busy() -> None:
    """However often much is freed, it is given back at most every five seconds."""
    give_back = GiveBack()
    done = 0
    for tenth in range(200):
        give_back.freed(WORTH_BYTES)
        if give_back._thread is not None:
            give_back._thread.join()
        done += give_back.check(tenth / 10)
    assert done == 4
