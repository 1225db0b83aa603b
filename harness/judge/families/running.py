"""PG0xx as the run on a CPU sees it: the launched script finds what it imports."""

from __future__ import annotations

from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.rule import SubmissionRule, at
from harness.model.cpu_run import Fault, RunStage
from harness.model.findings import Evidence, Finding, Severity, Strength


class ImportsRun(SubmissionRule):
    """The launched script gets past its imports when it is really run.

    What: the script was run in a sandbox; the import at which it ended names a module that is neither in the folder nor
    installed nor named in requirements.txt. What a stand-in of this harness lacks, or a package that requirements.txt
    names, is not laid to the submission: like a machine that can run nothing it leaves the question open. A file that
    only a launcher of its own runs (modal) is imported once without that launcher's package, as torchrun would.
    Why: a script that stops at its first lines can be neither reproduced nor scored.
    Mend: ship the module, name its package in requirements.txt, or import it where it is used.
    Blind spots: packages that the competition's machine has and this one lacks look the same: say so in
    requirements.txt. What is imported later than the run got is not seen.
    """

    id = "PG011"
    severity = Severity.DEFECT
    strength = Strength.DERIVED
    violation_class = "import_error"
    basis = ("folder", "library_imports")
    remedy = "Ship the module in the folder, or name its package in requirements.txt."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where something was run."""
        run = case.facts.cpu_run
        if run is None:
            return
        failure = run.as_launched or run.failure
        if failure is not None and failure.module is not None and failure.fault is Fault.SUBMISSION:
            place = (
                at(failure.at) if failure.at is not None else Evidence(path=case.script.path if case.script else ".")
            )
            yield self.fail(case, f"The script ends at the import of {failure.module}. {failure.remedy}", [place])
        elif RunStage.IMPORTED in run.reached:
            yield self.ok_by_run(case, "The script got past its imports when it was run.")
        elif run.refused is not None:
            yield self.unknown(case, f"The script could not be run on this machine: {run.refused}")
        else:
            why = f": {failure.message}" if failure is not None and failure.message else "."
            yield self.unknown(case, f"The script was run and not seen to get past its imports{why}")


RULES = (ImportsRun,)
