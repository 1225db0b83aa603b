"""A review in the terminal: the verdict, what to do next, then the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.model.findings import Evidence, Finding, Outcome, Proof
from harness.model.review import Review, ReviewedSubmission, Verdict
from harness.model.target import TargetKind
from reports import counterexample, groups
from reports.groups import Step, group_of, steps
from reports.ran import ran, stages_line
from reports.text import plain
from reports.words import (
    RUN_COLUMNS,
    VERDICTS,
    by_seed,
    claim_line,
    kind,
    measured,
    record_line,
    run_cells,
    said,
    short,
    target_name,
    versions,
    where,
    words,
)

_COLOURS = {
    Verdict.VIOLATION: "bold white on red",
    Verdict.NEEDS_DECISION: "bold black on yellow",
    Verdict.ACTION_NEEDED: "bold black on yellow",
    Verdict.INCONCLUSIVE: "bold white on blue",
    Verdict.CLEAN: "bold black on green",
}
_SIGNS = {
    groups.Group.SHOWN: ("✗", "red"),
    groups.Group.QUESTIONS: ("?", "yellow"),
    groups.Group.DECISIONS: ("!", "yellow"),
    groups.Group.MEND: ("!", "yellow"),
    groups.Group.UNKNOWN: ("○", "blue"),
    groups.Group.OURS: ("‼", "magenta"),
    groups.Group.TOLERATED: ("✓", "green"),
    groups.Group.HOLDS: ("✓", "green"),
}
_EVIDENCE_SHOWN = 4
_FOLDERS_SHOWN = 6


class TerminalReport:
    """A rich renderable of one review. All text of the submission is put in as plain `Text`, never as markup."""

    def __init__(self, review: Review, *, verbose: bool = False) -> None:
        """With `verbose` the rules that passed are listed too."""
        self.review = review
        self.verbose = verbose

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's protocol."""
        yield self._head()
        todo = steps(self.review)
        if todo:
            yield Text("\nWhat to do next", style="bold")
            for count, step in enumerate(todo, 1):
                yield from _step(count, step, several=len(self.review.submissions) > 1)
        if self.review.hygiene and self.review.target.kind is not TargetKind.FOLDER:
            yield Text("\nThe pull request as a whole", style="bold")
            yield self._findings(self.review.hygiene)
        for submission in self.review.submissions:
            yield from self._submission(submission)
        if not self.review.submissions:
            yield Text("\nNot examined", style="bold")
            yield Padding(Text("- there is no submission to examine", style="dim"), (0, 0, 0, 1))
        yield Text(f"\n{versions(self.review)}", style="dim")

    def _head(self) -> RenderableType:
        verdict = self.review.compliance.verdict
        line = Text.assemble((f" {words(verdict.value)} ", _COLOURS[verdict]), "  ", VERDICTS[verdict], style="default")
        if self.review.compliance.rules:
            line.append(f"  ({', '.join(self.review.compliance.rules)})", style="dim")
        return Panel(line, title=Text(target_name(self.review)), title_align="left", expand=False)

    def _submission(self, submission: ReviewedSubmission) -> Iterator[RenderableType]:
        yield Text()
        yield Text.assemble(("Submission  ", "bold"), plain(submission.folder, 160))
        for line in _facts(submission):
            yield Padding(line, (0, 0, 0, 1))
        if submission.runs:
            yield Padding(_runs(submission), (1, 0, 0, 1))
            labels = ", ".join(dict.fromkeys(plain(run.label or "?", 60) for run in submission.runs))
            yield Padding(Text(f"scores are those of: {labels}", style="dim"), (0, 0, 0, 1))
        yield Padding(self._findings(submission.findings), (1, 0, 0, 0))
        if submission.not_examined:
            yield Text("\nNot examined", style="bold")
            for item in submission.not_examined:
                yield Padding(Text(f"- {plain(item, 240)}", style="dim"), (0, 0, 0, 1))

    def _findings(self, findings: Iterable[Finding]) -> RenderableType:
        rows: list[RenderableType] = []
        passed = []
        for finding in findings:
            if finding.outcome is Outcome.PASS and not self.verbose:
                passed.append(finding.rule)
            else:
                rows.append(Padding(_finding(finding), (0, 0, 0, 1)))
        if passed:
            rows.append(Padding(Text(f"✓ {_count(passed)}: {', '.join(passed)}", style="green"), (0, 0, 0, 1)))
        return Group(*rows)


