"""PG310 and PG311: which validation tokens a score is of and which bytes it divides by, measured in a run on a CPU."""

from __future__ import annotations

import posixpath
import re
from abc import abstractmethod
from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.counting import SAME_RATIO, SURPLUS, percent
from harness.judge.rule import SubmissionRule, at, number
from harness.model.coverage import Coverage, Covered
from harness.model.cpu_run import CpuRunFacts
from harness.model.findings import Evidence, Finding, Outcome, Severity, Strength
from harness.model.plan import Meaning

_LIMITS = frozenset({Meaning.TOKEN_LIMIT, Meaning.DOCUMENTS})
"""Sizes of the plan that decide how much of the stream is read at all."""
_STEPS = frozenset({Meaning.STRIDE, Meaning.CHUNK_TOKENS, Meaning.CHUNK_SEQUENCES, Meaning.CHUNK, Meaning.TTT_BATCH,
                    Meaning.EVAL_BATCH, Meaning.EVAL_BATCH_TOKENS})  # fmt: skip
"""Sizes of the plan that decide where windows begin, and which of them make a batch."""
_LENGTHS = frozenset({Meaning.SEQUENCE, Meaning.EVAL_SEQUENCE})
"""Sizes that, made smaller than a step between windows, leave gaps."""
_TABLES = (".npz", ".npy", ".pkl", ".pickle", ".vocab", ".tiktoken", ".json", ".txt", ".bin", ".pt")
"""Files that may hold a tokenizer or its byte counts in a form of the submission's own."""
_TOKENIZER = re.compile(r"tok|vocab|merge|bpe|spm|piece|meta|lut|byte", re.IGNORECASE)
"""Names of such files."""


