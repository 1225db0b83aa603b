"""Scores up to a position are compared to the last bit, each with the one of the same token and turn."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.cpu_run.rows import Rows, rows_of
from harness.observe.probes.compare import compared, row_kept

SCORED = st.lists(st.tuples(st.integers(0, 30), st.floats(0, 9, width=32)), max_size=60)


def rows(pairs: list[tuple[int, float]]) -> Rows:
    """Rows of these positions and values."""
    return rows_of(np.array([at for at, _ in pairs], np.int64), np.array([value for _, value in pairs], np.float64))


@given(SCORED, SCORED, st.integers(0, 30))
def test_later_scores_do_not_count(scored: list[tuple[int, float]], others: list[tuple[int, float]], at: int) -> None:
    """Whatever is scored after the parting, and in whatever order tokens come, nothing has moved."""
    shared = [pair for pair in scored if pair[0] <= at]
    later = [pair for pair in others if pair[0] > at]
    found = compared(rows(scored), rows(later + shared), at)
    assert (found.rows, found.moved.tolist()) == (len(shared), [])


@given(SCORED.filter(len), st.data())
def test_each_change_is_found(scored: list[tuple[int, float]], data: st.DataObject) -> None:
    """One score that differs by one bit is found with its token and both values; one that is missing, too."""
    index = data.draw(st.integers(0, len(scored) - 1))
    at, value = scored[index]
    other = float(np.nextafter(value, 99.0))
    changed = [*scored[:index], (at, other), *scored[index + 1 :]]
    found = compared(rows(scored), rows(changed), 30)
    assert (found.moved.tolist(), found.before.tolist(), found.after.tolist()) == ([at], [value], [other])
    fewer = compared(rows(scored), rows(scored[:index] + scored[index + 1 :]), 30)
    assert fewer.rows == len(scored)
    assert set(fewer.moved.tolist()) <= {at}
    assert len(fewer.moved) >= 1
    assert np.isnan(fewer.after).any()


@given(SCORED, st.data())
def test_what_is_not_known_of_both(scored: list[tuple[int, float]], data: st.DataObject) -> None:
    """Scores of which one run does not tell the token move nothing, where a token was scored several times either."""
    hidden = data.draw(st.sets(st.integers(0, max(0, len(scored) - 1))))
    other = rows(scored)
    other["at"][[index for index in hidden if index < len(scored)]] = -1
    found = compared(rows(scored), other, 30, whole=False)
    assert found.moved.tolist() == []
    assert found.rows == sum(at not in {scored[i][0] for i in hidden if i < len(scored)} for at, _ in scored)


@given(st.permutations(range(24)), st.integers(0, 22), st.booleans())
def test_other_orders(order: list[int], parting: int, told: bool) -> None:
    """What is scored after a token that differs may know it; what is scored before it, or with it, may not."""
    first = rows([(at, 1.0) for at in order])
    first["when"] = np.arange(24) // 3 + 1 if told else 0
    second = first.copy()
    limit = next(index for index, at in enumerate(order) if at > parting)
    free = 3 * (limit // 3 + 1) if told else limit
    second["value"][free:] = 2.0
    found = compared(first, second, parting, parting=parting)
    assert found.moved.tolist() == []
    assert found.rows == sum(at <= parting for at in order[:free])
    assert found.late == parting + 1 - found.rows
    second["value"][:free] = 2.0
    assert len(compared(first, second, parting, parting=parting).moved) == found.rows


def test_row_kept() -> None:
    """The rows of scores of one token are the same, are not, or are not known in one of the runs."""
    first, second = rows([(3, 1.0), (4, 2.0)]), rows([(3, 1.5), (4, 2.0)])
    assert row_kept(first, second, 3) is None
    first["source"] = [7, 8]
    second["source"] = [7, 9]
    assert row_kept(first, second, 3) is True
    assert row_kept(first, second, 4) is False
    assert row_kept(first, second, 5) is None
