"""Claims about the built pages: which files are served, under which names, with which headers; and what ``/`` answers."""

from __future__ import annotations

import gzip
import logging
from typing import TYPE_CHECKING

import pytest
from websockets.datastructures import Headers

from tidegate.gateway import static_pages
from tidegate.gateway.front import front
from tidegate.gateway.page_policy import page_policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tidegate.gateway.page import Page
    from tidegate.gateway.static_pages import StaticFile

BROWSER = {"Host": "localhost:8000", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = "export const tide = 'gate';\n" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the build leaves it."""
    for name, text in {
        "index.html": "<h1>start</h1>",
        "dashboard.html": "<h1>dashboard</h1>",
        "icon.svg": "<svg/>",
        "assets/page-Ccgxpwse.js": SCRIPT,
        "assets/page-AMa2dxEb.css": "p {}",
        "assets/page.js.map": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def pages(folder: Path) -> Mapping[str, StaticFile]:
    """The same, read."""
    return static_pages.load(folder)


def ask(file: StaticFile, **headers: str) -> Page:
    return file.answer(Headers({"Host": "localhost:8000", **{name.replace("_", "-"): text for name, text in headers.items()}}))


def test_pages_have_their_names_without_a_suffix(pages: Mapping[str, StaticFile]) -> None:
    """index.html is /, NAME.html is /NAME, the rest is called as it lies there; unknown kinds of files are not served."""
    assert set(pages) == {"/", "/dashboard", "/icon.svg", "/assets/page-Ccgxpwse.js", "/assets/page-AMa2dxEb.css"}


@pytest.mark.parametrize(
    ("target", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/assets/page-Ccgxpwse.js", "text/javascript; charset=utf-8"),
        ("/assets/page-AMa2dxEb.css", "text/css; charset=utf-8"),
    ],
)
def test_types_are_right(target: str, content_type: str, pages: Mapping[str, StaticFile]) -> None:
    """Browsers that must not guess are told what each file is."""
    assert ask(pages[target]).content_type == content_type


def test_only_what_is_named_by_its_content_is_kept_for_good(pages: Mapping[str, StaticFile]) -> None:
    """Assets never change under their name; a page is asked for again each time."""
    assert ask(pages["/assets/page-Ccgxpwse.js"]).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert {ask(pages[target]).headers["Cache-Control"] for target in ("/", "/dashboard", "/icon.svg")} == {"no-cache"}


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "{} , {}", "*"])
def test_what_the_browser_has_is_not_sent_again(form: str, pages: Mapping[str, StaticFile]) -> None:
    """A request that names the tag of the content gets 304 with the same headers and no body; another tag gets it all."""
    whole = ask(pages["/"])
    again = ask(pages["/"], If_None_Match=form.replace("{}", whole.headers["ETag"]))
    assert (again.status, again.body, dict(again.headers)) == (304, b"", dict(whole.headers))
    assert ask(pages["/"], If_None_Match='"other"').status == 200


def test_a_tag_belongs_to_one_content(folder: Path) -> None:
    """After another build a browser that has the old page gets the new one."""
    before = ask(static_pages.load(folder)["/"]).headers["ETag"]
    (folder / "index.html").write_text("<h1>anew</h1>")
    assert ask(static_pages.load(folder)["/"], If_None_Match=before).body == b"<h1>anew</h1>"


@pytest.mark.parametrize(
    ("offered", "packed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br", False),
        ("", False),
    ],
)
def test_text_is_packed_for_who_takes_it(offered: str, packed: bool, pages: Mapping[str, StaticFile]) -> None:
    """Gzip is sent when it is offered, under a tag of its own; unpacked it is the file."""
    page = ask(pages["/assets/page-Ccgxpwse.js"], **({"Accept_Encoding": offered} if offered else {}))
    assert page.headers.get("Content-Encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(page.body) if packed else page.body) == SCRIPT.encode()
    assert page.headers["ETag"].endswith('-gzip"') == packed
    assert "Accept-Encoding" in page.headers["Vary"]


def test_pages_may_do_next_to_nothing(pages: Mapping[str, StaticFile]) -> None:
    """No script or style from inside a page or from elsewhere, no frame around it, the microphone for itself alone."""
    headers = ask(pages["/dashboard"]).headers
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["worker-src"] == "'self'"
    assert not [rule for rule in rules.values() if "unsafe" in rule or "*" in rule]
    assert "microphone=(self)" in headers["Permissions-Policy"]
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize(
    ("host", "connect"),
    [
        ("localhost:8000", "'self' ws://localhost:8000 wss://localhost:8000"),
        ("Gateway.Example", "'self' ws://gateway.example wss://gateway.example"),
        ("[::1]:8000", "'self'"),
        ("evil; script-src *", "'self'"),
    ],
)
def test_pages_connect_to_where_they_come_from(host: str, connect: str) -> None:
    """The WebSocket of the same host is named for older browsers; what is no plain name is not repeated."""
    assert page_policy(host)["Content-Security-Policy"].endswith(f"; connect-src {connect}")


def test_pages_that_are_not_built_are_no_error(tmp_path: Path) -> None:
    """Without a build there are no pages."""
    assert static_pages.load(tmp_path / "pages") == {}


@pytest.mark.parametrize(("bound", "value"), [("_MAX_FILES", 2), ("_MAX_BYTES", 10)])
def test_a_folder_beyond_the_bounds_is_not_served(
    bound: str, value: int, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages stay in memory, so there are only so many; more are a mistake, and said."""
    monkeypatch.setattr(static_pages, bound, value)
    with caplog.at_level(logging.WARNING, "tidegate.gateway"):
        assert static_pages.load(folder) == {}
    assert "not served" in caplog.text


def test_a_browser_gets_the_start_page(pages: Mapping[str, StaticFile]) -> None:
    """Who asks for HTML by name gets the page; a cache is told that others get something else."""
    page = front(Headers(BROWSER), pages)
    assert (page.body, page.content_type) == (b"<h1>start</h1>", "text/html; charset=utf-8")
    assert "Accept" in page.headers["Vary"]


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*"}, {"Accept": "text/plain"}])
def test_curl_gets_text(headers: dict[str, str], pages: Mapping[str, StaticFile]) -> None:
    """Everybody else gets a list of what is here, the pages too if they are built."""
    page = front(Headers({"Host": "localhost:8000", **headers}), pages)
    assert page.content_type.startswith("text/plain")
    assert b"/metrics" in page.body
    assert b"For a browser: / /dashboard\n" in page.body
    assert b"For a browser" not in front(Headers(headers), {}).body


def test_a_browser_is_told_how_to_get_pages_that_are_missing() -> None:
    """Without a build the page at / says what to do, links what there is, and obeys the same policy."""
    page = front(Headers(BROWSER), {})
    assert page.status == 200
    assert b"make pages" in page.body
    assert b"Node 20" in page.body
    assert b"pip install ." in page.body  # a build in a clone does not reach what was installed
    assert all(f'href="{path}"'.encode() in page.body for path in ("/models", "/readyz", "/healthz", "/metrics"))
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert b"<script" not in page.body
    assert b"style" not in page.body
