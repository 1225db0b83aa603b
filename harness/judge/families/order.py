"""PG4xx: order and causality. Scores come before learning, once, from a predictor that has not seen its tokens."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

from harness.judge.case import Case
from harness.judge.families import documents
from harness.judge.rule import SubmissionRule, at
from harness.judge.settled import artifact_kept, past_kept, proof_of, refuted
from harness.model.findings import Evidence, Finding, Outcome, Severity, Strength
from harness.model.order import Exposure, OrderFacts, Score, Update, UpdateKind

_PASSES = re.compile(r"pass[ _]?2|two[-_ ]?pass|rescor", re.IGNORECASE)
_TWICE = re.compile(
    r"two[-_ ]?pass(?![a-z]).{0,40}(?:n-?gram|cache|order|tables|scor|eval)|full[-_ ]?rescor", re.IGNORECASE
)
_SLOT_NAMED = re.compile(r"(?<!no )(?<!without )(?<!w/o )(?<![A-Za-z])SLOT(?![A-Za-z]|-free)")
_SLOT = re.compile(r"(?<![a-z])slot(?![a-z])", re.IGNORECASE)


class Met(NamedTuple):
    """One score together with something that it should not have known."""

    score: Score
    update: Update
    exposure: Exposure


def met(order: OrderFacts, *kinds: UpdateKind) -> Iterator[Met]:
    """Every pair of a reported score and an update of these kinds on the tokens that it scores."""
    for score in order.scores:
        for exposure in score.exposures:
            update = order.updates[exposure.update]
            if update.kind in kinds:
                yield Met(score, update, exposure)


def learns(update: Update) -> Evidence:
    """Where something learns, and how often from the same tokens."""
    if update.passes is None:
        return at(update.at, role="learns")
    return at(update.at, role="learns", passes=update.passes)


def rows(pairs: Iterable[Met]) -> list[Evidence]:
    """Evidence of pairs: where it learns, from which loss, and where the score is added up."""
    places: dict[tuple[int | None, str], Evidence] = {}
    for pair in pairs:
        places.setdefault((pair.update.at.line, "learns"), learns(pair.update))
        if pair.update.learnt_at is not None:
            places.setdefault((pair.update.learnt_at.line, "from"), at(pair.update.learnt_at, role="learns from"))
        places.setdefault((pair.score.at.line, "scores"), at(pair.score.at, role="adds up the score"))
    return list(places.values())[:8]


def lines(evidence: Iterable[Evidence], role: str) -> str:
    """The line numbers of one role, in words."""
    found = sorted({row.line for row in evidence if row.measured.get("role") == role and row.line is not None})
    return ", ".join(str(line) for line in found[:4]) + (" ..." if len(found) > 4 else "")


def learners(evidence: Iterable[Evidence]) -> str:
    """The lines that learn, and over how many passes where there is more than one."""
    found = list(evidence)
    passes = [row.measured.get("passes") for row in found]
    most = max((number for number in passes if isinstance(number, int)), default=0)
    return f"line {lines(found, 'learns')}" + (f", {most} passes over the same tokens" if most > 1 else "")


class _Order(SubmissionRule):
    """A rule about the order of learning and scoring that reading suspects."""

    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    basis: ClassVar[tuple[str, ...]] = ("score_first",)
    kinds: ClassVar[tuple[UpdateKind, ...]] = (UpdateKind.STEP,)

    def pairs(self, case: Case) -> list[Met]:
        """The pairs that this rule is about."""
        order = case.facts.order
        return [] if order is None else [pair for pair in met(order, *self.kinds) if self.concerns(pair, order)]

    @abstractmethod
    def concerns(self, pair: Met, order: OrderFacts) -> bool:
        """Whether a pair is of this rule's kind."""

    def suspects(self, case: Case, message: str, request: str, found: list[Evidence]) -> Finding:
        """A question to the author, unless experiments on the run have answered it."""
        proof = past_kept(case)
        if proof is not None:
            return self.ok(case, refuted(proof, message), found)
        return self.warn(case, f"{message} {asked(case, request)}".strip(), found)


def asked(case: Case, request: str) -> str:
    """What is asked of the author; nothing where an experiment has proven it already."""
    proof = proof_of(case)
    moved = proof is not None and proof.repeatable and any(one.moved for one in proof.divergences)
    return "An experiment proves it (PG411)." if moved else request


def written(pair: Met, order: OrderFacts) -> bool:
    """Whether what learnt is written into a file."""
    return any(pair.exposure.update in write.updates for write in order.artifacts)


