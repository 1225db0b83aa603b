"""From a review to what would be posted: comment, check run, annotations."""

from __future__ import annotations

from collections.abc import Iterator

from harness.bot.payloads import (
    ANNOTATIONS_AT_ONCE,
    TEXT_LIMIT,
    Annotation,
    CheckRun,
    CheckRunUpdate,
    Comment,
    Conclusion,
    Level,
    Output,
    Payloads,
)
from harness.model.facts import Facts
from harness.model.findings import Finding, Severity, Strength
from harness.model.review import Review, Verdict
from harness.model.target import ChangeKind
from reports.formats import unpacked_paths
from reports.groups import Group, findings_of, group_of
from reports.links import Links, repository_path
from reports.markdown import comment, size, summary
from reports.text import plain
from reports.words import VERDICTS, kind, measured, said, where, words

NAME = "golf"
"""Name of the check run, stable: branch protection may ask for it."""
_CONCLUSIONS = {
    Verdict.VIOLATION: Conclusion.FAILURE,
    Verdict.NEEDS_DECISION: Conclusion.NEUTRAL,
    Verdict.ACTION_NEEDED: Conclusion.ACTION_REQUIRED,
    Verdict.INCONCLUSIVE: Conclusion.NEUTRAL,
    Verdict.CLEAN: Conclusion.SUCCESS,
}
_ANNOTATIONS = 4 * ANNOTATIONS_AT_ONCE
"""Most annotations of one review: what is beyond stands in the text."""
_ANNOTATED = (Group.SHOWN, Group.QUESTIONS, Group.DECISIONS, Group.MEND, Group.UNKNOWN)
_PLACES_SHOWN = 20


def compose(review: Review, facts: Facts, repository: str | None) -> Payloads:
    """Everything that the review of a pull request would post.

    `repository` is its address or `owner/name` on GitHub. Raises ValueError when the target is no pull request.
    """
    target = review.target
    if target.pr is None or target.sha is None:
        raise ValueError("only the review of a pull request can be posted")
    links = Links.of(target, repository, unpacked_paths(facts))
    found = list(notes(review, facts, links))[:_ANNOTATIONS]
    batches = [tuple(found[i : i + ANNOTATIONS_AT_ONCE]) for i in range(0, len(found), ANNOTATIONS_AT_ONCE)] or [()]
    verdict = review.compliance.verdict
    output = Output(
        title=f"{words(verdict.value).capitalize()}: {VERDICTS[verdict]}",
        summary=summary(review, links, TEXT_LIMIT),
        text=comment(review, links, limit=TEXT_LIMIT),
        annotations=batches[0],
    )
    return Payloads(
        repository=links.repository,
        pr=target.pr,
        comment=Comment(body=comment(review, links)),
        check_run=CheckRun(name=NAME, head_sha=target.sha, conclusion=_CONCLUSIONS[verdict], output=output),
        check_run_updates=tuple(
            CheckRunUpdate(output=output.model_copy(update={"annotations": batch})) for batch in batches[1:]
        ),
    )


def notes(review: Review, facts: Facts, links: Links) -> Iterator[Annotation]:
    """One note a finding that asks for someone, at its first place in a file that the diff adds or changes."""
    changes = facts.diff.changes if facts.diff is not None else ()
    changed = {change.path for change in changes if change.change is not ChangeKind.DELETED}
    order = {group: i for i, group in enumerate(_ANNOTATED)}
    urgent = [(folder, one) for folder, one in findings_of(review) if group_of(one) in order]
    for folder, finding in sorted(urgent, key=lambda pair: order[group_of(pair[1])]):
        for evidence in finding.evidence:
            path = repository_path(folder, evidence.path)
            if path is None or path not in changed:
                continue
            # Lines of unpacked text are none of the file's; such a note stands at its head.
            inside = evidence.line is not None and evidence.line > 0 and not links.in_unpacked(folder, evidence.path)
            line = evidence.line if inside and evidence.line is not None else 1
            end = evidence.end_line if inside and evidence.end_line is not None else line
            yield Annotation(
                path=path,
                start_line=line,
                end_line=max(line, end),
                annotation_level=_level(finding),
                title=plain(f"{finding.rule}: {kind(finding)}", 255),
                message=said(finding) + (f"\n{plain(finding.remedy)}" if finding.remedy else ""),
                raw_details=_details(finding),
            )
            break


def _level(finding: Finding) -> Level:
    group = group_of(finding)
    if group is Group.SHOWN:
        return Level.FAILURE
    weak = finding.severity is Severity.DEFECT and finding.strength is Strength.SUSPECTED
    return Level.NOTICE if weak or group is Group.UNKNOWN else Level.WARNING


def _details(finding: Finding) -> str | None:
    """Every place with its numbers, one a line."""
    places = [evidence for evidence in finding.evidence if evidence.path != "."]
    lines = [f"{where(e.path, e.line, e.end_line)}  {measured(e)}".rstrip() for e in places[:_PLACES_SHOWN]]
    more = len(places) - _PLACES_SHOWN
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])]) or None


def readable(payloads: Payloads) -> str:
    """What would be posted, for people: the comment, then the check run with its annotations."""
    check = payloads.check_run
    batches = [check.output, *(update.output for update in payloads.check_run_updates)]
    body = payloads.comment.body
    lines = [
        f"Comment on {payloads.repository or 'the repository'}, pull request {payloads.pr}: {size(body):,} characters",
        "",
        body,
        f"Check run {check.name} on {check.head_sha}",
        f"  status      {check.status}",
        f"  conclusion  {check.conclusion.value}",
        f"  title       {check.output.title}",
        f"  summary     {size(check.output.summary):,} characters",
        f"  text        {size(check.output.text or ''):,} characters",
        f"  annotations {sum(len(batch.annotations) for batch in batches)} in {len(batches)} request(s)",
    ]
    for batch in batches:
        for note in batch.annotations:
            place = where(note.path, note.start_line, note.end_line)
            lines.append(f"    {note.annotation_level.value:8} {place}  {plain(note.title)}")
    return "\n".join(lines) + "\n"
