"""The user's documents as data: their fenced blocks, tables, headings and links. It judges nothing and runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = ("make", "tidegate", "pip", "python", "python3", "curl", "sudo")
SHOWN_URL = "ws://127.0.0.1:8000/v1"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: where it stands.
        line: the line of its first character, from 1.
        language: what the fence says.
        text: what is in it.
        following: language and text of the next block on the page.
        near: whether that comes at once, with nothing in between.
    """

    page: Path
    line: int
    language: str
    text: str
    following: tuple[str, str]
    near: bool

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def output(self) -> str | None:
        """What a program is said to print."""
        return self.following[1] if self.near and self.following[0] == "text" else None


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages, in order; of these languages, if any are named."""
    found = [block for page in PAGES for block in _blocks(page)]
    return [block for block in found if not languages or block.language in languages]


def _blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    matches = list(_FENCE.finditer(text))
    found = []
    for match, after in zip_longest(matches, matches[1:]):
        near = after is not None and not text[match.end() : after.start()].strip()
        language = match[1] or ("sh" if match[2].split(maxsplit=1)[0] in COMMANDS else "text")
        following = (after[1], after[2]) if after is not None else ("", "")
        found.append(Block(page, text.count("\n", 0, match.start(2)) + 1, language, match[2], following, near))
    return found


def section(page: str, title: str) -> str:
    """Return the text under a heading, up to the next one."""
    text = _FENCE.sub("", (ROOT / page).read_text("utf-8"))
    found = re.search(rf"^#+ {re.escape(title)}$\n(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"{page} has no heading {title!r}"
    return found[1]


def table(page: str, title: str, number: int = 0) -> list[list[str]]:
    """Return the cells of a table under a heading, without its head."""
    tables = re.findall(r"(?:^\|.*\|\n)+", section(page, title), re.MULTILINE)
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in tables[number].splitlines()[2:]]


def codes(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def links(page: Path) -> list[str]:
    """Return where a page's links lead, as they are written."""
    return _LINK.findall(_FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the names by which the headings of a page can be linked to, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
