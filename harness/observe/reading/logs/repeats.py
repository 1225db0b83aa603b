"""Runs that a file prints more than once: its console output and its log file in one, or a tail repeated at the end."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.base import Fact
from harness.model.logs import RunFacts


def merge_repeats(runs: Sequence[RunFacts]) -> tuple[RunFacts, ...]:
    """`runs` with every repeated one folded into its first copy, which takes over what only the repeat shows."""
    merged: list[RunFacts] = []
    for run in runs:
        index = next((i for i, known in enumerate(merged) if _is_same(known, run)), None)
        if index is None:
            merged.append(run)
        else:
            merged[index] = _fold(merged[index], run)
    return tuple(merged)


def _is_same(a: RunFacts, b: RunFacts) -> bool:
    """Whether two runs agree in steps and training clock (to the digit), seed and result.

    What one of them does not print cannot tell them apart, as long as steps and either result or clock agree.
    """
    if a.steps is None or b.steps is None or a.steps.value != b.steps.value:
        return False
    bpb = (a.final.val_bpb if a.final else None, b.final.val_bpb if b.final else None)
    clock = (_value(a.train_seconds), _value(b.train_seconds))
    seed = (_value(a.seed), _value(b.seed))
    pairs = (bpb, clock, seed)
    if any(x is not None and y is not None and x != y for x, y in pairs):
        return False
    return any(x is not None and y is not None for x, y in (bpb, clock))


def _value(fact: Fact[int] | Fact[float] | None) -> float | None:
    return None if fact is None else fact.value


def _fold(first: RunFacts, again: RunFacts) -> RunFacts:
    """The first copy, completed by the repeat: single facts one by one, lists from the copy that has more."""
    update: dict[str, object] = {"repeats": first.repeats + 1, "last_line": again.last_line}
    for name in RunFacts.model_fields:
        mine, theirs = getattr(first, name), getattr(again, name)
        longer = isinstance(mine, tuple) and len(theirs) > len(mine)
        if longer or (mine is None and theirs is not None):
            update[name] = theirs
    return first.model_copy(update=update)
