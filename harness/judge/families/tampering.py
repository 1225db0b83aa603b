"""PG7xx as the run on a CPU sees it: what a program does to the one who watches it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.rule import SubmissionRule, at
from harness.model.cpu_run import Tamper, TamperKind
from harness.model.findings import Evidence, Finding, Severity, Strength

_SHOWN = 6
_CHANGES = frozenset({TamperKind.REPLACED, TamperKind.FORGED})


class ObserverLeftAlone(SubmissionRule):
    """The program leaves the one who observes it alone.

    What: in the run, the program wrote on the descriptor on which only this harness reports, or replaced something that
    only this harness had put there: a violation. That it looked there (frames and code of the harness, memory of
    processes, the collector's lists, signals to the process above it) is suspected only. Where it did neither, but a
    measurement from outside contradicts what the run says of itself, nothing that was observed acquits.
    Why: a program that changes what is seen of it shows nothing by what is seen.
    Mend: remove it; nothing that trains or scores a model needs it.
    Blind spots: objects that are followed by hand from the program's own frames, and memory that compiled code reads.
    """

    id = "PG706"
    severity = Severity.VIOLATION
    strength = Strength.DERIVED
    violation_class = "other"
    basis = ("evidence",)
    remedy = "Remove what looks at or changes the process around the program."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for changes, one for looks; else whether what was observed may be relied upon."""
        run = case.facts.cpu_run
        if run is None or not run.checks:
            return
        changed = [one for one in run.tampering if one.kind in _CHANGES]
        looked = [one for one in run.tampering if one.kind is TamperKind.LOOKED]
        if changed:
            yield self.fail(
                case, f"The program changes what is observed of it: {_words(changed)}.", _rows(case, changed)
            )
        if looked:
            message = f"The program looks at what observes it: {_words(looked)}."
            yield self.warn(case, message, _rows(case, looked), strength=Strength.SUSPECTED)
        if changed or looked:
            return
        if doubts := run.doubts():
            replaced = [one for one in run.tampering if one.kind is TamperKind.CHANGED]
            message = f"What the run shows is not confirmed: {'; '.join(doubts[:3])}."
            yield self.unknown(case, message, _rows(case, replaced))
        else:
            yield self.ok(case, f"{len(run.checks)} measurements from outside agree with what was observed of the run.")


class SameEverywhere(SubmissionRule):
    """The program does not ask where it runs.

    What: in the run, the program's own code opened files that tell a container or a virtual machine from a machine:
    /.dockerenv, control groups, the first process, the firmware's names, the driver.
    Why: a program that behaves differently where it is tested shows nothing by behaving well there.
    Mend: remove the question, or log the answer with a tool of its own.
    Blind spots: questions of libraries, and what is told from sizes, speed, devices or the clock.
    """

    id = "PG707"
    severity = Severity.DECISION
    strength = Strength.SUSPECTED
    basis = ("evidence",)
    remedy = "Behave the same everywhere, and do not ask."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all questions."""
        run = case.facts.cpu_run
        asked = [one for one in run.tampering if one.kind is TamperKind.ASKED] if run is not None else []
        if asked:
            yield self.warn(case, f"The program asks where it runs: {_words(asked)}.", _rows(case, asked))


def _words(found: list[Tamper]) -> str:
    return "; ".join(list(dict.fromkeys(one.words for one in found))[:_SHOWN])


def _rows(case: Case, found: list[Tamper]) -> list[Evidence]:
    script = case.script.path if case.script is not None else "."
    return [
        at(one.at, kind=one.kind.value, what=one.words)
        if one.at is not None
        else Evidence(path=script, measured={"kind": one.kind.value, "what": one.words})
        for one in found[:_SHOWN]
    ]


RULES = (ObserverLeftAlone, SameEverywhere)
