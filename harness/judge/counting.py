"""What the runs of a submission counted: tokens, and the bytes that a token stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.judge.case import Case, SeedRun
from harness.model import fingerprints
from harness.model.findings import Evidence
from harness.model.fingerprints import Fingerprint

SAME_TOKENS = 0.001
"""Share by which token counts of one tokenizer differ: evaluation drops an incomplete last sequence."""
SAME_RATIO = 0.004
"""Share by which bytes per token of one tokenizer differ: printed digits, and documents dropped at the end."""
SURPLUS = 0.02
"""More than this share of bytes beyond the validation set is no rounding and no separator."""
WHOLE = 0.98
"""Share of the validation set from which a score counts as one of the whole."""
PART = 0.9
"""Below this share the set is certainly not scored as a whole, whatever the tokenizer."""
MOST_BYTES = 7.0
"""No tokenizer that fits the limit reaches this many bytes per token."""
SAME_SCORE = 0.003
"""Bits per byte between a claim (a mean over seeds) and one run's score."""


def bytes_per_token(val_loss: float | None, val_bpb: float | None) -> float | None:
    """Bytes per token that a loss (nats per token) and a score (bits per byte) of one evaluation imply."""
    if not val_loss or not val_bpb or val_loss <= 0 or val_bpb <= 0:
        return None
    return val_loss / math.log(2) / val_bpb


@dataclass(frozen=True)
class Count:
    """What one run counted. `plain` is the ratio of the network's own evaluation, `final` that of the result."""

    run: SeedRun
    tokens: int | None
    plain: float | None
    plain_line: int | None
    final: float | None

    @property
    def bytes(self) -> float | None:
        """Bytes of all tokens that were loaded for scoring."""
        return self.tokens * self.plain if self.tokens is not None and self.plain is not None else None

    @property
    def known(self) -> Fingerprint | None:
        """The tokenizer, where the number of tokens tells it."""
        return fingerprints.load().of_tokens(self.tokens, SAME_TOKENS) if self.tokens is not None else None

    def evidence(self) -> list[Evidence]:
        """The lines that show tokens, loss and score."""
        rows = []
        fact = self.run.run.val_tokens
        if fact is not None:
            rows.append(
                Evidence(path=self.run.log.path, line=fact.at.line, snippet=fact.text, measured={"tokens": fact.value})
            )
        ratios = {"bytes_per_token": rounded(self.plain), "counted_bytes": int(self.bytes) if self.bytes else None}
        rows.append(Evidence(path=self.run.log.path, line=self.plain_line, measured=ratios))
        return rows


def counts(case: Case) -> list[Count]:
    """What each run that stands as evidence counted.

    The network's own ratio is that of the training curve: later scores may be mixtures. Where the curve's is of no
    known tokenizer and the result's is, the result's counts (some scripts print the curve in bits).
    """
    found = []
    for run in case.runs:
        curve = next(
            ((r, p.line) for p in run.run.curve if (r := bytes_per_token(p.val_loss, p.val_bpb)) is not None), None
        )
        final = bytes_per_token(run.score.val_loss, run.score.val_bpb)
        tokens = run.run.val_tokens.value if run.run.val_tokens is not None else None
        plain, line = curve if curve is not None else (final, run.score.line)
        if final is not None and is_known(final) and not (plain is not None and is_known(plain)):
            plain, line = final, run.score.line
        found.append(Count(run, tokens, plain, line, final))
    return found


def is_known(ratio: float) -> bool:
    """Whether bytes per token are those of a known tokenizer."""
    return fingerprints.load().of_ratio(ratio, SAME_RATIO) is not None


def rounded(value: float | None) -> float | None:
    """Four digits, as evidence shows them."""
    return round(value, 4) if value is not None else None


def percent(share: float) -> str:
    """`+4.1 %` for 1.041."""
    return f"{100 * (share - 1):+.1f} %"
