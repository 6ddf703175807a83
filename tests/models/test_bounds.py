"""How much may wait, bound by bound; and that a flood does not lock others out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import model, request

from tidegate.errors import Overloaded
from tidegate.models.bounds import MIB, Bounds
from tidegate.models.service import Service
from tidegate.models.worker import Worker

if TYPE_CHECKING:
    from tidegate.models.client import Client

ROW = 8  # bytes of a row of the fake model


def fill(bounds: Bounds, client: str, rows: int = 1, other: Worker | None = None) -> tuple[int, Overloaded]:
    """Ask until it is refused; return how many were admitted, and the refusal."""
    worker = Worker(model())
    service = Service([worker], 1, bounds)
    if other is not None:
        service.arrive(request("other", worker=other, client="other"))
    for tag in range(10_000):
        try:
            service.arrive(request(tag, rows, worker=worker, client=client))
        except Overloaded as refusal:
            return tag, refusal
    raise AssertionError("no bound was met")


@pytest.mark.parametrize(
    ("bounds", "bound", "admitted"),
    [
        (Bounds(queue_requests=5), "queue_requests", 5),
        (Bounds(queue_bytes=7 * ROW), "queue_bytes", 7),
        (Bounds(model_bytes=6 * ROW), "model_bytes", 6),
        (Bounds(client_bytes=4 * ROW), "client_bytes", 4),
        (Bounds(max_requests=3), "max_requests", 3),
    ],
)
def test_each_bound_is_met_exactly_and_named(bounds: Bounds, bound: str, admitted: int) -> None:
    """What fits is admitted; what does not is refused with the bound's name and a time to come again."""
    count, refusal = fill(bounds, "c")
    assert (count, refusal.bound) == (admitted, bound)
    assert refusal.retryable
    assert refusal.retry_after_ms is not None


@pytest.mark.parametrize("bounds", [Bounds(queue_requests=5), Bounds(max_requests=5)])
def test_a_flood_does_not_lock_others_out(bounds: Bounds) -> None:
    """Where one client has taken all places, each other one may still queue a request, and one only."""
    worker = Worker(model())
    service = Service([worker], 1, bounds)
    for tag in range(5):
        service.arrive(request(tag, worker=worker, client="flood"))
    for light in ("a", "b"):
        service.arrive(request(light, worker=worker, client=light))
        with pytest.raises(Overloaded):
            service.arrive(request("second", worker=worker, client=light))


def test_memory_is_bounded_for_newcomers_too() -> None:
    """Bytes have no exception: a newcomer is refused where the process's share of memory is taken."""
    worker = Worker(model())
    service = Service([worker], 1, Bounds(queue_bytes=5 * ROW))
    service.arrive(request("large", rows=5, worker=worker, client="flood"))
    with pytest.raises(Overloaded) as caught:
        service.arrive(request("newcomer", worker=worker, client="newcomer"))
    assert caught.value.bound == "queue_bytes"


def test_what_was_held_is_given_back() -> None:
    """After everything was cancelled nothing is held any more, by anybody."""
    worker = Worker(model())
    service = Service([worker], 1, Bounds())
    requests = [request(tag, rows=3, worker=worker, client=tag % 2) for tag in range(10)]
    for one in requests:
        service.arrive(one)
    for one in requests:
        service.cancel(one)
    held = service._held
    clients: set[Client] = {one.client for one in requests}
    assert (held.requests, held.nbytes) == (0, 0)
    assert all((client.requests, client.nbytes) == (0, 0) for client in clients)


def test_defaults_follow_the_memory() -> None:
    """Half as much memory for queues means half as many requests in the process."""
    assert Service([], 1, Bounds(queue_bytes=1024 * MIB))._held._max_requests == 65_536
    assert Service([], 1, Bounds(queue_bytes=512 * MIB))._held._max_requests == 32_768
