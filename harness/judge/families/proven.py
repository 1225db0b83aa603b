"""PG411 to PG415: what experiments on the running program prove about order, artifact and normalisation."""

from __future__ import annotations

from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.families import distributions, order
from harness.judge.families.experiment import ExperimentRule
from harness.judge.rule import at, number
from harness.judge.settled import enough, in_time, seen
from harness.model.findings import Evidence, Finding, Proof, Severity, Strength
from harness.model.order import UpdateKind
from harness.model.proof import Apart, Divergence, ProofFacts

NEAR = 8
"""Tokens before a parting that a look at later tokens may move, without any learning."""


class PastKept(ExperimentRule):
    """No score depends on tokens that come after its own.

    What: the script is run again on validation streams that are equal up to a token and differ after it, with the same
    lengths and documents. Every score up to that token that enters the printed result must be the same to the last bit.
    Why: a token may be learned from once it is scored, never before, and no token may be scored with knowledge of later
    ones. If the past moves when the future is changed, the future was known.
    Mend: score each chunk under no_grad and add it to the sum, then train on it, then go on to the next.
    Blind spots: leaks of a token into its own score only (PG413 looks for those); branches that the run did not take;
    programs that notice the small run and behave. A pass needs enough scores and a run that was not tampered with.
    """

    id = "PG411"
    violation_class = "ttt_train_before_score"
    basis = ("score_first",)
    remedy = "Make every score before anything that knows its token, or a later one, has been learned."

    def decided(self, case: Case, proof: ProofFacts) -> Finding:
        """The worst parting decides."""
        moved = [one for one in proof.divergences if one.moved]
        if moved:
            worst = max(moved, key=lambda one: one.moved)
            changes = {"proof": self.proven(worst, proof), "severity": self._severity(case)}
            changes |= {"violation_class": self._class(case, worst, proof)}
            words, steps = _learned_first(proof)
            return self.fail(case, f"{_told(worst)}{words}", [*steps, *_places(case)], **changes)
        few = next((one for one in proof.divergences if not enough(one)), None)
        if few is not None:
            message = f"Only {number(few.rows)} scores of the {number(few.position)} tokens before a change were seen."
            return self.unknown(case, f"{message} None of them moved.")
        if not seen(proof):
            return self.unknown(case, "Most tokens were scored after later ones: none moved of those that were not.")
        if proof.unplaced:
            message = (
                f"Which token they are of is not known of {number(proof.unplaced)} scores; of the others none moved."
            )
            return self.unknown(case, message)
        run = case.facts.cpu_run
        unmet = run.fidelity.unmet if run is not None else ()
        if unmet:
            message = (
                f"What begins at line {unmet[0].line} learns, under a condition on the clock, the machine, the "
                "number of processes or a size that the run did not meet."
            )
            return self.unknown(case, message, [at(one, role="was not run") for one in unmet[:4]])
        rows = sum(one.rows for one in proof.divergences)
        where = " and ".join(number(one.position) for one in proof.divergences)
        message = f"Other tokens after {where}: all {number(rows)} scores up to there stayed the same to the last bit."
        if in_time(proof):
            most = max(one.rows for one in proof.later)
            message += f" So did up to {number(most)} when every token was another one that was scored after them."
        learned = proof.lessons
        if learned.steps and not learned.late:
            times = "step" if learned.steps == 1 else "steps"
            message += f" {number(learned.steps)} optimizer {times} on validation tokens came after their scores."
        return self.ok_by_run(case, message)

    def _severity(self, case: Case) -> Severity:
        """Loose tensors that are optimised on what they score were never ruled on."""
        return Severity.DECISION if _only_slot(case) else Severity.VIOLATION

    def _class(self, case: Case, worst: Divergence, proof: ProofFacts) -> str:
        """The kind of violation, by what reading saw, by what moved and by whether the artifact knows the tokens."""
        if worst.artifact:
            return _of_artifact(case)
        if all(_just_before(one) for one in proof.divergences if one.moved):
            return "future_token_gate"
        if _only_slot(case):
            return "slot"
        if _from_the_beginning(proof):
            return "eval_warmup_on_val"
        again = order.ScoredOnce().pairs(case)
        if any(pair.update.kind is UpdateKind.TABLE or pair.update.passes != 1 for pair in again):
            return "multi_epoch_ttt_leak"
        facts = case.facts.order
        if facts is not None and facts.updates and all(one.kind is UpdateKind.TABLE for one in facts.updates):
            return "multi_epoch_ttt_leak"  # a table learns in a pass of its own
        learns = (facts is None or not facts.complete or bool(facts.updates)) and not _in_order(proof)
        return "ttt_train_before_score" if learns else "future_token_gate"