class ScoreBeforeLearning(_Order):
    """Validation tokens are scored before the model learns from them.

    What: the flow of validation tokens through the launched program: which loss is differentiated, which parameters an
    optimizer step (or a change in place) then moves, and whether a reported score of the same tokens comes after it
    without a reset in between.
    Why: a token may be learned from once it is scored, never before.
    Mend: score each chunk under no_grad and add it to the sum, then train on it, then go on to the next.
    Blind spots: code that reading cannot follow (other languages, generated code), and random choices that revisit.
    """

    id = "PG401"
    violation_class = "ttt_train_before_score"
    remedy = "Score every chunk before you train on it; never train over the validation set ahead of the scoring pass."

    def concerns(self, pair: Met, order: OrderFacts) -> bool:
        """A model that learnt from the whole stretch before it was scored, in evaluation."""
        return pair.update.model and not pair.exposure.same_piece and not written(pair, order)

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all places."""
        order = case.facts.order
        if order is None or order.validation_at is None:
            return
        pairs = self.pairs(case)
        if pairs:
            found = rows(pairs)
            message = (
                f"The model takes optimizer steps on validation tokens ({learners(found)}) before the same tokens are "
                f"scored (line {lines(found, 'adds up the score')})."
            )
            yield self.suspects(case, message, "Please show that no token is learned from before it is scored.", found)
        elif not order.complete:
            notes = "; ".join(order.notes) or "some code could not be followed"
            yield self.finding(case, Outcome.SKIPPED, f"The order of learning and scoring was not followed: {notes}.")
        elif order.scores:
            places = [at(score.at, role="adds up the score") for score in order.scores[:4]]
            yield self.ok(case, "No reported score was found that comes after learning from its own tokens.", places)


class ArtifactBeforeValidation(_Order):
    """The artifact is made without validation tokens.

    What: parameters moved by steps on validation tokens that are written to a file, and then scored.
    Why: weights packed after training on validation tokens carry them into the artifact.
    Mend: pack before anything meets a validation token; adapt only in evaluation, each token after its score.
    Blind spots: as PG401. A checkpoint written for other ends looks the same.
    """

    id = "PG402"
    violation_class = "pre_quant_ttt"
    basis = ("score_first", "pre_quant")
    remedy = "Make the artifact from training data alone."

    def concerns(self, pair: Met, order: OrderFacts) -> bool:
        """A model that learnt from validation tokens and was written."""
        return pair.update.model and not pair.exposure.same_piece and written(pair, order)

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all places."""
        order = case.facts.order
        if order is None:
            return
        pairs = self.pairs(case)
        found = rows(pairs)
        learnt = {
            index
            for write in order.artifacts
            for index in write.updates
            if order.updates[index].kind is UpdateKind.STEP
        }
        if not pairs and learnt:
            found = [learns(order.updates[index]) for index in sorted(learnt)[:4]]
        if not found:
            return
        writes = [write.at for write in order.artifacts if learnt & set(write.updates)]
        found += [at(place, role="writes") for place in writes[:3]]
        message = (
            f"The model takes optimizer steps on validation tokens ({learners(found)}) and is then written to a file "
            f"(line {lines(found, 'writes')})."
        )
        if artifact_kept(case) is not None:
            yield self.suspects(case, message, "", found)
        else:
            yield self.warn(
                case, f"{message} {asked(case, 'Please show that the artifact knows no validation token.')}", found
            )


