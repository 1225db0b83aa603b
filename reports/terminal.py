"""A review in the terminal: the verdict, what to do next, then the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.model.findings import Evidence, Finding, Outcome, Severity
from harness.model.review import Record, Review, ReviewedSubmission, Verdict
from harness.model.target import TargetKind
from reports.words import STRENGTHS, VERDICTS, clean, needs_someone, where

_COLOURS = {
    Verdict.VIOLATION: "bold white on red",
    Verdict.NEEDS_DECISION: "bold black on yellow",
    Verdict.ACTION_NEEDED: "bold black on yellow",
    Verdict.INCONCLUSIVE: "bold white on blue",
    Verdict.CLEAN: "bold black on green",
}
_SIGNS = {
    Outcome.FAIL: ("✗", "red"),
    Outcome.WARN: ("!", "yellow"),
    Outcome.INCONCLUSIVE: ("?", "blue"),
    Outcome.ERROR: ("‼", "magenta"),
    Outcome.PASS: ("✓", "green"),
}
_EVIDENCE_SHOWN = 4


class TerminalReport:
    """A rich renderable of one review. All text of the submission is put in as plain `Text`, never as markup."""

    def __init__(self, review: Review, *, verbose: bool = False) -> None:
        """With `verbose` the rules that passed are listed too."""
        self.review = review
        self.verbose = verbose

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's protocol."""
        yield self._head()
        todo = list(self._todo())
        if todo:
            yield Text("\nWhat to do next", style="bold")
            yield from todo
        if self.review.hygiene and self.review.target.kind is not TargetKind.FOLDER:
            yield Text("\nThe pull request as a whole", style="bold")
            yield self._findings(self.review.hygiene)
        for submission in self.review.submissions:
            yield from self._submission(submission)
        yield self._foot()

    def _head(self) -> RenderableType:
        verdict = self.review.compliance.verdict
        target = self.review.target
        name = f"pull request {target.pr}" if target.pr is not None else clean(target.ref or target.repository, 80)
        line = Text.assemble(
            (f" {verdict.value.replace('_', ' ')} ", _COLOURS[verdict]), "  ", VERDICTS[verdict], style="default"
        )
        if self.review.compliance.rules:
            line.append(f"  ({', '.join(self.review.compliance.rules)})", style="dim")
        return Panel(line, title=Text(name), title_align="left", expand=False)

    def _todo(self) -> Iterator[RenderableType]:
        groups = [("", self.review.hygiene), *((s.folder, s.findings) for s in self.review.submissions)]
        several = len(self.review.submissions) > 1
        urgent = ((folder, finding) for folder, group in groups for finding in group if needs_someone(finding))
        for count, (folder, finding) in enumerate(urgent, 1):
            text = Text.assemble(f"{count}. ", (finding.rule, "bold"), " ", clean(finding.message, 400))
            if several and folder:
                text.append(f"  in {clean(folder.rsplit('/', 1)[-1], 60)}", style="dim")
            yield Padding(text, (0, 0, 0, 1))
            if finding.remedy:
                yield Padding(Text(f"→ {finding.remedy}", style="green"), (0, 0, 0, 4))

    def _submission(self, submission: ReviewedSubmission) -> Iterator[RenderableType]:
        yield Text()
        yield Text.assemble(("Submission  ", "bold"), clean(submission.folder, 160))
        for line in _facts(submission):
            yield Padding(line, (0, 0, 0, 1))
        if submission.runs:
            yield Padding(_runs(submission), (1, 0, 0, 1))
            labels = ", ".join(dict.fromkeys(clean(run.label or "?", 60) for run in submission.runs))
            yield Padding(Text(f"scores are those of: {labels}", style="dim"), (0, 0, 0, 1))
        yield Padding(self._findings(submission.findings), (1, 0, 0, 0))
        if submission.not_examined:
            yield Text("\nNot examined", style="bold")
            for item in submission.not_examined:
                yield Padding(Text(f"- {clean(item)}", style="dim"), (0, 0, 0, 1))

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

    def _foot(self) -> RenderableType:
        info = self.review.harness
        parts = f"golf {info.version}, rules {info.ruleset} as of {info.as_of}, depth {info.depth.value}"
        return Text(f"\n{parts}", style="dim")


