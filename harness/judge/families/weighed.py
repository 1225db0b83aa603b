"""PG210 to PG212: bytes as a run on a CPU shows them: what is billed against what is written, read back and run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from harness.judge.case import Case
from harness.judge.families.bytes import BEST_PACKING, code_paths
from harness.judge.rule import SubmissionRule, number, shown
from harness.model.cpu_run import WrittenFile
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.weighed import CodeFile, Weighed

MAX_PARTS = 8
"""Files of which one artifact may consist."""
_ROWS, _NAMES = 8, 4
"""Files that a finding shows as evidence, and that its message names."""


class BilledIsRead(SubmissionRule):
    """What evaluation reads back is what the printed total bills.

    What: in a run, the files that were read back after the artifact was written are compared with the model bytes in
    the printed total: total minus code, or the packed model. The total must be code plus every such file.
    Why: a file that evaluation reads and no size covers is part of the artifact and was not counted.
    Mend: count every file that evaluation reads back, or keep what it holds in the artifact.
    Blind spots: the sizes are those of a model shrunk for the run and trained for a few steps. They show which files
    are counted and say nothing of the limit. Raw checkpoints that are read before the artifact is written belong to
    training; one that is read later may serve a comparison alone, so people must look. What a library writes and reads
    without telling Python is not seen. A pass needs a run whose observation was not tampered with.
    """

    id = "PG210"
    severity = Severity.VIOLATION
    strength = Strength.DERIVED
    violation_class = "over_size"
    basis = ("limits",)
    remedy = "Count every file that evaluation reads back in the printed total."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where a run printed a total, wrote files and read some back."""
        run = case.facts.cpu_run
        weighed = run.weighed if run is not None else None
        if run is None or weighed is None or weighed.total is None or run.failure is not None:
            return
        bill = _billed_model(weighed)
        read = [file for file in run.files if file.read is not None and file.size]
        if bill is None or not read:
            return
        rows = [shown(weighed.total, "total_bytes"), *(_file_row(file) for file in read[:_ROWS])]
        billed = _parts(bill, read) or _parts(bill, [file for file in run.files if file.size])
        if not billed:
            message = f"The printed total bills {number(bill)} bytes of model; no file that was written has that size."
            yield self.unknown(case, message, rows)
            return
        yield self._compared(case, bill, billed, read, rows)

    def _compared(
        self,
        case: Case,
        bill: int,
        billed: Sequence[WrittenFile],
        read: Sequence[WrittenFile],
        rows: list[Evidence],
    ) -> Finding:
        written = min((file.written for file in billed if file.written is not None), default=None)
        loaded = min((file.read for file in billed if file.read is not None), default=None)
        uncounted = [
            file
            for file in read
            if file not in billed
            and (file.read or 0) > (written or 0)
            # What is made after the artifact was loaded is made of the artifact.
            and (loaded is None or file.written is None or file.written < loaded)
        ]
        names = ", ".join(f"{file.path} ({number(file.size)} bytes)" for file in billed[:_NAMES])
        # Without knowing when the artifact was written, what was read may all have been read by training.
        if uncounted and (loaded is not None or written is not None):
            others = ", ".join(f"{file.path} ({number(file.size)} bytes)" for file in uncounted[:_NAMES])
            if loaded is None:
                message = f"The printed total bills {names}, which is never read back; evaluation reads {others}."
                return self.fail(case, message, rows)
            message = f"The printed total bills {names}; after it was written, {others} was read back as well."
            return self.warn(case, message, rows, strength=Strength.SUSPECTED)
        if loaded is None:
            return self.unknown(case, f"The printed total bills {names}, which was not seen to be read back.", rows)
        message = f"The {number(bill)} bytes of model in the printed total are all that is read back."
        return self.ok_by_run(case, message, rows)