class ScoredOnce(_Order):
    """Each token is scored once, before it is learned from, also over epochs.

    What: a loop that both scores a piece of the validation tokens and learns from it, and comes back to the same piece;
    a table filled over the whole stretch and then asked in a second pass; a log or a title that names a second pass.
    Why: the score of a later epoch or pass knows its own tokens. Keeping the last or the lowest does too.
    Mend: add the score of the first visit to the sum, and nothing else.
    Blind spots: as PG401; a loop that skips scored pieces by a condition of its own may be named wrongly.
    """

    id = "PG403"
    violation_class = "multi_epoch_ttt_leak"
    basis = ("single_pass", "score_first")
    kinds = (UpdateKind.STEP, UpdateKind.TABLE)
    remedy = "Report the score of the first pass over each token, made before any learning from it."

    def concerns(self, pair: Met, order: OrderFacts) -> bool:  # noqa: ARG002  the base names it
        """A model that comes back to its piece, or a table of the whole stretch."""
        if pair.update.kind is UpdateKind.STEP:
            return pair.update.model and pair.exposure.same_piece
        return not pair.exposure.same_piece

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all places."""
        pairs = self.pairs(case)
        found = rows(pairs)
        labels = [
            (run.log.path, score)
            for run in case.runs
            for score in run.run.scores
            if _PASSES.search(score.label) is not None
        ]
        found += [Evidence(path=path, line=score.line, snippet=score.label) for path, score in labels[:2]]
        named = _called(case, _TWICE)
        if pairs:
            message = (
                f"Validation tokens are scored (line {lines(found, 'adds up the score')}) after something has learned "
                f"from them ({learners(found)}) in an earlier epoch or pass."
            )
            yield self.suspects(case, message, "Please show which visit counts.", found)
        elif labels:
            yield self.warn(case, f"The log names a second pass over the same tokens ({labels[0][1].label!r}).", found)
        elif named is not None:
            message = (
                f"The submission calls itself a second pass ({named.snippet!r}), which neither code nor logs show."
            )
            yield self.warn(case, message, [named])


def _called(case: Case, pattern: re.Pattern[str]) -> Evidence | None:
    """Where the submission's own title or name says so."""
    return next((title for title in case.titles if pattern.search(title.snippet or "")), None)


class CalibratedOnTraining(SubmissionRule):
    """Calibration, quantisation and packing read no validation tokens.

    What: values computed from validation tokens (Hessians, activation statistics, scales) that go into what is written
    as the artifact, without any learning step.
    Why: calibrating on tokens that are not yet scored lets the artifact know them.
    Mend: calibrate on training data inside the 600 s, or on text that the model generates itself.
    Blind spots: as PG401; a file that holds scores or dumps for people looks the same where its losses are not seen.
    """

    id = "PG405"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "gptq_calib_on_val"
    basis = ("calibration_on_validation",)
    remedy = "Calibrate on training data or on self-generated text."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all writes."""
        order = case.facts.order
        writes = [write.at for write in order.artifacts if write.tokens] if order is not None else []
        if writes:
            found = [at(place, role="writes") for place in writes[:4]]
            message = f"What is written (line {lines(found, 'writes')}) holds values computed from validation tokens."
            if artifact_kept(case) is not None:
                yield self.ok(case, f"{message} The artifact is the same with other tokens.", found)
                return
            yield self.warn(case, f"{message} {asked(case, 'Please show that nothing was calibrated on them.')}", found)


class OptimisedOnScored(_Order):
    """What is optimised in evaluation is not optimised on the tokens that it scores.

    What: loose tensors (a delta on hidden states, a bias on logits) that steps move on a loss of a window's tokens,
    before the score of the same window is added up; a log whose score, or a title, names it.
    Why: known as SLOT. The organisers have never ruled on it as a class; on scored positions it is learning before
    scoring.
    Mend: optimise on the context only, with targets that were all scored before.
    Blind spots: reading cannot tell a mask that leaves the scored positions out; running it can (C1 flip test).
    """

    id = "PG404"
    severity = Severity.DECISION
    violation_class = "slot"
    basis = ("slot",)
    remedy = "Show that the loss which the tensors are optimised on holds no position that they then score."

    def concerns(self, pair: Met, order: OrderFacts) -> bool:  # noqa: ARG002  the base names it
        """Tensors that are no module."""
        return not pair.update.model

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all places."""
        pairs = self.pairs(case)
        found = rows(pairs)
        named = [
            (run.log.path, run.run.final) for run in case.runs if run.run.final and _SLOT.search(run.run.final.label)
        ]
        found += [Evidence(path=path, line=score.line, snippet=score.label) for path, score in named[:2]]
        if pairs:
            message = (
                f"Tensors are optimised on validation tokens ({learners(found)}) and then used to score them "
                f"(line {lines(found, 'adds up the score')})."
            )
            kind = self.violation_class
            if past_kept(case) is not None:
                kind = "slot_causal"
                message += (
                    " Measured: no score moves when the tokens after it are others, so each knows earlier ones only."
                )
            yield self.warn(case, message, found, violation_class=kind)
        elif named:
            yield self.warn(case, f"The log reports a score named {named[0][1].label!r}.", found)
        elif (title := _called(case, _SLOT_NAMED)) is not None:
            yield self.warn(case, f"The submission calls itself so ({title.snippet!r}).", [title])


RULES = (
    ScoreBeforeLearning,
    ArtifactBeforeValidation,
    ScoredOnce,
    OptimisedOnScored,
    CalibratedOnTraining,
    *documents.RULES,
)
