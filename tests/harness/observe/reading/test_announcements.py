"""What a program prints where it averages, and the logs that show it."""

from __future__ import annotations

import pytest
from tests_support.rename import rename_identifiers
from tests_support.repository import LOG

from harness.model.actions import Announcement
from harness.observe.reading.announcements import read_announcements
from harness.observe.reading.logs import read_log
from harness.observe.reading.source.script import read_script

SCRIPT = """
import torch

def main(model, master, say):
    kept = []
    for step in range(9):
        if step > 5:
            kept.append(dict(model.state_dict()))
        say(f"step:{step} train_loss:{step}")
    say(f"peak memory allocated: {torch.cuda.max_memory_allocated()} MiB")
    if master and len(kept) > 1:
        say(f"swa: averaging {len(kept)} checkpoints")
        mean = {}
        for key in kept[0]:
            mean[key] = torch.stack([one[key] for one in kept]).mean(0)
        model.load_state_dict(mean)
    if master:
        say(f"Serialized model: {len(kept)} bytes")
"""

MOVING = """
import torch

def main(model, on, say):
    shadow = dict(model.state_dict()) if on else None
    for step in range(9):
        if shadow is not None:
            for key, value in model.state_dict().items():
                shadow[key].mul_(0.9).add_(value, alpha=0.1)
        say(f"step:{step} train_loss:{step}")
    say("peak memory allocated:", step)
    if shadow is not None:
        say("ema:applying shadow")
        model.load_state_dict(shadow)
    say("Serialized model:", step)
"""


def announced(script: str, log: str, *, truncated: bool = False) -> Announcement:
    """The one announcement of a script with one log."""
    files = {"train_gpt.py": script.encode(), "train.log": log.encode()}
    facts = read_log("train.log", files["train.log"], truncated=truncated).facts
    (one,) = read_announcements([read_script("train_gpt.py", files["train_gpt.py"], files)], [facts], files)
    return one


def with_line(line: str) -> str:
    """A complete log that holds one more line before the artifact is written."""
    return LOG.replace("Serialized model int8", f"{line}\nSerialized model: 12 bytes\nSerialized model int8")


@pytest.mark.parametrize("script", [SCRIPT, rename_identifiers(SCRIPT, 1)])
def test_line_of_a_block(script: str) -> None:
    """The line in the block that averages is the average's own; a log shows it, or shows what is around it."""
    shown = announced(script, with_line("swa: averaging 24 checkpoints"))
    assert [line.value for line in shown.lines] == ["swa: averaging...checkpoints"]
    assert ([at.line for at in shown.shown], shown.passed) == ([7], ())
    absent = announced(script, with_line("none"))
    assert absent.shown == ()
    assert [fact.at.line for fact in absent.passed] == [6, 8]


@pytest.mark.parametrize(
    "call",
    [
        'say("swa: averaging %d checkpoints", len(kept))',
        'say("swa: averaging {} checkpoints", len(kept))',
        'say(f"{len(kept)}\\nswa: averaging {len(kept)} checkpoints\\n")',
        'say("swa: averaging", len(kept), "checkpoints")',
    ],
)
def test_spellings(call: str) -> None:
    """Values put in otherwise, and texts of several lines, are known again too."""
    script = SCRIPT.replace('say(f"swa: averaging {len(kept)} checkpoints")', call)
    assert announced(script, with_line("swa: averaging 24 checkpoints")).shown
    assert announced(script, with_line("none")).passed


@pytest.mark.parametrize("script", [MOVING, rename_identifiers(MOVING, 1)])
def test_line_where_it_is_loaded(script: str) -> None:
    """A moving average is announced where it is loaded into the model."""
    shown = announced(script, with_line("ema:applying shadow"))
    assert ([line.value for line in shown.lines], len(shown.shown)) == (["ema:applying shadow"], 1)
    assert announced(script, with_line("none")).passed != ()


def test_called_function() -> None:
    """A function without a condition of its own says what its call says."""
    script = SCRIPT.replace("        mean = {}\n", "        mean = average(kept)\n")
    body = "        for key in kept[0]:\n            mean[key] = torch.stack([one[key] for one in kept]).mean(0)\n"
    helper = "def average(kept):\n    return {k: sum(one[k] for one in kept) / len(kept) for k in kept[0]}\n"
    assert announced(script.replace(body, "") + helper, with_line("none")).lines


@pytest.mark.parametrize(
    "script",
    [
        SCRIPT.replace('        say(f"swa: averaging {len(kept)} checkpoints")\n', ""),
        SCRIPT.replace('say(f"swa: averaging {len(kept)} checkpoints")', 'say(f"{len(kept)}: {step}")'),
        MOVING.replace('        say("ema:applying shadow")\n', ""),
    ],
)
def test_nothing_said(script: str) -> None:
    """An average without a line of its own, or with one that nothing tells from others, is listed without lines."""
    assert announced(script, with_line("none")).lines == ()


def test_logs_that_tell_nothing() -> None:
    """Logs that are cut, hold no training, or lack the lines around the place show no absence."""
    assert announced(SCRIPT, with_line("none"), truncated=True).passed == ()
    lines = with_line("none").split("\n")
    assert announced(SCRIPT, "\n".join(line for line in lines if "step" not in line)).passed == ()
    assert announced(SCRIPT, "\n".join(line for line in lines if not line.startswith("Serialized"))).passed == ()


def test_source_in_a_log() -> None:
    """The script's own text printed in a log is not what it prints."""
    assert announced(SCRIPT, SCRIPT + with_line("none")).shown == ()
    quoted = 'say(f"swa: averaging {len(kept)} checkpoints")'
    assert announced(SCRIPT, with_line(quoted)).shown == ()
