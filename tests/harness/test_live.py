"""What is shown while a submission is read and run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests_support.hostile import PAYLOADS, hidden_in

from harness import live
from harness.observe.moment import Moment


def shown(*moments: Moment, terminal: bool) -> str:
    """Everything that is written while these moments pass."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, color_system=None)
    with live.watching(console) as show:
        for moment in moments:
            show(moment)
    return stream.getvalue()


def test_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where lines cannot change, one for everything that begins, and of what is said one in a while."""
    moments = [Moment("reading"), Moment("running"), *(Moment("running", f"step {i}") for i in range(50))]
    text = shown(*moments, terminal=False)
    assert [line.split(" s  ")[1] for line in text.splitlines()] == ["reading", "running"]
    monkeypatch.setattr(live, "_LINE_SECONDS", 0.0)
    assert "running: step 49" in shown(*moments, terminal=False)


def test_picture() -> None:
    """On a terminal the picture is gone when the work is done, and nothing of it is left in its lines."""
    text = shown(Moment("running at size 64", "step 3"), terminal=True)
    assert "\x1b[2K" in text
    assert "running at size 64" in text
    assert "step 3" in text


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_words(payload: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a submission prints stays text: no escape of its own reaches the terminal, no markup comes alive."""
    monkeypatch.setattr(live, "_LINE_SECONDS", 0.0)
    text = shown(Moment("running", payload), terminal=terminal)
    for ours in ("\x1b[?25l", "\x1b[?25h", "\x1b[2K", "\x1b[1A", "\r"):
        text = text.replace(ours, "")
    assert not list(hidden_in(text))
