"""Experiments on a run that came to its score: the same run on validation streams that are changed on purpose.

Everything but the stream is as it was, the sandbox and the size included, and runs are repeatable to the last bit. So
whatever differs between two runs differs because of the tokens that do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.model.base import At, snippet
from harness.model.cpu_run import RunStage
from harness.model.facts import SubmissionFacts
from harness.model.plan import Directive
from harness.model.proof import ROUGH, Apart, Divergence, Later, Moved, ProofFacts, RowTotal, Swap
from harness.observe.cpu_run.coverage import truths
from harness.observe.cpu_run.inputs.made import Made, with_validation
from harness.observe.cpu_run.inputs.stream import Stream
from harness.observe.cpu_run.outcome import Outcome
from harness.observe.cpu_run.rows import Rows
from harness.observe.cpu_run.trial import Again, Trial
from harness.observe.moment import Moment, Show
from harness.observe.probes import later
from harness.observe.probes.apart import SEED, early
from harness.observe.probes.compare import Compared, compared, row_kept, rows_kept
from harness.observe.probes.placing import SLACK, How, Placing, placed
from harness.observe.probes.swap import swaps
from harness.observe.probes.tables import loaded

SHARES = (0.01, 0.23, 0.99)
"""Where in the stream the streams part: so early that nothing is shared that could be learned from, on the way, and so
late that all but the end is scored before, where the last window is treated otherwise, too.
"""
_SEED = 1_009
"""Of the tokens after a parting; other streams have small seeds."""
_OFF = range(9, 24)
"""Remainders by 32 of a parting: windows, strides and chunks are multiples of powers of two."""
MAX_FIRST, MAX_SPANS, AROUND = 10, 50, 4
ROUNDED = 1e-2
"""What half precision leaves of a sum over a whole row."""
SHARPNESS = 16.0
"""Of weights read back: tied embeddings of 0.005 by 512 dimensions, as most begin, then make logits of nearly 2."""
_INFERRED = 64
"""Tokens before a parting that are not compared where it is only inferred which token a score is of."""


def prove(trial: Trial, base: Outcome, again: Again, show: Show, *, cache: Path) -> ProofFacts:
    """What experiments on a run tell; `base` is that run, with all that entered its score. `cache`: of inputs."""
    reason = _unfit(base)
    if reason is not None or base.rows is None:
        return ProofFacts(reason=reason)
    started = time.perf_counter()
    made = Made(cache / trial.layout.folder, trial.layout.made[0])
    stream = made.stream()
    spent = 0.0

    def run(doing: str, other: Stream | None, own: Trial = trial) -> Outcome:
        """The run on another stream, or on its own."""
        nonlocal spent
        show(Moment(doing))
        outcome, attempt = again(own if other is None else _on(own, with_validation(made, other, cache), cache))
        spent += attempt.cpu_seconds or 0.0
        return outcome

    parted = []
    for number, position in enumerate(partings(stream, *_scored(base.rows, stream))):
        other = stream.diverged(position, _SEED + number)
        parted.append((position, other, run(f"changing what comes after token {position}", other)))
    rows, placing = placed(base.rows, stream, [(at, outcome.rows) for at, _, outcome in parted])
    divergences = [_divergence(base, outcome, rows, stream, other, at, placing) for at, other, outcome in parted]
    repeatable = None
    if any(one.moved or one.artifact for one in divergences):
        outcome = run("running it once more as it was", None)
        same = outcome.rows is not None and np.array_equal(outcome.rows, base.rows)
        repeatable = same and not _differing(base, outcome)
    tried: tuple[Swap, ...] = ()
    sharper: tuple[Swap, ...] = ()
    above = _above(rows, stream)
    tables: tuple[Directive, ...] = ()

    def swapped(own: Trial, theirs: Rows) -> tuple[Swap, ...]:
        """What tokens get in the place of another; `theirs` are the scores without one."""

        def values(other: Stream, asked: tuple[int, int]) -> Rows | None:
            """The scores with another token in one place."""
            outcome = run("putting another token in one place", other, replace(own, asked=(asked,)))
            return _scores(base, outcome, other, placing)

        return tuple(swaps(stream, theirs, values))

    plain = rows["source"].astype(bool) & ~rows["mixed"]
    if above is None and not plain.all() and not any(one.moved for one in divergences):
        tables = loaded(trial)
        loads = replace(trial, edits=tables)
        full = run("filling tables as the real validation set would", None, loads) if tables else None
        theirs = _scores(base, full, stream, placing) if full is not None else None
        tables = tables if theirs is not None else ()
        own = trial if theirs is None else loads
        tried = swapped(own, rows if theirs is None else theirs)
        if rows["mixed"].any() and not any(one.convicts for one in tried):
            own = replace(own, sharpness=SHARPNESS)
            sharp = run("making the weights that it reads back sharper", None, own)
            theirs = _scores(base, sharp, stream, placing)
            if theirs is not None and theirs["total"][theirs["mixed"]].max(initial=0) > 1 + ROUGH:
                sharper = swapped(own, theirs)
    after: list[Later] = []
    if not any(one.moved for one in divergences) and all(one.late > one.rows for one in divergences):
        for number, moment in enumerate(later.moments(rows, stream)):
            other = stream.changed(moment.changed, later.SEED + number)
            outcome = run(f"changing {len(moment.changed)} tokens that are scored later", other)
            after.append(_later(outcome, rows, stream, other, moment, placing))
    apart = None
    if _independent(trial.submission) and len(rows) and (bounds := early(stream)) is not None:
        other = stream.changed(range(bounds[0], bounds[1] + 1), SEED)
        outcome = run(f"changing tokens {bounds[0]} to {bounds[1]} alone", other)
        apart = _apart(outcome, rows, stream, other, bounds, placing)
    coverage = base.facts.coverage
    whole = bool(tried) and all(one.whole for one in tried) and not sharper
    return ProofFacts(
        label=coverage.label if coverage is not None else None,
        val_bpb=coverage.val_bpb if coverage is not None else None,
        stream=len(stream.tokens),
        rows=len(rows),
        unplaced=len(base.rows) - len(rows) if placing.how is How.PARTLY else 0,
        positions=len(np.unique(rows["at"])),
        normalised=int(np.count_nonzero(rows["source"] if whole else plain)),
        mixed=int(np.count_nonzero(rows["mixed"])),
        repeatable=repeatable,
        divergences=tuple(divergences),
        aligned=placing.how is How.BY_PARTING,
        swaps=tried,
        sharper=sharper,
        sharpness=SHARPNESS,
        tables=tables,
        above=above,
        lessons=base.lessons,
        later=tuple(after),
        apart=apart,
        seconds=round(time.perf_counter() - started, 3),
        cpu_seconds=round(spent, 3),
    )


def _scores(base: Outcome, outcome: Outcome, stream: Stream, placing: Placing) -> Rows | None:
    """The scores of a run on a stream; None where it did not come to the score that the first came to."""
    ended = outcome.raised is None and _summed_at(outcome) == _summed_at(base)
    return placing.of(outcome.rows, stream) if ended else None


def _independent(submission: SubmissionFacts) -> bool:
    """Whether the program, or its README, takes documents for independent."""
    return submission.documents is not None or any(one.independent is not None for one in submission.readmes)


def _apart(
    outcome: Outcome, rows: Rows, stream: Stream, other: Stream, bounds: tuple[int, int], placing: Placing
) -> Apart:
    first, last = bounds
    theirs = placing.of(outcome.rows, other)
    if outcome.raised is not None or theirs is None:
        return Apart(first=first, last=last, failure=_words(outcome) or "its scores could not be placed")
    # The first token of a document is foretold from the one before it.
    later = [one[(one["at"] > last) & ~np.isin(one["at"], stream.starts)] for one in (rows, theirs)]
    result = compared(later[0], later[1], len(stream.tokens), whole=placing.whole(outcome.rows))
    return Apart(
        first=first,
        last=last,
        rows=result.rows,
        moved=len(result.moved),
        spans=tuple(_spans(result.moved)),
        largest=_largest(result, stream),
    )


def _later(
    outcome: Outcome, rows: Rows, stream: Stream, other: Stream, moment: later.Instant, placing: Placing
) -> Later:
    theirs = placing.of(outcome.rows, other)
    if outcome.raised is not None or theirs is None:
        return Later(changed=len(moment.changed), failure=_words(outcome) or "its scores could not be placed")
    kept = [one[np.isin(one["at"], moment.before)] for one in (rows, theirs)]
    result = compared(kept[0], kept[1], len(stream.tokens), whole=placing.whole(outcome.rows))
    row_kept = rows_kept(rows, theirs, moment.next)
    return Later(changed=len(moment.changed), rows=result.rows, moved=len(result.moved), row_kept=row_kept)


def _above(rows: Rows, stream: Stream) -> RowTotal | None:
    """The row of probabilities that sums to most, where that is more than 1."""
    more = rows[(rows["total"] > 1 + ROUNDED) & ~rows["mixed"]]
    if not len(more):
        return None
    most = more[more["total"].argmax()]
    position = int(most["at"])
    token, value, total = int(stream.tokens[position]), float(most["value"]), float(most["total"])
    return RowTotal(position=position, token=token, value=value, total=total, rows=len(more))


def _scored(rows: Rows, stream: Stream) -> tuple[int, int]:
    """The first and last token that have a score; where those are not known, those that any program of whole windows
    scores.
    """
    size = len(stream.tokens)
    if not (rows["at"] >= 0).all():
        return 0, max(2, size - SLACK)
    return min(_head(rows), size // 2), min(int(rows["at"].max()), size)


def _head(rows: Rows) -> int:
    """Tokens before the first that has a score, but for the very first, which nothing foretells."""
    known = rows["at"][rows["at"] >= 0]
    return max(0, int(known.min()) - 1) if len(known) else 0


def partings(stream: Stream, first: int, last: int) -> list[int]:
    """Last shared positions between two tokens: inside of documents, off every multiple of a power of two."""
    starts = set(stream.starts.tolist())
    found = []
    for share in SHARES:
        wanted = first + int(share * (last - first))
        inside = (
            at
            for at in sorted(range(first + 1, last - 1), key=lambda at: abs(at - wanted))
            if at % 32 in _OFF and not starts & {at, at + 1}
        )
        found.append(next(inside, max(1, wanted)))
    return sorted(set(found))


def _unfit(base: Outcome) -> str | None:
    """Why there is nothing to compare."""
    facts = base.facts
    if base.raised is not None or RunStage.EVALUATED not in facts.reached:
        return "the run came to no final score that is what was summed"
    if base.rows is None or not len(base.rows):
        return "which token each score is of is not known"
    return None


def _on(trial: Trial, made: Made, cache: Path) -> Trial:
    """The trial on other validation tokens."""
    layout = trial.layout.with_validation(made)
    return replace(trial, layout=layout, scored=replace(trial.scored, streams=truths(layout, cache)))


def _divergence(
    base: Outcome, outcome: Outcome, rows: Rows, stream: Stream, other: Stream, position: int, placing: Placing
) -> Divergence:
    around = slice(max(0, position - AROUND), position + AROUND + 1)
    differing = _differing(base, outcome)
    found = Divergence(
        position=position,
        tokens=tuple(stream.tokens[around].tolist()),
        others=tuple(other.tokens[around].tolist()),
        failure=_words(outcome),
        artifact=tuple(differing or ()),
        artifact_same=None if differing is None else not differing,
    )
    theirs = placing.of(outcome.rows, other)
    if outcome.raised is not None or theirs is None or not len(rows):
        return found
    if _summed_at(base) != _summed_at(outcome):
        return found.model_copy(update={"failure": "its final score was matched with sums of another place"})
    losses = base.facts.coverage.losses if base.facts.coverage is not None else None
    inferred = placing.how is not How.BY_PARTING and (losses is None or losses.looked > 0)
    until = position - _INFERRED if inferred else position
    result = compared(rows, theirs, until, parting=position, whole=placing.whole(outcome.rows))
    moves = [_moved(result, index, stream) for index in range(min(len(result.moved), MAX_FIRST))]
    return found.model_copy(update={
        "rows": result.rows,
        "head": min(_head(rows), position),
        "late": result.late,
        "moved": len(result.moved),
        "first": tuple(moves),
        "spans": tuple(_spans(result.moved)),
        "largest": _largest(result, stream),
        "row_kept": None if inferred else row_kept(rows, theirs, position + 1),
    })  # fmt: skip


def _summed_at(outcome: Outcome) -> tuple[At, At] | None:
    """Where the two sums stand that make the final score."""
    label = outcome.facts.coverage.label if outcome.facts.coverage is not None else None
    last = [score for score in outcome.facts.scores if score.label == label][-1:]
    return (last[0].losses, last[0].counts) if last else None


def _words(outcome: Outcome) -> str | None:
    raised = outcome.raised
    if raised is not None:
        return snippet(f"{raised.exception}: {raised.message}")
    return None if outcome.rows is not None else "its final score was not matched with what was summed"


def _differing(base: Outcome, outcome: Outcome) -> list[str] | None:
    """Files that the first run read back and that are others in the second; None where it read none back."""
    ours = {file.path: file.sha256 for file in base.facts.files if file.reloaded}
    theirs = {file.path: file.sha256 for file in outcome.facts.files}
    if not ours or outcome.raised is not None:
        return None
    return [path for path, digest in ours.items() if theirs.get(path) != digest]


def _moved(result: Compared, index: int, stream: Stream) -> Moved:
    position = int(result.moved[index])
    before, after = (float(values[index]) for values in (result.before, result.after))
    return Moved(
        position=position,
        token=int(stream.tokens[position]),
        before=before if math.isfinite(before) else None,
        after=after if math.isfinite(after) else None,
    )


def _largest(result: Compared, stream: Stream) -> Moved | None:
    if not len(result.moved):
        return None
    distance = np.nan_to_num(np.abs(result.before - result.after), nan=np.inf)
    return _moved(result, int(distance.argmax()), stream)


def _spans(positions: NDArray[np.int64]) -> Sequence[tuple[int, int]]:
    """Stretches of neighbouring positions."""
    found = np.unique(positions)
    if not len(found):
        return ()
    edges = [0, *(np.flatnonzero(np.diff(found) > 1) + 1).tolist(), len(found)]
    return [(int(found[first]), int(found[end - 1])) for first, end in pairwise(edges)][:MAX_SPANS]
