"""Sizes of large tables that a text writes out are found, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from tests_support.cases import COMPLETE, facts_of

from harness.model.base import At
from harness.model.plan import Directive, Override, Plan, Rung
from harness.observe.cpu_run.guest.edits import rewritten
from harness.observe.cpu_run.inputs.layout import Layout
from harness.observe.cpu_run.trial import Trial
from harness.observe.probes.tables import loaded


def trial(text: str, *scaled: Directive, overrides: tuple[str, ...] = ()) -> Trial:
    """A submission with this text, some of which is scaled already."""
    given = tuple(Override(name=name, value="128", why="why") for name in overrides)
    plan = Plan(script="train_gpt.py", rungs=(Rung(name="64", directives=scaled, overrides=given),))
    return Trial(facts_of({**COMPLETE, "train_gpt.py": text}), {}, plan, Layout.__new__(Layout), (text,))


@pytest.mark.parametrize("size", ["1 << 22", "2**20", "4194304"])
def test_found(size: str) -> None:
    """However it is written."""
    text = f"é = 'é'; S = {size}; T = 1 << 32; U = 1 << 10; V = 5_000_000; W = x << 22; K = 1024\n"
    assert rewritten(text, loaded(trial(text))) == text.replace(size, "128", 1)


def test_a_setting_that_is_set() -> None:
    """What a setting would be without the value that the run gives it is none."""
    text = 'import os\nS = os.environ.get("VAL_BATCH_SIZE", 524288)\nT = os.environ.get("SLOTS", 524288)\n'
    assert [one.at.line for one in loaded(trial(text, overrides=("VAL_BATCH_SIZE",)))] == [3]


@pytest.mark.parametrize("name", ["PROJECTED_SIZE_MARGIN_BYTES", "VAL_TOKENS", "TRAIN_BATCH_SIZE", "NUMEL"])
def test_settings_of_other_things(name: str) -> None:
    """A setting that names what it counts is no table; one that does not may be."""
    text = f'import os\nS = os.environ.get("{name}", 262144)\nT = os.environ.get("NG_SIZE", 262144)\n'
    assert [one.at.line for one in loaded(trial(text))] == [3]


def test_scaled_already() -> None:
    """A line that a setting's directive changes is left to it."""
    text = "S = 1 << 22\n"
    other = Directive(at=At(path="train_gpt.py", line=1), column=4, end_column=11, old="1 << 22", new="9", why="why")
    assert loaded(trial(text, other)) == ()
