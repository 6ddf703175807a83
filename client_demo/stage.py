"""Where the demo speaks: colours and a live table in a terminal, plain lines everywhere else. It knows no models."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, contextmanager
from io import TextIOWrapper
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

_WIDTH = 100
_INDENT = "  "
_REPAINT_S = 0.1


class Stage:
    """Prints to a console, or to standard output.

    Attributes:
        console: rich's console, for whoever wants to know how wide it is.
    """

    def __init__(self, console: Console | None = None) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without blocks and bars gets question marks
        self.console = console or Console(highlight=False)
        if not self.is_terminal or self.console.width > _WIDTH:
            self.console.width = _WIDTH

    @property
    def is_terminal(self) -> bool:
        """Whether what is printed can be printed over."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def title(self, text: str) -> None:
        """Begin a part."""
        self.console.print()
        self.console.print(Text(text, style="bold cyan"))

    def say(self, text: str, style: str = "") -> None:
        """Print a sentence or two."""
        for line in wrap(text, self.console.width - len(_INDENT)) or [""]:
            self.draw(line, style)

    def draw(self, line: str | Text, style: str = "") -> None:
        """Print a line that must not be wrapped; what is too long is cut."""
        text = Text.assemble(_INDENT, line, style=style, no_wrap=True, overflow="crop")
        text.rstrip()
        self.console.print(text)

    def show(self, table: Table) -> None:
        """Print a table."""
        self.console.print()
        if self.is_terminal:
            self.console.print(_indented(table))
            return
        with self.console.capture() as printed:
            self.console.print(_indented(table))
        for line in printed.get().splitlines():  # a file wants no blanks at the end of its lines
            self.console.out(line.rstrip(), highlight=False)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show that something goes on; only a terminal shows it."""
        if not self.is_terminal:
            yield
            return
        with self.console.status(f" {text}", spinner_style="cyan"):
            yield

    @asynccontextmanager
    async def live(self, table: Callable[[], Table]) -> AsyncIterator[None]:
        """Repaint a table while the body runs, or print it once at the end where nothing can be printed over."""
        if not self.is_terminal:
            yield
            self.show(table())
            return
        self.console.print()
        with Live(_indented(table()), console=self.console, auto_refresh=False) as live:
            painter = asyncio.create_task(_repaint(live, table))
            try:
                yield
            finally:
                painter.cancel()
                live.update(_indented(table()), refresh=True)


def new_table(first: str, *others: str, widths: Iterable[int] = ()) -> Table:
    """Make a table whose first column is text and whose other columns are numbers; empty ``widths`` fit the contents."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    table.add_column(first, no_wrap=True)
    given = iter(widths)
    for name in others:
        table.add_column(name, justify="right", min_width=next(given, None), no_wrap=True)
    return table


def _indented(table: Table) -> Padding:
    return Padding(table, (0, 0, 0, len(_INDENT)))


async def _repaint(live: Live, table: Callable[[], Table]) -> None:
    while True:
        await asyncio.sleep(_REPAINT_S)
        live.update(_indented(table()), refresh=True)
