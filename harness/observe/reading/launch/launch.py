"""From scripts, prose and logs to the facts of the launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType

from harness.model.base import Fact, snippet
from harness.model.launch import LaunchFacts, ModelShape, SettingOrigin
from harness.model.logs import LogFacts
from harness.model.metadata import MetadataFacts
from harness.model.superseded import standing
from harness.observe.collector import collector_held
from harness.observe.reading.evaluate.evaluator import evaluate
from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.evaluate.values import FunctionNode, Source
from harness.observe.reading.launch.branches import branch_facts, unreached
from harness.observe.reading.launch.commands import Command, find_commands
from harness.observe.reading.launch.late import given_late, late_settings
from harness.observe.reading.launch.pick import pick_script, ranked, resolve
from harness.observe.reading.launch.printed import Shown, printed_settings
from harness.observe.reading.launch.settings import PER_RUN, Discovery, fold_settings, launcher
from harness.observe.reading.launch.shapes import model_shapes
from harness.observe.reading.source.grammar import parse
from harness.observe.reading.source.script import ScriptReading
from harness.observe.reading.text import decode

MAX_WRITTEN = 40
"""Most files unpacked by one script that are parsed."""
MAX_ATTEMPTS = 3
"""Different README commands that are tried when the first ends in an exception."""
WORLD_SIZE = 8
"""Processes on the competition's machine."""


@dataclass(frozen=True)
class LaunchReading:
    """What was read of a launch, and the evaluated program for readers that go on from there."""

    facts: LaunchFacts
    models: tuple[ModelShape, ...] = ()
    main: Source | None = None
    trace: Trace | None = None
    roots: tuple[FunctionNode, ...] = ()
    """Functions that were evaluated although nothing calls them, because the script calls none of its own."""


def read_launch(
    scripts: Sequence[ScriptReading],
    prose: Mapping[str, str],
    logs: Sequence[LogFacts] = (),
    metadata: Sequence[MetadataFacts] = (),
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> LaunchReading:
    """Facts of the launch and the shapes of its models. `prose` maps READMEs and run scripts to their text, `files`
    logs to their bytes.

    Never raises for anything that a submission contains; what could not be followed is told by `complete` and `notes`.
    """
    commands = _commands(prose)
    facts = [script.facts for script in scripts]
    path, reason, command = pick_script(facts, commands, logs, metadata)
    sources = program_sources(scripts)
    if path is None or path not in sources:
        note = () if path is None else (f"{path} cannot be parsed",)
        launch = LaunchFacts(script=path, reason=reason, command=_fact(command), complete=path is None, notes=note)
        return LaunchReading(launch)
    script = next((one for one in scripts if one.facts.path == path and one.texts), None)
    logs = standing(logs, metadata)
    shown = printed_settings(script, logs, files) if script is not None else Shown()
    texts = script.texts if script is not None else ("",)
    with collector_held():
        return _evaluated(path, reason, command, commands, sources, texts, logs, shown)


def _evaluated(
    path: str,
    reason: str,
    command: Command | None,
    commands: Sequence[Command],
    sources: Mapping[str, Source],
    texts: Sequence[str],
    logs: Sequence[LogFacts],
    shown: Shown,
) -> LaunchReading:
    main = sources[path]
    wrappers = _wrappers(path, texts)
    modules = module_names(path, sources)
    named = _meant(path, sources, commands)
    readme = _distinct([one for one in named if one.from_readme])
    run_script = _unambiguous([one for one in named if not one.from_readme])
    for world_size, chosen in _attempts(readme, command, logs):
        discovery = Discovery(main, modules, world_size, wrappers)
        given = _with_listed(chosen, commands)
        settings, environment = fold_settings(discovery, texts[-1], given, run_script, logs, shown)
        listed = ((SettingOrigin.README, given), (SettingOrigin.RUN_SCRIPT, run_script))
        late = given_late({one.env for one in settings} | set(launcher(world_size)), texts[-1], listed, shown)
        evaluated = evaluate(main, modules, environment | {name: str(one.value) for name, one in late.items()})
        trace = evaluated.trace
        if trace.ended is None:
            command = chosen or command
            break
    notes = list(trace.notes)
    if world_size != WORLD_SIZE:
        notes.insert(
            0, f"the script refuses {WORLD_SIZE} processes; {world_size} are assumed, as in its own command or log"
        )
    launch = LaunchFacts(
        script=path,
        reason=reason,
        command=_fact(command),
        world_size=world_size,
        settings=(*settings, *late_settings(trace, settings, late, launcher(world_size))),
        branches=branch_facts(trace, main),
        unreached=unreached(trace, main),
        complete=trace.complete,
        notes=tuple(snippet(note) for note in notes),
    )
    models = model_shapes(trace)
    # The facts above are of the launch; what a script without an entry would do is read for those who ask for order.
    roots = [] if trace.entered else evaluated.enter_uncalled()
    return LaunchReading(launch, models, main, trace, tuple(roots))


def _wrappers(path: str, texts: Sequence[str]) -> list[Source]:
    """The texts around the innermost that may set variables for it."""
    trees = [(layer, parse(text).tree) for layer, text in enumerate(texts[:-1]) if "environ" in text]
    return [Source(path, tree, layer) for layer, tree in trees if tree is not None]


def _meant(path: str, sources: Mapping[str, Source], commands: Sequence[Command]) -> list[Command]:
    """Commands that start the file; if there are none, those that start a training script under another name."""
    named = [one for one in ranked(commands) if resolve(one.script, sources) == path]
    return named or [
        one
        for one in ranked(commands)
        if one.script is not None and resolve(one.script, sources) is None and "train" in one.script.rpartition("/")[2]
    ]


def _distinct(commands: Sequence[Command]) -> list[Command]:
    """The first commands that differ in more than seeds, at most `MAX_ATTEMPTS`."""
    kinds: dict[tuple[tuple[str, str], ...], Command] = {}
    for one in commands:
        kinds.setdefault(_kind(one), one)
    return list(kinds.values())[:MAX_ATTEMPTS]


def _kind(command: Command) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((k, v) for k, v in command.environment.items() if k.lower() not in PER_RUN))