class _OfScores(SubmissionRule):
    """Judges each score of a run that may be its result."""

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where something was run: the worst of those on these scores."""
        run = case.facts.cpu_run
        if run is not None and run.attempts:
            found = [self._one(case, run, coverage) for coverage in _results(run)]
            found += [self.unknown(case, _open(label)) for label in run.unmatched]
            yield _worst(found)

    @abstractmethod
    def _one(self, case: Case, run: CpuRunFacts, coverage: Coverage | None) -> Finding:
        """What is said of one score; None: it was not matched with what was summed, or no stream was seen."""


class TokensMeasured(_OfScores):
    """Every validation token enters the printed score once, as measured.

    What: the script was run on a made validation stream. Each position was followed from where the tokens are read to
    the sum that the printed final score is made of, and how often each was added up was counted. The first token of the
    stream and of each document has no prediction; a rest at the end is dropped by the competition's own evaluation,
    less than one sequence where the stream is read and less than one where it is cut.
    Why: the score is that of the whole validation set. A score over a part of it is another number, and a token that is
    scored again was scored better the second time.
    Mend: score every token once, in order.
    Blind spots: limits far above the small stream of the run (so many tokens, so many documents) do not show in it.
    Where a size that the run had to change decides what is read, or the run was ended from outside, nothing is said. A
    pass needs a run whose observation was not tampered with.
    """

    id = "PG310"
    severity = Severity.VIOLATION
    strength = Strength.DERIVED
    violation_class = "subset_scoring"
    basis = ("validation_set", "whole_set")
    remedy = "Score every token of the validation set once, in order."

    def _one(self, case: Case, run: CpuRunFacts, coverage: Coverage | None) -> Finding:
        losses = coverage.losses if coverage is not None else None
        if coverage is None or losses is None or losses.looked:
            return self.unknown(case, f"Which tokens entered {_named(coverage)} is not known: {_why(run, coverage)}.")
        if run.so_far:
            return self.unknown(
                case, "The run was ended before its end: which tokens it would have scored is not known."
            )
        rows = [_evidence(losses, stream=coverage.stream)]
        sequence = coverage.sequence or coverage.stream
        ends = [(coverage.head or 0, sequence, "first"), (coverage.tail or 0, 2 * sequence, "last")]
        parts = [f"the {which} {number(count)} tokens are left out" for count, most, which in ends if count >= most]
        early = _early(coverage, sequence)
        gaps = 0 if early else coverage.missing or 0
        if gaps:
            parts.append(f"{number(gaps)} tokens between scored ones are left out")
        again = coverage.again is not None and coverage.again[0] < coverage.stream - (coverage.tail or 0) - sequence
        if again:
            parts.append(f"{number(losses.several)} tokens are scored more than once")
        if losses.elsewhere:
            parts.append(f"{number(losses.elsewhere)} losses are of no token of the stream")
        if parts:
            message = f"Of {number(coverage.stream)} validation tokens " + ", ".join(parts) + "."
            return self._wrong(case, run, coverage, message, rows, gaps=bool(gaps), again=again)
        if run.trusted and (early or coverage.again is not None):
            return self._tolerable(case, coverage, losses, rows)
        message = f"{number(losses.once)} of {number(coverage.stream)} tokens were scored once."
        return self.ok_by_run(case, message, rows)

    def _wrong(
        self,
        case: Case,
        run: CpuRunFacts,
        coverage: Coverage,
        message: str,
        rows: list[Evidence],
        *,
        gaps: bool,
        again: bool,
    ) -> Finding:
        """What is wrong may be the work of the sizes that the run changed; gaps and repeats together never are."""
        if gaps and again:
            return self.fail(case, message, rows)
        windows = _STEPS if again and not coverage.missing else _STEPS | _LENGTHS
        changed = _changed(run, _LIMITS | windows)
        if changed:
            return self.unknown(case, f"{message} The run changed {', '.join(changed)}, which may be the cause.", rows)
        if coverage.losses is not None and coverage.losses.elsewhere:
            return self.unknown(case, message, rows)
        if gaps:
            return self.fail(case, message, rows)
        if again:
            return self.fail(case, message, rows, violation_class=None)
        return self.warn(case, message, rows, strength=Strength.SUSPECTED)

    def _tolerable(self, case: Case, coverage: Coverage, losses: Covered, rows: list[Evidence]) -> Finding:
        """What accepted records do at the two ends of the stream; where it is tolerated, it is no kind of violation."""
        tolerance = case.tolerance("window_ends")
        parts = []
        if coverage.head or coverage.missing:
            count = number((coverage.head or 0) + (coverage.missing or 0))
            parts.append(f"{count} tokens of the first windows are left out, less than one window")
        if coverage.again is not None:
            parts.append(f"{number(losses.several)} tokens of the last window are scored more than once")
        message = "At the ends of the stream " + " and ".join(parts) + "."
        if tolerance is None:
            return self.fail(case, message, rows)
        return self.fail(case, message, rows, tolerated=tolerance.id, violation_class=None)


class BytesMeasuredInRun(_OfScores):
    """The score divides by the bytes of the tokens that it is of, as measured.

    What: the script was run on a made validation stream whose bytes are known for every token. The bytes of all
    positions that entered the sum of losses, each as often as it did, are compared with the sum below the line.
    The competition's formula gives the very same number; up to 0.4 % is let pass for counts of decoded text. Where a
    loop does arithmetic of its own on one token after the other, each addition is taken for one of the token that the
    program looked at last; that may convict where it went through every token once, and acquits of nothing.
    Why: bits per byte fall in proportion when bytes are counted that are not there.
    Mend: count the UTF-8 bytes of the raw text: one for a byte piece, the leading space once and not after a boundary;
    with case operators read the bytes of the original text from the sidecar.
    Blind spots: a tokenizer in a form of one's own cannot be given the made stream: nothing is said where the folder
    holds such files and the run opens them, or their names say what they are. A pass needs a run whose observation was
    not tampered with.
    """

    id = "PG311"
    severity = Severity.VIOLATION
    strength = Strength.DERIVED
    violation_class = "bpb_byte_count_bug"
    basis = ("validation_set", "byte_counts")
    remedy = "Count the raw UTF-8 bytes of the scored text, each once."

    def _one(self, case: Case, run: CpuRunFacts, coverage: Coverage | None) -> Finding:
        if coverage is None or coverage.bytes_counted is None:
            return self.unknown(case, f"The bytes of the scored tokens are not known: {_why(run, coverage)}.")
        if coverage.losses is None or not coverage.bytes_true:
            return self._beyond(case, run, coverage)
        ratio = coverage.bytes_counted / coverage.bytes_true
        message = (
            f"The score divides by {number(coverage.bytes_counted)}, the tokens that it is of stand for "
            f"{number(coverage.bytes_true)} bytes"
        )
        measured = {"bytes_counted": coverage.bytes_counted, "bytes_true": coverage.bytes_true}
        rows = [_evidence(coverage.losses, **measured)]
        rows += [_evidence(coverage.counts)] if coverage.counts is not None else []
        if coverage.losses.looked:
            message += ", each of them the one that the program looked at for an addition"
        if abs(ratio - 1) <= SAME_RATIO and not coverage.losses.looked:
            return self.ok_by_run(case, message + ".", rows)
        message += f" ({percent(ratio)})."
        if ratio - 1 <= SURPLUS and coverage.losses.looked:
            return self.unknown(case, message, rows)
        own = _own_tables(case, run)
        if own or coverage.losses.elsewhere:
            why = f" {own[0]} may hold a tokenizer that the made stream does not fit." if own else ""
            return self.unknown(case, message + why, rows)
        if ratio < 1:
            return self.warn(case, message, rows, severity=Severity.DEFECT)
        if ratio - 1 > SURPLUS:
            return self.fail(case, message, rows)
        return self.warn(case, message, rows, strength=Strength.SUSPECTED)

    def _beyond(self, case: Case, run: CpuRunFacts, coverage: Coverage) -> Finding:
        """What is known where the losses were not followed: nothing, or that more bytes were counted than there are.

        That asks only where the program scores every token once elsewhere: its windows count none again.
        """
        whole, counted = coverage.bytes_stream, coverage.bytes_counted or 0
        final = run.coverage
        once = final is not None and final.losses is not None and not final.losses.several
        if whole and once and counted > (1 + SURPLUS) * whole and not _own_tables(case, run):
            message = (
                f"{_named(coverage)} divides by {number(counted)}, the whole stream stands for {number(whole)} bytes "
                f"({percent(counted / whole)}); which tokens it is of is not known."
            )
            return self.warn(case, message[0].upper() + message[1:], strength=Strength.SUSPECTED)
        return self.unknown(case, f"The bytes of {_named(coverage)} are not known: {_why(run, coverage)}.")


def _results(run: CpuRunFacts) -> list[Coverage | None]:
    """The final score's, and those of scores that are better than it or were followed too."""
    final = run.coverage
    better = [one for one in run.coverages if final is None or one.losses is not None or one.val_bpb < final.val_bpb]
    return [final, *better]


