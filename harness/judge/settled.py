"""What experiments on a run settle, so that a suspicion of reading need not stay one."""

from __future__ import annotations

from harness.judge.case import Case
from harness.model.logs import numberless
from harness.model.proof import Divergence, ProofFacts

LEAST_ROWS = 32
"""Scores that must have been compared at each parting, where so many tokens come before it."""
LEAST_SHARE = 0.5
"""Of the tokens before a parting: so many of them must have a score that was compared."""


HEAD = 64
"""Tokens at the beginning of a stream that need not be scored here: one window of a run. PG310 says where more are."""


def enough(one: Divergence) -> bool:
    """Whether so much was compared at a parting that nothing having moved says something."""
    tokens = one.position - min(one.head, HEAD) - one.late
    return one.failure is None and one.rows >= min(tokens, max(LEAST_ROWS, LEAST_SHARE * tokens))


def seen(proof: ProofFacts) -> bool:
    """Whether at one parting at least most tokens before it were scored before those after it, or nothing moved at a
    parting in time.
    """
    return any(one.late <= LEAST_SHARE * one.position for one in proof.divergences) or in_time(proof)


def in_time(proof: ProofFacts) -> bool:
    """Whether scores were compared with others that were taken later, and none moved."""
    last = max((one.rows for one in proof.later), default=0)
    whole = all(one.failure is None and not one.moved for one in proof.later)
    return whole and last >= max(LEAST_ROWS, LEAST_SHARE * proof.rows)


def proof_of(case: Case) -> ProofFacts | None:
    """The experiments on a run; None where none were made."""
    run = case.facts.cpu_run
    return run.proof if run is not None and run.proof is not None and run.proof.reason is None else None


def acquitting(case: Case) -> ProofFacts | None:
    """The experiments where that nothing moved may acquit: in a run that was not tampered with, of a program that
    leaves nothing out for what the machine is, and of a score that the logs know.
    """
    run, proof = case.facts.cpu_run, proof_of(case)
    if run is None or proof is None or not run.trusted or run.fidelity.unmet or not proof.divergences:
        return None
    return proof if logged(case, proof) else None


def logged(case: Case, proof: ProofFacts) -> bool:
    """Whether the score that was compared is one that the logs have, where they have any: else the program that was run
    is not the one that was logged.
    """
    labels = {numberless(score.label) for log in case.logs for run in log.runs for score in run.scores}
    return not labels or proof.label is None or numberless(proof.label) in labels


def past_kept(case: Case) -> ProofFacts | None:
    """The experiments where they show that no score knows what comes after its token, and may acquit."""
    proof = acquitting(case)
    if proof is None:
        return None
    held = all(enough(one) and not one.moved for one in proof.divergences)
    return proof if held and seen(proof) and not proof.unplaced else None


def artifact_kept(case: Case) -> ProofFacts | None:
    """The experiments where they show that the artifact does not depend on validation tokens, and may acquit."""
    proof = acquitting(case)
    return proof if proof is not None and all(one.artifact_same for one in proof.divergences) else None


def normalised(case: Case) -> ProofFacts | None:
    """The experiments where they show that every score came from one row over the vocabulary that was made before its
    token was looked at, and may acquit.
    """
    proof = acquitting(case)
    if proof is None or not proof.rows or proof.normalised < proof.rows + proof.unplaced:
        return None
    return proof if True in proof.rows_kept and False not in proof.rows_kept else None


def refuted(proof: ProofFacts, suspicion: str) -> str:
    """A suspicion of reading together with what the experiments say to it."""
    rows = sum(one.rows for one in proof.divergences)
    partings = " and ".join(str(one.position) for one in proof.divergences)
    return (
        f"Reading alone suspects: {suspicion} The experiments refute it: {rows} scores were compared while everything "
        f"after tokens {partings} was changed, and none of them moved."
    )
