"""PG201 to PG203: bytes of code and model against the limit of the track."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.judge.case import Case, SeedRun
from harness.judge.rule import SubmissionRule, at, number, shown
from harness.model.findings import Evidence, Finding, Severity, Strength

_CODE_SUFFIXES = (".py", ".c", ".cc", ".cpp", ".cu", ".h", ".so", ".rs")
BEST_PACKING = 0.6
"""Share of a plain wrapper's bytes that a minified and better compressed one may come down to."""
UNIT_DIGITS = 0.06
"""Megabytes by which a size stated with one or two digits differs from the exact one."""


@dataclass(frozen=True)
class Weight:
    """Bytes of one run counted twice: as its log prints them, and as the submitted files give them."""

    run: SeedRun
    logged: int | None
    recount: int | None
    model: int | None
    code: int
    billed_code: int | None


def code_paths(case: Case) -> frozenset[str]:
    """The launched script and every file of the folder that it imports, by reading."""
    if case.script is None:
        return frozenset()
    paths = {case.script.path}
    pending = [case.script.path]
    by_path = {script.path: script for script in case.facts.scripts}
    while pending:
        script = by_path.get(pending.pop())
        if script is None:
            continue
        targets = [found.local for found in script.imports] + [layer.target for layer in script.layers]
        for target in targets:
            if target is not None and target not in paths and target.endswith(_CODE_SUFFIXES):
                paths.add(target)
                pending.append(target)
    return frozenset(paths)


def code_bytes(case: Case) -> int:
    """Bytes of the launched script and of every file of the folder that it imports, as submitted."""
    sizes = {file.path: file.size or 0 for file in case.facts.folder.files}
    return sum(sizes.get(path, 0) for path in code_paths(case))


def weigh(case: Case) -> list[Weight]:
    """Both counts for each run that stands as evidence and prints a size."""
    code = code_bytes(case)
    rows = []
    for run in case.runs:
        facts = run.run
        billed = facts.bytes_code_compressed or facts.bytes_code
        model = facts.bytes_model.value if facts.bytes_model is not None else None
        if model is None and facts.bytes_total is not None and billed is not None:
            model = facts.bytes_total.value - billed.value
        recount = model + code if model is not None and code else None
        logged = facts.bytes_total.value if facts.bytes_total is not None else None
        if logged is not None or recount is not None:
            rows.append(Weight(run, logged, recount, model, code, billed.value if billed is not None else None))
    return rows


class ArtifactLogged(SubmissionRule):
    """The artifact that the log weighs is at most 16,000,000 bytes.

    What: the total of code and compressed model that each run prints, in decimal bytes.
    Why: it is the limit of the competition. MB means 1,000,000 bytes: 15.9 MiB is too large.
    Mend: quantise or prune harder, compress better, or shrink the code; leave a margin of 10,000 bytes, because the
    compressed size differs from seed to seed.
    Blind spots: what the log does not print. Where the log counts a readable script and a smaller packed one is
    submitted, the submitted one counts (PG202).
    """

    id = "PG201"
    severity = Severity.VIOLATION
    violation_class = "over_size"
    basis = ("limits", "audit_2026_05_02")
    remedy = "Bring code plus compressed model to 16,000,000 bytes or less for every seed."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all runs."""
        limit = case.track.artifact_bytes
        weights = weigh(case)
        if limit is None:
            return
        logged = [w for w in weights if w.logged is not None]
        if not logged:
            if case.runs:
                yield self.unknown(
                    case, "No log prints the size of the artifact.", [_run_row(run) for run in case.runs[:4]]
                )
            return
        heavy = [w for w in logged if (w.logged or 0) > limit]
        if heavy and case.script is None:
            message = (
                f"A log weighs {number(heavy[0].logged or 0)} bytes, but no script is submitted that they could be of."
            )
            yield self.unknown(case, message, [_weight_row(w) for w in heavy[:6]])
            return
        rows = [_weight_row(w) for w in (heavy or logged)[:6]]
        if not heavy:
            largest = max(w.logged or 0 for w in logged)
            yield self.ok(case, f"The largest logged artifact has {number(largest)} bytes of {number(limit)}.", rows)
            return
        over = max(w.logged or 0 for w in heavy)
        message = (
            f"{len(heavy)} of {len(logged)} run(s) log more than {number(limit)} bytes; the largest {number(over)}."
        )
        fits = all(w.recount is not None and w.recount <= limit for w in heavy)
        if fits:
            tolerance = case.tolerance("wrapped_claim")
            message += f" With the code as submitted ({number(heavy[0].code)} bytes) they fit."
            yield self.warn(case, message, rows, tolerated=tolerance.id if tolerance else None)
        else:
            message, rows = _with_unit(case, over, message, rows)
            yield self.fail(case, message, rows, severity=_severity(case))


class ArtifactRecounted(SubmissionRule):
    """The submitted code plus the logged model is at most 16,000,000 bytes.

    What: bytes of the launched script and of every file of the folder that it imports, plus the compressed model that
    each run prints.
    Why: the limit counts what is submitted, helper files included; a log may count something else.
    Mend: ship the packed script that the log weighs.
    Blind spots: the model's bytes are the log's word until a rerun. Accepted records billed a minified and compressed
    wrapper that they never committed, or the launched script without its helpers; both deviations are tolerated up to
    what was accepted, and listed.
    """

    id = "PG202"
    severity = Severity.VIOLATION
    violation_class = "over_size"
    basis = ("limits",)
    remedy = "Submit the code that was weighed, so that files plus model are 16,000,000 bytes or less."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all runs whose own log fits."""
        limit = case.track.artifact_bytes
        if limit is None:
            return
        weights = [w for w in weigh(case) if w.recount is not None]
        heavy = [w for w in weights if (w.recount or 0) > limit and (w.logged is None or w.logged <= limit)]
        if not heavy:
            if weights and all((w.recount or 0) <= limit for w in weights):
                largest = max(w.recount or 0 for w in weights)
                yield self.ok(case, f"Submitted code plus logged model are at most {number(largest)} bytes.")
            return
        worst = max(heavy, key=lambda w: w.recount or 0)
        virtual = all(_billed_packed(case, w, limit) for w in heavy)
        message = (
            f"Submitted code ({number(worst.code)} bytes) plus logged model ({number(worst.model or 0)}) are "
            f"{number(worst.recount or 0)} bytes, more than {number(limit)}"
        )
        rows = [_weight_row(w) for w in heavy[:6]]
        wrapper = case.tolerance("virtual_wrapper") if virtual else None
        helpers = case.tolerance("unbilled_helpers") if all(_billed_alone(case, w) for w in heavy) else None
        if wrapper is not None:
            message += "; the log bills a compressed wrapper of the code that was not committed."
            yield self.warn(case, message, rows, tolerated=wrapper.id)
        elif helpers is not None and (worst.recount or 0) - limit <= (helpers.threshold or 0):
            message += f"; the log bills {number(worst.billed_code or 0)} bytes of code, the launched script alone."
            yield self.warn(case, message, rows, tolerated=helpers.id)
        elif virtual:
            message += "; the log bills a compressed wrapper of the code that was not committed."
            yield self.warn(case, message, rows, strength=Strength.SUSPECTED)
        else:
            billed = f"; the log bills {number(worst.billed_code)} bytes of code." if worst.billed_code else "."
            yield self.fail(case, message + billed, rows, severity=_severity(case))


