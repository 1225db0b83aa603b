"""The coverage of a printed score: positions by how often, and their true bytes against those counted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.model.base import At
from harness.model.coverage import Coverage
from harness.model.cpu_run import MatchedScore
from harness.model.logs import RunFacts, Score
from harness.observe.cpu_run.coverage import Scored, Truth, coverage_of
from harness.observe.cpu_run.report import Report, Stream

SIZE = 20
TRUTH = Truth(np.arange(SIZE) % 10 == 0, np.where(np.arange(SIZE) % 10 == 0, 0, 3))
LOSSES, COUNTS = At(path="t.py", line=5), At(path="t.py", line=6)


def known(losses: Any, counts: Any, nats: float = 51 * math.log(2), count: float = 51.0, **told: Any) -> Coverage:
    """Coverage of a score of two sums that added up these runs of positions."""
    report = Report(
        ended="end",
        sums=(
            ("t.py", 0, 5, "loss", "f", 9, (nats, nats)),
            ("t.py", 0, 6, "count", "f", 9, (count, count)),
            ("t.py", 0, 9, "other", "f", 9, (1.0,)),
        ),
        covered=tuple(
            (number, 0, told.get("elsewhere", 0), told.get("untold", 0), told.get("looked", 0), runs)
            for number, runs in ((0, losses), (1, counts))
            if runs
        ),
        stream=Stream(number=0, size=SIZE),
    )
    score = MatchedScore(label="final", val_bpb=nats / math.log(2) / count, losses=LOSSES, counts=COUNTS)
    found = coverage_of(report, score, [TRUTH], 8)
    assert found is not None
    return found


def test_every_token_once() -> None:
    """Nothing is missing where every token that has a prediction was scored once, and its bytes are those counted."""
    found = known(((1, 9, 1), (11, 17, 1)), ((1, 17, 1),))
    assert (found.missing, found.head, found.tail, found.starts, found.again) == (0, 0, 2, 2, None)
    assert (found.bytes_true, found.bytes_counted, found.differ) == (48, 51.0, 0)
    assert found.losses is not None
    assert (found.losses.once, found.losses.several, found.losses.at) == (16, 0, LOSSES)
    assert found.counts is not None


def test_nothing_was_lost() -> None:
    """A score of 0, as a program prints that has the answers, is matched and covered like any other."""
    found = known(((1, 17, 1),), ((1, 17, 1),), nats=0.0)
    assert (found.val_bpb, found.missing) == (0.0, 0)


def test_gaps_and_repeats() -> None:
    """Tokens left out between scored ones, at the ends, and those scored again are told apart."""
    found = known(((3, 5, 1), (8, 9, 3)), ((3, 9, 1),))
    assert (found.missing, found.head, found.tail, found.again) == (2, 2, 10, (8, 9))
    assert [(one.first, one.last) for one in found.left_out] == [(6, 7)]
    assert found.bytes_true == 3 * (3 + 6)
    assert found.differ == 4
    assert found.losses is not None
    assert (found.losses.once, found.losses.several, found.losses.tokens) == (3, 2, 9)


def test_unknown_stays_unknown() -> None:
    """Where one addition could not be followed nothing is said, and never 0."""
    for found in (known(((1, 17, 1),), ((1, 17, 1),), untold=1), known((), ((1, 17, 1),))):
        assert (found.losses, found.missing, found.bytes_true, found.differ) == (None, None, None, None)
        assert found.untold
    found = known(((1, 17, 1),), ())
    assert (found.counts, found.differ) == (None, None)
    assert found.bytes_true == 48


def test_tokens_that_were_looked_at() -> None:
    """Where the program looked tells what it scored only if it went through all tokens, each once."""
    whole = known(((1, 9, 1), (11, 17, 1)), ((1, 17, 1),), looked=16)
    assert whole.losses is not None
    assert (whole.losses.looked, whole.untold, whole.bytes_true) == (16, 0, 48)
    for runs in (((1, 9, 1), (12, 17, 1)), ((1, 9, 1), (11, 16, 1), (17, 17, 2))):
        part = known(runs, ((1, 17, 1),), looked=15)
        assert (part.losses, part.bytes_true, part.untold) == (None, None, 15)


def test_pads_are_told() -> None:
    """Elements that are no tokens of the stream are counted apart."""
    found = known(((1, 17, 1),), ((1, 17, 1),), elsewhere=7)
    assert found.losses is not None
    assert found.losses.elsewhere == 7


def test_over_ranks() -> None:
    """Sums of all ranks are of what each has added up, position by position; an unknown rank leaves all unknown."""

    def rank(nats: float, count: float, *runs: tuple[int, int, int]) -> Report:
        sums = (("t.py", 0, 5, "loss", "f", 9, (nats,)), ("t.py", 0, 6, "count", "f", 9, (count,)))
        covered = tuple((number, 0, 0, 0, 0, runs) for number in (0, 1))
        return Report(ended="end", sums=sums, covered=covered, stream=Stream(number=0, size=SIZE))

    score = MatchedScore(label="a", val_bpb=1 / math.log(2), losses=LOSSES, counts=COUNTS, over_ranks=True)
    ranks = rank(30.0, 20.0, (1, 9, 1)), rank(18.0, 28.0, (9, 9, 1), (11, 17, 1))
    found = coverage_of(ranks[0], score, [TRUTH], 8, ranks[1:])
    assert found is not None
    assert found.losses is not None
    assert (found.losses.once, found.losses.several, found.again, found.missing) == (15, 1, (9, 9), 0)
    assert (found.bytes_true, found.bytes_counted) == (3 * 17, 48.0)
    assert coverage_of(ranks[0], score, [TRUTH], 8) is None
    unread = ranks[1].model_copy(update={"stream": Stream(number=1, size=SIZE)})
    assert coverage_of(ranks[0], score, [TRUTH, TRUTH], 8, [unread]) is None


def test_final_score_only() -> None:
    """Without a matched final score, a stream that was read, or with sums of several ranks, there is none."""
    score = MatchedScore(label="a", val_bpb=1.0, losses=LOSSES, counts=COUNTS)
    report = Report(ended="end", stream=Stream(number=0, size=SIZE))
    assert Scored((TRUTH,)).facts(report, [score], None) == {}
    run = RunFacts(first_line=1, last_line=9, final=Score(label="b", val_bpb=2.0, line=1))
    assert Scored((TRUTH,)).facts(report, [score], run) == {"coverage": None, "coverages": (), "unmatched": ()}
    assert coverage_of(Report(ended="end"), score, [TRUTH]) is None
    assert coverage_of(report, score, []) is None
    assert coverage_of(report, score.model_copy(update={"over_ranks": True}), [TRUTH]) is None
    assert coverage_of(report.model_copy(update={"stream": Stream(number=0, size=3)}), score, [TRUTH]) is None


def test_other_results() -> None:
    """Another score that may be the result has a coverage of its own; progress and repeats have none."""
    report = Report(
        ended="end",
        sums=(("t.py", 0, 5, "loss", "f", 9, (math.log(2),)), ("t.py", 0, 6, "count", "f", 9, (1.0,)),
              ("t.py", 0, 7, "mix", "g", 9, (math.log(2) / 2,)), ("t.py", 0, 8, "count", "g", 9, (1.0,))),
        covered=((0, 0, 0, 0, 0, ((1, 5, 1),)),),
        stream=Stream(number=0, size=SIZE),
    )  # fmt: skip
    matched = [
        MatchedScore(label="step", val_bpb=3.0, losses=LOSSES, counts=COUNTS),
        MatchedScore(label="mixed", val_bpb=0.5, losses=At(path="t.py", line=7), counts=At(path="t.py", line=8)),
        MatchedScore(label="final", val_bpb=1.0, losses=LOSSES, counts=COUNTS),
    ]
    run = RunFacts(
        first_line=1,
        last_line=9,
        scores=tuple(
            Score(label=one.label, val_bpb=one.val_bpb, line=1, diagnostic=one.label == "step") for one in matched
        ),
        final=Score(label="final", val_bpb=1.0, line=1),
    )
    found = Scored((TRUTH,)).facts(report, matched, run)
    assert (found["coverage"].label, found["coverage"].missing) == ("final", 0)
    assert [(one.label, one.losses, one.bytes_counted) for one in found["coverages"]] == [("mixed", None, 1.0)]
    assert found["unmatched"] == ()
    assert Scored((TRUTH,)).facts(report, matched[::2], run)["unmatched"] == ("mixed",)
