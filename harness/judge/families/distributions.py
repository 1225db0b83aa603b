"""PG413 and PG414: what experiments on the running program prove about the distributions that scores are taken from."""

from __future__ import annotations

import math

from harness.judge.case import Case
from harness.judge.families import mixture
from harness.judge.families.experiment import ExperimentRule
from harness.judge.rule import at, number
from harness.model.findings import Evidence, Finding, Proof, Shows
from harness.model.proof import NOISE, ROUGH, Divergence, ProofFacts, RowTotal, Swap


class OneRow(ExperimentRule):
    """Every score comes from one distribution over the vocabulary that was made before its token was looked at.

    What: each loss that enters the printed result is traced to the row of scores over the vocabulary that it was taken
    from: logits that cross-entropy normalises, or probabilities that sum to 1. Where a program goes on to change the
    loss, as by a tilt of one entry or a mixture, what it computes for its token is computed for every other one beside
    it, and the row that comes of it is summed up. With another token in its place, the row from which it is scored must
    be the same: to the last bit, or by what it gives to the token itself.
    Why: the scorer defines a whole distribution before it looks at the token.
    Mend: mix full distributions and normalise them, then take the token's share.
    Blind spots: mixtures that are made outside of tensors are not followed; nothing is said of them here. Rows that are
    computed beside the program are tried with a few other tokens at a few places.
    """

    id = "PG413"
    violation_class = "future_token_gate"
    basis = ("full_distribution", "gates")
    remedy = "Form the whole distribution from the prefix, then look at the token."

    def decided(self, case: Case, proof: ProofFacts) -> Finding:
        """Whether rows are whole, and were made first."""
        chosen = next((one for one in proof.swaps if one.other is not None), None)
        if chosen is not None:
            return self._chosen(case, proof, chosen)
        changed = [one for one in proof.divergences if one.row_kept is False]
        if any(one.artifact for one in changed):
            return self.unknown(case, "Rows are others because the artifact is (PG412).")
        if changed and not any(one.moved for one in proof.divergences):
            one = changed[0]
            message = (
                f"The scores over the vocabulary from which token {number(one.position + 1)} was scored are others "
                "when that token is another one: they were made with knowledge of it."
            )
            return self.fail(case, message, proof=self._remade(one, proof))
        if changed:
            return self.unknown(case, "Rows moved with the scores before them (PG411).")
        scores = proof.rows + proof.unplaced
        if proof.normalised < scores:
            message = (
                f"{number(scores - proof.normalised)} of {number(scores)} scores were not seen to be taken out of one "
                "row over the vocabulary."
            )
            return self.unknown(case, message)
        if True not in proof.rows_kept or False in proof.rows_kept:
            return self.unknown(case, "The first changed token was not scored from a row that could be compared.")
        message = f"All {number(proof.rows)} scores were taken out of one row over the vocabulary each"
        if proof.mixed:
            tried = sum(len(one.foretold) for one in proof.swaps)
            message += (
                f"; {number(proof.mixed)} of them were changed afterwards, by what makes a distribution of the row: it "
                f"sums to 1, and {number(tried)} other tokens in {number(len(proof.swaps))} places were scored from it"
            )
        return self.ok_by_run(case, f"{message}, and the row stays the same when its own token is another one.")

    def _remade(self, one: Divergence, proof: ProofFacts) -> Proof:
        """The first changed token, which was scored from other numbers."""
        shown = self.proven(one, proof)
        return shown.model_copy(update={"shows": Shows.REMADE, "position": one.position + 1, "values": ()})

    def _chosen(self, case: Case, proof: ProofFacts, swap: Swap) -> Finding:
        """Two tokens were scored from two distributions in one place."""
        index = swap.other or 0
        before, after = swap.values[0], swap.foretold[index - 1] or 0.0
        own = f"Token {swap.tokens[0]} at position {number(swap.position)} was given {before:.6f} nats."
        if swap.raised:
            others = f"With each of {len(swap.foretold)} others in its place, and all before it the same, that one was"
            what = "it alone is given more because it is the one that is scored"
        else:
            others = f"With token {swap.tokens[index]} in its place, and all before it the same, that one was"
            what = "which one is used is chosen with knowledge of the token"
        message = f"{own} {others} scored from a distribution that gives {swap.tokens[0]} {after:.6f}: {what}."
        shown = Proof(
            shows=Shows.CHOSEN,
            position=swap.position,
            tokens=(swap.tokens[0], swap.tokens[index]),
            values=(before, after),
            rows_compared=len(swap.tokens),
            stream=proof.stream,
            replay=f"golf replay REVIEW.json {self.id}",
        )
        return self.fail(case, message, _mixtures(case), proof=shown)


