"""The documents hang together: links lead somewhere, nothing is an orphan, and the picture is one that anybody may show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from doc_pages import PAGES, ROOT, anchors, links

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file of the project, and to a heading of it if it names one."""
    for link in links(page):
        if re.match(r"https?:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(path), link


def test_every_page_is_in_the_index() -> None:
    """Each page under ``docs`` can be reached from the index, and the index from the README."""
    index = ROOT / "docs" / "README.md"
    assert {page.name for page in PAGES if page.parent.name == "docs" and page != index} <= set(links(index))
    assert "docs/README.md" in links(ROOT / "README.md")


def test_the_picture_stands_alone() -> None:
    """The picture is well-formed, has a title and a description, and loads and runs nothing."""
    text = (ROOT / "docs" / "overview.svg").read_text("utf-8")
    root = ET.fromstring(text)
    assert root.find(f"{SVG}title") is not None
    assert root.find(f"{SVG}desc") is not None
    assert not root.findall(f".//{SVG}script")
    assert not re.search(r"href|@import|url\((?!#)", text)
