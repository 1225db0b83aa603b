"""What workers tell of what they are at."""

from __future__ import annotations

import io
import os

from rich.console import Console
from tests_support.hostile import PAYLOADS, hidden_in

from harness.model.review import Depth
from harness.observe.moment import Moment
from harness.sweep import progress
from harness.sweep.doing import Doing, Listener, Teller
from harness.sweep.index import IndexRow


def test_told_and_heard() -> None:
    """Every new work is heard; of more words about the same only some; the end of it, too."""
    with Listener() as listener:
        teller = Teller(listener.theirs)
        teller.begin(7)
        teller.show(Moment("reading"))
        for number in range(100):
            teller.show(Moment("running", f"step {number}"))
        teller.begin(None)
        heard = list(listener.heard())
    assert [(one.worker, one.pr) for one in heard] == [(os.getpid(), 7)] * 3 + [(os.getpid(), None)]
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
        shown.doing(Doing(11, 5, Moment("running at size 64", payload)))
        shown.doing(Doing(11, None))
        shown(IndexRow(pr=5, key="k"))
        lines = stream.getvalue().splitlines()
        assert lines[0].startswith("1/2  0.6/min  100 s left")
        assert "    5  running at size 64  0 s  " in lines[1]
        assert lines[2].startswith("2/2")
        assert len(lines) == 3
        assert not list(hidden_in(stream.getvalue()))


def test_bar() -> None:
    """On a terminal there is a bar with a line a worker, which goes when the worker has finished."""
    stream = io.StringIO()
    console = Console(file=stream, width=120, force_terminal=True, color_system=None)
    shown = progress._Bar(2, console, Depth.RUN)
    with shown.shown():
        shown.doing(Doing(11, 5, Moment("running at size 64", "step 3")))
        console.print(shown)
        assert "    5  running at size 64  0 s  step 3" in stream.getvalue()
        shown.doing(Doing(11, None))
        assert not list(shown.at_work())
        shown(IndexRow(pr=5, key="k", error="Traceback\nValueError: [red]no[/red]"))
    assert "pull request 5: ValueError: [red]no[/red]" in stream.getvalue()
