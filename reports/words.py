"""The words that all reports share: verdicts, strengths, record status, numbers and places."""

from __future__ import annotations

from harness.model.findings import Evidence, Finding, Outcome, Severity, Strength
from harness.model.review import Claimed, Depth, Record, Review, ReviewedRun, ReviewedSubmission, Verdict
from reports.text import plain

VERDICTS: dict[Verdict, str] = {
    Verdict.VIOLATION: "breaks a rule of the competition",
    Verdict.NEEDS_DECISION: "people must decide",
    Verdict.ACTION_NEEDED: "the author can mend it",
    Verdict.INCONCLUSIVE: "not everything could be examined",
    Verdict.CLEAN: "nothing found at this depth",
}

STRENGTHS: dict[Strength, str] = {
    Strength.PROVEN: "proven by a counter-example",
    Strength.DERIVED: "follows from bytes, logs or code",
    Strength.SUSPECTED: "a question, not an accusation",
}

DEPTHS: dict[Depth, str] = {
    Depth.STATIC: "Everything was read, nothing was run.",
    Depth.RUN: "The program was run at tiny scale on a CPU.",
    Depth.PROOF: "The program was run at tiny scale on a CPU, and probed.",
}


def words(value: str) -> str:
    """A value of one of our own enumerations as words: `needs_decision` is `needs decision`."""
    return value.replace("_", " ")


def target_name(review: Review) -> str:
    """What was reviewed, in a few words."""
    target = review.target
    if target.pr is not None:
        return f"Pull request {target.pr}"
    # Of a folder the name alone: a report may be sent to others, whom the paths of this machine do not concern.
    name = target.repository.rstrip("/").rpartition("/")[2] or target.repository
    return plain(target.ref or name, 80)


def where(path: str, line: int | None = None, end_line: int | None = None) -> str:
    """A place as `path:line` or `path:first-last`."""
    place = plain(path, 160)
    if line is not None:
        place += f":{line}" + (f"-{end_line}" if end_line not in {None, line} else "")
    return place


def measured(evidence: Evidence, limit: int = 200) -> str:
    """The numbers of one piece of evidence as `name=value`."""
    said = ", ".join(f"{name}={value}" for name, value in evidence.measured.items() if value is not None)
    return plain(said, limit)


def said(finding: Finding, limit: int = 600) -> str:
    """The message of a finding; one that reading only suspects asks, where its own words do not."""
    message = plain(finding.message, limit)
    found = finding.outcome in {Outcome.FAIL, Outcome.WARN}
    if not found or finding.strength is not Strength.SUSPECTED or "?" in message or "Please " in message:
        return message
    return f"{message} Is it as it looks?"


def by_seed(submission: ReviewedSubmission) -> list[ReviewedRun]:
    """The runs in the order of their seeds, those without a seed first."""
    return sorted(submission.runs, key=lambda run: (run.seed is not None, run.seed or 0))


RUN_COLUMNS = ("seed", "val_bpb", "steps", "train s", "eval s", "bytes")
"""What a table of runs shows of each, before the place in its log."""


def run_cells(run: ReviewedRun) -> tuple[str, ...]:
    """The numbers of one run under `RUN_COLUMNS`."""
    return (
        number(run.seed),
        number(run.val_bpb, ".6f"),
        number(run.steps, ","),
        number(run.train_seconds, ".1f"),
        number(run.eval_seconds, ".1f"),
        number(run.bytes_total, ","),
    )


def short(folder: str) -> str:
    """The last part of a folder's path."""
    return folder.rsplit("/", 1)[-1]


def kind(finding: Finding) -> str:
    """What a finding is and how it is known, in our own words."""
    name = "contested" if finding.severity is Severity.DECISION else finding.severity.value
    if finding.strength is Strength.SUSPECTED:
        return f"{name if finding.severity is Severity.DECISION else f'possible {name}'}, a question"
    return f"{name}, {STRENGTHS[finding.strength]}"


def number(value: float | None, form: str = "") -> str:
    """A number as a cell of a table; a dash where there is none."""
    return "–" if value is None else format(value, form)


def claims(claimed: Claimed) -> list[tuple[str, str]]:
    """What submission.json says, as pairs of name and value; only what it does say."""
    pairs = []
    if claimed.val_bpb is not None:
        spread = f" ± {claimed.val_bpb_std:.4f}" if claimed.val_bpb_std is not None else ""
        pairs.append(("val_bpb", f"{claimed.val_bpb:.4f}{spread}"))
    if claimed.val_loss is not None:
        pairs.append(("val_loss", f"{claimed.val_loss:.4f}"))
    if claimed.bytes_total is not None:
        pairs.append(("size", f"{claimed.bytes_total:,} bytes"))
    if claimed.train_seconds is not None:
        pairs.append(("training", f"{claimed.train_seconds:,.0f} s"))
    if claimed.eval_seconds is not None:
        pairs.append(("evaluation", f"{claimed.eval_seconds:,.0f} s"))
    if claimed.seeds:
        pairs.append(("seeds", ", ".join(map(str, claimed.seeds[:8]))))
    return pairs


def claim_line(claimed: Claimed) -> str:
    """The claims on one line."""
    return ", ".join(f"{name} {value}" for name, value in claims(claimed)) or "nothing"


def record_line(record: Record) -> str:
    """Record status with the numbers that decided it."""
    status = words(record.status.value)
    if record.margin_nats is None:
        return status
    side = "better" if record.margin_nats > 0 else "worse"
    test = f", p = {record.p_value:.2g}" if record.p_value is not None else ""
    return f"{status}: {abs(record.margin_nats):.4f} nats {side} than the record{test}"


def versions(review: Review) -> str:
    """Which harness judged, under which rules: the last line of every report."""
    info = review.harness
    return (
        f"golf {info.version}, rules {info.ruleset} as of {info.as_of}, policy {info.policy}, "
        f"depth {info.depth.value}, observed by {info.observed_by}"
    )
