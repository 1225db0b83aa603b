"""Progress of a sweep: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from harness.sweep.index import IndexRow
from harness.sweep.sweep import Sweep

_LINE_SECONDS = 10.0


class _Rate(ProgressColumn):
    """Finished jobs a second."""

    def render(self, task: Task) -> Text:
        """The rate, or nothing before the first job."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "")


@contextmanager
def show(sweep: Sweep, console: Console) -> Iterator[Callable[[IndexRow], None]]:
    """A function to call with each finished row while the progress is shown."""
    if sweep.done:
        console.print(f"{len(sweep.done)} of {len(sweep.keys)} pull requests are done already", highlight=False)
    with (_bar if console.is_terminal else _lines)(len(sweep.left), console) as report:
        yield report


@contextmanager
def _bar(total: int, console: Console) -> Iterator[Callable[[IndexRow], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[verdicts]}"),
    )
    verdicts: Counter[str] = Counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("reviewing", total=total, verdicts="")

        def report(row: IndexRow) -> None:
            verdicts[_word(row)] += 1
            progress.update(task, advance=1, verdicts=_counts(verdicts))
            if row.error:
                progress.console.print(f"pull request {row.pr}: {row.error.strip().splitlines()[-1]}", markup=False)

        yield report


@contextmanager
def _lines(total: int, console: Console) -> Iterator[Callable[[IndexRow], None]]:
    verdicts: Counter[str] = Counter()
    started = last = time.monotonic()

    def report(row: IndexRow) -> None:
        nonlocal last
        verdicts[_word(row)] += 1
        now, count = time.monotonic(), verdicts.total()
        if now - last >= _LINE_SECONDS or count == total:
            last = now
            rate = count / max(now - started, 1e-9)
            left = (total - count) / rate
            console.print(f"{count}/{total}  {rate:.1f}/s  {left:.0f} s left  {_counts(verdicts)}", highlight=False)

    yield report


def _word(row: IndexRow) -> str:
    return "harness error" if row.error else row.verdict.value if row.verdict else "none"


def _counts(verdicts: Counter[str]) -> str:
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in verdicts.most_common())
