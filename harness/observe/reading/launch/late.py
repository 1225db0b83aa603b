"""Settings that only the run itself reads, inside functions: what a launch gives them, and their values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from harness.model.base import At
from harness.model.launch import Setting, SettingOrigin, SettingSource
from harness.observe.reading.evaluate.trace import Trace
from harness.observe.reading.evaluate.values import raw
from harness.observe.reading.launch.commands import Command
from harness.observe.reading.launch.printed import Shown
from harness.observe.reading.launch.settings import MAX_SETTINGS, coerce, is_scalar, scalar

_OFF = frozenset({"", "0", "false", "no", "off"})


def given_late(
    declared: Collection[str | None],
    text: str,
    commands: Sequence[tuple[SettingOrigin, Command | None]],
    shown: Shown,
) -> dict[str, SettingSource]:
    """What gives variables that the code does not declare their texts: commands, the last above all, and what the logs
    show to be on or off. `text` is the script's: what it does not name is none of its variables.
    """
    found: dict[str, SettingSource] = {}
    for origin, command in commands:
        if command is not None:
            at = command.at
            found |= {name: SettingSource(origin=origin, value=one, at=at) for name, one in command.environment.items()}
    for name, (truth, at) in shown.truths.items():
        variable = name.upper()
        named = f'"{variable}"' in text or f"'{variable}'" in text
        if named and (variable not in found or _is_on(str(found[variable].value)) != (truth == "True")):
            found[variable] = SettingSource(origin=SettingOrigin.LOG, value="1" if truth == "True" else "0", at=at)
    return {name: source for name, source in found.items() if name not in declared}


def late_settings(
    trace: Trace, settings: Sequence[Setting], given: Mapping[str, SettingSource], launched: Mapping[str, str]
) -> tuple[Setting, ...]:
    """Settings that only the run itself reads; `given` is what the launch gives them, `launched` what torchrun sets."""
    known = {setting.env for setting in settings}
    late: dict[str, Setting] = {}
    for read in trace.reads.values():
        if read.name in known or read.name in late or len(late) + len(settings) >= MAX_SETTINGS:
            continue
        folded = raw(read.folded) if read.target is not None else None
        value = scalar(folded if is_scalar(folded) else None)
        default = scalar(read.default)
        if isinstance(default, str) and value is not None and not isinstance(value, str):
            default = coerce(default, value)
        at = At(path=read.source.path, line=read.line, layer=read.source.layer)
        source = given.get(read.name)
        if read.name in launched:
            text = launched[read.name]
            value = coerce(text, value if value is not None else 0 if text.isdecimal() else "")
            source = SettingSource(origin=SettingOrigin.LAUNCHER, value=value, at=at)
        elif value is None:
            value = default if source is None else source.value
        late[read.name] = Setting(
            name=(read.target or read.name.lower())[:120],
            env=read.name,
            default=default,
            value=value,
            origin=SettingOrigin.DEFAULT if source is None else source.origin,
            declared=at,
            sources=() if source is None else (source,),
        )
    return tuple(late.values())


def _is_on(text: str) -> bool:
    return text.strip().lower() not in _OFF
