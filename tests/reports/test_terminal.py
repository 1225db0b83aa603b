"""The terminal report."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from tests_support.cases import AS_OF, COMPLETE, facts_of
from tests_support.repository import METADATA
from tests_support.reviews import FAILED_RUN, WHOLE_RUN, run_folder

from harness.judge.judge import judge
from harness.model.cpu_run import CpuRunFacts
from harness.model.facts import Facts
from harness.model.review import Review
from harness.model.target import Target, TargetKind
from reports.terminal import TerminalReport
from reports.text import plain


def review_of(files: dict[str, str]) -> Review:
    """A review whose text does not depend on versions and times."""
    target = Target(kind=TargetKind.PR, repository="r", pr=7, sha="0" * 40)
    review = judge(Facts(observed_by="0" * 16, target=target, submissions=(facts_of(files),)), AS_OF)
    return review.model_copy(
        update={"harness": review.harness.model_copy(update={"version": "1.2.3", "ruleset": "0" * 12})}
    )


def text_of(review: Review, *, verbose: bool = False) -> str:
    """The report as plain text, 100 columns wide."""
    stream = io.StringIO()
    Console(file=stream, width=100, highlight=False).print(TerminalReport(review, verbose=verbose))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def test_clean(snapshot: SnapshotAssertion) -> None:
    """A clean submission: verdict, facts, runs, rules that hold, what was not examined."""
    assert text_of(review_of(COMPLETE)) == snapshot


def test_findings(snapshot: SnapshotAssertion) -> None:
    """Findings: what to do comes before the evidence, and each number has its place."""
    metadata = METADATA.replace("15850000", "16155425").replace("1.2052", "1.1800")
    files = {**COMPLETE, "submission.json": metadata, "train_gpt.py": "import my_missing_module\n"}
    assert text_of(review_of(files)) == snapshot


@pytest.mark.parametrize("run", [WHOLE_RUN, FAILED_RUN, CpuRunFacts(refused="bwrap is not installed; install it")])
def test_run(run: CpuRunFacts, snapshot: SnapshotAssertion) -> None:
    """How far a run got, or why there was none, stands beside the claims, before the findings."""
    text = text_of(run_folder(run)[0])
    assert text.partition("Submission")[2].partition("val_bpb  steps")[0] == snapshot


def test_verbose_lists_what_holds() -> None:
    """`--verbose` gives a line to each rule that holds."""
    assert "✓ PG101" in text_of(review_of(COMPLETE), verbose=True)


@given(st.text(max_size=60))
def test_no_control_characters(name: str) -> None:
    """Whatever stands in a submission's text, only printable characters reach the report."""
    assert plain(name).isprintable()
