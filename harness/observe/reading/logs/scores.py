"""Score lines: their label, their numbers, whether they are exact or diagnostic, and which one is the run's result."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence

from harness.model.logs import Score
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.numbers import UNIT, real, seconds
from harness.observe.reading.logs.steps import Step

MAX_SCORES = 400
"""Scores kept of a run; diagnostic ones are left out first."""
MAX_LABEL = 120

_NUMBER = r"(?P<n>[-+]?\d{1,6}\.\d{1,16}|nan|[-+]?inf)(?![\w.])"
_BEHIND = r"[\"']?(?:\s?\((?P<note>[^()=:]{1,32})\))?\s{0,24}[:=≈]?\s{0,24}"
_BPB = re.compile(rf"(?<!\w)(?P<key>\w{{0,40}}bpb){_BEHIND}{_NUMBER}", re.IGNORECASE)
_LOSS = re.compile(rf"(?<!\w)(?P<key>\w{{0,40}}loss|vl)[\"']?\s{{0,24}}[:=]?\s{{0,24}}{_NUMBER}", re.IGNORECASE)
_EXACT = re.compile(r"[_ ]exact\b|_x$", re.IGNORECASE)
_EDGES = re.compile(r"^[^\w(]+|[^\w)\]%+]+$")
_MEASUREMENT = re.compile(r"(?<!\S)[\w/]{1,40}[:=](?:\d{5,20}|\d{1,12}\.\d{1,16})(?:ms|s|m)?(?!\S)")
_GENERIC = {"val_bpb", "bpb", "final_bpb", "final_val_bpb", "val_loss", "vl"}
"""Keys that say nothing of the method."""
_NESTED = re.compile(r"\s{5,200}\"")  # inside a JSON document: one of many candidates
_EXACT_VALUE = re.compile(r"\bexact:(\d{1,4}\.\d{4,16})\b")
_CLOCK = re.compile(
    rf"(?<!\w)(?:eval_time|eval_wallclock|eval|elapsed|total_time|time|t)\s?[:=]\s?(?P<n>[\d.]{{1,16}})\s?{UNIT}",
    re.IGNORECASE,
)
_MATCHES = 8

# What marks a score as intermediate: before the artifact exists, of a part of the data, of a rival, or a difference.
_DIAGNOSTIC = re.compile(
    r"diag|pre[-_ ,]{0,2}(?:quant|ttt|export|codebook|avg|average)|before|^step$|\bstep \d"
    r"|(?:post|after)[-_ ](?:ema|swa|average|train|eval|prequant)|(?:ema|swa|weight)_(?:eval|val)"
    r"|running|progress|baseline|best_|temp_|sweep|grid|ablation|epoch|chunk|batch|windows|(?:^|[\s:])rank[: ]?\d"
    r"|delta|gain|gap|improve|oracle|only|llm|checkpoint|ckpt|prev|random|target|train_|training|warmup|proxy|fp32"
    r"|(?<![a-z])tc\[|q_rt|static|evs:|marginal|pass ?\d|\bdoc \d|\d\s?/\s?\d|\d\s?%|^\d+ (?:bytes|tokens)$"
    r"|(?<![a-z])(?:raw|best|using|selected|candidate_eval|control|champion|wandb|search|mean|std)(?![a-z])"
)
_PARTIAL_KEY = re.compile(
    r"run|batch|delta|gain|base|train|llm|nn_|neural|only|raw|prev|best|before|est_|target|oracle|control|model_bpb|gap|chunk|probe"
    r"|(?:^|_)ar_|mean|worst|sample|static",
    re.IGNORECASE,
)


def step_score(step: Step) -> Score | None:
    """The validation score on a step line, if it shows one; its label is `step`."""
    if step.val_loss is None and step.val_bpb is None:
        return None
    return Score(
        label="step",
        val_loss=step.val_loss,
        val_bpb=step.val_bpb,
        step=step.step,
        diagnostic=True,
        line=step.line.number,
    )


def read_score(line: Line) -> tuple[Score | None, bool]:
    """The score on `line`, which is no step line, and whether a number of a result is not finite."""
    if "bpb" not in line.low and "val_loss" not in line.low and "vl:" not in line.low:
        return None, False
    text = line.text
    bpb = _best(_BPB.finditer(text), ("val_bpb", "bpb"))
    loss = _best(_LOSS.finditer(text), ("val_loss", "vl", "loss"))
    if bpb is None and (loss is None or loss["key"].lower() != "val_loss"):
        return None, False
    label, exact, bare = _label(text[: min(m.start() for m in (bpb, loss) if m)], bpb or loss)
    if label is None:
        return None, False
    val_loss, val_bpb = (None if m is None else real(m["n"]) for m in (loss, bpb))
    broken = (loss is not None and val_loss is None) or (bpb is not None and val_bpb is None)
    diagnostic = _is_diagnostic(label, bpb) or _NESTED.match(text) is not None
    if val_bpb is not None and val_bpb < 0:  # a difference, not a score
        return None, False
    if diagnostic and val_loss is None and val_bpb is None:
        return None, False
    if rounded := _EXACT_VALUE.search(text):
        val_bpb, exact = real(rounded[1]), True
    score = Score(
        label=label,
        exact=exact,
        val_loss=val_loss,
        val_bpb=val_bpb,
        seconds=_eval_seconds(text, label, bpb or loss),
        diagnostic=diagnostic,
        summary=bare and (text[:1] in ' "' or label in _GENERIC),
        line=line.number,
    )
    return score, broken and not diagnostic


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


def _label(before: str, match: re.Match[str] | None) -> tuple[str | None, bool, bool]:
    """The label from the text before the numbers, whether it says `exact`, and whether there were no words at all.

    The label is None where the text is source code. Measurements among the words are left out: labels of several
    seeds must be the same.
    """
    if "(f" in before or '("' in before:
        return None, False, False
    before = before.rsplit('"', 1)[-1].split("{", 1)[0].strip()
    if len(before) > 2 * MAX_LABEL:
        return None, False, False
    key = match["key"].lower() if match else ""
    note = (match.groupdict().get("note") or "").lower() if match else ""
    words = _MEASUREMENT.sub(" ", before.lower())
    words = _EDGES.sub("", " ".join(words.split()))
    exact = bool(_EXACT.search(words))
    words = " ".join(_EXACT.sub("", words).split())
    bare = not words
    if bare or key not in _GENERIC:
        words = f"{words} {key}".strip()
    if note:
        words = f"{words} ({note})"
    return words[:MAX_LABEL], exact, bare


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


class ScoreBook:
    """The scores of a run: the last `MAX_SCORES` results, and the first diagnostic ones as far as there is room."""

    def __init__(self) -> None:
        self._results: deque[Score] = deque(maxlen=MAX_SCORES)
        self._diagnostics: list[Score] = []
        self._met = 0

    def add(self, score: Score) -> None:
        """Take one more score."""
        self._met += 1
        if not score.diagnostic:
            self._results.append(score)
        elif len(self._diagnostics) < MAX_SCORES:
            self._diagnostics.append(score)

    def __bool__(self) -> bool:
        return self._met > 0

    def kept(self) -> tuple[Score, ...]:
        """The scores that are kept, in order of lines."""
        diagnostics = self._diagnostics[: MAX_SCORES - len(self._results)]
        return tuple(sorted([*self._results, *diagnostics], key=lambda score: score.line))

    @property
    def omitted(self) -> int:
        """How many scores are not kept."""
        return self._met - len(self.kept())


def final_score(scores: Sequence[Score]) -> Score | None:
    """The last labelled score with bits per byte that is not diagnostic; its exact twin where one has the same label.

    Summaries count where there is no labelled score.
    """
    results = [s for s in scores if not s.diagnostic and s.val_bpb is not None]
    result = next((s for s in reversed(results) if not s.summary), results[-1] if results else None)
    if result is None or result.exact:
        return result
    twins = (s for s in reversed(scores) if s.exact and s.label == result.label and _agree(s, result))
    return next(twins, result)


def seconds_of(score: Score, scores: Sequence[Score]) -> tuple[float, int] | None:
    """Evaluation time of `score` and its line: printed on it, or on a twin (same label, or the same value rounded)."""
    if score.seconds is not None:
        return score.seconds, score.line
    twins = [
        (s.label == score.label, s.seconds, s.line)
        for s in reversed(scores)
        if s.seconds is not None and s.step is None and _agree(s, score)
    ]
    twin = next((t for t in twins if t[0]), twins[0] if twins else None)
    return None if twin is None else twin[1:]


def _agree(a: Score, b: Score) -> bool:
    """Whether two scores are one result, printed with different digits."""
    return a.val_bpb is not None and b.val_bpb is not None and abs(a.val_bpb - b.val_bpb) < 1e-4
