"""PG32x: normalisation. What is reported is the probability that one full distribution gave to the token."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.judge.case import Case
from harness.judge.rule import SubmissionRule, at
from harness.judge.settled import normalised
from harness.model.findings import Evidence, Finding, Severity, Strength
from harness.model.order import UpdateKind
from harness.model.superseded import standing

_MIXTURE = re.compile(r"(?<![a-z])(?:ppm|n-?gram|knn|dirichlet)\w{0,20}|\bmix(?:er|ture|_bpb)?\b", re.IGNORECASE)
_NAMED = re.compile(
    r"(?<![a-z])ppm(?![a-z])|n-?gram[-_ ]{0,3}(?:cache|back-?off|mix|rescor|oracle|hedge)"
    r"|frozen[-_ ]?oracle|cache[-_ ]?mix",
    re.IGNORECASE,
)
"""Titles of submissions whose score is of such a mixture."""
_BYTES = re.compile(r"(?<![a-z])ppm|mix", re.IGNORECASE)


class TargetOnlyMixture(SubmissionRule):
    """A mixture is normalised over the whole alphabet before the token is looked at.

    What: places where the model's probability of the realised token alone (after the gather or the cross entropy) is
    blended with what a table of counts says; logs and titles that name such a mixture.
    Why: a table that is asked only for the realised token gives no distribution: asked for every token, the
    probabilities sum to far more than one. Reweighting the whole distribution is legal.
    Mend: mix full distributions and normalise, or tilt one entry with its norm in closed form, and show the sum.
    Blind spots: reading sees where things are mixed, not what they sum to; only running can show that they sum to one.
    """

    id = "PG321"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "ngram_target_in_key"
    basis = ("hashed_ngram", "full_distribution")
    remedy = "Show that the mixed probabilities of all tokens of the alphabet sum to one at sampled positions."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for code and logs together."""
        order = case.facts.order
        mixtures = order.mixtures if order is not None else ()
        tables = [u for u in order.updates if u.kind is UpdateKind.TABLE] if order is not None else []
        found = [at(mix.at, role="mixes") for mix in mixtures[:4]]
        found += [at(table.at, role="counts") for table in tables[:3]] if mixtures else []
        named = [
            (log.path, score)
            for log in case.logs
            for run in log.runs
            for score in run.scores
            if not score.diagnostic and _MIXTURE.search(score.label) is not None
        ]
        found += [Evidence(path=path, line=score.line, snippet=score.label) for path, score in named[:2]]
        titles = [title for title in case.titles if _NAMED.search(title.snippet or "")]
        found += titles[:1]
        if not found:
            return
        proof = normalised(case)
        if proof is not None and not named:
            message = (
                "Reading alone suspects a mixture with the realised token alone. The experiments refute it: each of "
                f"{proof.rows} scores was taken out of one row over the vocabulary, made before its token was seen."
            )
            yield self.ok(case, message, found)
            return
        words = [score.label for _, score in named] + [title.snippet or "" for title in titles]
        kind = "ngram_unnormalized" if any(_BYTES.search(word) for word in words) else self.violation_class
        if mixtures:
            where = ", ".join(str(mix.at.line) for mix in mixtures[:4])
            message = (
                f"The probability of the realised token alone is mixed with a table of counts (line {where}). Please "
                "show that the mixture is one distribution over the whole alphabet."
            )
        elif not named:
            message = (
                f"The submission calls itself a mixture ({titles[0].snippet!r}). Please show that it is one "
                "distribution over the whole alphabet."
            )
        else:
            message = (
                f"The log reports a score of a mixture ({named[0][1].label!r}). Please show that it is one "
                "distribution over the whole alphabet."
            )
        yield self.warn(case, message, found, violation_class=kind)


class GateOnToken(SubmissionRule):
    """Whether and how to mix does not depend on the realised token.

    What: log lines that count positions at which a gate on a property of the realised token opened, in the logs of the
    runs whose scores are claimed.
    Why: a gate that looks at the token tells the scorer about it.
    Mend: decide by the context alone; a hint may be proposed, and its agreement with the token only be scored.
    Blind spots: gates that no log counts; running with another token in place shows them.
    """

    id = "PG322"
    severity = Severity.VIOLATION
    strength = Strength.SUSPECTED
    violation_class = "future_token_gate"
    basis = ("gates",)
    remedy = "Close gates that look at the token (their counts must be 0), or show that they see the prefix only."

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all runs."""
        lines = [
            Evidence(path=log.path, line=event.line, snippet=event.text)
            for log in standing(case.logs, case.facts.metadata)
            for run in log.runs
            for event in run.events
            if event.kind == "token_gate"
        ]
        if lines:
            message = f"{len(lines)} log line(s) count positions where a gate within words or between experts opened."
            yield self.warn(case, message, lines[:4])


RULES = (TargetOnlyMixture, GateOnToken)
