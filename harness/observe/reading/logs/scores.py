"""Score lines: their label, their numbers, whether they are exact or diagnostic, and which one is the run's result."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.model.logs import Score
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.numbers import UNIT, real, seconds

MAX_SCORES = 400
"""Scores kept of a run; diagnostic ones are left out first."""
MAX_LABEL = 120

_NUMBER = r"(?P<n>[-+]?\d{1,6}\.\d{1,16}|nan|[-+]?inf)(?![\w.])"
_BEHIND = r"[\"']?(?:\s?\((?P<note>[^()=:]{1,32})\))?\s{0,24}[:=≈]?\s{0,24}"
_BPB = re.compile(rf"(?<!\w)(?P<key>\w{{0,40}}bpb){_BEHIND}{_NUMBER}", re.IGNORECASE)
_LOSS = re.compile(rf"(?<!\w)(?P<key>\w{{0,40}}loss|vl)[\"']?\s{{0,24}}[:=]?\s{{0,24}}{_NUMBER}", re.IGNORECASE)
_EXACT = re.compile(r"[_ ]exact\b|_x$", re.IGNORECASE)
_EXACT_VALUE = re.compile(r"\bexact:(\d{1,4}\.\d{4,16})\b")
_CLOCK = re.compile(
    rf"(?<!\w)(?:eval_time|eval_wallclock|eval|elapsed|total_time|time|t)\s?[:=]\s?(?P<n>[\d.]{{1,16}})\s?{UNIT}",
    re.IGNORECASE,
)
_MATCHES = 8

# Words that mark a score as intermediate: before the artifact exists, of a part of the data, of a rival, or a difference.
_DIAGNOSTIC = re.compile(
    r"diag|pre[-_ ,]{0,2}(?:quant|ttt|export|codebook|avg|average)|before"
    r"|(?:post|after)[-_ ](?:ema|swa|average|train|eval|prequant)|(?:ema|swa|weight)_(?:eval|val)"
    r"|(?<![a-z])raw(?![a-z])|running|progress|baseline|(?<![a-z])(?:best|using|selected|candidate|champion)(?![a-z])"
    r"|best_|temp_|sweep|search|grid|ablation|epoch|chunk|batch|windows|(?<![a-z])rank\b|\brank[:\d]"
    r"|delta|gain|gap|improve|oracle|only|llm|checkpoint|ckpt|prev|random|target|train_|training|warmup|proxy"
    r"|(?<![a-z])tc\[|q_rt|static|evs:|marginal|pass ?\d|\bdoc \d|\d\s?/\s?\d|\d\s?%|^step$|fp32|(?<![a-z])ar$"
)
_PARTIAL_KEY = re.compile(
    r"run|batch|delta|gain|base|train|llm|nn_|neural|only|raw|prev|best|before|est_|target|oracle|control|gap|chunk|probe"
    r"|ar_|_ar|mean|worst|sample|static",
    re.IGNORECASE,
)


def read_score(line: Line, step: int | None = None) -> tuple[Score | None, bool]:
    """The score on `line`, and whether a number that should be a score is not finite.

    `step` is the training step where the line is a step line: its label is then `step`.
    """
    if "bpb" not in line.low and "val_loss" not in line.low and "vl:" not in line.low:
        return None, False
    text = line.text
    bpb = _best(_BPB.finditer(text), ("val_bpb", "bpb"))
    loss = _best(_LOSS.finditer(text), ("val_loss", "vl", "loss"))
    if bpb is None and (loss is None or loss["key"].lower() != "val_loss"):
        return None, False
    label, exact = _label(text[: min(m.start() for m in (bpb, loss) if m)], bpb or loss)
    if label is None:
        return None, False
    if step is not None:
        label = "step"
    values = [None if m is None else real(m["n"]) for m in (loss, bpb)]
    broken = any(m is not None and value is None for m, value in zip((loss, bpb), values, strict=True))
    if values[1] is not None and values[1] < 0:  # a difference, not a score
        return None, False
    diagnostic = step is not None or _is_diagnostic(label, bpb)
    if rounded := _EXACT_VALUE.search(text):
        values[1], exact = real(rounded[1]), True
    return (
        Score(
            label=label,
            exact=exact,
            val_loss=values[0],
            val_bpb=values[1],
            step=step,
            seconds=None if step is not None else _eval_seconds(text, label, (bpb or loss)),
            diagnostic=diagnostic,
            line=line.number,
        ),
        broken and (step is not None or not diagnostic),
    )


def _best(matches: Iterable[re.Match[str]], names: Sequence[str]) -> re.Match[str] | None:
    """The match whose key is the earliest of `names`, else one that ends with it, else the first sound one."""
    found: list[re.Match[str]] = []
    for match in matches:
        found.append(match)
        if len(found) == _MATCHES:
            break
    for name in names:
        for match in found:
            if match["key"].lower() == name:
                return match
    for match in found:
        if match["key"].lower().endswith(names[0]):
            return match
    if "bpb" in names:
        return next((m for m in found if not _PARTIAL_KEY.search(m["key"])), found[0] if found else None)
    return None


def _label(before: str, match: re.Match[str] | None) -> tuple[str | None, bool]:
    """The label from the text before the numbers (None where that is source code), and whether it says `exact`."""
    before = before.split("{", 1)[0].strip()
    if "(f" in before or '("' in before or len(before) > 2 * MAX_LABEL:
        return None, False
    key = match["key"].lower() if match else ""
    note = (match.groupdict().get("note") or "").lower() if match else ""
    words = " ".join(before.lower().split())
    words = re.sub(r"^[^\w]+|[\s:|,\-=>\"'(*·→]+$", "", words)
    exact = bool(_EXACT.search(words))
    words = " ".join(_EXACT.sub("", words).split())
    if key and key not in ("val_bpb", "bpb", "val_loss", "vl"):
        words = f"{words} {key}".strip()
    if note:
        words = f"{words} ({note})".strip()
    return (words or key)[:MAX_LABEL], exact


def _is_diagnostic(label: str, bpb: re.Match[str] | None) -> bool:
    return bool(_DIAGNOSTIC.search(label)) or (bpb is not None and bool(_PARTIAL_KEY.search(bpb["key"])))


def _eval_seconds(text: str, label: str, match: re.Match[str] | None) -> float | None:
    """The evaluation time behind the numbers. Ranks may print the same line twice without a line end between."""
    rest = text[match.end() if match else 0 :]
    word = label.split(" ", 1)[0]
    if len(word) > 3 and (again := rest.lower().find(word)) > 0:
        rest = rest[:again]
    clock = _CLOCK.search(rest)
    return seconds(clock["n"], clock["unit"]) if clock else None


def final_score(scores: Sequence[Score]) -> Score | None:
    """The last score with bits per byte that is not diagnostic; its exact twin where one has the same label."""
    result = next((s for s in reversed(scores) if not s.diagnostic and s.val_bpb is not None), None)
    if result is None or result.exact:
        return result
    twins = (s for s in reversed(scores) if s.exact and s.label == result.label and _agree(s, result))
    return next(twins, result)


def seconds_of(score: Score, scores: Sequence[Score]) -> tuple[float, int] | None:
    """Evaluation time of `score` and its line: printed on it, or on a twin (same label, or the same value rounded)."""
    if score.seconds is not None:
        return score.seconds, score.line
    timed = [s for s in reversed(scores) if s.seconds is not None and s.step is None]
    for same in (lambda s: s.label == score.label and _agree(s, score), lambda s: _agree(s, score)):
        for other in timed:
            if same(other):
                return other.seconds or 0.0, other.line
    return None


def _agree(a: Score, b: Score) -> bool:
    """Whether two scores are one result, printed with different digits."""
    return a.val_bpb is not None and b.val_bpb is not None and abs(a.val_bpb - b.val_bpb) < 1e-4


def keep(scores: list[Score]) -> tuple[tuple[Score, ...], int]:
    """At most `MAX_SCORES` scores in order of lines, diagnostic ones left out first, and how many were left out."""
    if len(scores) <= MAX_SCORES:
        return tuple(scores), 0
    results = [s for s in scores if not s.diagnostic][-MAX_SCORES:]
    room = MAX_SCORES - len(results)
    others = [s for s in scores if s.diagnostic][:room] if room else []
    return tuple(sorted(results + others, key=lambda s: s.line)), len(scores) - len(results) - len(others)
