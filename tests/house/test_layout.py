"""The house stands as it was drawn: links, package list, import directions, lazy faces."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("client", "client_demo", "codecs", "gateway", "models")
COMMON = {"arguments", "coerce", "errors", "results", "version"}
MAY_IMPORT = {
    "codecs": set(),
    "models": {"codecs.datatypes"},
    "gateway": {"codecs", "models", "client_demo.main"},
    "client": {"codecs"},
    "client_demo": {"client"},
}


def python_files(room: str) -> list[Path]:
    return sorted(path for path in (ROOT / room).rglob("*.py") if "node_modules" not in path.parts)


def imported(path: Path) -> set[str]:
    """Give the names below ``tidegate`` that a file imports from other rooms."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("tidegate"):
            module = (node.module or "").removeprefix("tidegate").lstrip(".")
            found |= {module} if module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("tidegate.") for alias in node.names if alias.name.startswith("tidegate.")}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_each_link_leads_to_its_room(room: str) -> None:
    """``src/tidegate/ROOM`` is a relative link to the folder of that name."""
    link = ROOT / "src" / "tidegate" / room
    assert link.is_symlink()
    assert str(link.readlink()) == f"../../{room}"
    assert link.resolve() == ROOT / room


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room: str) -> None:
    """No room imports one that it must not know."""
    for path in python_files(room):
        for name in imported(path):
            own = name.split(".")[0] == room
            allowed = any(name == other or name.startswith(f"{other}.") for other in MAY_IMPORT[room])
            public = name in {"connect", "Engine"} and room == "client_demo"
            assert own or allowed or public or name.split(".")[0] in COMMON, f"{path.relative_to(ROOT)} imports tidegate.{name}"


def test_our_codecs_are_not_the_standard_librarys() -> None:
    """A Python that is started beside the folder still finds the standard library's module."""
    code = "import codecs, tidegate.codecs.frames as ours; print(codecs.__file__, ours.__file__)"
    command = [sys.executable, "-X", "frozen_modules=off", "-c", code]
    out = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=30, check=True
    )
    standard, ours = out.stdout.split()
    assert Path(standard).parent != ROOT / "codecs"
    assert Path(ours).resolve().parent == ROOT / "codecs"


def test_no_room_is_a_regular_package() -> None:
    """The rooms have no ``__init__.py``: one way of importing, from the module that defines the thing."""
    assert not [path for room in ROOMS for path in (ROOT / room).rglob("__init__.py")]


def test_every_folder_with_python_is_in_the_wheel() -> None:
    """The package list of pyproject.toml names each folder that holds modules or data, and no others."""
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {path.parent for room in ROOMS for path in python_files(room)}
    folders |= {path.parent for path in (ROOT / "models" / "bundled").rglob("model.toml")}
    folders |= {ROOT / "models" / "bundled", ROOT / "client_demo" / "data"}
    assert listed == {"tidegate"} | {"tidegate." + ".".join(folder.relative_to(ROOT).parts) for folder in folders}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import tidegate; tidegate.connect", "onnxruntime"),
        ("import tidegate", "websockets"),
        ("import tidegate.gateway.cli", "onnxruntime"),
        ("import tidegate; tidegate.Engine", "websockets"),
    ],
)
def test_what_is_not_used_is_not_imported(code: str, absent: str) -> None:
    """A client alone never imports onnxruntime, an engine alone never WebSocket."""
    check = f"{code}; import sys; assert {absent!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", check], timeout=60, check=True)


@pytest.mark.parametrize("room", [*ROOMS, "bench", "src"])
def test_files_stay_small(room: str) -> None:
    """No file grows beyond 400 lines and no function beyond 50."""
    for path in python_files(room):
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.body[0].lineno < 50, f"{path}:{node.lineno} {node.name}"


def test_every_file_says_what_it_knows() -> None:
    """Each module begins with a docstring."""
    for room in (*ROOMS, "bench", "src", "tests"):
        for path in python_files(room):
            assert ast.get_docstring(ast.parse(path.read_text())), path


def test_every_test_states_its_claim() -> None:
    """Each test function has a docstring."""
    for path in python_files("tests"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name}"


def build_wheel(folder: Path, *extra: str) -> tuple[set[str], str]:
    """Build a wheel of what git knows, and of some files more, with no Node; return what is in it, and what was said."""
    command = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--no-build-isolation"]
    source = folder / "source"
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.splitlines():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    for name in extra:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("built before")
    env = {**os.environ, "PATH": str(folder)}
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), "."],
        cwd=source,
        env=env,
        timeout=120,
        check=True,
        capture_output=True,
        text=True,
    )
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist()), done.stdout + done.stderr


def test_the_wheel_holds_every_module(tmp_path: Path) -> None:
    """What is built for PyPI has each module, model and configuration file, with no Node and no network."""
    packed, said = build_wheel(tmp_path)
    wanted = {f"tidegate/{path.relative_to(ROOT)}" for room in ROOMS for path in python_files(room)}
    bundled = ROOT / "models" / "bundled"
    wanted |= {f"tidegate/{path.relative_to(ROOT)}" for path in (*bundled.rglob("model.*"), *bundled.rglob("*.json"))}
    wanted |= {f"tidegate/{path.name}" for path in (ROOT / "src" / "tidegate").glob("*.py")} | {"tidegate/py.typed"}
    wanted |= {f"tidegate/{path.relative_to(ROOT)}" for path in (ROOT / "client_demo" / "data").iterdir()}
    assert not wanted - packed
    assert said.count("the gateway's pages are left out") == 1


def test_the_wheel_holds_pages_that_were_built_before(tmp_path: Path) -> None:
    """Pages that lie built in the tree are packed, also by who has no Node; their sources are not."""
    pages = {"gateway/pages/index.html", "gateway/pages/assets/a-1.js"}
    packed, said = build_wheel(tmp_path, *pages)
    assert {f"tidegate/{name}" for name in pages} <= packed
    assert not [name for name in packed if name.endswith((".ts", ".mjs", "package.json"))]
    assert said.count("are packed as they were built before") == 1
