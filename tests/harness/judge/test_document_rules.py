"""The rule on document boundaries: by date, by number of the pull request, and beside its legal twins."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from tests_support.cases import COMPLETE, case_of

from harness.judge.families.documents import DocumentsApart
from harness.model.findings import Finding, Outcome, Severity, Strength

RULED, LATER = dt.date(2026, 4, 26), dt.date(2026, 5, 1)
SCRIPT = """
import os
import torch
from torch import nn
from flash_attn_interface import flash_attn_varlen_func

class Model(nn.Module):
    def __init__(self, smear):
        super().__init__()
        self.smear = smear

    def forward(self, ids, bounds):
        x = self.embed(ids)
        if self.smear:
            x = torch.cat([x[:, :1], x[:, 1:] + self.gate * x[:, :-1]], dim=1)
        return flash_attn_varlen_func(x, x, x, bounds, bounds)

model = Model(bool(int(os.environ.get("SMEAR", "1"))))
print(model(torch.zeros(1, 2), None))
"""


def judged(script: str = SCRIPT, as_of: dt.date = LATER, pr: int | None = 2_000) -> list[Finding]:
    """Findings on a submission with this script."""
    case = case_of({**COMPLETE, "train_gpt.py": script}, as_of=as_of)
    return list(DocumentsApart().check(dataclasses.replace(case, pr=pr)))


def test_open_gate() -> None:
    """A gate without a mask is asked about, with the line where attention ends with the document."""
    (finding,) = judged()
    assert (finding.outcome, finding.severity, finding.strength) == (
        Outcome.WARN,
        Severity.VIOLATION,
        Strength.SUSPECTED,
    )
    assert (finding.violation_class, [row.line for row in finding.evidence]) == ("cross_doc_leak_bos", [16, 15])


@pytest.mark.parametrize(
    ("script", "outcomes"),
    [
        (SCRIPT.replace("self.gate *", "self.gate * (ids[:, 1:] != 1) *"), [Outcome.PASS]),
        (SCRIPT.replace('"SMEAR", "1"', '"SMEAR", "0"'), []),
        (SCRIPT.replace("flash_attn_varlen_func", "flash_attn_func"), []),
    ],
)
def test_legal(script: str, outcomes: list[Outcome]) -> None:
    """A mask passes; a gate that the launch switches off, and attention over everything, are asked nothing."""
    assert [finding.outcome for finding in judged(script)] == outcomes


def test_dates() -> None:
    """Nothing is asked before the ruling; pull requests opened before it are tolerated once records of them stand."""
    assert judged(as_of=RULED - dt.timedelta(days=1)) == []
    assert [finding.tolerated for finding in judged(as_of=RULED)] == [None]
    assert [finding.tolerated for finding in judged(pr=1_700)] == ["shift_before_ruling"]
    assert [finding.tolerated for finding in judged(pr=None)] == [None]
