"""What a line of the program's own words shows of a setting is its value, whatever stands before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.launch import SettingOrigin
from harness.model.logs import LogFacts
from harness.observe.reading.launch import read_launch
from harness.observe.reading.launch.printed import printed_settings
from harness.observe.reading.source.script import read_script

SCRIPT = """
import os

class Hyperparameters:
    ttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "0")))
    ttt_epochs = int(os.environ.get("TTT_EPOCHS", "10"))
    rate = float(os.environ.get("RATE", "0.1"))

def main():
    args = Hyperparameters()
    log0(f"improvements: value_residual ema ttt={args.ttt_enabled}")
    log0(f"adapting {args.ttt_epochs} times over, at a rate of {args.rate:.1f}, on {os.getpid()}")
    log0(f"{args.ttt_epochs}")
    log0(f"side by side here {args.ttt_epochs}{args.rate}")
    if args.ttt_enabled:
        adapt()

main()
"""
IMPROVED = "improvements: value_residual ema ttt=True\n"


def shown(*texts: str, script: str = SCRIPT) -> dict[str, str]:
    """The settings that logs with these texts show, by name."""
    files = {f"train_{number}.log": text.encode() for number, text in enumerate(texts)}
    logs = [LogFacts(path=path, sha256="", bytes=1, lines=1, encoding="utf-8") for path in files]
    reading = read_script("train_gpt.py", script.encode(), {})
    found = printed_settings(reading, logs, files)
    return {name: value for name, (value, _) in (*found.values.items(), *found.truths.items())}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((IMPROVED,), {"ttt_enabled": "True"}),
        (("  adapting 3 times over, at a rate of 0.1, on 71",), {"ttt_epochs": "3"}),
        ((IMPROVED, IMPROVED, IMPROVED.replace("True", "False")), {"ttt_enabled": "True"}),
        (('    log0(f"improvements: value_residual ema ttt={args.ttt_enabled}")\n',), {}),
        (("improvements: value_residual ema ttt=True or so\n", "3\n"), {}),
        (("side by side here 31\n",), {}),
    ],
    ids=["a flag", "among others", "the commonest", "quoted source", "other lines", "where a value ends is not told"],
)
def test_shown(texts: tuple[str, ...], expected: dict[str, str]) -> None:
    """Whole lines count, and attributes that are printed as they are: a format may round, a number alone may be any."""
    assert shown(*texts) == expected


CONDITIONS = """
def main(args):
    use_slot = args.slot_enabled
    log0(f"sliding window: stride={args.stride} epochs={args.epochs}"
         f"{f' slot_lr={args.slot_lr}' if use_slot else ''}")
    if args.ttt_enabled and rank == 0:
        log0("adapting to what was scored")
        if not args.plain_score:
            log0(f"chunks are {size()} tokens long")
    elif args.sliding_only or args.fast:
        log0("nothing is adapted here")
    def later():
        log0("ten letters of no condition")
    if args.quiet:
        def never():
            log0("what a function says later")
    if args.eval_only:
        log0(f"final window: {score():.4f} bits a byte")
    log0(f"final {label()} {score():.4f} bits a byte")
    mixed = args.one
    mixed = args.other
    log0("either of two, it depends" if mixed else "")
