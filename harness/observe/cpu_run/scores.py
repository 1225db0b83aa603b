"""Printed scores and the sums that they are made of.

A score in bits per byte is a sum of losses in nats, over ln 2, over a count of bytes; or a sum of bits over it. Where
one function added up two numbers whose quotient is what was printed, to its last digit, the printed score is what was
summed, whatever lies between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

from harness.model.base import At
from harness.model.cpu_run import MatchedScore, Total
from harness.model.logs import RunFacts, Score, numberless

LN2 = math.log(2.0)
_NOISE = 2e-5
"""Relative difference that single precision leaves in a sum."""
_SAME = 1e-9
"""Relative difference of one sum, added up in two ways in double precision."""
MAX_PAIRS = 200_000


def matched(
    scores: Sequence[Score], totals: Sequence[Total], texts: Sequence[str], summed: Sequence[Total] = ()
) -> Iterator[MatchedScore]:
    """The scores that are a quotient of two sums; `texts` are the printed lines that the scores stand on.

    `summed` are sums over all ranks (`together`), tried where those of the first rank alone do not make a score.
    """
    for score in scores:
        if score.val_bpb is None:
            continue
        digits = _digits(texts[score.line - 1], score.val_bpb) if score.line <= len(texts) else 4
        for over_ranks, sums in ((False, totals), (True, summed)):
            pair = _pair(score.val_bpb, digits, sums)
            if pair is not None:
                at = {"losses": pair[0].at, "counts": pair[1].at}
                yield MatchedScore(label=score.label, val_bpb=score.val_bpb, over_ranks=over_ranks, **at)
                break


def result_of(run: RunFacts, claimed: str | None = None) -> Score | None:
    """The score that a run ends with: the last with the `claimed` label, else the final one, or the last of its
    evaluations where it calls none so.
    """
    own = [score for score in run.scores if score.val_bpb is not None and numberless(score.label) == claimed]
    if own:
        return own[-1]
    evaluations = [score for score in run.scores if score.val_bpb is not None and score.label != "step"]
    return run.final or (evaluations[-1] if evaluations else None)


def quotient(losses: float, count: float, near: float) -> float:
    """Bits a byte, out of a sum of nats or of bits: whichever gives what lies nearer."""
    return min(losses / LN2 / count, losses / count, key=lambda bits: abs(bits - near))


def in_nats(losses: float, count: float, printed: float) -> bool:
    """Whether a printed score is made of nats."""
    return quotient(losses, count, printed) == losses / LN2 / count


def together(ranks: Sequence[Sequence[Total]]) -> tuple[Total, ...]:
    """Sums of all ranks, as an all-reduce adds them up: pass by pass, or the last of each where the passes differ."""
    found: dict[tuple[At, str, str], Total] = {}
    for totals in ranks:
        for one in totals:
            place = (one.at, one.target, one.function)
            found[place] = _added(found[place], one) if place in found else one
    return tuple(found.values())


def _added(first: Total, other: Total) -> Total:
    kept = None if len(first.values) == len(other.values) else -1
    pairs = zip(first.values[kept:], other.values[kept:], strict=True)
    values = tuple(a + b if a is not None and b is not None else None for a, b in pairs)
    return first.model_copy(update={"additions": first.additions + other.additions, "values": values})


def _pair(printed: float, digits: int, totals: Sequence[Total]) -> tuple[Total, Total] | None:
    """A sum of losses and a count of bytes, of one function and of one pass through it: the pair whose quotient is
    nearest. Scores of one model lie close together, so the first that would do need not be it. Of equals, as where
    parts are added up once more, the one of most additions is taken, and of these the last.
    """
    alike = _SAME * abs(printed)
    nearest = 0.51 * 10.0**-digits + _NOISE * abs(printed)
    found: tuple[Total, Total] | None = None
    left = MAX_PAIRS
    for losses, counts in product(totals, totals):
        if losses is counts or losses.function != counts.function or losses.at.path != counts.at.path:
            continue
        same = len(losses.values) == len(counts.values)
        passes = zip(losses.values, counts.values, strict=True) if same else product(losses.values, counts.values)
        for nats, count in passes:
            left -= 1
            if left < 0:
                return found
            if nats is None or not count:
                continue
            distance = abs(quotient(nats, count, printed) - printed)
            if distance > nearest + alike:
                continue
            if found is None or distance < nearest - alike or losses.additions >= found[0].additions:
                nearest, found = min(distance, nearest), (losses, counts)
    return found


def _digits(line: str, printed: float) -> int:
    """Decimals with which a number stands on its line."""
    for digits in range(12, 0, -1):
        if f"{printed:.{digits}f}" in line:
            return digits
    return 4
