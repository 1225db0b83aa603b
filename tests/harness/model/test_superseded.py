"""Settings are those of the runs that a submission stands for."""

from __future__ import annotations

import json

import pytest
from tests_support.cases import COMPLETE, facts_of

SCRIPT = """
import os

class Hyperparameters:
    boost = float(os.environ.get("BOOST", "0.5"))

args = Hyperparameters()
print(f"boost: {args.boost}")
"""
LOG = """\
boost: {boost}
step:10/10 val_loss:2.2 val_bpb:1.3000 train_time:600000ms
final_int8_zlib_roundtrip val_loss:2.0 val_bpb:{score} eval_time:5ms
"""
RUNS = {"old_seed1": (0.75, 1.0512), "old_seed2": (0.75, 1.0534), "old_seed3": (0.75, 1.05), "new_seed1": (0.0, 1.0612)}


def boost(*claims: float) -> object:
    """The value of the setting where these scores are claimed for seeds."""
    metadata = {
        "author": "a", "github_id": "a", "name": "n", "date": "2026-04-01", "val_bpb": 1.06,
        "seed_results": {str(seed): {"val_bpb": claim} for seed, claim in enumerate(claims, 1)},
    }  # fmt: skip
    logs = {f"train_{name}.log": LOG.format(boost=one, score=f"{score:.8f}") for name, (one, score) in RUNS.items()}
    others = {name: text for name, text in COMPLETE.items() if not name.endswith(".log")}
    facts = facts_of({**others, "train_gpt.py": SCRIPT, "submission.json": json.dumps(metadata), **logs})
    assert facts.launch is not None
    return next(one.value for one in facts.launch.settings if one.name == "boost")


@pytest.mark.parametrize(
    ("claims", "expected"),
    [((1.0612,), 0.0), ((1.05123,), 0.75), ((1.0612, 1.2), 0.75), ((), 0.75)],
    ids=["the corrected run", "a former run", "a claim without a log", "no claim"],
)
def test_settings_of_the_claimed_runs(claims: tuple[float, ...], expected: float) -> None:
    """Where every claim for a seed has its log, other logs tell nothing of the launch; else most logs decide."""
    assert boost(*claims) == expected