class ProofReport:
    """Proofs alone: of which folder and rule, what was said, and what moved."""

    def __init__(self, proofs: Sequence[tuple[str, Finding]]) -> None:
        self.proofs = proofs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for folder, finding in self.proofs:
            yield Text.assemble((finding.rule, "bold"), " ", plain(folder, 200))
            yield Padding(Text(said(finding)), (0, 0, 0, 2))
            for text in _proof(finding.proof) if finding.proof is not None else ():
                yield Padding(text, (0, 0, 0, 2))


def _step(count: int, step: Step, *, several: bool) -> Iterator[RenderableType]:
    """One step: a single finding and its remedy; several findings of one rule below their common remedy."""
    if len(step.findings) == 1:
        folder, finding = step.findings[0]
        text = Text.assemble(f"{count}. ", (step.rule, "bold"), " ", said(finding, 400))
        if several and folder:
            text.append(f"  in {plain(short(folder), 60)}", style="dim")
        yield Padding(text, (0, 0, 0, 1))
        if step.remedy:
            yield Padding(Text(f"→ {plain(step.remedy)}", style="green"), (0, 0, 0, 4))
    else:
        head = Text.assemble(f"{count}. ", (step.rule, "bold"), " ")
        head.append(plain(step.remedy or step.title), style="green")
        yield Padding(head, (0, 0, 0, 1))
        for folder, finding in step.findings[:_FOLDERS_SHOWN]:
            line = Text(f"- {said(finding, 160)}")
            if several and folder:
                line.append(f"  in {plain(short(folder), 60)}", style="dim")
            yield Padding(line, (0, 0, 0, 4))
        more = len(step.findings) - _FOLDERS_SHOWN
        if more > 0:
            yield Padding(Text(f"and {more} more", style="dim"), (0, 0, 0, 6))


def _count(rules: list[str]) -> str:
    return "1 rule holds" if len(rules) == 1 else f"{len(rules)} rules hold"


def _facts(submission: ReviewedSubmission) -> Iterator[Text]:
    yield Text.assemble(("Author   ", "dim"), plain(submission.author or "unknown", 80))
    yield Text.assemble(("Track    ", "dim"), plain(submission.track or "unknown", 40))
    yield Text.assemble(("Claimed  ", "dim"), claim_line(submission.claimed))
    yield Text.assemble(("Verdict  ", "dim"), (words(submission.compliance.verdict.value), "bold"))
    yield Text.assemble(("Record   ", "dim"), record_line(submission.record))
    for label, text in ran(submission):
        yield Text.assemble((f"{label:9}", "dim"), plain(text, 600))
    if stages := stages_line(submission):
        yield Text.assemble(("Stages   ", "dim"), plain(stages, 600))


def _runs(submission: ReviewedSubmission) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in RUN_COLUMNS:
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("log", overflow="fold")
    for run in by_seed(submission):
        table.add_row(*run_cells(run), Text(where(run.log, run.line)))
    return table


def _finding(finding: Finding) -> RenderableType:
    group = group_of(finding)
    sign, colour = _SIGNS.get(group, ("·", "dim"))
    head = Text.assemble((f"{sign} ", colour), (finding.rule, "bold"), " ", said(finding))
    if finding.tolerated is not None:
        head.append(f"  tolerated: {plain(finding.tolerated, 80)}", style="green")
    elif group.urgent and group is not groups.Group.OURS:
        head.append(f"  [{kind(finding)}]", style="dim")
    rows: list[RenderableType] = [head]
    if finding.proof is not None:
        rows += [Padding(text, (0, 0, 0, 4)) for text in _proof(finding.proof)]
    if finding.outcome is not Outcome.PASS:
        shown = [e for e in finding.evidence[:_EVIDENCE_SHOWN] if e.path != "."]
        rows += [Padding(_evidence(evidence), (0, 0, 0, 4)) for evidence in shown]
        more = len(finding.evidence) - _EVIDENCE_SHOWN
        if more > 0:
            rows.append(Padding(Text(f"and {more} more", style="dim"), (0, 0, 0, 4)))
    return Group(*rows)


def _proof(proof: Proof) -> Iterator[Text]:
    """The stream with what moved, the numbers, and how to see them again."""
    if picture := counterexample.line(proof):
        text = Text(picture)
        text.highlight_regex("!+", "bold red")
        text.highlight_regex("~+", "yellow")
        yield text.append("  ! moved  . the same  ~ changed tokens", style="dim")
    yield Text(counterexample.words(proof))
    yield Text(f"seen again with: {plain(proof.replay, 200)}", style="dim")


def _evidence(evidence: Evidence) -> Text:
    text = Text(where(evidence.path, evidence.line), style="cyan")
    numbers = measured(evidence)
    if numbers:
        text.append(f"  {numbers}", style="default")
    if evidence.snippet:
        text.append(f"  {plain(evidence.snippet, 120)}", style="dim")
    return text
