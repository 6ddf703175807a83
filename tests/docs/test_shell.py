"""The commands in the documents exist, take these arguments, and where they are cheap, do what they are said to do."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from doc_pages import ROOT, Block, blocks

from tidegate.gateway import cli
from tidegate.gateway.settings import Settings
from tidegate.gateway.settings_sources import load_settings

if TYPE_CHECKING:
    from pathlib import Path

LINES = [(block, line) for block in blocks("sh") for line in block.text.splitlines() if line and not line.startswith("#")]
SESSIONS = blocks("console")
TIDEGATE = [sys.executable, "-m", "tidegate.gateway.cli"]
TIME_LIMIT_S = 30
CHEAP = ("models", "--version")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TIDEGATE_PORT": "0"}  # somebody's gateway may have the usual one
    return subprocess.run(
        words, stdout=-1, stderr=subprocess.STDOUT, text=True, timeout=TIME_LIMIT_S, check=False, env=environment
    )


@pytest.mark.parametrize(("block", "line"), LINES, ids=lambda value: value if isinstance(value, str) else str(value))
def test_a_command_line(block: Block, line: str, gateway_url: str, folder: Path) -> None:
    """Each command is one that we know how to check, and passes."""
    for command in " ".join(shlex.split(line, comments=True, posix=False)).split(" && "):
        words = shlex.split(command)
        settings = [word for word in words if re.match(r"TIDEGATE_\w+=", word)]
        words = words[len(settings) :]
        CHECKS[words[0]](words, dict(word.split("=", 1) for word in settings), gateway_url)


def _make(words: list[str], _environment: dict[str, str], _url: str) -> None:
    assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def _sudo(words: list[str], _environment: dict[str, str], _url: str) -> None:
    assert words[:3] == ["sudo", "apt-get", "install"]
    assert set(words[3:]) == {"git", "make", "python3-venv"}


def _pip(words: list[str], _environment: dict[str, str], _url: str) -> None:
    wanted = re.fullmatch(rf"(?:\.|{PROJECT['name']})(?:\[(\w+)\])?", words[-1])
    assert words[:2] == ["pip", "install"]
    assert wanted
    assert wanted[1] is None or wanted[1] in PROJECT["optional-dependencies"]


def _python(words: list[str], _environment: dict[str, str], _url: str) -> None:
    assert words[1] == "-m"
    assert find_spec(words[2])


def _activate(words: list[str], _environment: dict[str, str], _url: str) -> None:
    assert re.fullmatch(r"~/[\w-]+/bin/activate", words[1])
    assert len(words) == 2


def _curl(words: list[str], _environment: dict[str, str], url: str) -> None:
    # The same request without curl: not everybody who runs the tests has it.
    here = words[-1].replace("127.0.0.1:8000", url.split("/")[2])
    assert here != words[-1]
    assert set(words[1:-1]) <= {"-s", "-i"}
    with urllib.request.urlopen(here, timeout=TIME_LIMIT_S) as answer:
        assert answer.status == 200


def _tidegate(words: list[str], environment: dict[str, str], _url: str) -> None:
    given = cli._parser().parse_args(words[1:])
    if given.command == "serve":
        options = {name: value for name, value in vars(given).items() if name in Settings.__struct_fields__ and value}
        load_settings(options, environment)
    if words[1] in CHEAP:
        assert _run([*TIDEGATE, *words[1:]]).returncode == 0


Check = Callable[[list[str], dict[str, str], str], None]
CHECKS: dict[str, Check] = {
    "make": _make,
    "sudo": _sudo,
    "pip": _pip,
    "python": _python,
    "python3": _python,
    ".": _activate,
    "curl": _curl,
    "tidegate": _tidegate,
}


@pytest.mark.parametrize("block", SESSIONS, ids=str)
def test_a_session_is_what_one_would_see(block: Block, folder: Path) -> None:
    """What stands below a command is what it prints, but for numbers, verdicts of this machine, and what … leaves out."""
    for part in block.text.removeprefix("$ ").split("\n$ "):
        command, *shown = part.splitlines()
        words = shlex.split(command)
        assert words[0] == "tidegate"
        printed = [line for line in _run([*TIDEGATE, *words[1:]]).stdout.splitlines() if "is loading its models" not in line]
        assert len(printed) == len(shown), printed
        for actual, line in zip(printed, shown, strict=True):
            assert re.fullmatch(_pattern(line), actual), actual


def _pattern(line: str) -> str:
    if "batched up to" in line:
        line = line[: line.index("batched up to") + len("batched up to N = 128")] + "…"
    return re.sub(r"\d+", r"\\d+", re.escape(line)).replace("…", ".*")


def test_the_demo_prints_such_a_table() -> None:
    """Each row of the README's excerpt of the demo has a label that the demo prints."""
    excerpt = next(block for block in blocks("text") if block.page.name == "README.md")
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "client_demo").glob("*.py"))
    rows = excerpt.text.partition("─\n")[2].splitlines()
    assert len(rows) >= 3
    for row in rows:
        assert re.split(r" {2,}", row.strip())[0] in sources


def test_no_block_is_of_a_kind_that_no_test_looks_at() -> None:
    """Every fence says a language that one of these tests takes care of."""
    known = {"sh", "console", "python", "json", "javascript", "toml", "ini", "nginx", "yaml", "promql", "text"}
    assert {block.language for block in blocks()} <= known
