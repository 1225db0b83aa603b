"""PG304 to PG309: what the submitted code divides by, which tokens it takes for text, and what it scores."""

from __future__ import annotations

from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.counting import SAME_RATIO, bytes_per_token, counts, is_known, percent, rounded
from harness.judge.rule import SubmissionRule, at, number, shown
from harness.model import fingerprints
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.logs import CurvePoint, Score
from harness.model.metadata import MetadataFacts, SeedClaim

NEAR = 0.05
"""Share within which a constant was likely meant for a known tokenizer."""
SAME_CONSTANT = 0.002
"""Share by which a ratio computed from printed digits differs from the constant that made it."""


class BytesMeasured(SubmissionRule):
    """Bytes per token are counted, not assumed.

    What: a loss divided by ln 2 and by a constant number of bytes per token, where the submission's own loss and score
    have that ratio; fixed constants are told from counted bytes by what else stands below the line.
    Why: the score is defined over the bytes of the scored text. A constant that is off by 1 % moves the score by 1 %,
    and organisers refused a fixed number of bytes per token.
    Mend: look up the bytes of each scored token and divide by their sum.
    Blind spots: constants that reach the division through calls; estimates that are printed only.
    """

    id = "PG304"
    severity = Severity.VIOLATION
    violation_class = "bpb_byte_count_bug"
    basis = ("byte_counts", "whole_set")
    remedy = "Divide by the counted bytes of the scored tokens instead of a constant."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for the constant that made the score; else one that asks."""
        facts = case.facts.accounting
        if facts is None or not facts.constants:
            return
        ratios = list(_ratios(case))
        for fact in facts.constants:
            made = [row for ratio, row in ratios if abs(ratio / fact.value - 1) < SAME_CONSTANT]
            if not made:
                continue
            message = f"The score divides by a constant {fact.value:g} bytes per token"
            if (nearest := fingerprints.load().of_ratio(fact.value, NEAR)) is not None:
                share = percent(fact.value / nearest.bytes_per_token)
                message += f" ({share} of {nearest.bytes_per_token:.4f}, {nearest.title})"
            rows = [shown(fact, "bytes_per_token"), *made[:2]]
            if is_known(fact.value):
                yield self.warn(case, message + ".", rows, strength=Strength.SUSPECTED)
            else:
                yield self.fail(case, message + ", which is no tokenizer's count.", rows)
            return
        if not any(is_known(ratio) for ratio, _ in ratios):
            fact = facts.constants[0]
            message = f"The code divides a loss by a constant {fact.value:g} bytes per token."
            yield self.warn(case, message, [shown(fact, "bytes_per_token")], strength=Strength.SUSPECTED)


def _ratios(case: Case) -> Iterable[tuple[float, Evidence]]:
    """Bytes per token of every score line of the standing runs, and of the claim."""
    for run in case.runs:
        lines: list[Score | CurvePoint] = [*run.run.scores, *run.run.curve]
        for score in lines:
            ratio = bytes_per_token(score.val_loss, score.val_bpb)
            if ratio is not None:
                measured = {"val_loss": score.val_loss, "val_bpb": score.val_bpb, "bytes_per_token": rounded(ratio)}
                yield ratio, Evidence(path=run.log.path, line=score.line, measured=measured)
    claim = case.metadata
    if claim is not None and claim.val_loss is not None and claim.val_bpb is not None:
        ratio = bytes_per_token(claim.val_loss.value, claim.val_bpb.value)
        if ratio is not None:
            yield ratio, at(claim.val_bpb.at, claim.val_bpb.text, bytes_per_token=rounded(ratio))


class SpaceCountedOnce(SubmissionRule):
    """The leading space of a piece is counted once.

    What: the function that builds the table of bytes per piece: whether the mark of a space stays in the counted text,
    and whether the table adds the space that evaluation adds again by its mask of look-ups.
    Why: a space counted twice makes 17 % more bytes, and the score 15 % lower than it is.
    Mend: store the length of the text without the mark; let evaluation add one byte where no boundary precedes.
    Blind spots: a table that no score uses; where logs show an honest ratio the rule is silent.
    """

    id = "PG305"
    severity = Severity.VIOLATION
    violation_class = "bpb_byte_count_bug"
    basis = ("byte_counts",)
    remedy = "Count the bytes of a piece without its mark, and the space only where no boundary precedes."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for the first wrong table."""
        facts = case.facts.accounting
        tables = facts.tables if facts is not None else ()
        wrong = [
            t for t in tables if t.mark_kept or (t.space_in_table is not None and t.space_at_evaluation is not None)
        ]
        if not wrong:
            if tables:
                yield self.ok(
                    case, "The table counts a piece's bytes without its mark.", [at(tables[0].at, tables[0].text)]
                )
            return
        plain = [count for count in counts(case) if count.plain is not None]
        if plain and all(is_known(count.plain or 0.0) for count in plain):
            return
        table = wrong[0]
        rows = [at(table.space_in_table or table.at, table.text)]
        if table.mark_kept:
            message = "The mark of a space stays in the text whose bytes are counted: three bytes for one."
        else:
            message = "The table adds the leading space to the bytes of a piece"
            if table.space_at_evaluation is not None:
                message += f", and line {table.space_at_evaluation.line} adds it again."
                rows.append(at(table.space_at_evaluation))
        over = [
            c for c in plain if c.known is not None and (c.plain or 0.0) > (1 + SAME_RATIO) * c.known.bytes_per_token
        ]
        if over and over[0].known is not None:
            share = percent((over[0].plain or 0.0) / over[0].known.bytes_per_token)
            yield self.fail(case, f"{message} The log shows {share} bytes.", [*rows, *over[0].evidence()])
        else:
            yield self.warn(case, message, rows, strength=Strength.SUSPECTED)