def _attempts(
    readme: Sequence[Command], command: Command | None, logs: Sequence[LogFacts]
) -> list[tuple[int, Command | None]]:
    """What to evaluate, one after the other until one does not end in an exception.

    The competition's eight processes with the README's commands, in order; then the number of processes that the
    command or the logs name.
    """
    first: Command | None = readme[0] if readme else None
    attempts: list[tuple[int, Command | None]] = [(WORLD_SIZE, one) for one in readme] or [(WORLD_SIZE, None)]
    logged = [run.world_size.value for log in logs for run in log.runs if run.world_size is not None]
    own = command.processes if command is not None and command.processes is not None else (logged or [0])[0]
    if 0 < own <= 1024 and own != WORLD_SIZE:
        attempts.append((own, first))
    return attempts


def _commands(prose: Mapping[str, str]) -> list[Command]:
    found: list[Command] = []
    for path, text in sorted(prose.items(), key=lambda item: (item[0].count("/"), item[0])):
        name = PurePosixPath(path).name.lower()
        found.extend(find_commands(path, text, readme=name.startswith("readme") or name.endswith((".md", ".txt"))))
    return found


def _with_listed(command: Command | None, commands: Sequence[Command]) -> Command | None:
    """The README's command, with the variables that the same README lists apart from it."""
    listed = [one for one in commands if one.from_readme and one.script is None and one.shell is None]
    if not listed:
        return command
    environment: dict[str, str] = {}
    for one in (*reversed(listed), *((command,) if command is not None else ())):
        environment.update(one.environment)  # what stands first, and the command above all, wins
    return replace(command or listed[0], environment=environment)


def _unambiguous(commands: Sequence[Command]) -> Command | None:
    """The run scripts' command, unless they hold several that differ: a sweep says nothing of the launch."""
    return commands[0] if len({_kind(one) for one in commands}) == 1 else None


def _fact(command: Command | None) -> Fact[str] | None:
    return None if command is None else Fact(value=snippet(command.text), at=command.at, text=snippet(command.text))


def program_sources(scripts: Sequence[ScriptReading]) -> dict[str, Source]:
    """The programs to evaluate by path: each script's innermost text, and files that a wrapper unpacks beside it."""
    sources: dict[str, Source] = {}
    for script in scripts:
        if script.parsed.tree is not None:
            sources[script.facts.path] = Source(script.facts.path, script.parsed.tree, len(script.facts.layers))
    for script in scripts:
        for path, data in list(script.written.items())[:MAX_WRITTEN]:
            tree = parse(decode(data).text).tree if path.endswith(".py") and path not in sources else None
            if tree is not None:
                sources[path] = Source(path, tree)
    return sources


def module_names(main: str, sources: Mapping[str, Source]) -> dict[str, Source]:
    """Names under which the launched file can import the submission's other files."""
    folder = PurePosixPath(main).parent
    names: dict[str, Source] = {}
    for path, source in sources.items():
        pure = PurePosixPath(path)
        for root in {folder, PurePosixPath()}:
            try:
                relative = pure.relative_to(root)
            except ValueError:
                continue
            parts = list(relative.with_suffix("").parts)
            if parts and parts[-1] == "__init__":
                parts = parts[:-1]
            if parts:
                names.setdefault(".".join(parts), source)
        names.setdefault(pure.stem, source)
    return names
