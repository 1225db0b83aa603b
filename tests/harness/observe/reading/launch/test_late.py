"""What a launch gives variables that only functions read is in force, wherever in the program they are read."""

from __future__ import annotations

import pytest

from harness.model.base import At
from harness.model.launch import LaunchFacts, SettingOrigin
from harness.model.logs import LogFacts
from harness.observe.reading.launch import read_launch
from harness.observe.reading.launch.commands import Command
from harness.observe.reading.launch.late import given_late
from harness.observe.reading.launch.printed import Shown
from harness.observe.reading.source.script import read_script

SCRIPT = """
import os
import torch

def evaluate(model):
    mixes = bool(int(os.environ.get("MIX_ENABLED", "0")))
    order = os.environ.get("MIX_ORDER", "4")
    if mixes:
        print("mixing what bytes foretell")

def main():
    for module in torch.load("model.pt").modules():
        module.apply(evaluate)

main()
"""
README = "```\nMIX_ENABLED=1 MIX_ORDER=5 torchrun --nproc_per_node=8 train_gpt.py\n```\n"


def launched(readme: str, printed: str) -> LaunchFacts:
    """The launch of the script beside this README and a log."""
    log = LogFacts(path="train.log", sha256="", bytes=1, lines=1, encoding="utf-8")
    prose, files = {"README.md": readme}, {"train.log": printed.encode()}
    return read_launch([read_script("train_gpt.py", SCRIPT.encode(), {})], prose, [log], (), files).facts


@pytest.mark.parametrize(
    ("readme", "printed", "expected"),
    [
        (README, "", {"MIX_ENABLED": ("1", "readme"), "MIX_ORDER": ("5", "readme")}),
        ("", "mixing what bytes foretell\n", {"MIX_ENABLED": ("1", "log"), "MIX_ORDER": ("4", "default")}),
        ("", "", {"MIX_ENABLED": ("0", "default"), "MIX_ORDER": ("4", "default")}),
        (
            README.replace("ENABLED=1", "ENABLED=0"),
            "mixing what bytes foretell\n",
            {"MIX_ENABLED": ("1", "log"), "MIX_ORDER": ("5", "readme")},
        ),
    ],
)
def test_what_is_in_force(readme: str, printed: str, expected: dict[str, tuple[str, str]]) -> None:
    """The command counts, and the log above it, where the evaluator never came to the function."""
    settings = {one.env: one for one in launched(readme, printed).settings}
    assert {name: (one.value, one.origin.value) for name, one in settings.items()} == expected
    assert all(one.sources for one in settings.values() if one.origin is not SettingOrigin.DEFAULT)


def test_what_a_script_does_not_name() -> None:
    """Attributes that logs show are no variables; those that the code declares are settled elsewhere."""
    shown = Shown(truths={"mix_enabled": ("True", At(path="train.log")), "other": ("True", At(path="train.log"))})
    command = Command("", At(path="README.md"), None, {"ITERATIONS": "7", "MIX_ENABLED": "yes"})
    found = given_late(
        {"ITERATIONS"}, SCRIPT, ((SettingOrigin.README, command), (SettingOrigin.RUN_SCRIPT, None)), shown
    )
    assert {name: (one.value, one.origin) for name, one in found.items()} == {
        "MIX_ENABLED": ("yes", SettingOrigin.README)
    }
