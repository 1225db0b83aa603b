"""The files that a launch runs: the launched script and everything of the folder that it imports or unpacks."""

from __future__ import annotations

from harness.judge.case import Case
from harness.model.actions import Action, Technique, TechniqueFact


def program_paths(case: Case) -> frozenset[str]:
    """Paths of the launched script and of the files it imports or executes, directly or not."""
    if case.script is None:
        return frozenset()
    by_path = {script.path: script for script in case.facts.scripts}
    found: set[str] = set()
    pending = [case.script.path]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found.add(path)
        script = by_path.get(path)
        if script is not None:
            targets = [one.local for one in script.imports] + [layer.target for layer in script.layers]
            pending += [target for target in targets if target is not None]
    return frozenset(found)


def program_actions(case: Case) -> list[Action]:
    """Actions of the program's files."""
    paths = program_paths(case)
    return [action for action in case.facts.actions if action.at.path in paths]


def techniques(case: Case, technique: Technique) -> list[TechniqueFact]:
    """Places of the program that hold a technique, reached or not."""
    paths = program_paths(case)
    return [fact for fact in case.facts.techniques if fact.technique is technique and fact.at.path in paths]
