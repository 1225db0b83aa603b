"""What an analysis has met, by the nodes where it met it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from harness.model.order import UpdateKind
from harness.observe.reading.evaluate.values import Source


@dataclass(eq=False)
class UpdateRecord:
    """A place that learns."""

    index: int
    kind: UpdateKind
    node: ast.AST
    learnt: ast.AST | None
    source: Source | None
    module: bool = False
    passes: int | None = 0
    """Most times that it came back to the same tokens, as far as it was met; None where a loop is not counted."""

    def repeated(self, passes: int | None) -> None:
        """It was met so many times over the same tokens."""
        self.passes = None if passes is None or self.passes is None else max(self.passes, passes)


@dataclass(eq=False)
class ScoreRecord:
    """A place that adds losses to a sum; `exposures` maps updates to whether they knew just the piece."""

    index: int
    node: ast.AST
    source: Source | None
    exposures: dict[int, bool] = field(default_factory=dict)
    reported: bool = False


@dataclass(eq=False)
class MixRecord:
    """A place that mixes the realised token's probability with a table."""

    node: ast.AST
    source: Source | None
    scores: set[int] = field(default_factory=set)


@dataclass(eq=False)
class WriteRecord:
    """A place that writes what knows validation tokens."""

    node: ast.AST
    source: Source | None
    updates: set[int] = field(default_factory=set)
    tokens: bool = False


@dataclass
class Records:
    """Everything met."""

    updates: list[UpdateRecord] = field(default_factory=list)
    scores: list[ScoreRecord] = field(default_factory=list)
    mixtures: dict[int, MixRecord] = field(default_factory=dict)
    writes: dict[int, WriteRecord] = field(default_factory=dict)
    read: tuple[ast.AST, Source | None] | None = None
    """Where validation tokens are first read."""
    source: Source | None = None
    """The file of the function in progress; None for the launched file."""
    tables: bool = False
    """Whether any place learns into a table."""
    _update_at: dict[tuple[int, str], UpdateRecord] = field(default_factory=dict)
    _score_at: dict[int, ScoreRecord] = field(default_factory=dict)

    def update(self, kind: UpdateKind, node: ast.AST, learnt: ast.AST | None, *, module: bool) -> UpdateRecord:
        """The record of a place that learns, made when it is first met."""
        record = self._update_at.get((id(node), kind))
        if record is None:
            record = UpdateRecord(len(self.updates), kind, node, learnt, self.source)
            self._update_at[id(node), kind] = record
            self.updates.append(record)
            self.tables = self.tables or kind is UpdateKind.TABLE
        record.module = record.module or module
        return record

    def score(self, node: ast.AST) -> ScoreRecord:
        """The record of a place that adds losses to a sum."""
        record = self._score_at.get(id(node))
        if record is None:
            record = self._score_at[id(node)] = ScoreRecord(len(self.scores), node, self.source)
            self.scores.append(record)
        return record

    def mixture(self, node: ast.AST) -> MixRecord:
        """The record of a place that mixes."""
        return self.mixtures.setdefault(id(node), MixRecord(node, self.source))

    def write(self, node: ast.AST) -> WriteRecord:
        """The record of a place that writes."""
        return self.writes.setdefault(id(node), WriteRecord(node, self.source))