"""
WINDOW = "sliding window: stride=64 epochs=3"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((f"{WINDOW} slot_lr=0.003\n",), {"stride": "64", "epochs": "3", "slot_lr": "0.003", "slot_enabled": "True"}),
        ((f"{WINDOW}\n",), {"stride": "64", "epochs": "3", "slot_enabled": "False"}),
        (("adapting to what was scored\n",), {"ttt_enabled": "True"}),
        (("  chunks are 256 tokens long\n",), {"ttt_enabled": "True", "plain_score": "False"}),
        (("nothing is adapted here\n",), {}),
        (("nothing is adapted here, or so\n",), {}),
        (("ten letters of no condition\nwhat a function says later\neither of two, it depends\n",), {}),
        (("final window: 1.1000 bits a byte\n",), {}),
        (("adapting to what was scored\n", "", ""), {}),
        (("adapting to what was scored\n", "adapting to what was scored\n", ""), {"ttt_enabled": "True"}),
    ],
    ids=[
        "a piece that is there",
        "a piece that is not",
        "a line",
        "conditions in one another",
        "one of several",
        "another line",
        "no condition of its own",
        "printed elsewhere, too",
        "one log of three",
        "most logs",
    ],
)
def test_conditions(texts: tuple[str, ...], expected: dict[str, str]) -> None:
    """What is printed under a condition shows that it held, or, beside what is printed always, that it did not."""
    assert shown(*texts, script=CONDITIONS) == expected


def test_launch() -> None:
    """The launch has the value that was printed, and the branch that it opens."""
    files = {"train.log": IMPROVED.encode()}
    log = LogFacts(path="train.log", sha256="", bytes=1, lines=1, encoding="utf-8")
    launch = read_launch([read_script("train_gpt.py", SCRIPT.encode(), {})], {}, [log], (), files).facts
    setting = next(one for one in launch.settings if one.name == "ttt_enabled")
    assert (setting.value, setting.origin) == (True, SettingOrigin.LOG)
    assert setting.sources[0].at is not None
    assert (setting.sources[0].at.path, setting.sources[0].at.line) == ("train.log", 1)
    assert [(one.test, one.value) for one in launch.branches] == [("args.ttt_enabled", True)]


def test_variables_that_only_the_run_reads() -> None:
    """A variable of the environment that a function reads is in force as the logs show it."""
    text = SCRIPT.replace(
        "    if args.ttt_enabled:",
        """    mixes = bool(int(os.environ.get("MIX_ENABLED", "0")))
    if mixes:
        log0("mixing what bytes foretell")
    if args.ttt_enabled:""",
    )
    log = LogFacts(path="train.log", sha256="", bytes=1, lines=1, encoding="utf-8")
    for printed, expected in (("mixing what bytes foretell\n", True), ("nothing of the kind\n", False)):
        files = {"train.log": printed.encode()}
        launch = read_launch([read_script("train_gpt.py", text.encode(), {})], {}, [log], (), files).facts
        assert next(one.value for one in launch.settings if one.env == "MIX_ENABLED") is expected


def test_no_flag() -> None:
    """That a path is empty, or a count is not, shows no value of it."""
    text = SCRIPT.replace("    rate =", '    path = os.environ.get("PATH_OF_MODEL", "")\n    rate =').replace(
        "    if args.ttt_enabled:",
        """    if not args.path:
        log0("nothing is loaded from elsewhere")
    if args.ttt_epochs:
        log0("several times over, in any case")
    if args.ttt_enabled:""",
    )
    lines = "nothing is loaded from elsewhere\nseveral times over, in any case\n"
    log = LogFacts(path="train.log", sha256="", bytes=1, lines=1, encoding="utf-8")
    files = {"train.log": lines.encode()}
    launch = read_launch([read_script("train_gpt.py", text.encode(), {})], {}, [log], (), files).facts
    values = {one.name: (one.value, one.origin) for one in launch.settings}
    assert values["path"] == ("", SettingOrigin.DEFAULT)
    assert values["ttt_epochs"] == (10, SettingOrigin.DEFAULT)


@given(st.lists(st.text("ab ", min_size=1, max_size=4), min_size=1, max_size=40), st.integers(1, 4_000))
def test_hostile_lines(texts: list[str], length: int) -> None:
    """However a script's texts and a log's line repeat themselves, a line is gone through once."""
    pieces = "".join(f"{text}{{args.ttt_epochs}}" for text in texts)
    script = read_script("train_gpt.py", f'log0(f"ten letters {pieces}")\n'.encode(), {})
    line = "ten letters " + "ab" * length
    log = LogFacts(path="train.log", sha256="", bytes=1, lines=1, encoding="utf-8")
    found = printed_settings(script, [log], {"train.log": line.encode()})
    assert set(found.values) <= {"ttt_epochs"}