class BilledCodeRan(SubmissionRule):
    """The code bytes that a run prints are those of the files that it executed.

    What: the printed size of the code is compared with the bytes of every Python file of the folder that the run really
    executed, however it was imported or opened.
    Why: the limit counts the code that is needed, helper files included.
    Mend: print and count the bytes of every file that the script executes.
    Blind spots: code in other languages and files that a branch did not reach in the run. Accepted records bill a
    minified and compressed wrapper that they compute and never commit, or the launched script without a small helper;
    both are tolerated and listed.
    """

    id = "PG211"
    severity = Severity.VIOLATION
    strength = Strength.DERIVED
    violation_class = "over_size"
    basis = ("limits",)
    remedy = "Count the bytes of every file that the script executes."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where a run printed the size of its code."""
        run = case.facts.cpu_run
        weighed = run.weighed if run is not None else None
        if run is None or weighed is None or weighed.code is None or not weighed.program:
            return
        ran, billed = weighed.program, weighed.code.value
        whole = {sum(file.size for file in ran), sum(file.read_as for file in ran)}
        rows = [shown(weighed.code, "code_bytes"), *(_code_row(file) for file in ran[:_ROWS])]
        if billed >= min(whole):
            yield self.ok_by_run(case, f"The printed {number(billed)} bytes of code cover the files that ran.", rows)
            return
        message = f"The run bills {number(billed)} bytes of code and executed {number(min(whole))}"
        yield self._less(case, weighed, message, rows)

    def _less(self, case: Case, weighed: Weighed, message: str, rows: list[Evidence]) -> Finding:
        """Fewer bytes are billed than ran."""
        billed = weighed.code.value if weighed.code is not None else 0
        script = case.script
        main = [file for file in weighed.program if script is not None and file.path == script.path]
        helpers = [file for file in weighed.program if file not in main]
        if main and billed in {main[0].size, main[0].read_as}:
            extra = sum(file.size for file in helpers)
            tolerance = case.tolerance("unbilled_helpers")
            small = tolerance is not None and extra <= (tolerance.threshold or 0)
            message += (
                f"; it bills the launched script alone, without {', '.join(file.path for file in helpers[:_NAMES])}."
            )
            unseen = [file for file in helpers if file.path not in code_paths(case)]
            if over := _over(case, weighed, unseen):
                return self.fail(case, f"{message} {over}", rows)
            return self.warn(
                case, message, rows, severity=Severity.ADVICE, tolerated=tolerance.id if tolerance and small else None
            )
        packed = script.packed_bytes if script is not None else None
        wrapper = case.tolerance("virtual_wrapper")
        if wrapper is not None and packed is not None and billed >= BEST_PACKING * packed:
            message += "; that is what a compressed wrapper weighs, which was computed and not committed."
            return self.warn(case, message, rows, tolerated=wrapper.id)
        return self.warn(case, f"{message}.", rows, severity=Severity.DEFECT, strength=Strength.SUSPECTED)


class ShippedWeight(SubmissionRule):
    """A shipped artifact and the code that evaluates it are within the limit.

    What: where the launch evaluates an artifact that lies in the folder, its bytes and those of the code that ran are
    added up. Nothing of these was shrunk: they are the real bytes.
    Why: it is the limit of the competition, of what is needed to evaluate.
    Mend: quantise or prune harder, compress better, or shrink the code.
    Blind spots: files that a branch did not reach in the run. Where a run trains a model of its own the model is shrunk
    and trained for a few steps only, and its size says nothing of the limit.
    """

    id = "PG212"
    severity = Severity.VIOLATION
    strength = Strength.DERIVED
    violation_class = "over_size"
    basis = ("limits",)
    remedy = "Bring code plus artifact to 16,000,000 bytes or less."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where the launch evaluates a shipped artifact."""
        run, limit = case.facts.cpu_run, case.track.artifact_bytes
        weighed = run.weighed if run is not None else None
        if run is None or weighed is None or weighed.artifact is None or limit is None:
            return
        artifact = next((file for file in weighed.shipped if file.path == weighed.artifact), None)
        if artifact is None:
            yield self.unknown(case, f"The run was not seen to read {weighed.artifact}.")
            return
        code = sum(file.size for file in weighed.program)
        total = artifact.size + code
        rows = [
            Evidence(path=artifact.path, measured={"bytes": artifact.size}),
            *map(_code_row, weighed.program[:_ROWS]),
        ]
        message = f"{artifact.path} ({number(artifact.size)} bytes) and the code that ran ({number(code)})"
        if total > limit:
            severity = Severity.VIOLATION if case.track.artifact_strict else Severity.DEFECT
            yield self.fail(
                case, f"{message} are {number(total)} bytes, more than {number(limit)}.", rows, severity=severity
            )
        else:
            yield self.ok_by_run(case, f"{message} are {number(total)} bytes of {number(limit)}.", rows)


def _billed_model(weighed: Weighed) -> int | None:
    """Bytes of model in the printed total."""
    if weighed.model is not None:
        return weighed.model.value
    if weighed.total is None or weighed.code is None or weighed.total.value <= weighed.code.value:
        return None
    return weighed.total.value - weighed.code.value


def _parts(bill: int, files: Sequence[WrittenFile]) -> tuple[WrittenFile, ...]:
    """The fewest files whose bytes are the bill; none where no such files are."""
    for count in range(1, len(files[:MAX_PARTS]) + 1):
        for parts in combinations(files[:MAX_PARTS], count):
            if sum(part.size for part in parts) == bill:
                return parts
    return ()


def _over(case: Case, weighed: Weighed, unseen: Sequence[CodeFile]) -> str:
    """By what the logged runs are above the limit with code that only the run showed; empty where they are not."""
    limit = case.track.artifact_bytes
    if limit is None or not unseen:
        return ""
    code = sum(file.size for file in weighed.program)
    models = [run.run.bytes_model.value for run in case.runs if run.run.bytes_model is not None]
    heavy = max(models, default=0) + code
    return f"With the largest logged model that is {number(heavy)} bytes." if models and heavy > limit else ""


def _file_row(file: WrittenFile) -> Evidence:
    return Evidence(
        path=file.path, sha256=file.sha256, measured={"bytes": file.size, "written": file.written, "read": file.read}
    )


def _code_row(file: CodeFile) -> Evidence:
    return Evidence(path=file.path, measured={"bytes": file.size})


RULES = (BilledIsRead, BilledCodeRan, ShippedWeight)
