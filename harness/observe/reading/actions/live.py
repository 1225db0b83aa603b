"""Actions of all scripts of a submission, marked dead where the launch never reaches them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.actions import Action
from harness.model.base import At
from harness.model.launch import LaunchFacts
from harness.observe.reading.actions.reader import read_actions
from harness.observe.reading.source.script import ScriptReading

MAX_SCRIPTS = 40


def actions_of(scripts: Sequence[ScriptReading], launch: LaunchFacts | None) -> tuple[Action, ...]:
    """Actions of each script's innermost program; the launched script first."""
    named = launch.script if launch is not None else None
    found: list[Action] = []
    for script in sorted(scripts, key=lambda one: one.facts.path != named)[:MAX_SCRIPTS]:
        layer = len(script.facts.layers)
        for action in read_actions(script.facts.path, script.parsed, layer):
            dead = launch is not None and script.facts.path == named and is_dead(launch, action.at)
            found.append(action.model_copy(update={"live": False}) if dead else action)
    return tuple(found)


def is_dead(launch: LaunchFacts, at: At) -> bool:
    """Whether the launch decides a condition, or leaves a function out, so that the line is never reached."""
    line = at.line or 0
    return any(
        fact.dead_first is not None and fact.dead_last is not None and fact.dead_first <= line <= fact.dead_last
        for fact in launch.branches
        if fact.layer == at.layer
    ) or any(
        fact.at.line is not None and fact.at.end_line is not None and fact.at.line <= line <= fact.at.end_line
        for fact in launch.unreached
        if fact.at.layer == at.layer
    )
