"""What a review would post on GitHub."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from tests_support.hostile import live_in_markdown
from tests_support.reviews import REPOSITORY, SHA, demo, every_kind, facts_with, judged, one_folder, several_folders

from harness.bot.compose import NAME, compose, readable
from harness.bot.payloads import ANNOTATIONS_AT_ONCE, COMMENT_LIMIT, TEXT_LIMIT, Conclusion, Level
from harness.model.findings import Severity
from harness.model.review import Verdict
from harness.model.target import ChangeKind
from reports.groups import Group, findings_of, group_of
from reports.markdown import MARKER, size


def test_payloads(snapshot: SnapshotAssertion) -> None:
    """The check run of a review with something to mend, as it is."""
    payloads = compose(*one_folder(), REPOSITORY)
    assert payloads.model_dump(mode="json", exclude={"comment"}) == snapshot
    assert payloads.comment.body.startswith(MARKER)
    assert (payloads.repository, payloads.pr, payloads.check_run.head_sha) == (REPOSITORY, 7, SHA)
    assert payloads.check_run.name == NAME


@pytest.mark.parametrize(
    ("verdict", "conclusion"),
    [
        (Verdict.VIOLATION, Conclusion.FAILURE),
        (Verdict.NEEDS_DECISION, Conclusion.NEUTRAL),
        (Verdict.ACTION_NEEDED, Conclusion.ACTION_REQUIRED),
        (Verdict.INCONCLUSIVE, Conclusion.NEUTRAL),
        (Verdict.CLEAN, Conclusion.SUCCESS),
    ],
)
def test_conclusions(verdict: Verdict, conclusion: Conclusion) -> None:
    """Only a violation fails the check; what people must decide, and what could not be examined, is neutral."""
    review, facts = one_folder()
    changed = review.model_copy(update={"compliance": review.compliance.model_copy(update={"verdict": verdict})})
    assert compose(changed, facts, REPOSITORY).check_run.conclusion is conclusion


def test_annotations_stand_on_the_diff() -> None:
    """Notes stand only on files that the diff adds or changes, on lines that exist for GitHub."""
    review, facts = one_folder()
    assert facts.diff is not None
    found = compose(review, facts, REPOSITORY).check_run.output.annotations
    assert found
    assert {note.path for note in found} <= {change.path for change in facts.diff.changes}
    assert all(1 <= note.start_line <= note.end_line for note in found)
    gone = tuple(change.model_copy(update={"change": ChangeKind.DELETED}) for change in facts.diff.changes)
    without = facts.model_copy(update={"diff": facts.diff.model_copy(update={"changes": gone})})
    assert compose(review, without, REPOSITORY).check_run.output.annotations == ()


def test_levels() -> None:
    """A failure is only what is shown; a suspected defect is a notice."""
    review, facts = every_kind()
    found = compose(review, facts, REPOSITORY).check_run.output.annotations
    shown = sum(group_of(finding) is Group.SHOWN for _, finding in findings_of(review))
    in_folder = [note for note in found if note.annotation_level is Level.FAILURE]
    assert 0 < len(in_folder) <= shown
    for note in found:
        if f"possible {Severity.DEFECT.value}" in note.title:
            assert note.annotation_level is Level.NOTICE


def test_many_annotations_come_in_batches() -> None:
    """At most fifty at once; the rest are updates of the same check run with the same texts."""
    review, facts = several_folders(90)
    payloads = compose(review, facts, REPOSITORY)
    batches = [payloads.check_run.output, *(update.output for update in payloads.check_run_updates)]
    assert len(batches) > 1
    assert all(0 < len(batch.annotations) <= ANNOTATIONS_AT_ONCE for batch in batches)
    assert len({(batch.title, batch.summary, batch.text) for batch in batches}) == 1
    assert size(payloads.comment.body) <= COMMENT_LIMIT
    assert all(size(batch.text or "") <= TEXT_LIMIT for batch in batches)
    assert not list(live_in_markdown(batches[0].summary))


def test_readable() -> None:
    """What is printed for people names the comment, the conclusion and every annotation."""
    payloads = compose(*one_folder(), REPOSITORY)
    text = readable(payloads)
    assert "conclusion  action_required" in text
    assert payloads.comment.body in text
    assert all(f"{note.path}:{note.start_line}" in text for note in payloads.check_run.output.annotations)


def test_only_pull_requests() -> None:
    """A folder has nothing to be posted on."""
    with pytest.raises(ValueError, match="pull request"):
        compose(*demo(), REPOSITORY)


def test_no_submission() -> None:
    """A pull request without a submission can be posted on, too."""
    facts = facts_with()
    assert compose(judged(facts), facts, None).check_run.output.annotations == ()
