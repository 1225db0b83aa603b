"""Shows what is being done while somebody waits: two lines that change on a terminal, a line now and then elsewhere.

Everything goes to the console that is given, which is that of standard error: results are never mixed with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from harness.observe.moment import Moment, Show
from reports.text import plain

_LINE_SECONDS = 10.0
_SAID = 160
"""Most characters that are shown of what a submission printed."""


@contextmanager
def watching(console: Console) -> Iterator[Show]:
    """A function to call with each moment, while they are shown."""
    with (_picture if console.is_terminal else _lines)(console) as show:
        yield show


class _Picture:
    """What is done and for how long, and below it what the submission said last."""

    def __init__(self) -> None:
        self.moment = Moment("starting")
        self.since = time.monotonic()
        self._spinner = Spinner("dots")

    def show(self, moment: Moment) -> None:
        if moment.doing != self.moment.doing:
            self.since = time.monotonic()
        self.moment = moment

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        seconds = time.monotonic() - self.since
        table = Table.grid(padding=(0, 1))
        table.add_row(self._spinner, Text(f"{self.moment.doing}  {seconds:.0f} s"))
        yield table
        said = Text(f"  {plain(self.moment.said, _SAID)}", style="dim", overflow="ellipsis", no_wrap=True)
        yield said


@contextmanager
def _picture(console: Console) -> Iterator[Show]:
    picture = _Picture()
    with Live(picture, console=console, transient=True, refresh_per_second=8):
        yield picture.show


@contextmanager
def _lines(console: Console) -> Iterator[Show]:
    doing = ""
    last = 0.0
    began = time.monotonic()

    def show(moment: Moment) -> None:
        nonlocal doing, last
        now = time.monotonic()
        if moment.doing == doing and (not moment.said or now - last < _LINE_SECONDS):
            return
        said = f": {plain(moment.said, _SAID)}" if moment.said else ""
        console.print(Text(f"{now - began:5.0f} s  {moment.doing}{said}"), soft_wrap=True)
        doing, last = moment.doing, now

    yield show
