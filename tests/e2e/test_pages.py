"""The built pages, from a real gateway: whole, and as strict as they are said to be. Skipped where they are not built."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import pytest
from http_get import get

from tidegate.gateway import static_pages

if TYPE_CHECKING:
    from server_process import ServerProcess

PAGES = ("/", "/dashboard", "/playground", "/microphone", "/digit", "/text")
pytestmark = pytest.mark.skipif(not (static_pages.FOLDER / "index.html").exists(), reason="the pages are not built")


@pytest.mark.parametrize("path", PAGES)
async def test_each_page_is_whole(path: str, bundled_server: ServerProcess) -> None:
    """A page comes with its policy, everything that it loads is there and from here, and nothing runs from inside it."""
    page = await get(bundled_server.port, path, Accept="text/html")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    html = page.body.decode()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", html)
    for target in set(re.findall(r"(?:src|href)=\"([^\"#]+)\"", html)):
        assert not urlsplit(urljoin("/", target)).netloc
        assert (await get(bundled_server.port, target)).status == 200


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_that_is_there_already_is_not_sent(path: str, bundled_server: ServerProcess) -> None:
    """Asked with the tag of what it has, a browser hears that it has it."""
    page = await get(bundled_server.port, path, Accept="text/html")
    again = await get(bundled_server.port, path, Accept="text/html", If_None_Match=page.headers["etag"])
    assert (again.status, again.body) == (304, b"")


async def test_scripts_name_only_what_is_there(bundled_server: ServerProcess) -> None:
    """What the scripts import from each other is served, so no page breaks when its second half is loaded."""
    scripts = {target for target in static_pages.load() if target.endswith(".js")}
    for target in sorted(scripts):
        script = (await get(bundled_server.port, target)).body.decode()
        for name in re.findall(r"(?:from|import)\s*\(?[\"'`](\.{0,2}/[^\"'`]+\.js)[\"'`]", script):
            assert urljoin(target, name) in scripts


async def test_the_list_for_curl_stays(bundled_server: ServerProcess) -> None:
    """Who does not ask for HTML gets text."""
    answer = await get(bundled_server.port, "/", Accept="*/*")
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"/dashboard" in answer.body
