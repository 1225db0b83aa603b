"""PG3xx: whether the score divides by the right bytes, and covers the whole validation set."""

from __future__ import annotations

from collections.abc import Iterable

from harness.judge.case import Case, SeedRun
from harness.judge.counting import (
    MOST_BYTES,
    PART,
    SAME_RATIO,
    SAME_SCORE,
    SAME_TOKENS,
    SURPLUS,
    WHOLE,
    Count,
    bytes_per_token,
    counts,
    is_known,
    percent,
    rounded,
)
from harness.judge.families import denominators, measured
from harness.judge.rule import SubmissionRule, number
from harness.model import fingerprints
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.logs import ByteCount


class BytesCounted(SubmissionRule):
    """The bytes that the score divides by are those of the validation set.

    What: val_loss / (ln 2 * val_bpb) is the average number of bytes that a token stands for. Times the tokens scored it
    is the number of bytes counted, which for the fixed validation set is 151.08 million, whatever the tokenizer.
    Why: bits per byte fall in proportion when bytes are counted that are not there: a leading space counted twice, byte
    pieces counted as three bytes, text that was transformed and is longer than the raw one.
    Mend: count the UTF-8 bytes of the raw text: one for a byte piece, the leading space once and not after a document
    boundary; check that the whole set has 151,080,891 bytes.
    Blind spots: logs that print no loss beside the score. A tokenizer of one's own is legal: without the number of
    tokens its ratio can only be asked about.
    """

    id = "PG301"
    severity = Severity.VIOLATION
    violation_class = "bpb_byte_count_bug"
    basis = ("validation_set", "byte_counts")
    remedy = "Count the raw UTF-8 bytes of the scored text, each once: 151,080,891 for the whole validation set."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for the network's own ratio, one where the result's ratio is another."""
        rows = [count for count in counts(case) if count.plain is not None]
        if not rows:
            return
        over = [(count, excess) for count in rows if (excess := _excess(count)) is not None and excess > SAME_RATIO]
        if over:
            yield self._too_many(case, *max(over, key=lambda pair: pair[1]), of=len(rows))
        elif unknown := [c for c in rows if c.bytes is None and not is_known(c.plain or 0.0)]:
            yield self._ask(case, unknown[0])
        else:
            said = f"{rows[0].plain:.4f} bytes per token"
            yield self.ok(case, f"The scores divide by {said}, as honest counts do.", rows[0].evidence())
        other = [c for c in rows if c.final and c.plain and c.final > (1 + SAME_RATIO) * c.plain]
        if other:
            yield self._mixed(case, other[0])

    def _too_many(self, case: Case, count: Count, excess: float, of: int) -> Finding:
        message = (
            f"{number(round(count.plain or 0, 4))} bytes per token over {number(count.tokens or 0)} tokens are "
            f"{number(int(count.bytes or 0))} bytes"
        )
        if count.known is not None:
            message += f", {percent(1 + excess)} of the {number(count.known.bytes)} that these tokens stand for"
        else:
            whole = fingerprints.load().validation.bytes
            message += f", {percent(1 + excess)} of the {number(whole)} of the validation set"
        message += f" ({of} run(s))."
        if count.known is not None or excess > SURPLUS:
            return self.fail(case, message, count.evidence())
        return self.warn(case, message, count.evidence(), strength=Strength.SUSPECTED)

    def _ask(self, case: Case, count: Count) -> Finding:
        message = (
            f"The scores divide by {count.plain:.4f} bytes per token, which is no known tokenizer's ratio; "
            "a tokenizer of one's own is legal, and needs proof that it counts the raw bytes."
        )
        return self.warn(
            case,
            message,
            count.evidence(),
            severity=Severity.DECISION,
            strength=Strength.SUSPECTED,
            violation_class="tokenizer_change",
        )

    def _mixed(self, case: Case, count: Count) -> Finding:
        message = (
            f"The result divides by {count.final or 0:.4f} bytes per token, the network's own evaluation by "
            f"{count.plain or 0:.4f}: loss and score of the result are not of one count."
        )
        rows = [
            *count.evidence(),
            Evidence(
                path=count.run.log.path,
                line=count.run.score.line,
                snippet=count.run.score.label,
                measured={"bytes_per_token": rounded(count.final)},
            ),
        ]
        return self.warn(case, message, rows, strength=Strength.SUSPECTED)


def _excess(count: Count) -> float | None:
    """Share of bytes counted beyond those that the tokens, or the whole validation set, have."""
    if count.bytes is None or count.plain is None:
        return None
    if count.known is not None:
        return count.plain / count.known.bytes_per_token - 1
    return count.bytes / fingerprints.load().validation.bytes - 1


class WholeSetScored(SubmissionRule):
    """The whole validation set is scored.

    What: bytes counted (tokens times bytes per token) against the 151.08 million of the validation set, and the number
    of documents that the run says it scored against 50,000.
    Why: a part of the set has another score than the whole, and choosing the part chooses the score.
    Mend: score every token of all 50,000 documents, the last incomplete window included.
    Blind spots: a run that loads all tokens and scores fewer without saying so. Runs that do not show the claimed score
    may be trials, and are only asked about.
    """

    id = "PG302"
    severity = Severity.VIOLATION
    violation_class = "subset_scoring"
    basis = ("validation_set", "whole_set")
    remedy = "Score the whole validation set, all 50,000 documents."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all runs."""
        if not case.track.fixed_validation:
            return
        whole = fingerprints.load().validation
        # A run on a part of the set breaks no rule where nothing competes: there it is the author's to mend.
        weight: dict[str, object] = {} if case.track.records else {"severity": Severity.DEFECT, "violation_class": None}
        made = _shows_claim(case)
        rows = counts(case)
        shares = [(count, share) for count in rows if (share := _share(count)) is not None]
        few = [(count, share) for count, share in shares if share < WHOLE]
        if few:
            count, share = min(few, key=lambda pair: pair[1])
            size = f"{number(int(count.bytes))} bytes" if count.bytes else "at most that many"
            message = (
                f"{number(count.tokens or 0)} tokens ({size}) are {100 * share:.1f} % of the validation set of "
                f"{number(whole.bytes)} bytes."
            )
            if share < PART and (made or not case.track.records):
                yield self.fail(case, message, count.evidence(), **weight)
            elif share < PART:
                message += " No run shows the claimed score: the runs may be trials."
                yield self.warn(case, message, count.evidence(), strength=Strength.SUSPECTED, **weight)
            elif count.known is None:
                yield self.warn(case, message, count.evidence(), strength=Strength.SUSPECTED, **weight)
            return
        documents = [fact for count in rows if (fact := count.run.run.documents) is not None]
        fact = next((fact for fact in documents if 1 < fact.value < WHOLE * whole.documents), None)
        if fact is not None:
            message = f"The run says that it scores {number(fact.value)} of {number(whole.documents)} documents."
            row = Evidence(path=fact.at.path, line=fact.at.line, snippet=fact.text, measured={"documents": fact.value})
            if made or not case.track.records:
                yield self.fail(case, message, [row], **weight)
            else:
                yield self.warn(case, message, [row], strength=Strength.SUSPECTED, **weight)
        elif shares:
            tokens = min(count.tokens or 0 for count, _ in shares)
            yield self.ok(case, f"All {number(tokens)} tokens of the validation set are loaded for scoring.")


