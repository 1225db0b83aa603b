"""A run's result is the score that is claimed, where logs tell which that is."""

from __future__ import annotations

import pytest
from tests_support.cases import COMPLETE, facts_of

from harness.model.logs import RunFacts, Score
from harness.observe.cpu_run.claimed import claimed_label
from harness.observe.cpu_run.scores import result_of

LOG = """\
step:10/10 val_loss:2.2 val_bpb:1.3000 train_time:600000ms
pre-quantization post-ema val_loss:2.0 val_bpb:{early} eval_time:5ms
quantized val_loss:2.1 val_bpb:1.2400 eval_time:5ms
mixer val_bpb:{mixed} eval_time:5ms
quantized_sliding_window val_loss:2.0 val_bpb:{last} eval_time:5ms
"""


def label(claim: str, *mixed: str, last: str = "1.2000", early: str = "1.2300") -> str | None:
    """The label for a claim and logs with these scores of a mixer."""
    metadata = f'{{"author": "a", "github_id": "a", "name": "n", "date": "2026-04-01", "val_bpb": {claim}}}'
    logs = {
        f"train_seed{number}.log": LOG.format(mixed=score, last=last, early=early) for number, score in enumerate(mixed)
    }
    others = {name: text for name, text in COMPLETE.items() if not name.endswith(".log")}
    return claimed_label(facts_of({**others, "submission.json": metadata, **logs}))


@pytest.mark.parametrize(
    ("claim", "scores", "expected"),
    [
        ("0.9429", ("0.94289082",), "mixer"),
        ("0.9500", ("0.9400", "0.9600"), "mixer"),
        ("1.2000", ("0.9429",), None),
        ("1.2300", ("0.9429",), None),
        ("1.1000", ("0.9429",), None),
    ],
    ids=["a score", "a mean", "the last score", "before the artifact is made", "none"],
)
def test_label(claim: str, scores: tuple[str, ...], expected: str | None) -> None:
    """The label whose score is claimed, if it is another than the result's."""
    assert label(claim, *scores) == expected


def test_numbers_in_labels() -> None:
    """The last of a run's chunks is the last of another's, however many there are."""
    scores = tuple(Score(label=f"chunk [{n}/3]", val_bpb=1 - n / 10, line=n) for n in (1, 2, 3))
    run = RunFacts(first_line=1, last_line=4, scores=(*scores, Score(label="final", val_bpb=0.5, line=4)))
    found = result_of(run, "chunk [#/#]")
    assert found is not None
    assert found.val_bpb == 0.7


def test_result() -> None:
    """The claimed label's last score is the result; where the run has none, what it is without a claim."""
    scores = tuple(
        Score(label=one, val_bpb=bpb, line=1) for one, bpb in (("mixer", 0.9), ("mixer", 0.8), ("last", 1.2))
    )
    run = RunFacts(first_line=1, last_line=3, scores=scores)
    found = [score.val_bpb if (score := result_of(run, one)) else None for one in ("mixer", "other", None)]
    assert found == [0.8, 1.2, 1.2]
