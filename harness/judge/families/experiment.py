"""What rules on experiments have in common: when there is nothing to decide, and the counter-example of a parting."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.rule import SubmissionRule
from harness.judge.settled import logged, proof_of
from harness.model.base import snippet
from harness.model.findings import Evidence, Finding, Proof, Severity, Strength
from harness.model.proof import Divergence, ProofFacts


class ExperimentRule(SubmissionRule):
    """A rule about what experiments on a run showed."""

    severity = Severity.VIOLATION
    strength = Strength.PROVEN

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding where experiments were asked for and something was run."""
        run = case.facts.cpu_run
        if run is None or run.proof is None:
            return
        if run.proof.reason is not None:
            yield self.unknown(case, f"No experiment was made: {run.proof.reason}.")
            return
        failed = [one for one in run.proof.divergences if one.failure is not None]
        if failed and not any(one.moved or one.artifact for one in run.proof.divergences):
            words = f"With other tokens after {failed[0].position} the program ended: {failed[0].failure}"
            yield self.unknown(case, words)
        elif run.proof.repeatable is False:
            yield self.unknown(case, "The same run on the same tokens gave other scores, so nothing can be compared.")
        else:
            yield self.decided(case, run.proof)

    def ok_by_run(self, case: Case, message: str, evidence: Iterable[Evidence] = ()) -> Finding:
        """The rule holds, unless what was compared is another score than those that were logged."""
        proof = proof_of(case)
        if proof is None or logged(case, proof):
            return super().ok_by_run(case, message, evidence)
        label = snippet(proof.label or "")
        return self.unknown(
            case, f"{message} That acquits of nothing: the logs have no score called {label}.", evidence
        )

    @abstractmethod
    def decided(self, case: Case, proof: ProofFacts) -> Finding:
        """What the experiments say."""

    def proven(self, one: Divergence, proof: ProofFacts) -> Proof:
        """The counter-example of one parting."""
        moved = one.largest
        return Proof(
            position=moved.position if moved is not None else one.position,
            tokens=one.others,
            values=tuple(value for value in (moved.before, moved.after) if value is not None) if moved else (),
            rows_compared=one.rows,
            parted=one.position,
            stream=proof.stream,
            moved=one.moved,
            spans=one.spans,
            replay=f"golf replay REVIEW.json {self.id}",
        )
