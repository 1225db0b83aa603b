"""The result of a set of runs: the last label common to all."""

import pytest

from harness.judge.scores import common_final
from harness.model.logs import RunFacts, Score


def run(*scores: tuple[str, float | None] | Score) -> RunFacts:
    """A run with these scores, one a line."""
    listed = [s if isinstance(s, Score) else Score(label=s[0], val_bpb=s[1], line=n) for n, s in enumerate(scores, 1)]
    return RunFacts(first_line=1, last_line=len(listed), scores=tuple(listed))


def test_no_runs() -> None:
    """Nothing was run."""
    assert common_final([]) is None


def test_one_run_gives_its_last_result() -> None:
    """Of one run the last label counts."""
    found = common_final([run(("roundtrip", 1.3), ("sliding", 1.2))])
    assert found is not None
    assert (found[0], [s.val_bpb for s in found[1]]) == ("sliding", [1.2])


def test_a_label_of_one_seed_only_does_not_count() -> None:
    """One seed tried a further evaluation: the set is compared by what all of them did."""
    found = common_final([run(("sliding", 1.1), ("ttt", 1.3)), run(("sliding", 1.2))])
    assert found is not None
    assert (found[0], [s.val_bpb for s in found[1]]) == ("sliding", [1.1, 1.2])


def test_no_common_label() -> None:
    """Different evaluations have no common result."""
    assert common_final([run(("sliding", 1.1)), run(("ttt", 1.2))]) is None


def test_exact_before_rounded() -> None:
    """Of one label the exact line counts, wherever the rounded one stands."""
    exact = Score(label="ttt", exact=True, val_bpb=1.12345678, line=1)
    rounded = Score(label="ttt", val_bpb=1.1235, line=2)
    found = common_final([run(exact, rounded), run(rounded, exact)])
    assert found is not None
    assert [s.val_bpb for s in found[1]] == [1.12345678, 1.12345678]


def test_the_last_of_one_label_counts() -> None:
    """A label printed again with another value replaces the earlier one."""
    found = common_final([run(("ttt", 1.2), ("sliding", 1.3), ("ttt", 1.1))])
    assert found is not None
    assert (found[0], found[1][0].val_bpb) == ("ttt", 1.1)


@pytest.mark.parametrize(
    "score",
    [
        Score(label="post_ema", val_bpb=1.0, diagnostic=True, line=9),
        Score(label="ttt", val_bpb=None, line=9),
        Score(label="val_bpb", val_bpb=1.0, summary=True, line=9),
    ],
    ids=["diagnostic", "without a number", "summary"],
)
def test_what_is_no_result(score: Score) -> None:
    """Diagnostics, scores that are not finite, and summaries beside labelled scores never count."""
    found = common_final([run(("sliding", 1.2), score)])
    assert found is not None
    assert found[0] == "sliding"


def test_a_summary_alone_is_the_result() -> None:
    """A run that prints nothing but a bare number has that result."""
    found = common_final([run(Score(label="val_bpb", val_bpb=1.0, summary=True, line=1))])
    assert found is not None
    assert found[0] == "val_bpb"
