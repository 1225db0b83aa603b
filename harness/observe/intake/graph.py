"""The commits of a repository and their parents: where many merge bases are asked for, one listing answers them all."""

from __future__ import annotations

from collections.abc import Mapping

Parents = Mapping[str, tuple[str, ...]]


class CommitGraph:
    """Commits with their parents, as `git rev-list --parents` lists them."""

    def __init__(self, parents: Parents) -> None:
        self._parents = parents
        self._ancestors: dict[str, frozenset[str]] = {}

    @classmethod
    def from_listing(cls, listing: str) -> CommitGraph:
        """From lines of a commit and its parents, separated by spaces."""
        rows = (line.split() for line in listing.splitlines())
        return cls({row[0]: tuple(row[1:]) for row in rows if row})

    def __contains__(self, commit: str) -> bool:
        return commit in self._parents

    def common_ancestors(self, base: str, head: str) -> list[str]:
        """The best common ancestors of two commits, in no order: those that no other common ancestor descends from.

        The ancestors of `base` are remembered. Raises KeyError for a commit that is not in the graph.
        """
        known = self.ancestors(base)
        met = self._first_met(head, known)
        if len(met) > 1:
            below = frozenset().union(*(self.ancestors(commit) - {commit} for commit in met))
            met -= below
        return list(met)

    def ancestors(self, commit: str) -> frozenset[str]:
        """The commit and all that it descends from."""
        if commit not in self._ancestors:
            seen = {commit}
            pending = [commit]
            while pending:
                for parent in self._parents[pending.pop()]:
                    if parent not in seen:
                        seen.add(parent)
                        pending.append(parent)
            self._ancestors[commit] = frozenset(seen)
        return self._ancestors[commit]

    def _first_met(self, head: str, known: frozenset[str]) -> set[str]:
        """Commits of `known` that can be reached from `head` without passing another of them."""
        seen, met = {head}, set()
        pending = [head]
        while pending:
            commit = pending.pop()
            if commit in known:
                met.add(commit)
                continue
            for parent in self._parents[commit]:
                if parent not in seen:
                    seen.add(parent)
                    pending.append(parent)
        return met
