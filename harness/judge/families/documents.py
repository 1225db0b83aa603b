"""PG4xx, documents: what the model knows ends where a document ends, if its attention does."""

from __future__ import annotations

from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.rule import SubmissionRule, at
from harness.model.findings import Finding, Severity, Strength


class DocumentsApart(SubmissionRule):
    """Where attention ends with each document, nothing else reads the position before a document's first token.

    What: programs whose attention is told the bounds of packed documents, and modules that mix each position with the
    one before it (a gate on the previous token's embedding, a hash of two tokens, a roll or padding by one) without a
    mask at the first token of a document. From the date of the ruling on.
    Why: the last token of one document then goes into the first of the next, in evaluation and in test-time training;
    documents count as independent. The score is lower by some 0.0025 bits per byte for it.
    Mend: multiply what comes from the previous position by input_ids != BOS, in every forward path.
    Blind spots: models whose attention itself crosses documents (then a shift adds nothing to what it sees); bounds
    given as a mask of the submission's own; convolutions and states of recurrent layers.
    """

    id = "PG406"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "cross_doc_leak_bos"
    basis = ("document_starts",)
    remedy = "Mask the previous position at the first token of each document, in every forward path."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all places."""
        documents = case.facts.documents
        ruled = case.competition.basis(*self.basis)[0]
        if documents is None or not documents.shifts or case.as_of.isoformat() < ruled.date:
            return
        bounds = at(documents.apart, role="ends attention with the document")
        live = [shift for shift in documents.shifts if shift.live]
        crossing = [shift for shift in live if not shift.masked]
        if crossing:
            tolerance = case.tolerance("shift_before_ruling")
            earlier = tolerance is not None and case.pr is not None and case.pr <= (tolerance.threshold or 0)
            where = ", ".join(str(shift.at.line) for shift in crossing[:4])
            message = (
                f"Attention ends with each document (line {documents.apart.line}), yet each position takes in the one "
                f"before it (line {where}), also at the first token of a document. Please mask it there."
            )
            rows = [bounds, *(at(shift.at, role="takes in the position before") for shift in crossing[:6])]
            yield self.warn(case, message, rows, tolerated=tolerance.id if tolerance and earlier else None)
        elif live:
            rows = [bounds, *(at(shift.at, role="takes in the position before, masked") for shift in live[:6])]
            yield self.ok(case, "What each position takes in of the one before it is masked.", rows)


RULES = (DocumentsApart,)
