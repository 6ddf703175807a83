"""``tidegate demo`` says in one line what it cannot do, and its exit code says so too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.client.testing import FakeGateway
from tidegate.client_demo.main import main

if TYPE_CHECKING:
    from tidegate.results import Array


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ws://127.0.0.1:9/v1", "tidegate: cannot reach a gateway at ws://127.0.0.1:9/v1: "),
        ("http://127.0.0.1:8000", "tidegate: 'http://127.0.0.1:8000' is not the address of a gateway"),
    ],
)
def test_without_a_gateway_one_line_and_exit_code_1(url: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An address at which nothing answers, or that is none, is no traceback."""
    assert main(url) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[: len(says)]) == ("", 1, says)


async def test_parts_whose_models_are_missing_are_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway without them gets a line for each part, with its own reason where it gives one, and exit code 1."""
    listing: list[dict[str, Any]] = [{"name": "silero_vad", "state": "not_installed", "error": "needs: pip install x"}]
    async with FakeGateway(listing=listing) as gateway:
        assert await asyncio.to_thread(main, gateway.url) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "Skipped: the gateway does not serve 'digits'\n" in out
    assert "Skipped: the gateway does not serve 'silero_vad': needs: pip install x\n" in out
    assert "Skipped: the gateway does not serve 'chars'\n" in out
    assert "5 of 6 parts skipped" in out


async def test_a_gateway_that_goes_away_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Losing the connection in the middle of 450 requests is said once."""
    digits = {"name": "digits", "state": "ready", "inputs": [], "outputs": [], "batching": {"verdict": "none", "reason": "-"}}

    async def drop(_tensors: dict[str, Array]) -> dict[str, Array]:
        gateway.drop()
        return {}

    async with FakeGateway({"digits": drop}, listing=[digits]) as gateway:
        assert await asyncio.to_thread(main, gateway.url) == 1
    err = capsys.readouterr().err
    assert err.startswith("tidegate: ")
    assert err.count("\n") == 1