class ArtifactKept(ExperimentRule):
    """The artifact is the same whatever the validation tokens are.

    What: the script is run again with other validation tokens from some position on. The files that it writes and reads
    back must be the same byte for byte.
    Why: the artifact is made from training data. Weights trained or calibrated on validation tokens carry them.
    Mend: pack before anything meets a validation token.
    Blind spots: a file that merely holds a validation score differs too; that is told apart by whether any score moved.
    """

    id = "PG412"
    violation_class = "pre_quant_ttt"
    basis = ("pre_quant", "score_first")
    remedy = "Make the artifact from training data alone."

    def decided(self, case: Case, proof: ProofFacts) -> Finding:
        """Files that differ, and whether they matter."""
        differs = [one for one in proof.divergences if one.artifact]
        rows = [Evidence(path=path) for one in differs[:1] for path in one.artifact[:4]]
        told = next((one for one in differs if one.moved or one.row_kept is False), None)
        if told is not None:
            message = f"{rows[0].path} is another file when validation tokens after {number(told.position)} are."
            known = (
                _told(told) if told.moved else f"Token {number(told.position + 1)} is scored from other numbers then."
            )
            proof_ = self.proven(told, proof)
            return self.fail(case, f"{message} {known}", rows, proof=proof_, violation_class=_of_artifact(case))
        if differs and not all(enough(one) for one in differs):
            message = (
                f"{rows[0].path} differs with the validation tokens; too few scores were seen to tell what it does."
            )
            return self.unknown(case, message, rows)
        if differs:
            message = f"{rows[0].path} differs with the validation tokens, but no score of earlier tokens moved."
            return self.warn(case, message, rows, severity=Severity.ADVICE, strength=Strength.DERIVED)
        if any(one.artifact_same is None for one in proof.divergences):
            return self.unknown(case, "No file was seen to be written and read back.")
        return self.ok_by_run(case, "The files that were written and read back are the same with other tokens.")


