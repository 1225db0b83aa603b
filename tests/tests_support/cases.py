"""Submissions made of a few strings, read by the real readers and judged by the real rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from harness.judge.case import Case
from harness.judge.judge import judge
from harness.model.competition import load
from harness.model.facts import Facts, SubmissionFacts
from harness.model.findings import Finding
from harness.model.target import FileEntry, FolderEntry, Origin, Target, TargetKind
from harness.observe.intake.content import Content
from harness.observe.intake.discover import track_of
from harness.observe.reading.submission import read_submission
from tests_support.repository import LOG, METADATA, SCRIPT

FOLDER = "records/track_10min_16mb/2026-03-20_Mine"
COMPLETE: dict[str, str] = {
    "README.md": "# Mine\n",
    "submission.json": METADATA,
    "train_gpt.py": SCRIPT,
    "train_seed42.log": LOG,
}
AS_OF = dt.date(2026, 4, 20)


def facts_of(files: Mapping[str, str | bytes], path: str = FOLDER) -> SubmissionFacts:
    """Facts of a folder with exactly these files."""
    raw = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    entries = tuple(FileEntry(path=name, size=len(data), blob="0" * 40) for name, data in raw.items())
    folder = FolderEntry(path=path, track=track_of(path), origin=Origin.NEW, tree="0" * 40, files=entries)
    return read_submission(folder, {name: Content(data) for name, data in raw.items()})


def case_of(files: Mapping[str, str | bytes], path: str = FOLDER, as_of: dt.date = AS_OF) -> Case:
    """A case for a single rule."""
    return Case(facts_of(files, path), load(), as_of)


def findings_of(
    files: Mapping[str, str | bytes], rule: str, path: str = FOLDER, as_of: dt.date = AS_OF
) -> list[Finding]:
    """What one rule says of a folder in a whole review."""
    target = Target(kind=TargetKind.PR, repository="r", pr=1, sha="0" * 40)
    facts = Facts(observed_by="0" * 16, target=target, submissions=(facts_of(files, path),))
    review = judge(facts, as_of)
    return [finding for finding in review.submissions[0].findings if finding.rule == rule]
