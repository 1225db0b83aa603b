"""Lines of the training curve: `step:N/M train_loss:x train_time:Nms` and its dialects, and the line that stops it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from harness.model.logs import CurvePoint
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.numbers import UNIT, integer, real, seconds

MAX_POINTS = 600
"""Points of a curve that are kept, evenly spread."""

_NUMBER = r"([-+]?\d{1,9}(?:\.\d{1,16})?(?:e[-+]?\d{1,3})?|nan|-?inf)"
_DIALECTS = (
    # A: step:13780/20000 val_loss:2.0606 val_bpb:1.2172 train_time:600038ms step_avg:43.54ms
    (
        "baseline",
        re.compile(r"\s{0,8}step\s?[:=]\s?(\d{1,9})(?:/(\d{1,9}))?(?=[\s|:,])", re.I),
    ),
    # B: 4932/20000 val_loss: 2.3570 val_bpb: 1.0770
    ("refactored", re.compile(r"\s{0,8}(\d{1,9})/(\d{1,9})\s{1,4}(?=.{0,80}?(?:train_loss|val_loss|train_time))")),
    # C: s:0/20000 vl:6.9279 bpb:4.1031 tt:0ms sa:0.01ms
    ("short", re.compile(r"s:(\d{1,9})/(\d{1,9})\s{1,4}(?=[vt]l:)")),
    # Step 500/5000 | Loss 5.0980 | LR 9.76e-04 | Time 53s
    (None, re.compile(r"\W{0,8}(?:step|iter|iteration)\s{1,8}(\d{1,9})(?:\s?/\s?(\d{1,9}))?(?=[\s|:,])", re.I)),
)
_PROOF = re.compile(r"loss|bpb|train_time|\b[vt]l:", re.IGNORECASE)
_TRAIN_LOSS = re.compile(rf"(?<!\w)(?<!val )(?:train_loss|tl|loss)\s?[:= ]\s?{_NUMBER}", re.IGNORECASE)
_VAL_LOSS = re.compile(rf"(?<!\w)(?:val[_ ]loss|vl)\s?[:= ]\s?{_NUMBER}", re.IGNORECASE)
_VAL_BPB = re.compile(rf"(?<!\w)(?:val[_ ])?bpb\s?[:= ]\s?{_NUMBER}", re.IGNORECASE)
_CLOCK = re.compile(rf"(?<!\w)(?:train_time|training_time|tt)\s?[:=]\s?(?P<n>[\d.]{{1,16}})\s?{UNIT}", re.IGNORECASE)
_OTHER_CLOCK = re.compile(rf"(?<!\w)(?:elapsed|time|wall|t)\s?[:= ]\s?(?P<n>[\d.]{{1,16}})\s?{UNIT}", re.IGNORECASE)
_STOP = re.compile(r"stopping_early|early_stop|stopping early|wall-?clock limit reached", re.IGNORECASE)
_STOP_STEP = re.compile(r"\bstep\s?[:=]?\s?(\d{1,9})(?:/(\d{1,9}))?\b", re.IGNORECASE)


class Step(NamedTuple):
    """A step line. `planned` is the M of `N/M`, `seconds` the training clock; `broken`: a loss on it was not finite."""

    step: int
    planned: int | None
    train_loss: float | None
    val_loss: float | None
    val_bpb: float | None
    seconds: float | None
    broken: bool
    dialect: str | None
    line: Line


class Stop(NamedTuple):
    """The line that ends training: the wall-clock cap, or another reason to stop early. Seconds of training."""

    steps: int | None
    steps_planned: int | None
    train_seconds: float | None
    line: Line


def read_step(line: Line) -> Step | None:
    """The step that `line` reports; None when it is no step line."""
    if "/" not in line.text and "step" not in line.low and "iter" not in line.low:
        return None
    for dialect, pattern in _DIALECTS:
        match = pattern.match(line.text)
        if match is None:
            continue
        rest = line.text[match.end() :]
        step = integer(match[1])
        if step is None or not _PROOF.search(rest):
            return None
        train_loss, val_loss = _value(_TRAIN_LOSS, rest), _value(_VAL_LOSS, rest)
        bpb = _value(_VAL_BPB, rest) if "bpb" in line.low else (None, False)
        clock = _CLOCK.search(rest) or _OTHER_CLOCK.search(rest)
        return Step(
            step,
            integer(match[2]) if match[2] else None,
            train_loss[0],
            val_loss[0],
            bpb[0],
            seconds(clock["n"], clock["unit"]) if clock else None,
            train_loss[1] or val_loss[1],
            dialect,
            line,
        )
    return None


def _value(pattern: re.Pattern[str], text: str) -> tuple[float | None, bool]:
    """The number behind a name, and whether the name stands there with a number that is not finite."""
    match = pattern.search(text)
    if match is None:
        return None, False
    value = real(match[1])
    return value, value is None


def read_stop(line: Line) -> Stop | None:
    """The end of training that `line` reports; None when it is another line."""
    if ("stop" not in line.low and "limit reached" not in line.low) or not _STOP.search(line.text):
        return None
    clock, step = _CLOCK.search(line.text), _STOP_STEP.search(line.text)
    return Stop(
        integer(step[1]) if step else None,
        integer(step[2]) if step and step[2] else None,
        seconds(clock["n"], clock["unit"]) if clock else None,
        line,
    )


def curve(steps: Sequence[Step]) -> tuple[CurvePoint, ...]:
    """At most `MAX_POINTS` points of the curve, evenly spread, the first and the last among them."""
    kept = steps
    if len(steps) > MAX_POINTS:
        last = len(steps) - 1
        kept = [steps[round(i * last / (MAX_POINTS - 1))] for i in range(MAX_POINTS)]
    return tuple(
        CurvePoint(
            step=s.step,
            train_loss=s.train_loss,
            val_loss=s.val_loss,
            val_bpb=s.val_bpb,
            seconds=s.seconds,
            line=s.line.number,
        )
        for s in kept
    )
