"""Facts and files of a submission into the plan of its tiny run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.model.facts import SubmissionFacts
from harness.model.launch import LaunchFacts
from harness.model.plan import Directive, InputsWanted, Meaning, Plan, Rung, StepPurpose
from harness.model.source import EnvRead
from harness.observe.cpu_run.planning.attributes import (
    Declaration,
    declarations,
    divisor_of_batches,
    whole_seconds,
)
from harness.observe.cpu_run.planning.entry import (
    entry_steps,
    launch_command,
    learns,
    purpose_of,
    shipped_artifact,
    staged_steps,
)
from harness.observe.cpu_run.planning.environment import (
    as_commanded,
    first_reads,
    launch_environment,
    launcher_environment,
    moved_outputs,
)
from harness.observe.cpu_run.planning.features import expected
from harness.observe.cpu_run.planning.pace import readings_per_step
from harness.observe.cpu_run.planning.rungs import Material, lengths_of, make_rungs, original_sizes, sizes_of
from harness.observe.cpu_run.planning.sizes import (
    ACCUMULATION,
    DOCUMENTS,
    SPARE_STEPS,
    STEPS,
    VAL_TOKENS,
    Original,
    Tiny,
)
from harness.observe.reading.launch.pick import is_mlx
from harness.observe.reading.source.script import ScriptReading, read_script

MAX_MODULES = 30
_LEADING_ON = frozenset(
    {"ctypes", "importlib", "multiprocessing", "runpy", "subprocess", "zipimport",
     "exec", "eval", "__import__", "system", "popen", "execv", "execve", "execvp", "spawnv", "posix_spawn"}
)  # fmt: skip
"""Modules and functions by which a program reaches code that its own text does not show."""
_NOTHING_COMPUTED = (
    "nothing in the program trains or runs a model: it imports plain modules of the standard library only"
)


def plan_of(submission: SubmissionFacts, sources: Mapping[str, bytes], world_size: int = 1) -> Plan:
    """The plan of the tiny run of a submission; `sources` maps its paths to their bytes.

    Never raises for anything that a submission contains: where there is nothing to run, `Plan.script` or
    `Plan.entry` is empty and `Plan.reason` says why.
    """
    launch = submission.launch
    script = launch.script if launch is not None else None
    if launch is None or script is None or script not in sources:
        return Plan(script=None, reason="no Python script to launch", world_size=world_size)
    return plan_from(submission, sources, read_script(script, sources[script], sources), world_size)


def plan_from(
    submission: SubmissionFacts, sources: Mapping[str, bytes], main: ScriptReading, world_size: int = 1
) -> Plan:
    """The same for a launched script that has been read already."""
    launch = submission.launch
    reason = _refusal(main)
    if launch is None or reason is not None:
        return Plan(script=main.facts.path, reason=reason, world_size=world_size)
    command = launch_command(submission, sources)
    launch, beside = as_commanded(launch, command.environment if command is not None else ())
    stages = [step.path for step in staged_steps(sources, main.facts, Tiny(Original()))]
    programs = [main, *_modules(submission, sources, main, stages)]
    reads = first_reads(read for program in programs for read in program.facts.env)
    material = _material(submission, launch, programs, reads)
    rungs = make_rungs(material)
    environment, dropped = launch_environment(launch, reads, trains=learns(main.parsed))
    timed = material.readings > 0
    tiny = Tiny(material.original, rungs[0].shape, STEPS, material.readings, timed)
    steps, notes = entry_steps(submission, sources, main.facts, main.parsed, tiny)
    return Plan(
        script=main.facts.path,
        reason=_lacking(programs) if submission.metadata else None,
        environment=tuple({**environment, **launcher_environment(world_size)}.items()),
        dropped=(*beside, *dropped),
        entry=steps,
        rungs=rungs,
        expected=expected(launch),
        inputs=_inputs(launch, tiny),
        world_size=world_size,
        evaluates_only=shipped_artifact(submission, main.parsed),
        unshrunk=_unshrunk(rungs, material),
        notes=notes,
    )


def _refusal(main: ScriptReading) -> str | None:
    """Why a script cannot be run at all; None where it can."""
    facts = main.facts
    if is_mlx(facts):
        return "the script is written for Apple's MLX, not for torch"
    if main.parsed.tree is None and facts.error is not None:
        return f"the script does not parse: line {facts.error.at.line}: {facts.error.value}"
    return None


def _lacking(programs: Sequence[ScriptReading]) -> str | None:
    """Why what a submission that claims a score runs can train no model; None where it may."""
    if not any(_can_compute(program) for program in programs):
        return _NOTHING_COMPUTED
    path = programs[0].facts.path
    prepares = purpose_of(path, {}) is StepPurpose.PREPARE and not any(learns(program.parsed) for program in programs)
    return f"the folder holds no program that trains or runs a model: {path} prepares data" if prepares else None


def _can_compute(program: ScriptReading) -> bool:
    """Whether a program could train or run a model: it imports a package, or something that starts or loads code."""
    packages = any(
        one.group != "stdlib" or one.module.partition(".")[0] in _LEADING_ON for one in program.facts.imports
    )
    return packages or bool(_LEADING_ON & set(program.parsed.index.calls))


def _modules(
    submission: SubmissionFacts, sources: Mapping[str, bytes], main: ScriptReading, stages: Sequence[str]
) -> list[ScriptReading]:
    """Files of the submission that the program imports, directly or through others, and those of its other stages."""
    local = {facts.path: [one.local for one in facts.imports if one.local is not None] for facts in submission.scripts}
    reached: dict[str, None] = {}
    pending = [*(one.local for one in main.facts.imports if one.local is not None), *stages]
    while pending and len(reached) < MAX_MODULES:
        path = pending.pop(0)
        if path in reached or path == main.facts.path or path not in sources or not path.endswith(".py"):
            continue
        reached[path] = None
        pending.extend(local.get(path, []))
    return [read_script(path, sources[path], sources) for path in reached]


def _material(
    submission: SubmissionFacts, launch: LaunchFacts, programs: Sequence[ScriptReading], reads: Mapping[str, EnvRead]
) -> Material:
    main = programs[0]
    declared: list[Declaration] = []
    limits: dict[str, Directive] = {}
    for program in programs:
        place = program.facts.path, len(program.facts.layers)
        declared.extend(declarations(program.parsed, *place))
        limits |= whole_seconds(program.parsed, *place)
    sizes = sizes_of(launch.settings, reads)
    return Material(
        sizes=sizes,
        declared=tuple(declared),
        reads=reads,
        original=replace(
            original_sizes(sizes, declared, _steps_made(submission)),
            divided=max(divisor_of_batches(program.parsed) for program in programs),
        ),
        readings=readings_per_step(main.parsed),
        artifact=shipped_artifact(submission, main.parsed) is not None,
        lengths=lengths_of(launch.settings),
        moved=moved_outputs(launch.settings),
        whole_seconds=limits,
    )


def _steps_made(submission: SubmissionFacts) -> int | None:
    """Steps of the runs in the logs: what absolute step numbers in settings relate to."""
    made = [run.steps.value for log in submission.logs for run in log.runs if run.steps is not None]
    return max(made, default=0) or None


def _inputs(launch: LaunchFacts, tiny: Tiny) -> InputsWanted:
    settings = {setting.name.lower(): setting for setting in launch.settings}
    vocabulary = settings["vocab_size"].value if "vocab_size" in settings else None
    per_step = ACCUMULATION * tiny.sequence * 4
    return InputsWanted(
        vocabulary=vocabulary if isinstance(vocabulary, int) and 0 < vocabulary <= 1 << 17 else None,
        sequence=tiny.sequence,
        eval_sequence=tiny.eval_sequence,
        train_tokens=(tiny.steps + SPARE_STEPS) * per_step * 2,
        val_tokens=VAL_TOKENS,
        documents=DOCUMENTS,
    )


def _unshrunk(rungs: Sequence[Rung], material: Material) -> tuple[str, ...]:
    """The sizes without which a run is not small, where the launch names none that can be changed."""
    first = rungs[0]
    changed = {one.meaning for one in first.overrides} | {one.meaning for one in first.directives}
    known = {size.meaning for size in material.sizes} | {one.meaning for one in material.declared}
    needed = (Meaning.STEPS, Meaning.SEQUENCE, Meaning.BATCH_TOKENS, Meaning.DIM)
    return tuple(
        f"{meaning.value}: {'kept as it is' if meaning in known else 'no setting or literal was recognised'}"
        for meaning in needed
        if meaning not in changed
    )
