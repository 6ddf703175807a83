"""How a gateway starts, as its user sees it: what is printed, and one clear line when it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import model_folders
import pytest
from good_requests import quick
from http_get import get, numbers
from raw_client import RawClient, message_frame

from tidegate.codecs.messages import Infer, Result

if TYPE_CHECKING:
    from pathlib import Path

    from server_process import Serve, ServerProcess


def one_line(text: str, *phrases: str) -> None:
    """Check that a failure was told in one line, by us, with these phrases."""
    (line,) = text.splitlines()
    assert line.startswith("tidegate: ")
    assert all(phrase in line for phrase in phrases), line


def test_it_says_what_is_served_and_where(bundled_server: ServerProcess) -> None:
    """The start prints each model, how it is batched, the URL with the port that was taken, and how to stop."""
    log = bundled_server.log
    assert bundled_server.port > 0
    assert f"Listening on ws://127.0.0.1:{bundled_server.port}/v1 (2 compute slots)" in log
    assert all(name in log for name in ("digits", "pitch", "silero_vad", "batched up to N = ", "not batched: "))


def test_two_gateways_on_one_port(serve: Serve, quick_models: Path) -> None:
    """The second gateway on a port ends with one line that names the address, before it loads any model."""
    first = serve(quick_models)
    second = serve(quick_models, port=first.port, listening=False)
    one_line(second.fails(), f"cannot listen on 127.0.0.1:{first.port}", "in use")
    assert "loading" not in second.log


@pytest.mark.parametrize("there", [True, False], ids=["empty", "missing"])
def test_a_folder_without_models(there: bool, serve: Serve, tmp_path: Path) -> None:
    """An empty folder and one that does not exist are each one line with the folder's name."""
    folder = tmp_path / "nothing"
    if there:
        folder.mkdir()
    one_line(serve(folder, listening=False).fails(), str(folder))


def test_a_folder_of_broken_models(serve: Serve, tmp_path: Path) -> None:
    """A folder in which no model loads is one line that names each of them."""
    model_folders.broken(tmp_path / "models", "torn")
    model_folders.broken(tmp_path / "models", "bent")
    one_line(serve(tmp_path / "models", listening=False).fails(), "torn: ", "bent: ")


@pytest.mark.parametrize(
    ("arguments", "environment", "phrase"),
    [
        (("--prot", "1"), {}, "--prot"),
        (("--in-flight", "many"), {}, "--in-flight"),
        (("--grace-s", "-1"), {}, "--grace-s"),
        ((), {"TIDEGATE_PROT": "1"}, "TIDEGATE_PROT"),
        (("--host", "203.0.113.1"), {}, "cannot listen on 203.0.113.1"),
        (("--host", "no.such.host.invalid"), {}, "cannot listen on no.such.host.invalid"),
    ],
)
def test_what_cannot_be_meant(
    arguments: tuple[str, ...], environment: dict[str, str], phrase: str, serve: Serve, quick_models: Path
) -> None:
    """An unknown option, a value out of bounds, an unknown variable, an address that is not ours: one line, not a start."""
    one_line(serve(quick_models, *arguments, listening=False, **environment).fails(), phrase)


async def test_a_broken_model_among_good_ones(serve: Serve, tmp_path: Path) -> None:
    """A model that does not load stops nobody: the others serve, requests for it say why, and ``/readyz`` names it."""
    folder = tmp_path / "models"
    model_folders.quick(folder)
    model_folders.broken(folder, "torn")
    server = serve(folder)
    assert "torn" in server.log
    async with await RawClient.open(server.port) as client:
        await client.send(quick(1))
        assert isinstance((await client.message()).message, Result)
        await client.send(message_frame(Infer(id=2, model_name="torn")))
        refused = (await client.message()).message
        assert (refused.id, refused.code, refused.retryable) == (2, "model_unavailable", False)
    ready = await get(server.port, "/readyz")
    assert ready.status == 503
    (torn,) = [model for model in ready.json()["models"] if model["name"] == "torn"]
    assert (torn["state"], ready.json()["ready"]) == ("failed", False)
    assert torn["error"]
    assert (await get(server.port, "/healthz")).status == 200
    assert (await numbers(server.port))("models", state="failed") == 1
