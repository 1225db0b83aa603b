"""The order of work that a log tells. The kinds are fixed words:

`training_start`, `warmup`, `stopping_early`, `training_end`, `gptq_calibration`, `quantize`, `serialize`,
`ttt_start`, `ttt_end`, `prequant_ttt`, `slot`, `ngram`, `eval_start`, `sliding_eval`, `clock` (a wall clock of some
phase), `size_check`, `over_time`, `needs_fix`, `status`, `traceback`, `token_gate` (counts of positions where a gate on
a property of the realised token opened).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.model.base import snippet
from harness.model.logs import LogEvent
from harness.observe.reading.logs.hints import Hinted
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.numbers import UNIT, seconds

MAX_OF_KIND = 20
"""Events of one kind that are kept of a run: the first ones."""


class Kind(NamedTuple):
    """Lines of one kind of event; the pattern is for their lower-case text."""

    kind: str
    pattern: re.Pattern[str]


def _kind(kind: str, hints: str, pattern: str) -> tuple[list[str], Kind]:
    return hints.split("|"), Kind(kind, re.compile(pattern))


_KINDS = (
    _kind("token_gate", "gate=", r"\b(?:within|word)\w{0,12}_gate=[1-9]|\bagree\w{0,12}=[1-9]"),
    _kind("over_time", "over time|over_time", r"\bover[ _]time\b"),
    _kind("needs_fix", "needs_fix|needs fix", r"\bneeds[ _]fix\b"),
    _kind("traceback", "traceback", r"^\W{0,8}traceback \(most recent call last\)"),
    _kind(
        "stopping_early", "stop|limit reached", r"stopping_early|early_stop|stopping early|wall-?clock limit reached"
    ),
    _kind("training_end", "train", r"\btrain(?:ing)?[_ ](?:complete|completed|done|finished|end)\b|^phase:train\b"),
    _kind(
        "warmup", "warmup", r"^\W{0,8}(?:loop_|compile_|cu_)?warm-?up(?:_step)?\b\s?[:=]|^compile_warmup|^warmup_cu_"
    ),
    _kind(
        "gptq_calibration",
        "gptq|calib|hessian",
        r"gptq.{0,60}(?:calib|collect|hessian|generat|reserv)|calibrat\w{0,6}.{0,40}(?:data|batch|gptq|layer)|hessian",
    ),
    _kind("serialize", "serial", r"serialized[ _]model|^serialize:|phase:serialize|serialize_wallclock"),
    _kind(
        "quantize",
        "quant",
        r"^\W{0,8}(?:quantiz(?:e|ing|ation|ed weights)\b|quant_try|gptq.{0,20}quanti|phase:postproc|selective_prune)",
    ),
    _kind(
        "prequant_ttt",
        "ttt",
        r"(?:pre[-_]?quant|pre_q)\w{0,3}[-_ ]ttt\b.{0,40}(?:start|done|epoch 1/|end|complete)|post-prequant-ttt",
    ),
    _kind(
        "ttt_start",
        "ttt|test-time",
        r"ttt\w{0,24}\s?:\s?(?:start|begin|params)|\b(?:beginning|starting)\b.{0,20}ttt|ttt_\w{1,12}: total_docs"
        r"|phase \d{1,2}:(?!.{0,40}no ttt).{0,40}ttt|^\W{0,8}ttt:? (?:epochs|start|eval)",
    ),
    _kind(
        "ttt_end",
        "ttt",
        r"ttt\w{0,24}\s?:\s?(?:done|complete|end|finished|total_time|elapsed)|ttt time\s?:|ttt_eval wall_ms",
    ),
    _kind(
        "slot",
        "slot",
        r"^\W{0,8}(?:\w{1,20}_)?slot(?:_\w{1,12})?\s?:\s?(?:start|begin|done|epoch|enabled)|slot_sliding|\bslot\b.{0,20}enabled",
    ),
    _kind(
        "ngram",
        "gram",
        r"n-?gram\w{0,16}\s?:?\s?(?:start|begin|done|enabled|precompute|prefill|pass|cache)|prefill\w{0,4}.{0,20}(?:oracle|ngram)",
    ),
    _kind(
        "sliding_eval",
        "sliding",
        r"final_eval_mode:\s?sliding|sliding\w{0,12}\s?:\s?(?:start|begin|enabled)|sliding[_ ]window[_ ]eval\b",
    ),
    _kind(
        "eval_start",
        "eval",
        r"final_eval_mode:|\b(?:beginning|starting|running)\b.{0,24}\beval|^phase \d{1,2}:.{0,40}eval|eval_only",
    ),
    _kind(
        "clock",
        "wall|total",
        r"_wallclock|wallclock:|wall_ms|^\W{0,12}total[_ ]\w{0,12}[_ ]?time\b",
    ),
    _kind(
        "size_check",
        "size|artifact|submission|16",
        r"size[_ ](?:check|ok)|exceeds.{0,24}(?:16|limit|budget)|under[_ ]limit|fits 16",
    ),
    _kind("status", "status|exit", r"^\W{0,12}status\s?:|exit[_ ]?code\s?[:=]"),
)
KINDS: Hinted[Kind] = Hinted(_KINDS)
"""Kinds by the pieces of lower-case text of which every such line has one."""

_CLOCK = re.compile(
    rf"(?:elapsed|time|wall_?clock|wall|\bin|\bt)\s?[:= ]\s?(?P<n>\d[\d.]{{0,15}})\s?{UNIT}", re.IGNORECASE
)
_MILLISECONDS = re.compile(r"(?:wall_ms|time_ms|elapsed_ms):\s?(?P<n>\d[\d.]{0,15})")


def read_event(line: Line) -> LogEvent | None:
    """The event that `line` tells; None for all other lines."""
    for kind, pattern in KINDS.on(line.low):
        if pattern.search(line.low):
            duration = _seconds(line.text)
            if kind == "clock" and duration is None:
                return None
            return LogEvent(kind=kind, text=snippet(line.text), line=line.number, seconds=duration)
    return None


def _seconds(text: str) -> float | None:
    if match := _CLOCK.search(text):
        return seconds(match["n"], match["unit"])
    if match := _MILLISECONDS.search(text):
        return seconds(match["n"], "ms")
    return None
