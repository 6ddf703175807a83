"""The configuration in the documents is taken by what it configures, as far as that is at hand."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest
from doc_pages import ROOT, Block, blocks

from tidegate.gateway import cli, http
from tidegate.gateway.exposition import Exposition
from tidegate.gateway.metrics import Metrics
from tidegate.gateway.settings import Settings
from tidegate.gateway.settings_sources import load_settings
from tidegate.models import config, repository


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_toml(block: Block, tmp_path: Path) -> None:
    """Each file is read without error by the code that would read it, and says something."""
    name = block.text.splitlines()[0].removeprefix("# ")
    if name == "tidegate.toml":
        (tmp_path / name).write_text(block.text)
        assert load_settings(file=tmp_path / name) != Settings()
    else:
        assert re.fullmatch(r"my_models/\w+/model\.toml", name)
        assert config.parse(block.text) != config.ModelConfig()


def test_the_service_starts_a_command_that_exists() -> None:
    """The systemd unit's command line is one of ours, and systemd waits longer than the gateway's grace time."""
    (block,) = blocks("ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block.text)
    words = shlex.split(unit["Service"]["ExecStart"])
    given = cli._parser().parse_args(words[1:])
    assert Path(words[0]).name == "tidegate"
    assert given.command == "serve"
    assert float(unit["Service"]["TimeoutStopSec"]) > float(given.grace_s) + 5
    assert int(unit["Service"]["LimitNOFILE"]) > Settings().max_connections


def test_nginx_passes_on_what_a_websocket_needs() -> None:
    """The nginx server forwards the WebSocket's path with the headers of its handshake, and is patient enough."""
    (block,) = blocks("nginx")
    text = re.sub(r"#.*", "", block.text)
    assert text.count("{") == text.count("}")
    assert all(line.strip().endswith((";", "{", "}")) for line in text.splitlines() if line.strip())
    assert f"location = {http.WEBSOCKET_PATH} {{" in text
    assert f"proxy_pass http://127.0.0.1:{Settings().port};" in text
    for directive in ("proxy_http_version 1.1", "Upgrade $http_upgrade", 'Connection "upgrade"', "Host $host"):
        assert directive in text
    patience = re.search(r"proxy_read_timeout (\d+)s", text)
    assert patience
    assert int(patience[1]) > Settings().keepalive_s


def test_prometheus_scrapes_where_the_gateway_is() -> None:
    """The scrape target is the default address, and the queries name families that exist."""
    (scrape,) = blocks("yaml")
    (queries,) = blocks("promql")
    assert f'targets: ["127.0.0.1:{Settings().port}"]' in scrape.text
    text = Exposition(Metrics(["m"])).text().decode()
    for name in re.findall(r"tidegate_\w+", queries.text):
        assert re.search(rf"^{name}[ {{]", text, re.MULTILINE), name


def test_the_folder_that_is_drawn_is_found(tmp_path: Path) -> None:
    """A folder made as the picture says holds the models and versions that the picture says."""
    drawing = next(block.text for block in blocks("text") if block.text.startswith("FOLDER/"))
    parents = [tmp_path]
    for line in drawing.splitlines()[1:]:
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        path = parents[depth - 1] / name
        if name.endswith("/"):
            path.mkdir()
            parents[depth:] = [path]
        else:
            path.parent.mkdir(exist_ok=True)
            path.touch()
    found = repository.scan(tmp_path)
    assert not found.bad
    assert {(source.name, source.version) for source in found.sources} == {
        ("fraud", "1"),
        ("digits", "1"),
        ("speech", "1"),
        ("speech", "2"),
    }


def test_the_packages_of_the_prerequisites_are_those_of_the_check_script() -> None:
    """What the README has people install is what a machine gets on which everything is checked."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "python3-venv" in script
    assert "apt_install make" in script
