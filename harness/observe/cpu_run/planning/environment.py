"""The environment of a run: the launch as the submission has it, for one process."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from harness.model.base import Scalar
from harness.model.launch import LaunchFacts, Setting, SettingOrigin
from harness.model.plan import Override
from harness.model.source import EnvRead
from harness.observe.cpu_run.home import writable
from harness.observe.cpu_run.inputs.names import OUTPUT_SETTING

MAX_TEXT = 2_000
_NOT_OURS = ("PATH", "HOME", "USER", "SHELL", "PYTHON", "LD_", "CUDA_", "XDG_", "TMP", "TEMP")
"""Variables of the machine, not of the submission: what the run gives them is the sandbox's matter."""
_MARKUP = ("$", "`", "**", "...", "…", "\n", "\0")
"""What is left of prose or of a shell's own language in a value that was read from a README."""
_ANY_PLACE = re.compile(r"/path/to/|/your/|<")
_OPPOSITES = (("1", "0"), ("True", "False"), ("true", "false"), ("yes", "no"), ("on", "off"), ("TRUE", "FALSE"))
_NO_TRAINING = re.compile(
    r"(?:^|_)(?:EVAL|EVALUATE|EVALUATION|TTT|SLOT|QUANT|QUANTIZE|INFERENCE|LOAD)(?:_[A-Z0-9]+)?_ONLY$|^SKIP_TRAIN"
)
"""Switches of stages that begin with what another run has trained."""
_ON = frozenset({"1", "true", "yes", "on"})
_WHOLE = 8
"""A command that sets so many variables of the program sets all that matter."""


def launcher_environment(world_size: int = 1, rank: int = 0, port: int = 29_500) -> dict[str, str]:
    """What torchrun sets in one of `world_size` processes on one machine."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "ROLE_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def first_reads(reads: Iterable[EnvRead]) -> dict[str, EnvRead]:
    """The first read of each variable, preferring one that tells the type."""
    found: dict[str, EnvRead] = {}
    for read in reads:
        if read.name not in found or (found[read.name].cast is None and read.cast is not None):
            found[read.name] = read
    return found


def as_commanded(launch: LaunchFacts, named: Iterable[str]) -> tuple[LaunchFacts, tuple[str, ...]]:
    """The launch without what a README says beside a command that names its whole configuration, and what that was.

    `named` are the variables that the command sets. Tables and prose then tell of other runs.
    """
    known = frozenset(named) & {one.env for one in launch.settings}
    if len(known) < _WHOLE:
        return launch, ()
    beside = [
        one
        for one in launch.settings
        if one.origin is SettingOrigin.README and one.env not in known and one.value != one.default
    ]
    settings = tuple(
        one.model_copy(update={"value": one.default, "origin": SettingOrigin.DEFAULT}) if one in beside else one
        for one in launch.settings
    )
    reason = f"beside a command that sets {len(known)} other variables"
    dropped = tuple(f"{one.env or one.name}={str(one.value)[:80]}: {reason}" for one in beside)
    return launch.model_copy(update={"settings": settings}), dropped


def launch_environment(
    launch: LaunchFacts, reads: Mapping[str, EnvRead], *, trains: bool = False
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Variables that bring the launch's settings about, and those that were dropped, as `NAME=text: reason`.

    Only what differs from the program's own default is set. A value read from prose that cannot be meant (a shell
    variable that nobody set, a number where words belong) is dropped, and so is what skips the training of a program
    that `trains`: the run has no other artifact than its own.
    """
    environment: dict[str, str] = {}
    dropped: list[str] = []
    taken = launcher_environment()
    for setting in launch.settings:
        name = setting.env
        if name is None or name in taken or name in environment:
            continue
        if not (_given(setting) or _computed(setting, reads.get(name))):
            continue
        if name.startswith(_NOT_OURS):
            dropped.append(f"{name}: a variable of the machine")
            continue
        if trains and _NO_TRAINING.search(name) and str(setting.value).lower() in _ON:
            dropped.append(f"{name}={setting.value}: what it would begin with is trained first")
            continue
        text = spelled(setting.value, reads.get(name))
        reason = "no text brings the value about" if text is None else unusable(text, setting.default)
        reason = "its own name stands for a value" if text == name else reason
        if text is None or reason is not None:
            dropped.append(f"{name}={str(setting.value)[:80]}: {reason}")
        else:
            environment[name] = text
    return environment, tuple(dropped)


def moved_outputs(settings: Iterable[Setting]) -> tuple[Override, ...]:
    """Places of the author's machine where a run would write, moved into its working directory."""
    return tuple(
        Override(
            name=one.env,
            value=f"./{posixpath.basename(one.value.rstrip('/'))}",
            why="where the run can write",
            replaces=one.origin,
            was=one.value,
        )
        for one in settings
        if one.env is not None and isinstance(one.value, str) and one.value.startswith("/") and one.value.strip("/")
        if OUTPUT_SETTING.search(one.env) and not writable(one.value) and not _ANY_PLACE.match(one.value)
    )


def _given(setting: Setting) -> bool:
    """Whether the launch gives the value: settings that only the run reads keep the origin of their default."""
    return setting.origin is not SettingOrigin.DEFAULT or (
        setting.value != setting.default and setting.value is not None and type(setting.value) is type(setting.default)
    )


def _computed(setting: Setting, read: EnvRead | None) -> bool:
    """Whether the program works out the default of a switch, from the number of processes for one.

    One process would work out another than the launch does.
    """
    unknown = read is not None and read.has_default and read.default is None
    return unknown and (
        isinstance(setting.value, bool) or setting.value in {text for pair in _OPPOSITES for text in pair}
    )


def spelled(value: Scalar, read: EnvRead | None = None) -> str | None:
    """A text for the variable that the program reads as `value`; None where there is none."""
    if value is None:
        return None
    if isinstance(value, bool):
        return _switch(value, read.default if read is not None else None)
    if isinstance(value, float):
        whole = read is not None and read.cast == "int"
        return str(int(value)) if whole else repr(value)
    return str(value)


def _switch(value: bool, default: Scalar) -> str:  # noqa: FBT001  the value itself
    """In the words in which the default is written."""
    if isinstance(default, str):
        for on, off in _OPPOSITES:
            if default in (on, off):
                return on if value else off
    return "1" if value else "0"


def unusable(text: str, default: Scalar) -> str | None:
    """Why a text cannot be what a variable is meant to hold, judged by the default's type; None where it can."""
    if len(text) > MAX_TEXT:
        return f"longer than {MAX_TEXT} characters"
    if any(sign in text for sign in _MARKUP):
        return "not a value but a piece of prose or of a shell script"
    if default == "" and _ANY_PLACE.match(text):
        return "it stands for a place that the reader has to fill in"
    if isinstance(default, (int, float)) and not isinstance(default, bool):
        try:
            float(text)
        except ValueError:
            return "not a number"
    return None