class SumsToOne(ExperimentRule):
    """The probabilities that are given to the tokens at one place sum to at most 1.

    What: where scores are not taken out of one row over the vocabulary, the token at one place of the stream is
    replaced by others, one run each, and the probabilities that the program gives to them are added up. Tried are the
    tokens that were scored best, where a table of counts had something to say. A row that probabilities are taken out
    of is summed up as it is.
    Why: a table that is asked for the realised token alone gives no distribution: it may give all of them nearly 1. A
    sum over a few tokens that is above 1 is proof, whatever the others get. Scored byte by byte, tokens that begin
    alike may each be as good as certain; what their bytes got must show that no distribution over bytes was scored,
    either: a byte got unlike as part of two of them, or different bytes in one place more than 1 together.
    Mend: mix full distributions and normalise, or tilt one entry with its norm in closed form.
    Where that convicts nobody, the weights that are read back are made larger: what a program gives by the confidence
    of its model shows only where the model is confident.
    Blind spots: a few tokens at a few places are tried, so a sum below 1 acquits of nothing. Tables without collisions
    are normalised; their sizes are those of the real load where settings name them.
    """

    id = "PG414"
    violation_class = "normalization"
    basis = ("hashed_ngram", "full_distribution")
    remedy = "Mix distributions over the whole vocabulary and normalise them before the token is looked at."

    def decided(self, case: Case, proof: ProofFacts) -> Finding:
        """The largest sum."""
        if proof.above is not None:
            return self._row(case, proof, proof.above)
        if not proof.swaps:
            if 0 < proof.normalised == proof.rows + proof.unplaced:
                return self.ok_by_run(case, "Every score was taken out of one row over the vocabulary (PG413).")
            return self.unknown(case, "No token was tried in the place of another.")
        sharpest = max(proof.sharper, key=lambda one: one.most, default=None)
        if sharpest is not None and sharpest.most > 1 + ROUGH:
            return self._beyond(case, proof, sharpest, sharpest.most, proof.sharpness)
        if 0 < proof.normalised == proof.rows + proof.unplaced:
            places = ", ".join(number(one.position) for one in proof.swaps)
            return self.ok_by_run(case, f"What is given to the tokens of the vocabulary at {places} sums to 1 (PG413).")
        worst = max(proof.swaps, key=lambda one: one.beyond or one.total)
        if worst.beyond is not None:
            return self._beyond(case, proof, worst, worst.beyond)
        words = (
            f"{len(worst.tokens)} tokens in turn at position {number(worst.position)} got {worst.total:.4f} together"
        )
        own = worst.totals[0] if worst.totals else None
        if not worst.above and worst.one_row and own is not None and own < 1 - NOISE:
            message = (
                f"What the program computes for its token at position {number(worst.position)}, computed for every "
                f"token of the vocabulary, sums to {own:.4f}: that is not too much, and no distribution either."
            )
            return self.unknown(case, message)
        if not worst.above:
            return self.unknown(case, f"{words}; {_left_open(worst)}.")
        if proof.tables:
            lines = ", ".join(str(one.at.line) for one in proof.tables[:4])
            words = f"With tables as full as the real validation set makes them (line {lines}), {words}"
        shown = Proof(
            shows=Shows.SUM,
            position=worst.position,
            tokens=worst.tokens,
            values=worst.values,
            rows_compared=len(worst.tokens),
            stream=proof.stream,
            replay=f"golf replay REVIEW.json {self.id}",
        )
        suspected = [one.violation_class for one in mixture.TargetOnlyMixture().check(case)]
        kind = next((name for name in suspected if name is not None), self.violation_class)
        reason = "probabilities of one token sum to at most 1"
        if worst.by_bytes:
            words, kind = f"Scored byte by byte, {words[0].lower()}{words[1:]}", "ngram_unnormalized"
            reason = f"no distribution over tokens, and none over bytes, as {_of_bytes(worst)}"
        message = f"{words}: {reason}."
        return self.fail(case, message, _mixtures(case), proof=shown, violation_class=kind)

    def _beyond(self, case: Case, proof: ProofFacts, swap: Swap, total: float, sharpness: float = 1.0) -> Finding:
        """What is given to all tokens of the vocabulary, each computed as the realised one's is, sums to too much."""
        what = "What the program computes"
        if sharpness != 1:
            what = f"With weights {sharpness:g} times as large when they are read back, what the program computes"
        message = (
            f"{what} for its token at position {number(swap.position)}, computed for every token of the vocabulary, "
            f"sums to {total:.4f}; {len(swap.foretold)} others in its place got just what that says."
        )
        shown = Proof(
            shows=Shows.ROW,
            position=swap.position,
            tokens=swap.tokens,
            values=swap.values,
            total=total,
            rows_compared=len(swap.tokens),
            stream=proof.stream,
            replay=f"golf replay REVIEW.json {self.id}",
        )
        return self.fail(case, message, _mixtures(case), proof=shown, violation_class="ngram_unnormalized")

    def _row(self, case: Case, proof: ProofFacts, above: RowTotal) -> Finding:
        """A whole row that sums to too much."""
        message = (
            f"The probabilities out of which token {number(above.position)} got its own sum to {above.total:.4f}, and "
            f"so do those of {number(above.rows)} of {number(proof.rows)} scores to more than 1."
        )
        shown = Proof(
            shows=Shows.ROW,
            position=above.position,
            tokens=(above.token,),
            values=(above.value,),
            total=above.total,
            rows_compared=above.rows,
            stream=proof.stream,
            replay=f"golf replay REVIEW.json {self.id}",
        )
        return self.fail(case, message, _mixtures(case), proof=shown, violation_class="ngram_unnormalized")


def _mixtures(case: Case) -> list[Evidence]:
    facts = case.facts.order
    return [at(one.at, role="mixes") for one in facts.mixtures[:4]] if facts is not None else []


def _left_open(swap: Swap) -> str:
    """Why a sum over some tokens tells nothing."""
    if swap.total > 1 + NOISE and swap.together:
        return "each byte got the same as part of all of them, as from a distribution over bytes, which was not seen"
    if swap.total > 1 + NOISE:
        return "which of their bytes got what is not known"
    return "the others were not tried"


def _of_bytes(swap: Swap) -> str:
    """What shows that bytes are not scored from a distribution over bytes."""
    one = swap.shared
    if one is None:
        return f"different bytes after the same text got {swap.together:.4f} together"
    first, second = (
        f"{math.exp(-value):.4f} as part of token {token}" for value, token in zip(one.values, one.tokens, strict=True)
    )
    return f"byte {one.index + 1} of what two of them begin with got {first} and {second}"


RULES = (OneRow, SumsToOne)