def _shows_claim(case: Case) -> bool:
    """Whether a score line of a standing run is the claimed score (a mean over seeds differs a little)."""
    claim = case.metadata.val_bpb if case.metadata is not None else None
    scores = [score.val_bpb for run in case.runs for score in run.run.scores if score.val_bpb is not None]
    return claim is not None and any(abs(score - claim.value) <= SAME_SCORE for score in scores)


def _share(count: Count) -> float | None:
    """Share of the validation set that was scored; from above where only the number of tokens is known."""
    whole = fingerprints.load().validation.bytes
    if count.tokens is None:
        return None
    if count.known is not None:
        return 1.0
    if count.bytes is not None:
        return count.bytes / whole
    return share if (share := count.tokens * MOST_BYTES / whole) < PART else None


class CountersAgree(SubmissionRule):
    """What an evaluation says that it counted are the bytes of the validation set.

    What: numbers of bytes that a log prints beside tokens or a score in bits per byte.
    Why: a mixture that works on bytes keeps its own count; the organisers found counts of transformed text, of tokens
    taken for bytes, and of a part of the set.
    Mend: divide by the raw bytes of all scored tokens.
    Blind spots: counters that are not printed.
    """

    id = "PG303"
    severity = Severity.VIOLATION
    violation_class = "bpb_byte_count_bug"
    basis = ("validation_set", "byte_counts")
    remedy = "Divide by the raw bytes of all scored tokens: 151,080,891 for the whole validation set."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for the counter that is farthest off."""
        whole = fingerprints.load().validation.bytes
        claim = case.metadata.val_bpb.value if case.metadata and case.metadata.val_bpb else None
        found = [
            (run, count, _expected(run, count), _is_claimed(run, count, claim))
            for run in case.runs
            for count in run.run.counts
        ]
        wrong = [row for row in found if abs(row[1].bytes / row[2] - 1) > SAME_RATIO]
        if not wrong:
            if found:
                yield self.ok(case, f"Evaluations count {number(found[-1][1].bytes)} bytes.")
            return
        run, count, expected, claimed = max(wrong, key=lambda row: (row[3], abs(row[1].bytes / row[2] - 1)))
        rows = [
            Evidence(
                path=run.log.path,
                line=count.line,
                measured={"bytes": count.bytes, "expected": int(expected), "tokens": count.tokens},
            )
        ]
        size = f"{number(count.bytes)} bytes, {percent(count.bytes / expected)} of {number(int(expected))}"
        certain = claimed and abs(count.bytes / expected - 1) > SURPLUS
        strength = Strength.DERIVED if certain else Strength.SUSPECTED
        outcome = self.fail if certain else self.warn
        tokens = run.run.val_tokens.value if run.run.val_tokens is not None else None
        if count.bytes == tokens or count.bytes == count.tokens:
            yield outcome(case, f"As many bytes are counted as tokens: {size}.", rows, strength=strength)
        elif count.bytes < PART * whole and expected == whole:
            message = f"The evaluation counts {size}: only a part of the validation set."
            yield outcome(case, message, rows, strength=strength, violation_class="subset_scoring")
        else:
            yield outcome(case, f"The evaluation counts {size}.", rows, strength=strength)


def _expected(run: SeedRun, count: ByteCount) -> float:
    """Bytes that the counted tokens stand for by the network's own ratio; where it is unknown, the whole set's."""
    data = fingerprints.load()
    ratio = next((r for p in run.run.curve if (r := bytes_per_token(p.val_loss, p.val_bpb)) is not None), None)
    if count.tokens is not None and ratio is not None and data.of_ratio(ratio, SAME_RATIO) is not None:
        return count.tokens * ratio
    known = data.of_tokens(count.tokens, SAME_TOKENS) if count.tokens is not None else None
    return float(known.bytes if known is not None else data.validation.bytes)


def _is_claimed(run: SeedRun, count: ByteCount, claim: float | None) -> bool:
    """Whether the counted score is the run's result or the submission's claim."""
    wanted = [value for value in (claim, run.score.val_bpb) if value is not None]
    return any(abs(score - value) <= SAME_SCORE for score in count.scores for value in wanted)


RULES = (BytesCounted, WholeSetScored, CountersAgree, *denominators.RULES, *measured.RULES)
