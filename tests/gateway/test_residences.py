"""Who may go on with which streams, and for how long: no sockets, no sleeping."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tidegate.gateway.residences import Residences
from tidegate.models.client import Client

if TYPE_CHECKING:
    from tidegate.gateway.residence import Residence


class Owner:
    """Somebody who has streams."""

    def superseded(self) -> None:
        """The test looks at who was there before instead."""


def stream(nbytes: int = 100) -> Any:
    """A stream that keeps so many bytes."""
    return Fake(nbytes)


class Fake:
    """A stream as far as residences know it."""

    def __init__(self, nbytes: int) -> None:
        self.ring = SimpleNamespace(nbytes=nbytes)
        self.ended: Any = None


def settled(residences: Residences, token: str, count: int = 1) -> Residence:
    """A residence with so many streams."""
    residence = residences.begin(token, Owner(), Client())
    residence.streams.update({name: stream() for name in range(count)})
    return residence


def test_a_token_has_one_owner() -> None:
    """Who claims a token has it alone, and is told who had it before."""
    residences = Residences(60)
    residence = settled(residences, "t")
    first, second = residence.owner, Owner()
    assert residences.claim("t", second) == (residence, first)
    assert residence.owner is second
    residences.leave(residence, 0.0)
    assert residences.claim("t", second) == (residence, None)
    assert residences.claim("u", second) is None


def test_those_that_left_first_go_first() -> None:
    """Residences expire in the order in which they were left, those that came back and left again at the end."""
    residences = Residences(10)
    first, second = settled(residences, "1"), settled(residences, "2")
    streams = [*first.streams.values(), *second.streams.values()]
    residences.leave(first, 0.0)
    residences.leave(second, 1.0)
    residences.claim("1", Owner())
    residences.leave(first, 2.0)
    assert residences.parked == 2
    assert residences.expire(10.9, 10) == ([], False)
    assert residences.expire(11.0, 10) == ([streams[1]], False)
    assert residences.expire(12.0, 10) == ([streams[0]], False)
    assert (residences.parked, len(residences)) == (0, 0)


def test_expiry_is_told_a_little_at_a_time() -> None:
    """A residence with many streams is given up in parts; nobody can claim it from the first part on."""
    residences = Residences(10)
    residences.leave(settled(residences, "t", 25), 0.0)
    sizes = []
    more = True
    while more:
        streams, more = residences.expire(10.0, 10)
        assert residences.claim("t", Owner()) is None
        sizes.append(len(streams))
    assert sizes == [10, 10, 5]


def test_what_has_nothing_to_come_back_for_is_forgotten() -> None:
    """A residence without streams is not kept, nor is any without a window."""
    residences = Residences(10)
    residences.leave(settled(residences, "t", 0), 0.0)
    assert len(residences) == 0
    hasty = Residences(0)
    hasty.leave(settled(hasty, "t", 2), 0.0)
    assert hasty.anybody_leaves
    assert len(hasty.expire(0.0, 10)[0]) == 2
    assert len(hasty) == 0


def test_the_end_of_a_gateway() -> None:
    """When nothing is waited for any more, all that is parked expires at once, and what is left from then on."""
    residences = Residences(10)
    residences.leave(settled(residences, "1", 2), 5.0)
    owned = settled(residences, "2")
    residences.stop_waiting()
    assert len(residences.expire(5.0, 10)[0]) == 2
    residences.leave(owned, 5.0)
    assert len(residences.expire(5.0, 10)[0]) == 1


def test_ended_streams_are_kept_for_a_while() -> None:
    """A stream whose end was told can be revived within the window, and is no open stream meanwhile."""
    residences = Residences(10)
    residence = settled(residences, "t", 2)
    first = residence.streams[0]
    residences.ended(residence, 0, first, "closed", 1.0)
    assert (residence.count, residence.is_taken(0), [*residence.ended]) == (1, False, [0])
    assert residences.revive(residence, 0) is first
    assert first.ended is not None
    assert residence.count == 2
    residences.ended(residence, 0, first, "closed", 2.0)
    residences.expire(11.9, 10)
    assert [*residence.ended] == [0]
    residences.expire(12.0, 10)
    assert residences.revive(residence, 0) is None


def test_ended_streams_are_few() -> None:
    """Of ended streams the oldest are forgotten beyond a number, or beyond so many bytes, whose ever they are."""
    residences = Residences(10, most_ended=3, most_ended_bytes=1000)
    residence, other = settled(residences, "1", 0), settled(residences, "2", 0)
    for name in range(3):
        residences.ended(residence, name, stream(), "closed", 0.0)
    residences.ended(other, 0, stream(), "closed", 0.0)
    assert ([*residence.ended], [*other.ended]) == ([1, 2], [0])
    residences.ended(other, 1, stream(900), "closed", 0.0)
    assert ([*residence.ended], [*other.ended]) == ([], [0, 1])
    residences.forget(other, 1)
    residences.ended(other, 2, stream(900), "closed", 0.0)
    assert [*other.ended] == [0, 2]


def test_a_residence_of_ended_streams_goes_with_them() -> None:
    """A parked residence in which the last ended stream is forgotten goes too; one that is given up forgets its."""
    residences = Residences(10)
    residence = settled(residences, "1")
    residences.ended(residence, 0, residence.streams[0], "idle", 0.0)
    residences.leave(residence, 5.0)
    assert len(residences) == 1
    residences.expire(10.0, 10)
    assert len(residences) == 0
    second = settled(residences, "2", 2)
    residences.leave(second, 20.0)
    residences.claim("2", Owner())
    residences.ended(second, 0, second.streams[0], "idle", 20.5)
    residences.leave(second, 20.5)
    assert len(residences.expire(30.5, 10)[0]) == 1
    assert (len(residences), second.ended) == (0, {})


def test_what_a_residence_looks_like() -> None:
    """Its ``repr`` tells whether somebody has it and what is in it, never the token."""
    residences = Residences(10)
    residence = settled(residences, "secret", 2)
    assert repr(residence) == "<Residence owned, streams=[0, 1] ended=[]>"
    residences.leave(residence, 0.0)
    assert repr(residence) == "<Residence parked, streams=[0, 1] ended=[]>"
