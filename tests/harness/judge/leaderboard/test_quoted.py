"""Published p-values: which convention gives the printed digits, on scores as the logs print them."""

from __future__ import annotations

import pytest
from scipy import stats
from tests_support.rows import entry

from harness.judge.leaderboard.quoted import reproduce
from harness.model.published import Quoted

MUON = [1.07924955, 1.07962998, 1.08061866]
RECURRENCE = [1.08078866, 1.08103394, 1.08118603]


def test_plain_convention_is_welch() -> None:
    """The first convention is scipy's own one-sided Welch test with sample deviations."""
    expected = float(stats.ttest_ind(MUON, RECURRENCE, equal_var=False, alternative="less").pvalue)
    found = reproduce(Quoted(printed=f"{expected:.3f}", against=1), entry(MUON), entry(RECURRENCE))
    assert found.convention == "Welch, sample deviation, no margin"
    assert found.computed == pytest.approx(expected)


@pytest.mark.parametrize(
    ("new", "old", "claims", "printed", "convention"),
    [
        ([1.05740567, 1.05730104, 1.05807084], [1.0582472, 1.05846113, 1.05895276], None, "0.011", "population"),
        (
            [1.0582472, 1.05846113, 1.05895276],
            [1.05939426, 1.06024251, 1.05867499],
            ((1.0585537, 0.00029539), (1.05943381, 0.00064246)),
            "0.063",
            "submission.json",
        ),
    ],
)
def test_other_conventions(
    new: list[float], old: list[float], claims: tuple[tuple[float, float], ...] | None, printed: str, convention: str
) -> None:
    """Population deviations and rounded claims are recognised, each where the plain test gives other digits."""
    sides = [entry(new), entry(old)]
    if claims is not None:
        sides = [
            side.model_copy(update={"claim": mean, "claimed_deviation": deviation})
            for side, (mean, deviation) in zip(sides, claims, strict=True)
        ]
    found = reproduce(Quoted(printed=printed, against=1), *sides)
    assert found.convention is not None
    assert convention in found.convention


def test_not_reproduced() -> None:
    """Digits that no convention gives are said so, beside what the plain test gives; single runs give nothing."""
    found = reproduce(Quoted(printed="0.188", against=1), entry(MUON), entry(RECURRENCE))
    assert found.convention is None
    plain = stats.ttest_ind(MUON, RECURRENCE, equal_var=False, alternative="less").pvalue
    assert found.computed == pytest.approx(float(plain))
    assert reproduce(Quoted(printed="0.1", against=1), entry([1.1]), entry([1.2])).computed is None
