"""A review as SARIF 2.1.0 (OASIS): what editors and GitHub's code scanning read.

Levels never accuse more than the review does: `error` is kept for what is shown, a suspicion is a `warning` or a
`note`. Failures of the harness and what was not examined are notifications of the tool, not results.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.review import Review
from reports.groups import Group, findings_of, group_of
from reports.links import Links, basis_link, repository_path
from reports.rulebook import RulePage
from reports.text import message, plain
from reports.words import DEPTHS, VERDICTS, measured, said, where

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_REPORTED = (Group.SHOWN, Group.QUESTIONS, Group.DECISIONS, Group.MEND, Group.UNKNOWN, Group.TOLERATED, Group.ADVICE)
_PLACES_SHOWN = 20
_RECORDS = "records"
"""Where submissions are, for findings of a pull request that has none."""

Json = dict[str, Any]


def sarif(review: Review, pages: Sequence[RulePage], links: Links | None = None) -> Json:
    """The log of one run of the harness. `pages` is the rule book: help texts and addresses of the rules."""
    used = links or Links()
    reported = [(folder, one) for folder, one in findings_of(review) if group_of(one) in _REPORTED]
    rules = list(_rules(pages, {one.rule: one for _, one in findings_of(review)}))
    index = {rule["id"]: i for i, rule in enumerate(rules)}
    failed = [one for _, one in findings_of(review) if group_of(one) is Group.OURS]
    notes = [_notification("error", one.rule, one.message) for one in failed]
    for submission in review.submissions:
        where_ = f" ({submission.folder})" if len(review.submissions) > 1 else ""
        notes += [_notification("note", None, f"Not examined: {item}{where_}") for item in submission.not_examined]
    verdict = review.compliance.verdict
    home = review.submissions[0].folder if review.submissions else _RECORDS
    run: Json = {
        "tool": {"driver": {"name": "golf", "version": review.harness.version, "rules": rules}},
        "automationDetails": {"id": f"golf/{_target_id(review)}"},
        "invocations": [{"executionSuccessful": not failed, "toolExecutionNotifications": notes}],
        "columnKind": "unicodeCodePoints",
        "results": _results(reported, index, used, home),
        "properties": {
            "verdict": verdict.value,
            "meaning": VERDICTS[verdict],
            "depth": DEPTHS[review.harness.depth],
            "ruleset": review.harness.ruleset,
            "asOf": review.harness.as_of,
            "policy": review.harness.policy,
            "observedBy": review.harness.observed_by,
        },
    }
    if used.repository is not None:
        provenance = {"repositoryUri": f"https://github.com/{used.repository}"}
        run["versionControlProvenance"] = [provenance | ({"revisionId": used.sha} if used.sha else {})]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def sarif_text(review: Review, pages: Sequence[RulePage], links: Links | None = None) -> str:
    """The same as text: ASCII, so that no character can hide in it."""
    return json.dumps(sarif(review, pages, links), indent=1) + "\n"


def _target_id(review: Review) -> str:
    target = review.target
    return quote(f"{target.kind.value}/{target.pr or target.ref or plain(target.repository.rsplit('/', 1)[-1], 80)}")


def _rules(pages: Iterable[RulePage], seen: dict[str, Finding]) -> Iterator[Json]:
    """Descriptors of all rules of the book, and of those that only the review knows (of another ruleset)."""
    known = set()
    for page in pages:
        known.add(page.id)
        address = next(filter(None, map(basis_link, page.basis)), None)
        yield {
            "id": page.id,
            "shortDescription": {"text": message(page.title)},
            "fullDescription": {"text": "\n".join(map(message, page.text.split("\n")))},
            "help": {"text": f"{message(page.remedy)}\n\n" + "\n".join(map(message, page.text.split("\n")))},
            "defaultConfiguration": {"level": _level(Severity(page.severity), Strength(page.strength))},
            "properties": {"severity": page.severity, "strength": page.strength},
        } | ({"helpUri": address} if address else {})
    for finding in seen.values():
        if finding.rule not in known:
            yield {"id": finding.rule, "shortDescription": {"text": message(finding.title)}}


def _level(severity: Severity, strength: Strength) -> str:
    if severity is Severity.ADVICE:
        return "note"
    if strength is Strength.SUSPECTED:
        return "note" if severity is Severity.DEFECT else "warning"
    return "error" if severity is Severity.VIOLATION else "warning"


def _results(found: Sequence[tuple[str, Finding]], index: dict[str, int], links: Links, home: str) -> list[Json]:
    """`home` is the folder that findings about the diff as a whole stand at."""
    results = []
    counts: dict[str, int] = {}
    for folder, finding in found:
        group = group_of(finding)
        level = _level(finding.severity, finding.strength)
        if level == "error" and group is not Group.SHOWN:
            level = "warning"
        if group in {Group.UNKNOWN, Group.TOLERATED}:
            level = "note"
        places = [place for e in finding.evidence[:_PLACES_SHOWN] if (place := _location(folder, e, links))]
        # Code scanning turns a log down in which a result has no place: then it is that of the folder.
        places = places or [_whole(folder or home)]
        first = places[0]["physicalLocation"]["artifactLocation"]["uri"]
        identity = "\n".join((finding.rule, folder, first))
        counts[identity] = counts.get(identity, 0) + 1
        digest = hashlib.sha256(f"{identity}\n{counts[identity]}".encode("utf-8", "surrogatepass")).hexdigest()
        remedy = f" {message(finding.remedy)}" if finding.remedy else ""
        result: Json = {
            "ruleId": finding.rule,
            "ruleIndex": index[finding.rule],
            "kind": "open" if group is Group.UNKNOWN else "fail",
            "level": "none" if group is Group.UNKNOWN else level,
            "message": {"text": message(said(finding)) + remedy},
            "partialFingerprints": {"golf/v1": digest},
            "properties": {"severity": finding.severity.value, "strength": finding.strength.value},
        }
        result["locations"] = places[:1]
        result["relatedLocations"] = [place | {"id": i} for i, place in enumerate(places[1:], 1)]
        if finding.tolerated is not None:
            result["suppressions"] = [{"kind": "external", "justification": message(finding.tolerated)}]
        results.append(result)
    return results


def _location(folder: str, evidence: Evidence, links: Links) -> Json | None:
    """A place of the repository; None for evidence from elsewhere."""
    path = repository_path(folder, evidence.path)
    if path is None:
        return None
    region: Json = {"startLine": 1}
    if evidence.line is not None and evidence.line > 0 and path not in links.unpacked:
        region["startLine"] = evidence.line
        if evidence.end_line is not None and evidence.end_line > evidence.line:
            region["endLine"] = evidence.end_line
        if evidence.snippet:
            region["snippet"] = {"text": message(evidence.snippet, 240)}
    physical = {"artifactLocation": _artifact(path), "region": region}
    words_ = measured(evidence) or where(evidence.path, evidence.line, evidence.end_line)
    return {"physicalLocation": physical, "message": {"text": message(words_)}}


def _whole(folder: str) -> Json:
    path = repository_path("", folder) or _RECORDS
    return {"physicalLocation": {"artifactLocation": _artifact(path), "region": {"startLine": 1}}}


def _artifact(path: str) -> Json:
    return {"uri": quote(path), "uriBaseId": "%SRCROOT%"}


def _notification(level: str, rule: str | None, text: str) -> Json:
    about = {"associatedRule": {"id": rule}} if rule else {}
    return {"level": level, "message": {"text": message(text, 600)}} | about
