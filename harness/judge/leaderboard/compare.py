"""Why a published score is what it is: hypotheses tried on the evidence, one after the other. Nothing is known of rows.

The plain rule comes first. Among the other explanations that give the printed digits, one that also gives the score
stated in submission.json (with more digits) is preferred: with many logs a coincidence of four digits is not rare.
Rounding is preferred to double rounding and cutting off, and logs to what no log shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from itertools import combinations
from pathlib import PurePosixPath
from statistics import fmean

from harness.judge.leaderboard.entry import Entry, LoggedRun
from harness.model.leaderboard import EXPLAINED_BY_RULE, Agreement

_HEADLINE = frozenset({"train", "log", "run", "main", "final"})
"""Names of logs that say nothing of a seed or variant."""
_WORD = re.compile(r"[a-z]+|\d+")


@dataclass(frozen=True)
class Explanation:
    """How a published score follows from an entry, in words."""

    agreement: Agreement
    text: str
    value: float | None = None

    @property
    def explained(self) -> bool:
        """Whether the evidence gives the published score at all."""
        return self.agreement is not Agreement.UNEXPLAINED


@dataclass(frozen=True)
class _Hypothesis:
    """A number that may be what was published, and the words for it."""

    agreement: Agreement
    value: float
    words: str


def explain(printed: str, entry: Entry) -> Explanation:
    """How `printed`, the score of a published row, follows from `entry`."""
    number = _number(printed)
    if number is None:
        return Explanation(Agreement.UNEXPLAINED, "the published row prints no number")
    hypotheses = _possible(_hypotheses(entry))
    if hypotheses and hypotheses[0].agreement in EXPLAINED_BY_RULE and rounds_to(hypotheses[0].value, printed):
        return Explanation(hypotheses[0].agreement, hypotheses[0].words, hypotheses[0].value)
    found = _matches(hypotheses, printed)
    stated = _matches(_possible(_claims(entry)), printed)
    tried = (
        [match for match in found if _gives_claim(match[0], entry)],
        [match for match in found + stated if not match[1]],
        found + stated,
    )
    preferred = next(filter(None, tried), None)
    if preferred is None:
        return Explanation(Agreement.UNEXPLAINED, f"nothing committed gives it; {_shown(entry)}")
    hypothesis, how = preferred[0]
    agreement = hypothesis.agreement
    if agreement in EXPLAINED_BY_RULE:
        agreement = Agreement.TRUNCATED if "cut" in how else Agreement.DOUBLE_ROUNDING
    by_rule = bool(entry.scores) and hypothesis.value == fmean(entry.scores)
    shown = "" if by_rule else f"; {_shown(entry)}"
    return Explanation(agreement, f"{hypothesis.words}{how}{shown}", hypothesis.value)


def _possible(hypotheses: Iterable[_Hypothesis]) -> list[_Hypothesis]:
    """Those whose number can be a score; logs and claims may state any number at all."""
    return [hypothesis for hypothesis in hypotheses if 0 <= hypothesis.value < _HIGHEST]


_HIGHEST = 1000.0


def _matches(hypotheses: Iterable[_Hypothesis], printed: str) -> list[tuple[_Hypothesis, str]]:
    """Hypotheses that give `printed`, with the words for how; rounding before double rounding before cutting off."""
    tried = list(hypotheses)
    return [
        (hypothesis, words)
        for gives in (_rounded, _rounded_twice, _cut_off)
        for hypothesis in tried
        if (words := gives(hypothesis.value, printed)) is not None
    ]


def rounds_to(value: float, printed: str) -> bool:
    """Whether `value`, rounded half up to the digits of `printed`, is `printed`."""
    number = _number(printed)
    return number is not None and _quantised(value, _digits(printed)) == number


def _number(printed: str) -> Decimal | None:
    return Decimal(printed) if re.fullmatch(r"\d{1,4}(?:\.\d{1,12})?", printed) else None


def _digits(printed: str) -> int:
    return len(printed.partition(".")[2])


def _quantised(value: float | Decimal, digits: int, rounding: str = ROUND_HALF_UP) -> Decimal:
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), rounding)


def _rounded(value: float, printed: str) -> str | None:
    return "" if rounds_to(value, printed) else None


def _rounded_twice(value: float, printed: str) -> str | None:
    first = _quantised(value, _digits(printed) + 1)
    return f", rounded to {first} and then again" if _quantised(first, _digits(printed)) == _number(printed) else None


def _cut_off(value: float, printed: str) -> str | None:
    """Cut to the printed digits, or to fewer where the last ones printed are zeros."""
    for digits in range(_digits(printed), len(printed.rstrip("0").partition(".")[2]) - 1, -1):
        if digits >= _FEWEST_DIGITS and _quantised(value, digits, ROUND_DOWN) == _number(printed):
            return f", cut off after {digits} digits"
    return None


_FEWEST_DIGITS = 3


def _gives_claim(hypothesis: _Hypothesis, entry: Entry) -> bool:
    """Whether submission.json states the same number, to at least the digits that it prints."""
    if entry.claim is None:
        return False
    stated = str(entry.claim)
    return any(gives(hypothesis.value, stated) is not None for gives in (_rounded, _cut_off))


def _hypotheses(entry: Entry) -> Iterator[_Hypothesis]:
    """What a published score may be by the logs, plainest first."""
    scores = entry.scores
    labels = dict.fromkeys(counted.score.label for counted in entry.counted)
    if len(labels) > 1:
        words = f"the mean of {len(scores)} runs under {' and '.join(map(repr, labels))}"
        yield _Hypothesis(Agreement.LABEL_SPELLINGS, fmean(scores), f"{words} ({_score(fmean(scores))})")
    elif scores:
        alone = len(scores) == 1
        words = f"the only run, {_runs([entry.counted[0].run])}" if alone else f"the mean of {len(scores)} runs"
        kind = Agreement.SINGLE_RUN if alone else Agreement.MEAN
        yield _Hypothesis(kind, fmean(scores), f"{words} ({_score(fmean(scores))})")
    yield from _one_run(entry)
    yield from _other_labels(entry)
    yield from _groups(entry)


def _claims(entry: Entry) -> Iterator[_Hypothesis]:
    """What the submission states and no log shows; asked last."""
    if entry.claim is not None:
        yield _Hypothesis(
            Agreement.CLAIM, entry.claim, f"submission.json states {entry.claim}, which no committed log gives"
        )
    for value in entry.readme_claims:
        yield _Hypothesis(Agreement.README_CLAIM, value, f"its README states {value}, which no committed log gives")


def _one_run(entry: Entry) -> Iterator[_Hypothesis]:
    """One log of several: the plainly named one, the best, any other."""
    if len(entry.runs) < 2:
        return
    lowest = min(entry.scores, default=None)
    for counted in entry.counted if len(entry.counted) > 1 else ():
        plain = PurePosixPath(counted.run.path).stem.lower() in _HEADLINE
        best = counted.score.val_bpb == lowest
        kind = Agreement.HEADLINE_LOG if plain else Agreement.BEST_SEED if best else Agreement.ONE_LOG
        words = f"one log, {counted.run.path}" + (f", the best of {len(entry.scores)}" if best else "")
        yield _Hypothesis(kind, counted.score.val_bpb, f"{words} ({_score(counted.score.val_bpb)})")
    for run in entry.runs:
        if run.results:
            value = run.results[-1].val_bpb
            yield _Hypothesis(Agreement.ONE_LOG, value, f"one log of {len(entry.runs)}, {run.path} ({_score(value)})")


def _other_labels(entry: Entry) -> Iterator[_Hypothesis]:
    """Other results of the runs: another label that all share, or the last result of each."""
    runs = [run for run in entry.runs if "/" not in run.path] or list(entry.runs)
    for chosen in (runs, [counted.run for counted in entry.counted]):
        if not chosen or not all(run.results for run in chosen):
            continue
        for label in dict.fromkeys(result.label for result in reversed(chosen[0].results)):
            values = [result.val_bpb for run in chosen for result in run.results if result.label == label]
            if len(values) == len(chosen) and label != entry.label:
                words = f"the score {label!r} of {_runs(chosen)} ({_score(fmean(values))})"
                yield _Hypothesis(Agreement.OTHER_LABEL, fmean(values), words)
        labels = list(dict.fromkeys(run.results[-1].label for run in chosen))
        if len(labels) > 1:
            mean = fmean(run.results[-1].val_bpb for run in chosen)
            words = f"the mean of the last score of {_runs(chosen)} under {' and '.join(map(repr, labels))}"
            yield _Hypothesis(Agreement.LABEL_SPELLINGS, mean, f"{words} ({_score(mean)})")


def _groups(entry: Entry) -> Iterator[_Hypothesis]:
    """Means over the logs of one sub-folder, and over logs that share a word, or two, of their names."""
    with_result = [run for run in entry.runs if run.results]
    words = {run.path: _words(run.path) for run in with_result}
    vocabulary = sorted(set().union(*words.values())) if words else []
    pairs = [(word, word) for word in vocabulary] + list(combinations(vocabulary, 2))
    parents = sorted({_parent(run) for run in with_result})
    groups = [[run for run in with_result if _parent(run) == parent] for parent in parents]
    if len(vocabulary) <= _VOCABULARY:
        groups += [[run for run in with_result if words[run.path] >= set(pair)] for pair in pairs]
    seen: set[tuple[str, ...]] = set()
    for group in groups:
        # A summary that repeats the scores of other logs is no further run.
        distinct = sorted({r.results[-1].val_bpb: r for r in reversed(group)}.values(), key=lambda run: run.path)
        names = tuple(run.path for run in distinct)
        if 1 < len(distinct) < len(with_result) and names not in seen:
            seen.add(names)
            yield from _mean_of_group(distinct)


_VOCABULARY = 40
"""Most words of names that are tried in pairs."""


def _mean_of_group(group: Sequence[LoggedRun]) -> Iterator[_Hypothesis]:
    label = next((r.label for r in reversed(group[0].results) if all(_under(run, r.label) for run in group)), None)
    if label is not None:
        mean = fmean(value for run in group for value in _under(run, label)[:1])
        yield _Hypothesis(Agreement.OTHER_LOGS, mean, f"the mean of {_runs(group)} ({_score(mean)})")


def _under(run: LoggedRun, label: str) -> list[float]:
    return [result.val_bpb for result in run.results if result.label == label]


def _parent(run: LoggedRun) -> str:
    return str(PurePosixPath(run.path).parent)


def _words(path: str) -> frozenset[str]:
    return frozenset(_WORD.findall(PurePosixPath(path).stem.lower()))


def _runs(runs: Sequence[LoggedRun]) -> str:
    names = list(dict.fromkeys(run.path for run in runs))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _shown(entry: Entry) -> str:
    """What the logs themselves show, for an explanation that is not the plain rule."""
    if not entry.logs:
        return "no log is committed"
    if not entry.scores:
        return "no log prints a final score"
    alone = "the only run" if len(entry.runs) == 1 else f"one run of {len(entry.runs)}"
    what = f"the mean of {len(entry.scores)} runs" if len(entry.scores) > 1 else alone
    return f"by the rule {what} counts, {_score(fmean(entry.scores))}"


def _score(value: float) -> str:
    return f"{value:.6f}"
