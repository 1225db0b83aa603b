"""Logs of runs that a submission no longer stands for: kept beside the corrected ones, with settings of their own."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.logs import LogFacts, is_claimed
from harness.model.metadata import MetadataFacts


def standing(logs: Sequence[LogFacts], metadata: Sequence[MetadataFacts]) -> Sequence[LogFacts]:
    """The logs whose runs end with a score that is claimed for a seed; all of them where a claim finds no log."""
    seeds = [seed for one in metadata if one.parsed for seed in one.per_seed]
    claims = [seed.val_bpb.value for seed in seeds if seed.val_bpb is not None]
    if not claims or not all(any(_shows(log, claim) for log in logs) for claim in claims):
        return logs
    return [log for log in logs if any(_shows(log, claim) for claim in claims)]


def _shows(log: LogFacts, claim: float) -> bool:
    """Whether a run of a log ends with a score."""
    finals = [run.final.val_bpb for run in log.runs if run.final is not None]
    return any(is_claimed(score, claim) for score in finals if score is not None)
