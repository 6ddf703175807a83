"""The small pure parts: back-off, heartbeat, time limits, addresses, options, reasons."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.exceptions import InvalidMessage, InvalidStatus, InvalidUpgrade
from websockets.http11 import Response

from tidegate.client.backoff import BASE_S, CAP_S, STABLE_S, Backoff
from tidegate.client.deadlines import Deadlines
from tidegate.client.exchange import Exchange, Phase
from tidegate.client.failure import is_terminal, lost_reason, open_failure
from tidegate.client.heartbeat import Heartbeat, Pulse
from tidegate.client.options import LONGEST_TIMEOUT_S, ConnectOptions, Options
from tidegate.client.url import complete, is_loopback, without_secrets
from tidegate.errors import ConnectionLost


class Most:
    """Jitter that always takes the most there is."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return the upper end."""
        return b


class TestBackoff:
    def test_the_ceiling_doubles_up_to_the_cap(self) -> None:
        """Attempts are up to twice as far apart each time, and never further than the cap."""
        backoff = Backoff(Most())
        delays = [backoff.next_delay(0.0) for _ in range(50)]
        assert delays[:3] == [BASE_S, 2 * BASE_S, 4 * BASE_S]
        assert delays[-1] == CAP_S

    def test_a_gateway_that_keeps_streams_is_asked_in_time(self) -> None:
        """However unlucky the jitter, six attempts fit into the time for which streams are kept."""
        backoff = Backoff(Most())
        backoff.opened(0.0, 60.0)
        assert sum(backoff.next_delay(0.0) for _ in range(6)) <= 60
        assert max(backoff.next_delay(0.0) for _ in range(50)) == 10
        backoff.opened(0.0)
        assert max(backoff.next_delay(0.0) for _ in range(50)) == CAP_S

    @given(st.integers(1, 100))
    def test_the_jitter_is_full(self, attempts: int) -> None:
        """A delay lies anywhere between nothing and the ceiling."""
        backoff = Backoff()
        for _ in range(attempts):
            delay = backoff.next_delay(0.0)
        assert 0 <= delay <= min(CAP_S, BASE_S * 2 ** (attempts - 1))

    def test_only_a_stable_connection_starts_the_count_anew(self) -> None:
        """A server that accepts and drops at once is approached ever more slowly."""
        backoff = Backoff(Most())
        for attempt in range(5):
            backoff.opened(now=0.0)
            assert backoff.next_delay(now=1.0) == BASE_S * 2**attempt
        backoff.opened(now=0.0)
        assert backoff.next_delay(now=STABLE_S) == BASE_S

    def test_goaway_is_followed_at_once_but_not_in_circles(self) -> None:
        """After goaway the first attempt is immediate, unless the connection was a short one."""
        backoff = Backoff(Most())
        backoff.opened(now=0.0)
        assert backoff.next_delay(STABLE_S, invited=True) == 0.0
        assert backoff.next_delay(STABLE_S, invited=True) > 0.0
        backoff.opened(now=0.0)
        assert backoff.next_delay(1.0, invited=True) > 0.0


class TestHeartbeat:
    def test_silence(self) -> None:
        """A keepalive of silence is asked about once, two are the end."""
        heartbeat = Heartbeat(10.0, now=0.0)
        assert [heartbeat.check(now) for now in (9.9, 10.0, 15.0, 19.9, 20.0)] == [
            Pulse.FINE,
            Pulse.ASK,
            Pulse.FINE,
            Pulse.FINE,
            Pulse.DEAD,
        ]

    def test_a_slow_upload_is_a_sign_of_life(self) -> None:
        """While the network takes bytes of a backlog the peer is there; when it takes no more, it is not."""
        heartbeat = Heartbeat(10.0, now=0.0)
        heartbeat.check(5.0, delivered=0, backlog=900)
        assert [heartbeat.check(10.0 * turn, 100 * turn, 900 - 100 * turn) for turn in range(1, 9)] == [Pulse.FINE] * 8
        assert [heartbeat.check(now, 800, 100) for now in (95.0, 105.0)] == [Pulse.ASK, Pulse.DEAD]

    def test_bytes_that_were_taken_at_once_are_none(self) -> None:
        """The operating system takes our pings although nobody reads them."""
        heartbeat = Heartbeat(10.0, now=0.0)
        assert heartbeat.check(10.0, delivered=0) is Pulse.ASK
        assert heartbeat.check(20.0, delivered=20) is Pulse.DEAD

    def test_a_program_that_was_stopped_asks_first(self) -> None:
        """After a pause of our own, in which nothing could be heard, the peer still gets its chance to answer."""
        heartbeat = Heartbeat(10.0, now=0.0)
        assert [heartbeat.check(now) for now in (1000.0, 1009.9, 1010.0)] == [Pulse.ASK, Pulse.FINE, Pulse.DEAD]

    def test_next_check(self) -> None:
        """The watch asks to be looked at when it may have something to say."""
        heartbeat = Heartbeat(10.0, now=0.0)
        assert heartbeat.next_check() == 10.0
        heartbeat.check(10.0)
        assert heartbeat.next_check() == 20.0
        heartbeat.heard(12.0)
        assert heartbeat.next_check() == 22.0


