"""Line families of seed, steps and wall clocks. Times are in seconds."""

from __future__ import annotations

from harness.observe.reading.logs.families import (
    DECIMAL,
    INT,
    SEP,
    Family,
    first_integer,
    last_integer,
    last_milliseconds,
    last_seconds,
)
from harness.observe.reading.logs.numbers import UNIT

_TIME = rf"{DECIMAL}\s?{UNIT}"
_BARE_TIME = rf"{DECIMAL}(?:\s?{UNIT})?"  # seconds, where no unit is printed
_DONE = r"(?:complete|completed|done|finished|end)"

PART = 2
"""Rank of families that time only a part of the evaluation: the time on the final score line outranks them."""

SEEDS = (
    first_integer("seed", 0, "seed", "seed:1337", rf"^\s{{0,4}}[\"']?seed{SEP}(?P<n>\d{{1,12}}),?$"),
    first_integer(
        "seed",
        1,
        "seed",
        "lr:embed=0.035 batch:786432 wall:590s seed:1337",
        rf"(?:^|[\s|(\[{{,])[\"']?seed{SEP}[\"']?(?P<n>\d{{1,12}})\b(?!\.\d)",
    ),
    first_integer("seed", 1, "seed", "=== Seed 1337 ===", r"^\W{2,12}seed (?P<n>\d{1,12})\b\W{0,80}$"),
    first_integer("seed", 2, "seed=", "# env:SEED=1337", r"^#? ?(?:env|condition)[.:]SEED=(?P<n>\d{1,12})\b"),
)

CLOCKS = (
    last_seconds(
        "train_seconds",
        2,
        "train",
        "Training complete: 4300 steps in 605.7s",
        rf"\btrain(?:ing)?[_ ]{_DONE}\b\D{{0,24}}(?:\d{{1,9}} steps[, in]{{1,6}})?{_TIME}",
    ),
    last_seconds(
        "train_seconds",
        3,
        "train",
        "  Training Time: 600.02 seconds",
        rf"^\W{{0,12}}(?:total )?train(?:ing)?[_ ](?:wall_?clock|time|seconds)(?: time spent)?(?:_s)?{SEP}{_BARE_TIME}",
    ),
    last_milliseconds(
        "train_seconds",
        3,
        "phase:train",
        "phase:train wall_ms:613779 steps:6997",
        r"^phase:train wall_ms:(?P<n>[\d.]{1,16})",
    ),
    last_milliseconds(
        "train_seconds",
        3,
        "train_time_ms",
        "final_train_time_ms:7879",
        rf"(?:^|[\s_])[\"\']?train_time_ms{SEP}(?P<n>[\d.]{{1,16}})",
    ),
    last_integer(
        "steps",
        2,
        "step",
        "Training complete in 590s (1858 steps)",
        rf"\btrain(?:ing)?[_ ]{_DONE}\b[^\n]{{0,40}}?(?<![\d.]){INT} steps\b",
    ),
    last_integer(
        "steps", 3, "steps:", "phase:train wall_ms:1 steps:6997", r"^phase:train .{0,40}?\bsteps:(?P<n>\d{1,9})\b"
    ),
    last_integer("steps", 4, "steps", "num_steps: 953", rf"^\W{{0,8}}(?:total|num)[_ ]steps{SEP}(?P<n>\d{{1,9}})$"),
    first_integer(
        "steps_planned", 2, "iterations", "seq_len:1024 iterations:20000", rf"(?:^|\s)iterations{SEP}(?P<n>\d{{1,9}})\b"
    ),
    last_seconds(
        "eval_seconds",
        0,
        "total_eval",
        "total_eval_time:455.1s",
        rf"\btotal_eval_(?:time|wallclock)(?:_s|_seconds)?{SEP}{_TIME}",
    ),
    last_seconds(
        "eval_seconds",
        1,
        "eval",
        "Eval time     : 296.6s    (PASS)",
        rf"^\W{{0,12}}(?:total |final_?)?eval(?:uation)?[_ ](?:wall|wallclock|time)(?:_s|_seconds)?{SEP}{_TIME}",
    ),
    last_seconds(
        "eval_seconds",
        PART,
        "ttt",
        "  TTT Time:     166s (200 docs on 1 GPUs)",
        rf"^\W{{0,12}}ttt(?:[ _]eval(?:uation)?)?[ _]time{SEP}{_TIME}",
    ),
    last_seconds(
        "total_seconds",
        0,
        "total",
        "  Total Time:   704s",
        r"^\W{0,12}total(?:[_ ](?:elapsed|wall|run|job))?[_ ](?:wall_?clock|time|seconds|elapsed)(?:_seconds)?"
        rf"{SEP}{_BARE_TIME}",
    ),
    last_milliseconds(
        "total_seconds",
        0,
        "phase:total",
        "phase:TOTAL wall_ms:1018981 (17.0 min)",
        r"^phase:total wall_ms:(?P<n>[\d.]{1,16})",
    ),
    last_seconds(
        "total_seconds",
        1,
        "wall",
        "result: completed exit_code=0 wall_clock_seconds=1831.174",
        r"(?:^|\s)(?:real_)?wall_?clock_(?:seconds|s)=(?P<n>[\d.]{1,16})(?P<unit>)",
    ),
)

FAMILIES: tuple[Family, ...] = (*SEEDS, *CLOCKS)
