"""Progress of a sweep: a bar with rate and time left on a terminal, with a line a worker where submissions are run; a
line now and then elsewhere.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from harness.model.review import Depth
from harness.observe.moment import Moment
from harness.sweep.doing import Doing
from harness.sweep.index import IndexRow
from harness.sweep.sweep import Sweep
from reports.text import plain

_LINE_SECONDS = {Depth.STATIC: 10.0, Depth.RUN: 30.0, Depth.PROOF: 30.0}
_ESTIMATE_SECONDS = 600.0
"""The rate is that of so many seconds: of a sweep that runs submissions a minute says little."""
_SAID = 100


class _Rate(ProgressColumn):
    """Finished jobs a second, or a minute."""

    def render(self, task: Task) -> Text:
        """The rate, or nothing before the first job."""
        return Text(_rate(task.finished_speed or task.speed or 0.0))


class Shown:
    """What a sweep tells: finished rows (by calling it), and what its workers are at."""

    def __init__(self, total: int, console: Console, depth: Depth) -> None:
        self.total, self.console, self.depth = total, console, depth
        self.verdicts: Counter[str] = Counter()
        self.began = time.monotonic()
        self._begun: dict[int, tuple[Moment, float]] = {}

    def __call__(self, row: IndexRow) -> None:
        """A row is finished."""
        self.verdicts[_word(row)] += 1
        self._begun.pop(row.pr, None)

    def doing(self, one: Doing) -> None:
        """A worker is at something else, or says more."""
        before, since = self._begun.get(one.pr, (None, 0.0))
        same = before is not None and before.doing == one.moment.doing
        self._begun[one.pr] = one.moment, since if same else time.monotonic()

    def at_work(self) -> Iterator[str]:
        """A line a worker: pull request, what is done, for how long, and what the submission said last."""
        now = time.monotonic()
        for pr, (moment, since) in sorted(self._begun.items()):
            said = f"  {plain(moment.said, _SAID)}" if moment.said else ""
            yield f"{pr:>5}  {moment.doing}  {now - since:.0f} s{said}"


@contextmanager
def show(sweep: Sweep, console: Console) -> Iterator[Shown]:
    """Something to call with each finished row while the progress is shown."""
    if sweep.done:
        console.print(f"{len(sweep.done)} of {len(sweep.keys)} pull requests are done already", highlight=False)
    kind = _Bar if console.is_terminal else _Lines
    with kind(len(sweep.left), console, sweep.setup.depth).shown() as shown:
        yield shown


class _Bar(Shown):
    """On a terminal."""

    def __init__(self, total: int, console: Console, depth: Depth) -> None:
        super().__init__(total, console, depth)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[verdicts]}"),
        )
        self._progress = Progress(*columns, console=console, speed_estimate_period=_ESTIMATE_SECONDS)
        self._task = self._progress.add_task("reviewing", total=total, verdicts="")

    @contextmanager
    def shown(self) -> Iterator[Shown]:
        """While it is there."""
        with Live(self, console=self.console, refresh_per_second=4):
            yield self

    def __call__(self, row: IndexRow) -> None:
        super().__call__(row)
        self._progress.update(self._task, advance=1, verdicts=_counts(self.verdicts))
        if row.error:
            self.console.print(Text(f"pull request {row.pr}: {plain(row.error.strip().splitlines()[-1], 400)}"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's protocol."""
        yield self._progress
        if self.depth is not Depth.STATIC:
            for line in self.at_work():
                yield Text(line, style="dim", overflow="ellipsis", no_wrap=True)


class _Lines(Shown):
    """Where nothing can be drawn over."""

    def __init__(self, total: int, console: Console, depth: Depth) -> None:
        super().__init__(total, console, depth)
        self._last = self.began

    @contextmanager
    def shown(self) -> Iterator[Shown]:
        """While it is there."""
        yield self

    def __call__(self, row: IndexRow) -> None:
        super().__call__(row)
        self._print(last=self.verdicts.total() == self.total)

    def doing(self, one: Doing) -> None:
        """A worker is at something else, or says more."""
        super().doing(one)
        self._print()

    def _print(self, *, last: bool = False) -> None:
        """Lines, where the last ones are old or no others will follow."""
        now = time.monotonic()
        if not last and now - self._last < _LINE_SECONDS[self.depth]:
            return
        self._last = now
        count = self.verdicts.total()
        rate = count / max(now - self.began, 1e-9)
        left = f"  {(self.total - count) / rate:.0f} s left" if count else ""
        line = f"{count}/{self.total}  {_rate(rate)}{left}  {_counts(self.verdicts)}".rstrip()
        self.console.print(Text(line), soft_wrap=True)
        if self.depth is not Depth.STATIC:
            for work in self.at_work():
                self.console.print(Text(f"    {work}"), soft_wrap=True)


def _rate(jobs: float) -> str:
    """Jobs a second in words; a minute where these are few."""
    if not jobs:
        return ""
    return f"{jobs:.1f}/s" if jobs >= 1 else f"{jobs * 60:.1f}/min"


def _word(row: IndexRow) -> str:
    return "harness error" if row.error else row.verdict.value if row.verdict else "none"


def _counts(verdicts: Counter[str]) -> str:
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in verdicts.most_common())