class HeaderSkipped(SubmissionRule):
    """The header of a shard is not read as tokens.

    What: reads of whole files of 16-bit numbers in a program that nowhere skips the 256 integers (1,024 bytes) with
    which each shard of the competition's data begins.
    Why: 512 numbers that are no text enter training or the score, and may be larger than the vocabulary.
    Mend: read with `offset=1024`, and as many tokens as the header says.
    Blind spots: files of another format, which have no header.
    """

    id = "PG306"
    severity = Severity.DEFECT
    strength = Strength.SUSPECTED
    basis = ("validation_set",)
    remedy = "Skip the 1,024 bytes of the header of every shard."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all such reads."""
        facts = case.facts.accounting
        if facts is not None and facts.raw_shards:
            rows = [shown(fact, "call") for fact in facts.raw_shards]
            yield self.warn(
                case, "Shards are read from their first byte: the header of 256 integers is taken for tokens.", rows
            )


class BatchesInOrder(SubmissionRule):
    """The validation set is scored in order, not by random batches.

    What: loops without gradients that sum losses of batches which a function draws at random.
    Why: a score over a few random windows is not that of the validation set, counts some tokens more than once, and
    differs with the seed. Organisers refused one over 20 random batches.
    Mend: score every token once, in order.
    Blind spots: the loop may be a progress estimate beside a full evaluation, hence a question.
    """

    id = "PG307"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "subset_scoring"
    basis = ("whole_set", "validation_set")
    remedy = "Score every token of the validation set once, in order."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all such loops, unless the logs show that the whole set was scored."""
        facts = case.facts.accounting
        if facts is None or not facts.random_batches or any(count.known is not None for count in counts(case)):
            return
        rows = [shown(fact, "drawn_by") for fact in facts.random_batches]
        yield self.warn(case, "The score sums the losses of batches drawn at random.", rows)


class TokensCountedOnce(SubmissionRule):
    """Every token is counted once.

    What: loops that cut pieces of a length at steps of a fraction of it, where losses are weighted by the whole length
    of each piece.
    Why: tokens in the overlap enter the sum twice, the second time with more context or after adaptation to them.
    Mend: of overlapping windows count only the tokens that no earlier window has counted.
    Blind spots: overlaps whose step is not written as a fraction of the length; loops that a score does not use.
    """

    id = "PG309"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    basis = ("whole_set", "validation_set")
    remedy = "Of each window count only the tokens that no earlier one has counted."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all such loops."""
        facts = case.facts.accounting
        if facts is not None and facts.overlaps:
            rows = [shown(fact, "step") for fact in facts.overlaps]
            message = f"Windows overlap (step {facts.overlaps[0].value}) and each is counted by its whole length."
            yield self.warn(case, message, rows)


class ClaimOfOneCount(SubmissionRule):
    """Loss and score of submission.json are of one known count.

    What: val_loss / (ln 2 * val_bpb) of submission.json, of the whole or of each seed, where no log shows the pair.
    Why: the ratio is a fingerprint of tokenizer and byte count; honest ones repeat to four digits.
    Mend: claim loss and score of the same evaluation, and commit the log that shows both.
    Blind spots: a tokenizer of one's own has its own ratio, hence a question.
    """

    id = "PG308"
    severity = Severity.DEFECT
    strength = Strength.SUSPECTED
    violation_class = "bpb_byte_count_bug"
    basis = ("byte_counts", "evidence")
    remedy = "Claim loss and score of one evaluation, and show that its bytes are counted rightly."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding, where both are claimed and no run shows a ratio."""
        claim = case.metadata
        if claim is None or not case.track.records or any(count.plain is not None for count in counts(case)):
            return
        claims: list[MetadataFacts | SeedClaim] = [claim, *claim.per_seed]
        for one in claims:
            if one.val_loss is None or one.val_bpb is None:
                continue
            ratio = bytes_per_token(one.val_loss.value, one.val_bpb.value)
            if ratio is None or fingerprints.load().of_ratio(ratio, 0.02) is not None:
                return
            rows = [shown(one.val_loss, "val_loss"), shown(one.val_bpb, "val_bpb")]
            message = (
                f"The claimed loss and score divide by {number(round(ratio, 4))} bytes per token, no known tokenizer's."
            )
            yield self.warn(case, message, rows)
            return


RULES = (BytesMeasured, SpaceCountedOnce, HeaderSkipped, BatchesInOrder, ClaimOfOneCount, TokensCountedOnce)
