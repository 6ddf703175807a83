"""What tests of streams share: a folder of small models with state, and a gateway that serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import stream_folder
from server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def stream_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with state (see ``stream_folder``)."""
    return stream_folder.write(tmp_path_factory.mktemp("streams"))


@pytest.fixture(scope="session")
def stream_port(stream_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a gateway with these models, for all tests that do not end it."""
    folder = tmp_path_factory.mktemp("stream_server") / "server"
    words = (str(stream_models), "--port", "0", "--streams-per-connection", "50")
    server = ServerProcess(folder, words)
    try:
        server.wait_until_listening()
        yield server.port
    finally:
        server.stop()