class DocumentsKept(ExperimentRule):
    """Where a submission says that documents are independent, no score knows the documents before its own.

    What: the script is run again with other tokens inside one early document and nowhere else. The scores of all later
    documents must be the same to the last bit. Judged where the README says that documents are independent; where only
    the attention ends with each document, what moved is told.
    Why: a claim of independence is checked as it stands: state, gates and caches count as much as attention does.
    Mend: reset or mask what is carried over at the first token of each document, or drop the claim.
    Blind spots: other ways to say it in prose; documents that are further apart than what the state reaches.
    """

    id = "PG415"
    violation_class = "cross_doc_leak_bos"
    basis = ("document_starts",)
    remedy = "Mask or reset what is carried over at the first token of each document."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where documents are taken for independent."""
        run = case.facts.cpu_run
        if run is not None and run.proof is not None and run.proof.apart is not None:
            yield from super().check(case)

    def decided(self, case: Case, proof: ProofFacts) -> Finding:
        """What moved in later documents."""
        apart = proof.apart or Apart(first=0, last=0)
        said = [Evidence(path=one.independent.at.path, line=one.independent.at.line, snippet=one.independent.value)
                for one in case.facts.readmes if one.independent is not None]  # fmt: skip
        if apart.failure is not None or not apart.rows:
            return self.unknown(
                case, f"Later documents could not be compared: {apart.failure or 'no score is theirs'}."
            )
        where = f"With other tokens at {number(apart.first)} to {number(apart.last)} alone, inside one document,"
        if not apart.moved:
            return self.ok_by_run(case, f"{where} all {number(apart.rows)} scores of later ones stayed the same.", said)
        message = f"{where} {number(apart.moved)} of {number(apart.rows)} scores of later documents moved."
        if not said:
            return self.warn(case, message, severity=Severity.ADVICE, strength=Strength.DERIVED)
        moved = apart.largest
        shown = Proof(
            position=moved.position if moved is not None else apart.last + 1,
            values=tuple(value for value in (moved.before, moved.after) if value is not None) if moved else (),
            rows_compared=apart.rows,
            changed=(apart.first, apart.last),
            moved=apart.moved,
            spans=apart.spans,
            stream=proof.stream,
            replay=f"golf replay REVIEW.json {self.id}",
        )
        return self.fail(case, f"{message} Its README says that documents are independent.", said, proof=shown)


def _of_artifact(case: Case) -> str:
    """The kind of violation where an artifact knows validation tokens, by how reading saw them come into it."""
    facts = case.facts.order
    if facts is None or not facts.complete:
        return ArtifactKept.violation_class
    learns = bool(order.ScoreBeforeLearning().pairs(case)) or any(one.updates for one in facts.artifacts)
    if learns or order.ArtifactBeforeValidation().pairs(case):
        return ArtifactKept.violation_class
    # What neither learns from them as such nor measures them took them for data to train on.
    return "gptq_calib_on_val" if any(one.tokens for one in facts.artifacts) else "val_in_training"


def _just_before(one: Divergence) -> bool:
    """Whether only the last few tokens before a parting moved: nothing was learned, later ones were looked at.

    Partings lie further than that from the beginnings of chunks that are learned from.
    """
    return bool(one.spans) and one.spans[0][0] > one.position - NEAR


def _from_the_beginning(proof: ProofFacts) -> bool:
    """Whether everything moved with the tokens at the beginning, and nothing with later ones: only those were used."""
    ordered = sorted(proof.divergences, key=lambda one: one.position)
    first, later = ordered[0], ordered[1:]
    return bool(later) and 0 < first.rows == first.moved and all(enough(one) and not one.moved for one in later)


def _only_slot(case: Case) -> bool:
    """Whether all that reading saw learning from its own tokens are loose tensors."""
    model = (order.ScoreBeforeLearning(), order.ScoredOnce(), order.ArtifactBeforeValidation())
    return bool(order.OptimisedOnScored().pairs(case)) and not any(rule.pairs(case) for rule in model)


def _told(one: Divergence) -> str:
    """What moved, in words."""
    words = (
        f"With other tokens after {number(one.position)}, {number(one.moved)} of {number(one.rows)} scores up to there "
        "moved"
    )
    moved = one.largest
    if moved is None:
        return f"{words}."
    if moved.before is None or moved.after is None:
        return f"{words}; token {number(moved.position)} was scored another number of times."
    return f"{words}; that of token {number(moved.position)} most, from {moved.before:.6f} to {moved.after:.6f} nats."


def _in_order(proof: ProofFacts) -> bool:
    """Whether optimizer steps were seen on validation tokens, each after the scores of its tokens."""
    return proof.lessons.steps > 0 and proof.lessons.late == 0


def _learned_first(proof: ProofFacts) -> tuple[str, list[Evidence]]:
    """The first optimizer step that came before the score of one of its tokens, in words and as evidence."""
    step = proof.lessons.first
    if step is None:
        known = " No optimizer step came before a score of its tokens: scores know later ones in another way."
        return known if _in_order(proof) else "", []
    words = (
        f" The first step that came too early learned from tokens {number(step.first)} to {number(step.last)}; "
        f"{number(step.late)} of them, the first at {number(step.position)}, were scored after it."
    )
    return words, [at(step.at, role="learns before it scores")] if step.at is not None else []


def _places(case: Case) -> list[Evidence]:
    """Where reading saw something learn from the tokens that it scores."""
    facts = case.facts.order
    if facts is None:
        return []
    kinds = tuple(UpdateKind)
    return order.rows(order.met(facts, *kinds))


RULES = (PastKept, ArtifactKept, *distributions.RULES, DocumentsKept)