def _open(label: str) -> str:
    return f"The score {label!r} is better than the final one and was not matched with what was summed."


def _worst(findings: list[Finding]) -> Finding:
    """The first that counts, tolerated ones before those that hold."""
    order = (Outcome.FAIL, Outcome.WARN, Outcome.INCONCLUSIVE, Outcome.PASS)
    return min(findings, key=lambda one: order.index(one.outcome) if one.tolerated is None else 2.5)


def _named(coverage: Coverage | None) -> str:
    return f"the score {coverage.label!r}" if coverage is not None else "the final score"


def _early(coverage: Coverage, sequence: int) -> bool:
    """Whether what is left out before the tail is less than a window, and lies within the first two."""
    count = (coverage.head or 0) + (coverage.missing or 0)
    inside = all(span.last < 2 * sequence for span in coverage.left_out)
    return 0 < count < sequence and inside


def _why(run: CpuRunFacts, coverage: Coverage | None) -> str:
    """Why the coverage of the final score is not known."""
    if coverage is None:
        return "the printed score was not matched with what was summed" if not run.scores else "no tokens were followed"
    return "what was added up could not be followed to the stream"


def _changed(run: CpuRunFacts, meanings: frozenset[Meaning]) -> list[str]:
    """What of these sizes the run had to change, by name."""
    changes = [(one.name, one.meaning) for one in run.fidelity.overrides]
    changes += [(one.setting or one.old, one.meaning) for one in run.fidelity.edits]
    names = [f"{name} ({meaning.value})" for name, meaning in changes if meaning is not None and meaning in meanings]
    return list(dict.fromkeys(names))[:4]


def _own_tables(case: Case, run: CpuRunFacts) -> list[str]:
    """Files of the folder that may hold a tokenizer of the submission's own, or its byte counts: those that the run
    opened, and those whose names say so, since libraries open files without Python.
    """
    claims = {metadata.path for metadata in case.facts.metadata}
    opened = {file.path for file in run.weighed.shipped} if run.weighed is not None else None
    logs = {log.path for log in case.facts.logs}
    return [
        file.path
        for file in case.facts.folder.files
        if posixpath.splitext(file.path)[1].lower() in _TABLES
        and file.path not in claims | logs
        and posixpath.basename(file.path) != "requirements.txt"
        and (opened is None or file.path in opened or _TOKENIZER.search(posixpath.basename(file.path)) is not None)
    ]


def _evidence(covered: Covered, **measured: float) -> Evidence:
    spans = "; ".join(f"{one.first}-{one.last} x{one.times}" for one in covered.spans[:6])
    return at(covered.at, f"{covered.target}: positions {spans}", scored=covered.tokens, **measured)


RULES = (TokensMeasured, BytesMeasuredInRun)
