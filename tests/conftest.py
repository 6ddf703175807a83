"""What all tests may use: gateways that run, and folders of small models. Makes the helpers importable, since tests are no package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent / "e2e"), str(Path(__file__).parent / "models")]

import model_folders
from server_process import Serve, ServerProcess


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a quick, a slow and a wide model (see ``model_folders``)."""
    return model_folders.build(tmp_path_factory.mktemp("models"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start gateways with the arguments of a command line; each must end well, with a clean log."""
    started: list[ServerProcess] = []

    def start(*arguments: object, listening: bool = True, **environment: str) -> ServerProcess:
        server = ServerProcess(tmp_path / f"server{len(started)}", ("--port", "0", *map(str, arguments)), **environment)
        started.append(server)
        if listening:
            server.wait_until_listening()
        return server

    try:
        yield start
    finally:
        for server in started:
            server.stop()


@pytest.fixture(scope="session")
def bundled_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One gateway with the bundled models and default settings, for all tests that do not change it."""
    server = ServerProcess(tmp_path_factory.mktemp("bundled") / "server", ("--port", "0"))
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.stop()


@pytest.fixture
def gateway_url(bundled_server: ServerProcess) -> str:
    """Where the gateway with the bundled models listens."""
    return bundled_server.url
