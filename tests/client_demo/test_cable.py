"""A cable carries what it is given, and cutting it is what a network does that fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

import tidegate
from tidegate.client.testing import FakeGateway
from tidegate.client_demo.cable import Cable
from tidegate.errors import ConnectionLost

if TYPE_CHECKING:
    from tidegate.results import Array


async def echo(tensors: dict[str, Array]) -> dict[str, Array]:
    return tensors


async def silent(_tensors: dict[str, Array]) -> dict[str, Array]:
    return await asyncio.get_running_loop().create_future()


async def test_what_goes_in_comes_out() -> None:
    """A message of megabytes arrives unchanged, both ways."""
    sent = np.arange(1_000_000, dtype=np.float64)
    async with FakeGateway({"echo": echo}) as gateway, Cable(gateway.url) as cable, tidegate.connect(cable.url) as gw:
        assert cable.url != gateway.url
        assert np.array_equal((await gw.infer("echo", x=sent))["x"], sent)


async def test_a_cut_ends_what_goes_on_and_lets_others_come() -> None:
    """Who waits for an answer loses the connection; the next one is joined as if nothing had been."""
    async with FakeGateway({"echo": echo, "silent": silent}) as gateway, Cable(gateway.url) as cable:
        async with tidegate.connect(cable.url, reconnect=False) as gw:
            waiting = gw.submit("silent", x=1.0)
            assert (await gw.infer("echo", x=1.0))["x"] == 1.0
            cable.cut()
            with pytest.raises(ConnectionLost):
                await waiting
        async with tidegate.connect(cable.url, reconnect=False) as gw:
            assert (await gw.infer("echo", x=2.0))["x"] == 2.0


async def test_without_a_gateway_nobody_is_joined() -> None:
    """An end that cannot be reached hangs up on whoever came for it."""
    async with FakeGateway() as gateway:
        url = gateway.url
    async with Cable(url) as cable:
        with pytest.raises(ConnectionLost):
            await tidegate.connect(cable.url, reconnect=False)


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("ws://127.0.0.1:8000/v1", True),
        ("ws://localhost", True),
        ("wss://localhost/v1", False),
        ("ws://example.org/v1", False),
    ],
)
def test_it_fits_gateways_on_this_machine(url: str, fits: bool) -> None:
    """Others would not take its address for their own."""
    assert Cable.fits(url) == fits
