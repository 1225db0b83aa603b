"""Merge bases from a listing of commits are those of the definition, and those of git."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support.repository import RepositoryBuilder

import harness.observe.intake.repository as module
from harness.observe.intake.graph import CommitGraph
from harness.observe.intake.repository import Repository

HISTORIES = st.lists(st.sets(st.integers(0, 14), max_size=3), min_size=2, max_size=15)
"""For each commit the numbers of its parents, of which those before it count."""


@given(HISTORIES)
def test_best_common_ancestors(history: list[set[int]]) -> None:
    """They are the common ancestors that no other common ancestor descends from, for every pair of commits."""
    parents = {str(i): tuple(str(p) for p in sorted(chosen) if p < i) for i, chosen in enumerate(history)}
    below: dict[str, set[str]] = {}
    for commit in parents:
        below[commit] = {commit}.union(*(below[parent] for parent in parents[commit]))
    graph = CommitGraph(parents)
    for one in parents:
        for other in parents:
            common = below[one] & below[other]
            best = {c for c in common if not any(c in below[d] for d in common - {c})}
            assert set(graph.common_ancestors(one, other)) == best


def test_as_git_says(builder: RepositoryBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph and git agree on merged, criss-crossed, unrelated and equal histories, and on commits that are none."""
    base = builder.git("rev-parse", "main")
    left = builder.commit({"a": "1"}, base)
    right = builder.commit({"b": "1"}, base)
    cross = builder.commit({"a": "1", "b": "1"}, left, right)
    back = builder.commit({"a": "1", "b": "2"}, right, left)
    alone = builder.commit({"c": "1"})
    for name, commit in {"left": left, "right": right, "cross": cross, "back": back, "alone": alone}.items():
        builder.branch(name, commit)
    commits = [base, left, right, cross, back, alone, "1" * 40]
    pairs = [(one, other) for one in commits for other in commits]
    asked = Repository(builder.path)
    monkeypatch.setattr(module, "_FEW_BASES", len(pairs))
    by_git = [asked.merge_base(one, other) for one, other in pairs]
    monkeypatch.setattr(module, "_FEW_BASES", 0)
    assert [Repository(builder.path).merge_base(one, other) for one, other in pairs] == by_git
    assert by_git[pairs.index((left, cross))] == left
    assert by_git[pairs.index((left, alone))] is None
