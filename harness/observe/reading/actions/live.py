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
        if script.parsed.tree is None:
            continue
        layer = len(script.facts.layers)
        for action in read_actions(script.facts.path, script.parsed.tree, script.parsed.text, layer):
            dead = launch is not None and script.facts.path == named and is_dead(launch, action.at)
            found.append(action.model_copy(update={"live": False}) if dead else action)
    return tuple(found)


def is_dead(launch: LaunchFacts, at: At) -> bool:
    """Whether the launch decides a condition, or leaves a function out, so that the line is never reached."""
    line = at.line or 0
    spans = [(fact.dead_first, fact.dead_last, fact.layer) for fact in launch.branches]
    spans += [(fact.at.line, fact.at.end_line, fact.at.layer) for fact in launch.unreached]
    return any(
        first is not None and last is not None and layer == at.layer and first <= line <= last
        for first, last, layer in spans
    )
