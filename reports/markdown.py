"""A review as a comment on a pull request: GitHub's Markdown, never longer than GitHub takes.

When the whole does not fit, parts are left out in the order of `PLANS` and the comment says which. The verdict, what to
do next and what was not examined are in every version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.model.findings import Basis, Evidence, Finding
from harness.model.review import Review, ReviewedSubmission
from harness.model.target import TargetKind
from reports import counterexample
from reports.groups import Group, Step, grouped, steps, unexamined
from reports.links import Links, basis_link
from reports.ran import ran, run_stages
from reports.ran import size as bytes_of
from reports.text import code, code_element, markdown, plain
from reports.words import (
    DEPTHS,
    RUN_COLUMNS,
    STRENGTHS,
    VERDICTS,
    by_seed,
    claim_line,
    kind,
    measured,
    number,
    record_line,
    run_cells,
    said,
    short,
    target_name,
    versions,
    where,
    words,
)

MARKER = "<!-- golf-review -->"
"""First line of every comment: how a bot finds its own one again."""
LIMIT = 65_536
"""Most characters of a comment (GitHub: "body is too long (maximum is 65536 characters)")."""
_ROWS = 20
_BACKLINK = re.compile(r"https://github\.com/(?=[\w.-]+/[\w.-]+/(?:pull|issues|discussions|commit)/)")


@dataclass(frozen=True)
class Plan:
    """How much is shown. `left_out` names what this plan leaves out and the one before it did not."""

    left_out: str = ""
    holds: bool = True
    evidence: int = 50
    snippets: bool = True
    basis: bool = True
    advice: bool = True
    details: bool = True
    tables: int = 50
    """Submissions that are shown at all beyond their verdict."""
    items: int = 50
    """Findings below one step, and lines of what was not examined."""
    steps: int = 200
    message: int = 600


PLANS = (
    Plan(),
    Plan("rules that hold", holds=False),
    Plan("evidence beyond four places of a finding", holds=False, evidence=4),
    Plan("evidence beyond one place of a finding, and its text", holds=False, evidence=1, snippets=False),
    Plan("advice, and what rules rest on", holds=False, evidence=1, snippets=False, basis=False, advice=False),
    Plan("findings one by one", details=False, items=8, message=300),
    Plan("most submissions", details=False, items=4, tables=8, steps=40, message=200),
    Plan("most steps", details=False, items=2, tables=0, steps=12, message=120),
)


def size(text: str) -> int:
    """Length in UTF-16 units: never less than GitHub counts, whichever way it counts characters."""
    return len(text) + sum(char > "\uffff" for char in text)


def comment(review: Review, links: Links | None = None, whole: str | None = None, limit: int = LIMIT) -> str:
    """The comment, at most `limit` characters. `whole` says in our own words where the whole review is."""
    return _fitted(review, links, limit, lambda writer, left_out: writer.whole(left_out, whole))


def summary(review: Review, links: Links | None = None, limit: int = LIMIT) -> str:
    """The verdict, what to do next and what was not examined: the short form for a check run."""
    return _fitted(review, links, limit, lambda writer, _: writer.short())


def _fitted(
    review: Review, links: Links | None, limit: int, lines: Callable[[_Writer, Sequence[str]], Iterable[str]]
) -> str:
    left_out: list[str] = []
    text = ""
    for plan in PLANS:
        left_out += [plan.left_out] if plan.left_out else []
        text = "\n".join(lines(_Writer(review, links or Links(), plan), left_out)) + "\n"
        if size(text) <= limit:
            return text
    # Every part of the last plan is bounded, below GitHub's limit; for callers who ask for less whole lines go.
    while size(text) > limit:
        text = text[: text.rstrip("\n").rfind("\n") + 1]
    return text


def safe_url(address: str) -> str:
    """An address of ours for a comment; those of issues and pull requests go by GitHub's redirect, which leaves no
    "mentioned this" note at the other end.
    """
    return _BACKLINK.sub("https://redirect.github.com/", address)


def link(label: str, address: str | None) -> str:
    """`label` (Markdown already) as a link, where there is an address."""
    return f"[{label}](<{address}>)" if address else label


class _Writer:
    """One version of the comment."""

    def __init__(self, review: Review, links: Links, plan: Plan) -> None:
        self.review = review
        self.links = links
        self.plan = plan
        self.several = len(review.submissions) > 1

    def short(self) -> Iterator[str]:
        yield from (*self.head(), "")
        yield from self.todo()
        yield from self.not_examined()
        yield f"<sub>{markdown(versions(self.review))}</sub>"

    def whole(self, left_out: Sequence[str], whole: str | None) -> Iterator[str]:
        yield from (MARKER, *self.head(), "")
        yield from self.todo()
        if self.several:
            yield from self.overview()
        if self.plan.details and self.review.hygiene and self.review.target.kind is not TargetKind.FOLDER:
            yield from self.folded("The pull request as a whole", "", self.review.hygiene)
        for submission in self.review.submissions[: self.plan.tables]:
            yield from self.submission(submission)
        yield from self.not_examined()
        yield "---"
        if left_out:
            rest = whole or "`golf review` prints the whole review."
            yield f"Left out, for a comment has a limited size: {'; '.join(left_out)}. {rest}\n"
        yield f"<sub>{markdown(versions(self.review))}</sub>"

    def head(self) -> Iterator[str]:
        """The verdict, what decided it, and what was looked at."""
        review = self.review
        verdict = review.compliance.verdict
        yield f"## {words(verdict.value).capitalize()}: {VERDICTS[verdict]}"
        yield ""
        name = link(markdown(target_name(review)), self.links.target(review.target))
        at = f" at {code(review.target.sha[:10])}" if review.target.sha else ""
        rules = review.compliance.rules
        decided = f" Decided by {', '.join(f'**{markdown(rule)}**' for rule in rules[:20])}." if rules else ""
        yield (
            f"{name}{at}, judged by the rules as of {markdown(review.harness.as_of)}. "
            f"{DEPTHS[review.harness.depth]}{decided}"
        )

    def todo(self) -> Iterator[str]:
        """Numbered steps with their remedies."""
        todo = steps(self.review)
        if not todo:
            return
        yield from ("### What to do next", "")
        for count, step in enumerate(todo[: self.plan.steps], 1):
            yield from self.step(count, step)
        if len(todo) > self.plan.steps:
            yield f"\nand {len(todo) - self.plan.steps} more steps"
        yield ""

    def step(self, count: int, step: Step) -> Iterator[str]:
        indent = " " * (len(str(count)) + 2)
        head = f"{count}. **{markdown(step.rule)}** "
        remedy = markdown(step.remedy) if step.remedy else ""
        if len(step.findings) == 1:
            folder, finding = step.findings[0]
            yield head + markdown(said(finding, self.plan.message)) + self.in_folder(folder)
            if remedy:
                yield f"{indent}<br>→ {remedy}"
            return
        yield head + (remedy or markdown(step.title))
        for folder, finding in step.findings[: self.plan.items]:
            yield f"{indent}- {markdown(said(finding, self.plan.message))}{self.in_folder(folder)}"
        if len(step.findings) > self.plan.items:
            yield f"{indent}- and {len(step.findings) - self.plan.items} more"

    def in_folder(self, folder: str) -> str:
        return f" (in {code(short(folder), 80)})" if self.several and folder else ""

    def overview(self) -> Iterator[str]:
        """One row a submission, where there are several."""
        shown = self.review.submissions[: max(self.plan.tables, 20)]
        yield from ("### Submissions", "", "| folder | verdict | claimed | record |", "| --- | --- | --- | --- |")
        for one in shown:
            verdict = words(one.compliance.verdict.value)
            claimed = number(one.claimed.val_bpb, ".4f")
            yield f"| {code(short(one.folder), 80)} | {verdict} | {claimed} | {words(one.record.status.value)} |"
        if len(shown) < len(self.review.submissions):
            yield f"| and {len(self.review.submissions) - len(shown)} more | | | |"
        yield ""

    def submission(self, one: ReviewedSubmission) -> Iterator[str]:
        """Claims, runs and findings of one folder; folded where there are several."""
        if self.several:
            yield f"<details><summary>{code_element(short(one.folder), 80)}: {words(one.compliance.verdict.value)}"
            yield "</summary>\n"
        else:
            yield from (f"### {code(one.folder, 160)}", "")
        yield f"- Author: {code(one.author or 'unknown', 80)}, track: {code(one.track or 'unknown', 40)}"
        yield f"- Claimed: {markdown(claim_line(one.claimed))}"
        yield f"- Record: {markdown(record_line(one.record))}" + (
            f" ({markdown(one.record.test, 120)})" if one.record.test else ""
        )
        for label, text in ran(one):
            yield f"- {label}: {markdown(text, self.plan.message)}"
        yield ""
        yield from self.runs(one)
        yield from self.cpu_run(one)
        if self.plan.details:
            yield from self.folded("Findings", one.folder, one.findings)
        if self.several:
            yield "</details>\n"

    def runs(self, one: ReviewedSubmission) -> Iterator[str]:
        if not one.runs:
            return
        yield f"| {' | '.join(RUN_COLUMNS)} | log |"
        yield f"|{' ---: |' * len(RUN_COLUMNS)} --- |"
        for run in by_seed(one)[:20]:
            place = link(code(where(run.log, run.line)), self.links.file(one.folder, run.log, run.line))
            yield f"| {' | '.join((*run_cells(run), place))} |"
        if len(one.runs) > 20:
            yield f"| and {len(one.runs) - 20} more | | | | | | |"
        labels = dict.fromkeys(run.label or "?" for run in one.runs)
        yield f"\nScores are those of {', '.join(code(label, 60) for label in list(labels)[:6])}.\n"

    def cpu_run(self, one: ReviewedSubmission) -> Iterator[str]:
        """Stages and files of the run, folded; where it failed also what it printed last."""
        if one.cpu_run is None or not self.plan.details or not run_stages(one):
            return
        yield "<details><summary>The run on a CPU, stage by stage</summary>\n"
        yield from ("| stage | status | seconds | peak MB | reason |", "| --- | --- | ---: | ---: | --- |")
        for stage in run_stages(one)[:_ROWS]:
            cells = (words(stage.status.value), number(stage.seconds, ".1f"), number(stage.peak_mb, ".0f"))
            yield f"| {code(stage.name, 60)} | {' | '.join(cells)} | {code(stage.reason or '', 200)} |"
        yield ""
        for file in one.cpu_run.files:
            back = ", read back" if file.reloaded else ""
            yield f"- wrote {code(file.path, 120)}: {bytes_of(file.size)}{back}"
        for line in one.cpu_run.printed if one.cpu_run.failure is not None else ():
            yield f"- printed {code(line, 200) or 'nothing'}"
        yield "\n</details>\n"

    def folded(self, title: str, folder: str, findings: Iterable[Finding]) -> Iterator[str]:
        """A foldable part for each group of findings."""
        prefix = "" if title == "Findings" else f"{title}: "
        for group, members in grouped(findings).items():
            if not self.plan.advice and not group.urgent and group is not Group.UNKNOWN:
                continue
            if group in {Group.HOLDS, Group.ASIDE}:
                if self.plan.holds:
                    rules = ", ".join(markdown(rule) for rule in dict.fromkeys(f.rule for f in members))
                    yield f"<details><summary>{prefix}{group.heading} ({len(members)})</summary>\n\n{rules}\n"
                    yield "</details>\n"
                continue
            yield f"<details><summary>{prefix}{group.heading} ({len(members)})</summary>\n"
            yield f"{group.sentence}\n"
            for finding in members:
                yield from self.finding(folder, finding)
            yield "\n</details>\n"

    def finding(self, folder: str, finding: Finding) -> Iterator[str]:
        yield f"- **{markdown(finding.rule)}** {markdown(said(finding, self.plan.message))} *({kind(finding)})*"
        if finding.tolerated:
            yield f"  - tolerated by {code(finding.tolerated, 80)}"
        places = [evidence for evidence in finding.evidence if evidence.path != "."]
        for evidence in places[: self.plan.evidence]:
            yield f"  - {self.evidence(folder, evidence)}"
        if len(places) > self.plan.evidence:
            yield f"  - and {len(places) - self.plan.evidence} more places"
        if finding.proof is not None:
            yield f"  - {STRENGTHS[finding.strength]}: {markdown(counterexample.words(finding.proof))}"
            if picture := counterexample.line(finding.proof):
                yield f"  - {code(picture, 80)} (`!` moved, `.` the same, `~` changed tokens)"
            yield f"  - replay with {code(finding.proof.replay, 200)}"
        if finding.basis and self.plan.basis:
            yield "  - basis: " + ", ".join(_basis(basis) for basis in finding.basis)

    def evidence(self, folder: str, evidence: Evidence) -> str:
        place = code(where(evidence.path, evidence.line, evidence.end_line))
        parts = [link(place, self.links.file(folder, evidence.path, evidence.line, evidence.end_line))]
        if evidence.line is not None and self.links.in_unpacked(folder, evidence.path):
            parts.append("of the unpacked text")
        if evidence.measured:
            parts.append(code(measured(evidence)))
        if self.plan.snippets and evidence.snippet:
            parts.append(code(evidence.snippet, 200))
        return " · ".join(part for part in parts if part)

    def not_examined(self) -> Iterator[str]:
        """What no submission had examined, then what single ones lack, with the folder."""
        items = []
        for item, folders in unexamined(self.review):
            more = f" and {len(folders) - 1} more" if len(folders) > 1 else ""
            items.append(markdown(item, 240) + (self.in_folder(folders[0]) + more if folders else ""))
        yield from ("### Not examined", "")
        yield from (f"- {item}" for item in items[: self.plan.items])
        if len(items) > self.plan.items:
            yield f"- and {len(items) - self.plan.items} more"
        if not items:
            yield "- " + ("nothing was left out" if self.review.submissions else "there is no submission to examine")
        yield ""


def _basis(basis: Basis) -> str:
    address = basis_link(basis)
    title = markdown(plain(basis.title).partition(":")[0], 80)
    return f"{link(title, safe_url(address) if address else None)} ({markdown(basis.date)})"
