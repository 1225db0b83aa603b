"""Explanations of published scores: each found by trying, none written down."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support.rows import entry, logged

from harness.judge.leaderboard.compare import explain, rounds_to
from harness.judge.leaderboard.entry import Entry
from harness.model.leaderboard import Agreement

THREE = [1.10012, 1.10034, 1.10091]
"""Mean 1.100457."""


@given(st.lists(st.floats(0.9, 1.4), min_size=1, max_size=5))
def test_plain_rule_comes_first(scores: list[float]) -> None:
    """Whatever else would fit: a score that is the rounded mean is explained by nothing but that."""
    printed = str(Decimal(str(fmean(scores))).quantize(Decimal("0.0001"), ROUND_HALF_UP))
    found = explain(printed, entry(scores, claim=float(printed)))
    assert found.agreement is (Agreement.MEAN if len(scores) > 1 else Agreement.SINGLE_RUN)


@pytest.mark.parametrize(
    ("printed", "made", "agreement"),
    [
        ("1.1005", entry(THREE), Agreement.MEAN),
        ("1.10", entry(THREE), Agreement.MEAN),
        ("1.1004", entry(THREE), Agreement.TRUNCATED),
        ("1.1001", entry(THREE), Agreement.BEST_SEED),
        ("1.1003", entry(THREE), Agreement.ONE_LOG),
        ("1.1009", entry(THREE), Agreement.ONE_LOG),
        ("1.0634", entry([1.0630, 1.0637, 1.063347]), Agreement.DOUBLE_ROUNDING),
        ("1.0900", entry(THREE, claim=1.09001), Agreement.CLAIM),
        ("1.0900", entry(THREE), Agreement.UNEXPLAINED),
        ("1.0900", entry(), Agreement.UNEXPLAINED),
        ("1.0900", entry(claim=1.09), Agreement.CLAIM),
        ("TBD", entry(THREE, claim=1.0), Agreement.UNEXPLAINED),
        ("NaN", entry(THREE, claim=1.0), Agreement.UNEXPLAINED),
        ("9" * 30, entry(THREE), Agreement.UNEXPLAINED),
        ("1.0900", entry([1e300, 1e301], claim=1e300), Agreement.UNEXPLAINED),
        ("1.0900", entry([-1.0, 5.0], claim=-1e30), Agreement.UNEXPLAINED),
    ],
)
def test_hypotheses(printed: str, made: Entry, agreement: Agreement) -> None:
    """Each way in which a score came to be printed is told from the others by the numbers alone."""
    assert explain(printed, made).agreement is agreement


def test_headline_log() -> None:
    """The log with the plain name is called so; the words name it and say what the rule gives instead."""
    base = entry([1.1, 1.2])
    plain = base.counted[0].run.model_copy(update={"path": "train.log"})
    made = base.model_copy(update={"counted": (base.counted[0].model_copy(update={"run": plain}), base.counted[1])})
    found = explain("1.1000", made)
    assert found.agreement is Agreement.HEADLINE_LOG
    assert "train.log" in found.text
    assert "mean of 2 runs counts, 1.150000" in found.text


def test_other_logs_rounded_twice() -> None:
    """The logs of a sub-folder whose mean submission.json states explain it, not one log that happens to fit."""
    inner = [logged(f"ttt/seed_{i}.log", ("final", v)) for i, v in enumerate((1.06307957, 1.06296654, 1.06400238))]
    summary = logged("ttt/summary.log", ("final", 1.06307957))
    made = entry([1.06353012, 1.06336388, 1.06443847], runs=[*inner, summary], claim=1.06335)
    found = explain("1.0634", made)
    assert found.agreement is Agreement.OTHER_LOGS
    assert "ttt/seed_0.log, ttt/seed_1.log, ttt/seed_2.log (1.063349)" in found.text
    assert "rounded to 1.06335 and then again" in found.text


def test_logs_that_share_a_word() -> None:
    """A group of logs is found by the words that their names share."""
    runs = [logged(f"{name}.log", ("final", v)) for name, v in (("byte_4h", 1.40), ("sp_4h", 1.30), ("sp_10m", 1.20))]
    found = explain("1.3500", entry(runs=runs))
    assert found.agreement is Agreement.OTHER_LOGS
    assert "byte_4h.log, sp_4h.log" in found.text


def test_other_label() -> None:
    """Another score that all runs print is named by its label."""
    runs = [logged(f"s{i}.log", ("sliding", 1.05 + i / 100), ("final", 1.2)) for i in range(2)]
    found = explain("1.0550", entry(runs=runs))
    assert (found.agreement, "'sliding'" in found.text) == (Agreement.OTHER_LABEL, True)


def test_label_spellings() -> None:
    """A mean over differently spelled labels says both."""
    runs = [logged("a.log", ("ttt", 1.1)), logged("b.log", ("int8_ttt", 1.3))]
    found = explain("1.2000", entry(runs=runs))
    assert found.agreement is Agreement.LABEL_SPELLINGS
    assert "'ttt' and 'int8_ttt'" in found.text


def test_rounding_is_half_up() -> None:
    """A five at the end rounds up, as on paper, whatever the binary fraction."""
    assert rounds_to(1.06335, "1.0634")
    assert not rounds_to(1.06334999, "1.0634")
    assert rounds_to(1.206366, "1.206")
