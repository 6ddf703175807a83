"""What all tests may use: gateways that run, and folders of small models.

Makes the helpers of three folders importable, since tests are no package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

# How long an example takes says nothing on a machine that does other things as well.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

sys.path[:0] = [str(Path(__file__).parent / room) for room in ("e2e", "models", "gateway")]

import model_folders  # noqa: E402 - only now it is found
from server_process import Serve, ServerProcess  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def quick_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models that take no time (see ``model_folders``)."""
    return model_folders.quick(tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="session")
def slow_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a quick model and a slow one."""
    return model_folders.slow(tmp_path_factory.mktemp("slow"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start gateways with the arguments of a command line; each must end well, with a clean log."""
    started: list[ServerProcess] = []

    def start(*arguments: object, port: int = 0, listening: bool = True, **environment: str) -> ServerProcess:
        words = ("--port", str(port), *map(str, arguments))
        server = ServerProcess(tmp_path / f"server{len(started)}", words, **environment)
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
    # Two slots, whatever the machine has: some tests need runs that go on at the same time.
    server = ServerProcess(tmp_path_factory.mktemp("bundled") / "server", ("--port", "0", "--compute-slots", "2"))
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.stop()


@pytest.fixture
def gateway_url(bundled_server: ServerProcess) -> str:
    """Where the gateway with the bundled models listens."""
    return bundled_server.url
