"""Memory of messages that are not done with: who goes on, who waits, who must go."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tidegate.gateway.inbound import SMALL_BYTES, Inbound

MIB = 1024 * 1024
NAMES = [f"client {number}" for number in range(12)]


def test_everybody_goes_on_below_half() -> None:
    """While half of the room is free nobody waits, however much it holds."""
    inbound: Inbound[str] = Inbound(64 * MIB, 16 * MIB)
    inbound.hold("a", 31 * MIB)
    assert not inbound.must_pause("a")
    assert inbound.surplus() is None


def test_the_first_go_on_and_small_ones_do_not_notice() -> None:
    """Beyond half, as many of the first big ones go on as can be finished; further big ones wait, small ones do not."""
    inbound: Inbound[str] = Inbound(64 * MIB, 16 * MIB)
    for name in ("first", "second", "third"):
        inbound.hold(name, 11 * MIB)
    inbound.hold("small", SMALL_BYTES)
    assert [inbound.must_pause(name) for name in ("first", "second", "third", "small")] == [False, False, True, False]
    assert inbound.released() == []
    inbound.hold("first", 0)
    assert inbound.released() == ["third"]


def test_the_largest_must_go() -> None:
    """Beyond the bound the one that holds most must go, whoever came first."""
    inbound: Inbound[str] = Inbound(MIB, MIB // 2)
    inbound.hold("a", MIB // 2)
    inbound.hold("b", MIB // 2)
    assert inbound.surplus() is None
    inbound.hold("b", MIB // 2 + 1)
    assert inbound.surplus() == "b"
    inbound.forget("b")
    assert inbound.surplus() is None
    assert inbound.nbytes == MIB // 2


class Clients(RuleBasedStateMachine):
    """Clients that send messages of any size, as fast as they may."""

    def __init__(self) -> None:
        super().__init__()
        self.inbound: Inbound[str] = Inbound(8 * MIB, 2 * MIB)
        self.held = dict.fromkeys(NAMES, 0)
        self.waits: set[str] = set()

    @rule(name=st.sampled_from(NAMES), nbytes=st.integers(1, 256 * 1024))
    def receive(self, name: str, nbytes: int) -> None:
        """Somebody that may be read from sends some bytes of a message."""
        if name not in self.waits:
            self.set(name, min(self.held[name] + nbytes, 2 * MIB))

    @rule(name=st.sampled_from(NAMES))
    def finish(self, name: str) -> None:
        """A message that is here whole is done with."""
        if self.held[name] == 2 * MIB:
            self.set(name, 0)

    @rule(name=st.sampled_from(NAMES))
    def leave(self, name: str) -> None:
        """Somebody goes away."""
        self.inbound.forget(name)
        self.held[name] = 0
        self.waits.discard(name)
        self.waits -= set(self.inbound.released())

    def set(self, name: str, nbytes: int) -> None:
        self.held[name] = nbytes
        self.inbound.hold(name, nbytes)
        if self.inbound.must_pause(name):
            self.waits.add(name)
        else:
            self.waits.discard(name)
        self.waits -= set(self.inbound.released())

    @invariant()
    def nobody_is_stuck(self) -> None:
        """The sum is right and bounded, and of those that hold something at least one may be read from."""
        assert self.inbound.nbytes == sum(self.held.values()) <= 8 * MIB
        unfinished = [name for name, nbytes in self.held.items() if 0 < nbytes < 2 * MIB]
        whole = [name for name, nbytes in self.held.items() if nbytes == 2 * MIB]
        assert whole or not unfinished or set(unfinished) - self.waits
        assert all(self.held[name] > SMALL_BYTES for name in self.waits)


TestClients = Clients.TestCase
TestClients.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