class TestDeadlines:
    @given(st.lists(st.tuples(st.floats(0, 100), st.booleans())), st.floats(0, 100))
    def test_due(self, entries: list[tuple[float, bool]], now: float) -> None:
        """What is unfinished and late comes up, in order; what is finished or early does not."""
        deadlines = Deadlines()
        exchanges = [Exchange(number, now=0.0, timeout=when) for number, (when, _) in enumerate(entries)]
        for exchange, (when, finished) in zip(exchanges, entries, strict=True):
            deadlines.add(when, exchange)
            if finished:
                exchange.phase = Phase.FINISHED
        late = sorted(when for when, finished in entries if not finished and when <= now)
        early = [when for when, finished in entries if not finished and when > now]
        assert [exchange.deadline for exchange in deadlines.due(now)] == late
        assert deadlines.next_due() == min(early, default=None)

    def test_memory_stays_proportional_to_what_is_unfinished(self) -> None:
        """A hundred thousand answered requests leave nothing behind but a constant."""
        deadlines = Deadlines()
        for number in range(100_000):
            exchange = Exchange(number, now=float(number), timeout=1e9)
            deadlines.add(exchange.deadline, exchange)
            exchange.phase = Phase.FINISHED
        assert len(deadlines) <= 2048


class TestUrl:
    @pytest.mark.parametrize(
        ("typed", "dialled"),
        [
            ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000/v1"),
            ("ws://127.0.0.1:8000/", "ws://127.0.0.1:8000/v1"),
            ("wss://example.org/v1", "wss://example.org/v1"),
            ("wss://example.org/behind/proxy/v1/", "wss://example.org/behind/proxy/v1"),
            ("ws://[::1]:80?token=x", "ws://[::1]:80/v1?token=x"),
        ],
    )
    def test_addresses_are_completed(self, typed: str, dialled: str) -> None:
        """An address without a path gets the protocol's; another path is kept."""
        assert complete(typed) == dialled

    @pytest.mark.parametrize("typed", ["", "127.0.0.1:8000", "http://127.0.0.1", "ws://", "ws://host/v1#here"])
    def test_what_is_no_address_is_refused(self, typed: str) -> None:
        """The error shows how an address looks, or what is wrong with this one."""
        with pytest.raises(ValueError, match=r"looks like ws://|fragment"):
            complete(typed)

    def test_secrets_are_not_shown(self) -> None:
        """Neither a password nor a token of the address is in what is shown."""
        assert without_secrets("wss://me:secret@example.org:8/v1?token=t") == "wss://example.org:8/v1"

    def test_loopback(self) -> None:
        """Only this machine is loopback."""
        assert is_loopback("ws://localhost:1/v1")
        assert is_loopback("ws://[::1]:1/v1")
        assert not is_loopback("ws://example.org/v1")


class TestOptions:
    def test_every_option_is_declared_in_both_places(self) -> None:
        """The keyword arguments of connect are exactly the fields of Options."""
        assert ConnectOptions.__annotations__.keys() == Options.__dataclass_fields__.keys()

    @pytest.mark.parametrize(
        "wrong", [{"timeout": 0}, {"max_pending": -1}, {"connect_timeout": -1.0}, {"form": "xml"}, {"timeout": float("nan")}]
    )
    def test_options_that_make_no_sense_are_refused(self, wrong: dict[str, object]) -> None:
        """A wrong value is refused at once, not at the first request."""
        with pytest.raises(ValueError, match=r"must|valid"):
            Options(**wrong)  # type: ignore[arg-type]

    def test_there_is_always_a_time_limit(self) -> None:
        """The default stands in for none, and a day for longer ones."""
        options = Options(timeout=5.0)
        assert options.time_limit(None) == 5.0
        assert options.time_limit(float("inf")) == LONGEST_TIMEOUT_S
        with pytest.raises(ValueError, match="more than 0"):
            options.time_limit(0)


class TestReasons:
    def test_terminal_codes(self) -> None:
        """These close codes say that coming back is of no use, and no others."""
        terminal = {code for code in range(1000, 5000) if is_terminal(code)}
        assert terminal == {1002, 1003, 1007, 1008, 1009, *range(4500, 5000)}

    def test_lost_reason(self) -> None:
        """The code and the reason are told, and who closed the connection."""
        assert lost_reason(4503, "not you") == "closed by the gateway with code 4503: not you"
        assert lost_reason(1009, "too big", by_us=True) == "closed by this client with code 1009: too big"
        assert lost_reason(1006, "") == "cut without a close frame"

    @pytest.mark.parametrize(
        ("error", "final", "told"),
        [
            (ConnectionRefusedError(111, "refused"), False, "cannot reach a gateway at ws://h/v1: "),
            (TimeoutError(), False, "no gateway answered at ws://h/v1 within 3 s"),
            (
                InvalidStatus(Response(403, "Forbidden", Headers(), b"origin not allowed\nx")),
                True,
                "HTTP 403: origin not allowed",
            ),
            (InvalidStatus(Response(503, "Full", Headers())), False, "HTTP 503"),
            (InvalidUpgrade("Upgrade", None), True, "is not a Tidegate gateway"),
            (ConnectionLost("closed"), False, "ws://h/v1: closed"),
            (ssl.SSLCertVerificationError("bad"), True, "certificate"),
            (ImportError("socks"), True, "cannot connect"),
        ],
    )
    def test_open_failure(self, error: Exception, final: bool, told: str) -> None:
        """Each way in which connecting fails has one sentence, and says whether to try again."""
        reason, hopeless = open_failure("ws://h/v1", error, 3.0)
        assert told in reason
        assert hopeless is final

    def test_a_cut_handshake_may_be_tried_again(self) -> None:
        """A connection that ends in the middle of the handshake is a network error."""
        error = InvalidMessage("x")
        error.__cause__ = EOFError()
        assert open_failure("ws://h/v1", error, 3.0)[1] is False
