"""Rules of other packages: entry points of the group `golf.rules`.

An entry point names a rule class, or a list of them. It is checked before it may judge; whatever is wrong with it ends
in one `PluginError` whose message says which package to mend or remove.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from harness.judge.rule import DiffRule, Rule, SubmissionRule
from harness.model.competition import load
from harness.model.findings import Severity, Strength

GROUP = "golf.rules"
_ID = re.compile(r"[A-Z]{2,8}[0-9]{3}")
_NEEDED = {"id": str, "severity": Severity, "strength": Strength, "basis": tuple, "remedy": str}


class PluginError(Exception):
    """A plug-in cannot be used; the message names its package, the reason and the remedy."""


@dataclass(frozen=True)
class Plugin:
    """The rules that one entry point brings."""

    name: str
    package: str
    rules: tuple[type[Rule[Any]], ...]

    def digest(self) -> str:
        """SHA-256 over the package, its version and the source of every module that holds one of the rules."""
        digest = hashlib.sha256(f"{self.name} {self.package}".encode())
        for module in sorted({rule.__module__ for rule in self.rules}):
            digest.update(module.encode() + _source(module))
        return digest.hexdigest()


def load_plugins(taken: Collection[str] = ()) -> tuple[Plugin, ...]:
    """All plug-ins that are installed, by name. `taken` are ids that no plug-in may use. Raises PluginError."""
    used = dict.fromkeys(taken, "the harness")
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        plugin = _load(point)
        for rule in plugin.rules:
            if rule.id in used:
                raise _error(point, f"its rule {rule.id} has the id of a rule of {used[rule.id]}; give it another id")
            used[rule.id] = plugin.package
        found.append(plugin)
    return tuple(found)


def _load(point: EntryPoint) -> Plugin:
    try:
        loaded = point.load()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _error(point, f"{point.value} cannot be imported, {type(error).__name__}: {error}") from error
    kinds = (loaded,) if inspect.isclass(loaded) else loaded
    if not isinstance(kinds, Iterable) or isinstance(kinds, str):
        raise _error(point, f"{point.value} is neither a rule class nor a list of them")
    rules = tuple(kinds)
    for kind in rules:
        if fault := _fault(kind):
            raise _error(point, fault)
    return Plugin(point.name, _package(point), rules)


def _fault(kind: object) -> str | None:
    """What makes `kind` unfit to be a rule, or None."""
    if not (inspect.isclass(kind) and issubclass(kind, SubmissionRule | DiffRule)):
        return f"{kind!r} is no subclass of SubmissionRule or DiffRule"
    for name, wanted in _NEEDED.items():
        if not isinstance(getattr(kind, name, None), wanted):
            return f"{kind.__name__}.{name} must be a {wanted.__name__}"
    if not _ID.fullmatch(kind.id):
        return f"the id {kind.id!r} of {kind.__name__} must be capital letters and three digits, such as XY101"
    if not kind.page():
        return f"{kind.__name__} has no docstring; it is the rule's page in the rule book"
    unknown = set(kind.basis) - {ruling.id for ruling in load().rulings}
    if unknown:
        return f"{kind.__name__}.basis names {', '.join(sorted(map(str, unknown)))}, which rulings.toml does not hold"
    if inspect.isabstract(kind):
        return f"{kind.__name__} does not define check()"
    try:
        kind()
    except Exception as error:  # noqa: BLE001  a plug-in may fail in any way
        return f"{kind.__name__}() fails, {type(error).__name__}: {error}"
    return None


def _error(point: EntryPoint, fault: str) -> PluginError:
    return PluginError(f"plug-in {point.name!r} of {_package(point)}: {fault}. Mend the package, or uninstall it.")


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"


def _source(module: str) -> bytes:
    try:
        return inspect.getsource(sys.modules[module]).encode()
    except (KeyError, OSError, TypeError):
        return b""  # compiled: the version in the package's name stands for it