def _billed_packed(case: Case, weight: Weight, limit: int) -> bool:
    """Whether the log bills a packed form of the submitted code, and such a form would fit the limit.

    It does when the log prints both sizes, or bills less than the file weighs and as much as a wrapper may weigh that
    minifies first and uses a better codec than the plain one.
    """
    if weight.run.run.bytes_code_compressed is not None:
        return True
    script = case.script
    if script is None or script.packed_bytes is None or weight.billed_code is None or weight.model is None:
        return False
    helpers = weight.code - script.bytes
    plausible = BEST_PACKING * script.packed_bytes <= weight.billed_code < script.bytes
    return plausible and weight.model + weight.billed_code + helpers <= limit


def _billed_alone(case: Case, weight: Weight) -> bool:
    """Whether the log bills exactly the launched script, without the files that it imports."""
    return case.script is not None and weight.billed_code == case.script.bytes < weight.code


def _with_unit(case: Case, size: int, message: str, rows: list[Evidence]) -> tuple[str, list[Evidence]]:
    """The message with the remark that the README states the size in MiB, where it does."""
    for readme in case.facts.readmes:
        for mention in readme.mentions:
            if (
                mention.kind == "bytes"
                and abs(mention.value / 1e6 - size / 2**20) < UNIT_DIGITS
                and mention.value < size
            ):
                said = f" The README's {mention.text} is that size in MiB; the limit is in MB of 1,000,000 bytes."
                return message + said, [*rows, at(mention.at, mention.text, mib=round(size / 2**20, 3))]
    return message, rows


class ArtifactClaimed(SubmissionRule):
    """The claimed artifact is at most 16,000,000 bytes.

    What: bytes_total of submission.json, where it is larger than the limit.
    Why: the claim alone breaks the limit, whatever the logs say.
    Mend: bring the artifact under the limit; or correct the claim, when it states a size in another unit.
    Blind spots: sizes given in MB with few digits.
    """

    id = "PG203"
    severity = Severity.VIOLATION
    violation_class = "over_size"
    basis = ("limits",)
    remedy = "Bring code plus compressed model to 16,000,000 bytes or less, and claim that number."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where a size is claimed."""
        claim = case.metadata.bytes_total if case.metadata else None
        limit = case.track.artifact_bytes
        if claim is None or limit is None:
            return
        if claim.value <= limit:
            yield self.ok(
                case,
                f"The claimed {number(claim.value)} bytes are within {number(limit)}.",
                [shown(claim, "bytes_total")],
            )
            return
        lighter = [w for w in weigh(case) if w.recount is not None and w.recount <= limit]
        message = f"The claimed {number(claim.value)} bytes are more than {number(limit)}."
        if lighter and len(lighter) == len(case.runs):
            message += " With the code as submitted the artifacts fit."
            yield self.warn(case, message, [shown(claim, "bytes_total")], severity=Severity.DEFECT)
        else:
            message, rows = _with_unit(case, claim.value, message, [shown(claim, "bytes_total")])
            yield self.fail(case, message, rows, severity=_severity(case))


def _severity(case: Case) -> Severity:
    """How much too large an artifact weighs on this track."""
    return Severity.VIOLATION if case.track.artifact_strict else Severity.DEFECT


def _weight_row(weight: Weight) -> Evidence:
    fact = weight.run.run.bytes_total or weight.run.run.bytes_model
    return Evidence(
        path=weight.run.log.path,
        line=fact.at.line if fact is not None else None,
        snippet=fact.text if fact is not None else None,
        sha256=weight.run.log.sha256,
        measured={
            "seed": weight.run.seed,
            "logged_bytes": weight.logged,
            "recounted_bytes": weight.recount,
            "model_bytes": weight.model,
            "code_bytes": weight.code,
        },
    )


def _run_row(run: SeedRun) -> Evidence:
    return Evidence(path=run.log.path, line=run.run.first_line, end_line=run.run.last_line, sha256=run.log.sha256)


RULES = (ArtifactLogged, ArtifactRecounted, ArtifactClaimed)
