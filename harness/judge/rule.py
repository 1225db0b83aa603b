"""What a rule is: a small documented class that turns facts into findings.

The class docstring is the rule's page in the rule book. Its first line is the finding's title; then follow the
paragraphs *What*, *Why*, *Mend* and *Blind spots*.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from harness.judge.case import Case, DiffCase
from harness.model.base import At, Fact, Scalar, snippet
from harness.model.findings import Evidence, Finding, Outcome, Severity, Strength

C = TypeVar("C", Case, DiffCase)


class Rule(ABC, Generic[C]):
    """Base of all rules; see `SubmissionRule` and `DiffRule` for the two kinds of case."""

    id: ClassVar[str]
    severity: ClassVar[Severity]
    strength: ClassVar[Strength] = Strength.DERIVED
    violation_class: ClassVar[str | None] = None
    basis: ClassVar[tuple[str, ...]]
    remedy: ClassVar[str]

    @classmethod
    def title(cls) -> str:
        """First line of the docstring, without its full stop."""
        return cls.page().split("\n", 1)[0].rstrip(".")

    @classmethod
    @cache
    def page(cls) -> str:
        """The rule's page in the rule book."""
        return inspect.cleandoc(cls.__doc__ or "")

    @abstractmethod
    def check(self, case: C) -> Iterable[Finding]:
        """Findings on one case; none when the rule has nothing to say."""

    def judge(self, case: C) -> Iterator[Finding]:
        """`check`, with a failure of the rule itself turned into an `error` finding: ours, never the submission's."""
        try:
            yield from self.check(case)
        except Exception as error:  # noqa: BLE001  one broken rule must not lose the others' findings
            message = f"The rule itself failed: {type(error).__name__}: {error}. Please report this to the harness."
            yield self.finding(case, Outcome.ERROR, message)

    def finding(
        self, case: C, outcome: Outcome, message: str, evidence: Iterable[Evidence] = (), **changes: Any
    ) -> Finding:
        """A finding of this rule; `changes` replace single fields of it."""
        fields: dict[str, Any] = {
            "rule": self.id,
            "title": self.title(),
            "outcome": outcome,
            "severity": self.severity,
            "strength": self.strength,
            "violation_class": self.violation_class if outcome in {Outcome.FAIL, Outcome.WARN} else None,
            "message": message,
            "remedy": self.remedy if outcome in {Outcome.FAIL, Outcome.WARN} else None,
            "evidence": tuple(evidence),
            "basis": case.competition.basis(*self.basis),
        }
        return Finding(**(fields | changes))

    def ok(self, case: C, message: str, evidence: Iterable[Evidence] = ()) -> Finding:
        """The rule holds."""
        return self.finding(case, Outcome.PASS, message, evidence)

    def fail(self, case: C, message: str, evidence: Iterable[Evidence] = (), **changes: Any) -> Finding:
        """The rule is broken."""
        return self.finding(case, Outcome.FAIL, message, evidence, **changes)

    def warn(self, case: C, message: str, evidence: Iterable[Evidence] = (), **changes: Any) -> Finding:
        """The rule may be broken: somebody should look."""
        return self.finding(case, Outcome.WARN, message, evidence, **changes)

    def unknown(self, case: C, message: str, evidence: Iterable[Evidence] = ()) -> Finding:
        """The rule applies and could not be examined."""
        return self.finding(case, Outcome.INCONCLUSIVE, message, evidence)


class SubmissionRule(Rule[Case]):
    """A rule about one submission folder."""

    def ok_by_run(self, case: Case, message: str, evidence: Iterable[Evidence] = ()) -> Finding:
        """The rule holds as far as the run shows it. What a run is seen to do acquits only where it can be trusted;
        otherwise the question stays open.
        """
        run = case.facts.cpu_run
        doubts = run.doubts() if run is not None else ("it was not run",)
        if not doubts:
            return self.ok(case, message, evidence)
        return self.unknown(case, f"{message} That acquits of nothing: {'; '.join(doubts[:3])}.", evidence)


class DiffRule(Rule[DiffCase]):
    """A rule about the pull request as a whole: hygiene of the diff."""


def at(place: At, text: str | None = None, **measured: Scalar) -> Evidence:
    """Evidence at the place of a fact."""
    return Evidence(
        path=place.path,
        line=place.line,
        end_line=place.end_line,
        snippet=snippet(text) if text else None,
        measured=measured,
    )


def shown(fact: Fact[Any], name: str) -> Evidence:
    """Evidence of one fact: its place, its text and its value under `name`."""
    return at(fact.at, fact.text, **{name: fact.value})


def number(value: float) -> str:
    """A number as people read it: thousands separated, no needless digits."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.4f}".rstrip("0").rstrip(".")
