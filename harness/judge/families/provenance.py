"""PG1xx, the code: whether the submitted program can have made the logs that stand as evidence."""

from __future__ import annotations

from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.program import program_paths, techniques
from harness.judge.rule import SubmissionRule, at, number, shown
from harness.model.actions import Technique
from harness.model.base import snippet
from harness.model.findings import Evidence, Finding, Severity, Strength

SMALL_DIFFERENCE = 30
"""Lines of code up to which a difference between log and submission is usual (changed defaults, comments)."""
CODE_SHARE = 0.05
"""Share of the code's bytes by which comments and defaults move it after a run."""
PACKED_SHARE = 0.6
"""What minifying and a better codec leave of a plainly packed script, at the least."""


class SourceLogged(SubmissionRule):
    """The source printed in the log is the source submitted.

    What: code embedded at the top of logs against every text of the folder's scripts, packed or unpacked.
    Why: it is the only evidence that the log was made by this script.
    Mend: rerun with the final script, and commit that log.
    Blind spots: logs without embedded source (70 %); a changed default that the environment sets anyway.
    """

    id = "PG104"
    severity = Severity.ADVICE
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Commit the script that made the logs, or logs of the committed script."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding a differing log, or one for all that agree."""
        compared = [(log, log.embedded) for log in case.logs if log.embedded is not None]
        equal = [log.path for log, source in compared if source.equals is not None]
        for log, source in compared:
            if source.equals is not None or source.differing_lines is None or source.nearest is None:
                continue
            rows = [
                Evidence(
                    path=log.path,
                    line=source.first_line,
                    end_line=source.last_line,
                    snippet=snippet(" | ".join(source.differences)),
                    sha256=log.sha256,
                    measured={"differing_lines": source.differing_lines, "nearest": source.nearest},
                )
            ]
            message = (
                f"{log.path} was printed by source that differs from {source.nearest} "
                f"in {source.differing_lines} line(s)."
            )
            if source.differing_lines > SMALL_DIFFERENCE:
                yield self.warn(case, message, rows, severity=Severity.DEFECT)
            else:
                yield self.warn(case, message, rows)
        if equal and len(equal) == len(compared):
            yield self.ok(case, f"{len(equal)} log(s) print exactly the submitted source.")


