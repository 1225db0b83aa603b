"""What workers tell of what they are at."""

from __future__ import annotations

import io

from rich.console import Console
from tests_support.hostile import PAYLOADS, hidden_in

from harness.model.review import Depth
from harness.observe.moment import Moment
from harness.sweep import progress
from harness.sweep.doing import Doing, Listener, Teller
from harness.sweep.index import IndexRow


def test_told_and_heard() -> None:
    """Every new work is heard; of more words about the same only some."""
    with Listener() as listener:
        teller = Teller(listener.theirs)
        teller.begin(7)
        teller.show(Moment("reading"))
        for number in range(100):
            teller.show(Moment("running", f"step {number}"))
        teller.begin(8)
        heard = list(listener.heard())
    assert [one.pr for one in heard] == [7, 7, 7, 8]
    assert [one.moment for one in heard[1:3]] == [Moment("reading"), Moment("running", "step 0")]


def test_nobody_waits() -> None:
    """A worker goes on when nobody listens, or when nobody takes what it tells."""
    with Listener() as listener:
        teller = Teller(listener.theirs)
        for number in range(10_000):
            teller.begin(number)
        assert 0 < len(list(listener.heard())) < 10_000
    teller.begin(1)


def test_lines() -> None:
    """A line now and then: how many are done, how fast, what is left, and every worker with its own words, escaped."""
    for payload in ("step 3", *PAYLOADS):
        stream = io.StringIO()
        shown = progress._Lines(2, Console(file=stream, width=200), Depth.RUN)
        shown.began -= 100.0
        shown._last -= 100.0
        shown(IndexRow(pr=1, key="k"))
        shown._last -= 100.0
        shown.doing(Doing(5, Moment("running at size 64", payload)))
        shown(IndexRow(pr=5, key="k"))
        lines = stream.getvalue().splitlines()
        assert lines[0].startswith("1/2  0.6/min  100 s left")
        assert lines[1].startswith("1/2")
        assert "    5  running at size 64  0 s  " in lines[2]
        assert lines[3].startswith("2/2")
        assert len(lines) == 4
        assert not list(hidden_in(stream.getvalue()))


def test_lines_of_rows_alone() -> None:
    """Where nobody tells what workers are at, finished rows bring a line now and then, and the last one does."""
    stream = io.StringIO()
    shown = progress._Lines(3, Console(file=stream, width=200), Depth.STATIC)
    shown._last -= 100.0
    for number in (1, 2, 3):
        shown(IndexRow(pr=number, key="k"))
    assert [line.split("  ")[0] for line in stream.getvalue().splitlines()] == ["1/3", "3/3"]


def test_another_worker_takes_over() -> None:
    """What a worker that died was at is shown once, as that of the worker that does it again."""
    shown = progress._Lines(1, Console(file=io.StringIO()), Depth.RUN)
    for doing in ("running at size 64", "starting"):
        shown.doing(Doing(5, Moment(doing)))
    assert [line.split("  ")[-2] for line in shown.at_work()] == ["starting"]
    shown(IndexRow(pr=5, key="k"))
    assert not list(shown.at_work())


def test_bar() -> None:
    """On a terminal there is a bar with a line a worker, which goes when its work is finished."""
    stream = io.StringIO()
    console = Console(file=stream, width=120, force_terminal=True, color_system=None)
    shown = progress._Bar(2, console, Depth.RUN)
    with shown.shown():
        shown.doing(Doing(5, Moment("running at size 64", "step 3")))
        console.print(shown)
        assert "    5  running at size 64  0 s  step 3" in stream.getvalue()
        shown(IndexRow(pr=5, key="k", error="Traceback\nValueError: [red]no[/red]"))
        assert not list(shown.at_work())
    assert "pull request 5: ValueError: [red]no[/red]" in stream.getvalue()
