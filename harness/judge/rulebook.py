"""All rules in order, and the digest that names this state of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import harness
from harness.judge.families import (
    accounting,
    budgets,
    claims,
    data,
    mixture,
    order,
    package,
    proven,
    safety,
    statistics,
)
from harness.judge.plugins import Plugin, load_plugins
from harness.judge.rule import DiffRule, Rule, SubmissionRule

FAMILIES = {
    "PG0": package,
    "PG1": claims,
    "PG2": budgets,
    "PG3": accounting,
    "PG6": statistics,
    "PG5": data,
    "PG32": mixture,
    "PG4": order,
    "PG41": proven,
    "PG7": safety,
}
"""Prefix of the ids to the module that holds the family."""


_DIGESTED = (("judge", "*.py"), ("model", "*.py"), ("competition", "*.toml"))


@cache
def own_rules() -> tuple[type[Rule[Any]], ...]:
    """The rules that the harness ships, ordered by id."""
    found: list[type[Rule[Any]]] = [r for family in FAMILIES.values() for r in family.RULES]
    return tuple(sorted(found, key=lambda r: r.id))


@cache
def plugins() -> tuple[Plugin, ...]:
    """Rules of other packages. Raises PluginError when one of them cannot be used."""
    return load_plugins(taken=[rule.id for rule in own_rules()])


@cache
def rules() -> tuple[type[Rule[Any]], ...]:
    """Every rule, ordered by id, those of plug-ins among them. Raises PluginError."""
    foreign = [rule for plugin in plugins() for rule in plugin.rules]
    return tuple(sorted([*own_rules(), *foreign], key=lambda r: r.id))


def submission_rules() -> Iterator[SubmissionRule]:
    """An instance of each rule about one submission."""
    for kind in rules():
        if issubclass(kind, SubmissionRule):
            yield kind()


def diff_rules() -> Iterator[DiffRule]:
    """An instance of each rule about the diff."""
    for kind in rules():
        if issubclass(kind, DiffRule):
            yield kind()


@cache
def ruleset_digest() -> str:
    """First 12 hex digits of a SHA-256 over all judging modules, models and dated data, and over the plug-ins."""
    root = Path(harness.__file__).parent
    digest = hashlib.sha256()
    for room, pattern in _DIGESTED:
        for path in sorted((root / room).rglob(pattern)):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    for plugin in plugins():
        digest.update(plugin.digest().encode())
    return digest.hexdigest()[:12]
