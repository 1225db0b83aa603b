"""All rules in order, and the digest that names this state of them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from harness.judge import case, rule, scores, verdict
from harness.judge.families import budgets, claims, package
from harness.judge.rule import DiffRule, Rule, SubmissionRule

FAMILIES = {"PG0": package, "PG1": claims, "PG2": budgets}
"""Prefix of the ids to the module that holds the family."""


@cache
def rules() -> tuple[type[Rule[Any]], ...]:
    """Every rule, ordered by id."""
    found: list[type[Rule[Any]]] = [r for family in FAMILIES.values() for r in family.RULES]
    return tuple(sorted(found, key=lambda r: r.id))


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
    """First 12 hex digits of a SHA-256 over the rules' source and the dated data."""
    digest = hashlib.sha256()
    for module in (case, rule, scores, verdict, *FAMILIES.values()):
        digest.update(inspect.getsource(module).encode())
    for name in ("tracks", "rulings", "tolerances"):
        digest.update(resources.files("harness.competition").joinpath(f"{name}.toml").read_bytes())
    return digest.hexdigest()[:12]
