"""One submission twice: with its script as written, and with every identifier of it renamed."""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

from harness.judge.case import Case
from harness.judge.rulebook import submission_rules
from harness.model.competition import load
from harness.model.facts import SubmissionFacts
from harness.model.target import FolderEntry
from harness.observe.intake.content import Content
from harness.observe.reading.logs import is_log
from harness.observe.reading.source.script import read_script
from harness.observe.reading.submission import read_submission
from tests_support.rename import rename_identifiers

FAMILIES = ("PG3", "PG4", "PG5")
"""Accounting with mixtures, order, data: what no name that an author chose may move."""
AS_OF = dt.date(2026, 5, 2)


class Told(NamedTuple):
    """One finding without its words: rule, outcome, class, and the lines of source that it shows."""

    rule: str
    outcome: str
    violation_class: str | None
    lines: tuple[int, ...]


def arms(files: Mapping[str, bytes], script: str, seed: int) -> tuple[dict[str, bytes], dict[str, bytes]] | None:
    """The files with `script` unpacked and written anew, and the same with its identifiers renamed.

    Logs are left out of both: they print settings under their old names, and so would be another program's. None where
    the script does not parse, or is one of several files that share their names.
    """
    reading = read_script(script, files[script], files)
    if reading.parsed.tree is None or any(fact.local is not None for fact in reading.facts.imports):
        return None
    try:
        plain = ast.unparse(ast.parse(reading.parsed.text))
        renamed = rename_identifiers(reading.parsed.text, seed)
    except (SyntaxError, ValueError, RecursionError):
        return None
    kept = {path: data for path, data in files.items() if path != script and not is_log(path, data[:65536])}
    return {**kept, script: plain.encode()}, {**kept, script: renamed.encode()}


def told(folder: FolderEntry, files: Mapping[str, bytes], families: tuple[str, ...] = FAMILIES) -> frozenset[Told]:
    """What the rules of these families say of a folder with exactly these files."""
    facts: SubmissionFacts = read_submission(folder, {path: Content(data) for path, data in files.items()})
    case = Case(facts, load(), AS_OF)
    return frozenset(
        Told(
            finding.rule,
            finding.outcome.value,
            finding.violation_class,
            tuple(sorted({row.line or 0 for row in finding.evidence if row.path.endswith(".py")})),
        )
        for rule in submission_rules()
        if rule.id.startswith(families)
        for finding in rule.judge(case)
    )