def _count(rules: list[str]) -> str:
    return "1 rule holds" if len(rules) == 1 else f"{len(rules)} rules hold"


def _facts(submission: ReviewedSubmission) -> Iterator[Text]:
    claimed = submission.claimed
    said = []
    if claimed.val_bpb is not None:
        said.append(f"val_bpb {claimed.val_bpb:.4f}")
    if claimed.bytes_total is not None:
        said.append(f"{claimed.bytes_total:,} bytes")
    if claimed.seeds:
        said.append("seeds " + ", ".join(map(str, claimed.seeds[:8])))
    yield Text.assemble(("Author   ", "dim"), clean(submission.author or "unknown", 80))
    yield Text.assemble(("Track    ", "dim"), clean(submission.track or "unknown", 40))
    yield Text.assemble(("Claimed  ", "dim"), ", ".join(said) or "nothing")
    verdict = submission.compliance.verdict
    yield Text.assemble(("Verdict  ", "dim"), (verdict.value.replace("_", " "), "bold"))
    yield Text.assemble(("Record   ", "dim"), _record(submission.record))


def _record(record: Record) -> str:
    """Record status with the numbers that decided it."""
    words = record.status.value.replace("_", " ")
    if record.margin_nats is None:
        return words
    said = f"{abs(record.margin_nats):.4f} nats {'better' if record.margin_nats > 0 else 'worse'} than the record"
    return f"{words}: {said}" + (f", p = {record.p_value:.2g}" if record.p_value is not None else "")


def _runs(submission: ReviewedSubmission) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in _COLUMNS:
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # rich's literal type is private
    for run in sorted(submission.runs, key=lambda run: run.seed or 0):
        table.add_row(
            _cell(run.seed),
            _cell(run.val_bpb, ".6f"),
            _cell(run.steps, ","),
            _cell(run.train_seconds, ".1f"),
            _cell(run.eval_seconds, ".1f"),
            _cell(run.bytes_total, ","),
            Text(where(run.log, run.line)),
        )
    return table


_COLUMNS = (
    ("seed", "right"),
    ("val_bpb", "right"),
    ("steps", "right"),
    ("train s", "right"),
    ("eval s", "right"),
    ("bytes", "right"),
    ("log", "left"),
)


def _cell(value: float | None, form: str = "") -> str:
    return "–" if value is None else format(value, form)


def _finding(finding: Finding) -> RenderableType:
    sign, colour = _SIGNS.get(finding.outcome, ("·", "dim"))
    head = Text.assemble((f"{sign} ", colour), (finding.rule, "bold"), " ", clean(finding.message, 600))
    if finding.tolerated is not None:
        head.append(f"  tolerated: {finding.tolerated}", style="green")
    elif finding.outcome in {Outcome.FAIL, Outcome.WARN} and finding.severity is not Severity.ADVICE:
        head.append(f"  [{finding.severity.value}, {STRENGTHS[finding.strength]}]", style="dim")
    rows: list[RenderableType] = [head]
    if finding.outcome is not Outcome.PASS:
        shown = [e for e in finding.evidence[:_EVIDENCE_SHOWN] if e.path != "."]
        rows += [Padding(_evidence(evidence), (0, 0, 0, 4)) for evidence in shown]
        more = len(finding.evidence) - _EVIDENCE_SHOWN
        if more > 0:
            rows.append(Padding(Text(f"and {more} more", style="dim"), (0, 0, 0, 4)))
    return Group(*rows)


def _evidence(evidence: Evidence) -> Text:
    text = Text(where(evidence.path, evidence.line), style="cyan")
    measured = ", ".join(f"{name}={value}" for name, value in evidence.measured.items() if value is not None)
    if measured:
        text.append(f"  {clean(measured, 200)}", style="default")
    if evidence.snippet:
        text.append(f"  {clean(evidence.snippet, 120)}", style="dim")
    return text
