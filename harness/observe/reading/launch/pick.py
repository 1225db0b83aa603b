"""Which file of a submission is launched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from harness.model.logs import LogFacts
from harness.model.metadata import MetadataFacts
from harness.model.source import ScriptFacts
from harness.observe.reading.launch.commands import Command

_HELPERS = (
    "prepare", "download", "tokeniz", "cached_challenge", "build_", "pack", "plot", "analy", "make_", "setup", "test",
    "convert", "upload", "fetch", "compress", "minify", "lossless", "verify", "check", "bench", "sweep", "ablation",
)  # fmt: skip
_KEYS = ("entry_point", "entrypoint", "main_script", "script", "train_script", "code_file", "launch_script")


def pick_script(
    scripts: Sequence[ScriptFacts],
    commands: Sequence[Command],
    logs: Sequence[LogFacts],
    metadata: Sequence[MetadataFacts],
) -> tuple[str | None, str, Command | None]:
    """The launched file, the reason, and the command that launches it (if one was found).

    Reasons, in order: `command` (a launch command names it), `metadata` (a key of submission.json names a file that
    only one script can be), `name` (`train_gpt.py` at the root), `log source` (it equals the source that a log
    prints), `only script` (nothing else can be run), `only runnable`, `largest`; `none` when there is no script.
    """
    usable = [script for script in scripts if script.language == "python" and script.bytes > 0]
    if not usable:
        return None, "none", None
    cuda = any(run.gpu is not None or run.cuda is not None for log in logs for run in log.runs)
    by_path = {script.path: script for script in usable}
    trainers = {script.path for script in usable if "torch" in script.frameworks}
    for command in ranked(commands):
        path = resolve(command.script, by_path)
        if path is None or _helper(path) or (cuda and is_mlx(by_path[path])):
            continue
        if path in trainers or not trainers or is_mlx(by_path[path]):
            return path, "command", command
    likely = [script for script in usable if not _helper(script.path) and not (cuda and is_mlx(script))] or usable
    path, reason = _without_command(usable, likely, logs, metadata)
    return path, reason, None


def _without_command(
    usable: Sequence[ScriptFacts],
    likely: Sequence[ScriptFacts],
    logs: Sequence[LogFacts],
    metadata: Sequence[MetadataFacts],
) -> tuple[str, str]:
    named = {key for facts in metadata for key in facts.keys if key in _KEYS}
    runnable = [script for script in likely if script.runnable]
    if named and len(runnable) == 1:
        return runnable[0].path, "metadata"
    for wanted in ("train_gpt.py", "train.py"):
        for script in likely:
            if script.path == wanted:
                return script.path, "name"
    equal = _in_logs(likely, logs)
    if equal is not None:
        return equal, "log source"
    if len(usable) == 1:
        return usable[0].path, "only script"
    if len(runnable) == 1:
        return runnable[0].path, "only runnable"
    pool = [script for script in runnable or likely if PurePosixPath(script.path).name.startswith("train")]
    best = max(pool or runnable or likely, key=lambda script: (-script.path.count("/"), script.decoded_bytes))
    return best.path, "name" if pool else "largest"


def ranked(commands: Iterable[Command]) -> list[Command]:
    """Commands, those that start eight processes first, then distributed ones, each in order of appearance."""
    return sorted(commands, key=lambda command: (command.processes != 8, command.processes is None))


def resolve(script: str | None, paths: Iterable[str]) -> str | None:
    """The submitted file that a command means by `script`: the longest common tail of the path."""
    if script is None:
        return None
    wanted = PurePosixPath(script).parts
    best: tuple[int, int, str] | None = None
    for path in paths:
        parts = PurePosixPath(path).parts
        common = 0
        while common < min(len(parts), len(wanted)) and parts[-1 - common] == wanted[-1 - common]:
            common += 1
        if common and (common == len(parts) or common == len(wanted)):
            candidate = (common, -len(parts), path)
            best = max(best, candidate) if best else candidate
    return best[2] if best else None


def is_mlx(script: ScriptFacts) -> bool:
    """Whether the script is for Apple's MLX and not for torch."""
    return "mlx" in script.frameworks and "torch" not in script.frameworks


def _helper(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return not name.startswith("train") and any(word in name for word in _HELPERS)


def _in_logs(scripts: Sequence[ScriptFacts], logs: Sequence[LogFacts]) -> str | None:
    paths = {script.path for script in scripts}
    for log in logs:
        source = log.embedded
        for name in (source.equals, source.nearest) if source is not None else ():
            if name is not None and name.partition("@")[0] in paths:
                return name.partition("@")[0]
    return None
