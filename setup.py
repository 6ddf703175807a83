"""What a wheel and a source archive need beside copying: the gateway's pages are built first, if Node 20 is there.

What else is to be said of the project stands in ``pyproject.toml``. Without Node the pages that were built before are packed,
or none; a source archive has them built and no sources of them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

_ROOT = Path(__file__).parent
_SCRIPT = _ROOT / "client_demo" / "pages" / "build.mjs"
_BUILT = _ROOT / "src" / "tidegate" / "gateway" / "pages"
_OLDEST_NODE = 20


class _BuildPy(build_py):
    def run(self) -> None:
        if not self.editable_mode:
            _build_pages()
            # Of an earlier build, under names that nobody asks for any more.
            shutil.rmtree(Path(self.build_lib) / "tidegate" / "gateway" / "pages", ignore_errors=True)
        super().run()


class _Sdist(sdist):
    def run(self) -> None:
        _build_pages()
        super().run()


def _build_pages() -> None:
    if _SCRIPT.exists():
        node = shutil.which("node")
        if node is None or shutil.which("npm") is None or not _is_new_enough(node):
            return _without("that needs Node 20 and npm")
        if subprocess.run([node, _SCRIPT], check=False).returncode:  # noqa: S603 - its words are ours
            return _without("see above")
    elif not (_BUILT / "index.html").exists():
        return _without("their sources are not here")
    return None


def _is_new_enough(node: str) -> bool:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - see above
    major = done.stdout.strip().removeprefix("v").partition(".")[0]
    return major.isdecimal() and int(major) >= _OLDEST_NODE


def _without(reason: str) -> None:
    what = "are packed as they were built before" if (_BUILT / "index.html").exists() else "are left out"
    print(f"tidegate: the gateway's pages {what}: they could not be built ({reason})", file=sys.stderr)


setup(cmdclass={"build_py": _BuildPy, "sdist": _Sdist})