class NamesHeld(SubmissionRule):
    """The code knows every setting that the logs print.

    What: names of settings in the logs that stand as evidence, in the form of identifiers, that occur in no text of the
    submission: scripts packed or unpacked, run scripts, README.
    Why: a run that prints a setting which the code does not have was made by other code.
    Mend: commit the script that made the log, or the log of the committed script.
    Blind spots: settings under common words; a log printed by a wrapper that is not part of the submission.
    """

    id = "PG112"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence", "logs_of_this_code")
    remedy = "Commit the script that made the log."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding a log."""
        evidence = {run.log.path: run.log for run in case.runs}
        for path, log in evidence.items():
            names = [fact for fact in case.facts.unheld if fact.at.path == path]
            if not names:
                continue
            settings = len({setting.name for run in log.runs for setting in run.settings})
            rows = [at(fact.at, fact.value, unknown=len(names), settings=settings) for fact in names[:6]]
            said = ", ".join(fact.value for fact in names[:4]) + (" ..." if len(names) > 4 else "")
            message = (
                f"{path} prints {len(names)} of {settings} setting(s) that no file of the submission holds: {said}."
            )
            yield self.warn(case, message, rows, severity=self.severity if len(names) > 1 else Severity.ADVICE)


class CodeSizeLogged(SubmissionRule):
    """The code that the logs weigh is the code submitted.

    What: bytes of code printed by each run against the sizes of the submitted files: each alone, unpacked, packed, with
    the files it imports, and all together.
    Why: a size that no file has was the size of another file.
    Mend: rerun with the final script, or commit the script of the run.
    Blind spots: files of equal size. Differences up to 5 %, and sizes that a minified and packed script can have, are
    advice.
    """

    id = "PG113"
    severity = Severity.DEFECT
    violation_class = "log_code_mismatch"
    basis = ("evidence",)
    remedy = "Commit the script that made the logs."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all runs."""
        script = case.script
        printed = [run.run.bytes_code for run in case.runs if run.run.bytes_code is not None]
        if script is None or script.opaque is not None or not printed:
            return
        by_path = {one.path: one for one in case.facts.scripts}
        program = [by_path[path] for path in program_paths(case) if path in by_path]
        sizes = {size for one in case.facts.scripts for size in (one.bytes, one.decoded_bytes, one.packed_bytes or 0)}
        sizes |= {layer.bytes_out for one in case.facts.scripts for layer in (*one.layers, *one.embedded)}
        sizes |= {sum(one.bytes for one in program), sum(one.bytes for one in case.facts.scripts)}
        sizes |= {script.bytes + file.size for file in case.facts.folder.files if file.size}
        known = [fact for run in case.runs if (fact := run.run.bytes_code_compressed) is not None]
        other = [fact for fact in printed if not any(abs(fact.value - size) <= 64 for size in sizes)]
        if not other:
            yield self.ok(
                case, f"The {number(printed[0].value)} bytes of code that the logs print are those submitted."
            )
            return
        nearest = min(sizes, key=lambda size: min(abs(size - fact.value) for fact in other))
        worst = max(other, key=lambda fact: abs(fact.value - nearest))
        share = min(abs(worst.value - size) / max(size, 1) for size in sizes)
        rows = [*(shown(fact, "bytes_code") for fact in other[:4])]
        rows.append(
            Evidence(path=script.path, sha256=script.sha256, measured={"bytes": script.bytes, "nearest": nearest})
        )
        message = (
            f"The logs print {number(worst.value)} bytes of code; the nearest size submitted is {number(nearest)}."
        )
        packed = script.packed_bytes or 0
        wrapped = all(PACKED_SHARE * packed <= fact.value <= packed for fact in other)
        small = share <= CODE_SHARE or bool(known) or wrapped
        yield self.warn(case, message, rows, severity=Severity.ADVICE if small else self.severity)


class EntryPoint(SubmissionRule):
    """Starting the script does something.

    What: whether the launched script has work at its top level: a call, a loop, a main guard, an entry point of a
    launcher. A file of definitions alone ends at once.
    Why: the script must run as torchrun --nproc_per_node=8 train_gpt.py.
    Mend: call the main function under if __name__ == "__main__".
    Blind spots: whether what is called trains and scores.
    """

    id = "PG114"
    severity = Severity.DEFECT
    basis = ("folder",)
    remedy = "Call the program's main function when the file is run."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for the launched script."""
        script = case.script
        if script is None or script.error is not None or script.opaque is not None or script.bytes == 0:
            return
        if not script.runnable:
            where = [Evidence(path=script.path, sha256=script.sha256, measured={"functions": script.functions})]
            message = f"{script.path} defines {script.functions} function(s) and calls none: running it does nothing."
            yield self.fail(case, message, where)


class ArtifactReadBack(SubmissionRule):
    """The artifact is read back before it is scored.

    What: a program that writes or compresses weights and never loads or decompresses anything.
    Why: the score is that of the artifact; the weights in memory were never quantised.
    Mend: load the packed file, restore the weights from it, then evaluate.
    Blind spots: that the weights read back are the ones evaluated; files that another script evaluates.
    """

    id = "PG115"
    severity = Severity.DEFECT
    strength = Strength.SUSPECTED
    violation_class = "log_code_mismatch"
    basis = ("limits",)
    remedy = "Evaluate what comes out of the packed file."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where nothing is read back."""
        script = case.script
        if script is None or script.opaque is not None or not case.track.records:
            return
        written = techniques(case, Technique.PACK)
        if written and not techniques(case, Technique.UNPACK):
            message = (
                "The program writes its artifact and never reads it back: the score is that of the weights in memory."
            )
            yield self.warn(case, message, [at(place.at) for place in written[:4]])


RULES = (SourceLogged, NamesHeld, CodeSizeLogged, EntryPoint, ArtifactReadBack)
