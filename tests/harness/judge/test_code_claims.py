"""Rules that hold description, log and code against each other."""

from __future__ import annotations

import pytest
from tests_support.cases import COMPLETE, findings_of
from tests_support.rename import rename_identifiers
from tests_support.repository import LOG, METADATA

from harness.model.findings import Finding, Outcome, Severity

FAIL, WARN, PASS = Outcome.FAIL, Outcome.WARN, Outcome.PASS


def found(rule: str, **files: str) -> list[Finding]:
    """Findings of one rule on the complete submission with files replaced (`__` for the dot)."""
    return findings_of({**COMPLETE, **{name.replace("__", "."): text for name, text in files.items()}}, rule)


@pytest.mark.parametrize(
    ("line", "outcomes"),
    [
        ("**val_bpb: 1.2052** (3-seed mean, std 0.0010)", [WARN]),
        ("**val_bpb: 1.2052** (2-seed mean)", [PASS]),
        ("PR #1234 reports a 3-seed mean of 1.19", []),
        ("A single seed, not a 3-seed mean.", []),
        ("val_bpb: TBD (3-seed mean)", []),
    ],
)
def test_seeds_counted(line: str, outcomes: list[Outcome]) -> None:
    """PG109 asks where a mean over more seeds is stated than runs are logged, of this submission only."""
    second = LOG.replace("seed:42", "seed:7")
    assert [f.outcome for f in found("PG109", README__md=f"# M\n{line}\n", train_seed7__log=second)] == outcomes


MODEL = """\
import os
import torch.nn as nn

class Hyperparameters:
    num_layers = int(os.environ.get("NUM_LAYERS", 9))

class GPT(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a = nn.ModuleList([nn.Linear(10, 10, bias=False) for _ in range(n)])

if __name__ == "__main__":
    args = Hyperparameters()
    model = GPT(args.num_layers)
"""


def test_settings_in_force() -> None:
    """PG110 holds the title's layers against the launch, once the logged parameters confirm the settings."""
    log = "model_params:900\n" + LOG
    (finding,) = found("PG110", README__md="# 11L Mine\n", train_gpt__py=MODEL, train_seed42__log=log)
    assert finding.outcome is WARN
    assert "11" in finding.message
    assert found("PG110", README__md="# 9L Mine\n", train_gpt__py=MODEL, train_seed42__log=log) == []
    other = "model_params:1100\n" + LOG
    assert found("PG110", README__md="# 11L Mine\n", train_gpt__py=MODEL, train_seed42__log=other) == []


AVERAGE = "def upd(m, a):\n    for k, v in m.state_dict().items():\n        a[k].mul_(0.9).add_(v, alpha=0.1)\n"
STRAIGHT = "def q(w, s):\n    r = (w / s).round() * s\n    return w + (r - w).detach()\n"


@pytest.mark.parametrize(
    ("title", "code", "outcomes"),
    [
        ("11L EMA", "", [WARN]),
        ("11L EMA", AVERAGE, [PASS]),
        ("11L SWA + QAT", AVERAGE, [PASS, WARN]),
        ("11L SWA + QAT", AVERAGE + STRAIGHT, [PASS, PASS]),
        ("11L no EMA", "", []),
        ("11L SWA-1024", "", []),
        ("11L Late-QAT", AVERAGE, [WARN]),
        ("Plain schema", "", []),
    ],
)
def test_techniques_held(title: str, code: str, outcomes: list[Outcome]) -> None:
    """PG111 asks for the structure of what the title names, and a denial silences it."""
    script = "import torch\n" + code + "print(1)\n"
    assert [f.outcome for f in found("PG111", README__md=f"# {title}\n", train_gpt__py=script)] == outcomes
    renamed = script.replace("upd", "zz").replace("a[k]", "shadow_x[k]").replace("m, a", "m, shadow_x")
    assert [f.outcome for f in found("PG111", README__md=f"# {title}\n", train_gpt__py=renamed)] == outcomes


GUARDED = """\
import torch

def main(model, kept):
    print(f"peak memory allocated: {len(kept)} MiB")
    if len(kept) > 1:
        print(f"swa: averaging {len(kept)} checkpoints")
        mean = {}
        for key in kept[0]:
            mean[key] = torch.stack([one[key] for one in kept]).mean(0)
        model.load_state_dict(mean)
    print(f"Serialized model int8+zlib: {len(kept)} bytes")

main(torch.nn.Linear(1, 1), [])
"""


@pytest.mark.parametrize(
    ("title", "script", "log", "outcomes"),
    [
        ("11L SWA", GUARDED, LOG, [WARN]),
        ("11L", GUARDED, LOG, []),
        ("11L no SWA", GUARDED, LOG, []),
        ("11L SWA", GUARDED, LOG.replace("Serialized", "swa: averaging 24 checkpoints\nSerialized"), [PASS]),
        ("11L SWA", GUARDED.replace("        print", "        str"), LOG, []),
        ("11L SWA", GUARDED, LOG.replace("peak memory", "peak"), []),
        ("11L SWA", GUARDED + AVERAGE, LOG, []),
        ("11L QAT", GUARDED, LOG, []),
    ],
)
def test_techniques_shown(title: str, script: str, log: str, outcomes: list[Outcome]) -> None:
    """PG116 asks where no log holds the average's line; not where one does, none is printed, or another averages."""
    findings = found("PG116", README__md=f"# {title}\n", train_gpt__py=script, train_seed42__log=log)
    assert [f.outcome for f in findings] == outcomes
    renamed = rename_identifiers(script, 5)
    again = found("PG116", README__md=f"# {title}\n", train_gpt__py=renamed, train_seed42__log=log)
    assert [f.outcome for f in again] == outcomes
    for finding in findings:
        roles = {row.measured.get("role"): row.path for row in finding.evidence}
        assert finding.outcome is PASS or (finding.severity, roles["prints"]) == (Severity.DEFECT, "train_gpt.py")
        assert finding.outcome is PASS or (roles["names it"], roles["shown around it"]) == (
            "README.md",
            "train_seed42.log",
        )


KNOWN = {f"num_thing_{c}": i for i, c in enumerate("abcdefghij")}
DUMP = "Hyperparameters:\n" + "".join(f"  {name}: {value}\n" for name, value in KNOWN.items())
HOLDER = (
    "class H:  # world_size grad_accum_steps\n"
    + "".join(f"    {name} = {value}\n" for name, value in KNOWN.items())
    + "print(H)\n"
)


def test_names_held() -> None:
    """PG112 finds settings of the log that no text holds; one alone is advice; names in a helper are held."""
    extra = DUMP + "  ttt_hash_embed: True\n  ttt_hash_buckets: 16384\n"
    (finding,) = found("PG112", train_gpt__py=HOLDER, train_seed42__log=extra + LOG)
    assert (finding.severity, finding.evidence[0].line) == (Severity.DEFECT, 12)
    (one,) = found("PG112", train_gpt__py=HOLDER, train_seed42__log=DUMP + "  ttt_hash_embed: True\n" + LOG)
    assert one.severity is Severity.ADVICE
    assert found("PG112", train_gpt__py=HOLDER, train_seed42__log=DUMP + LOG) == []
    helper = "ttt_hash_embed = ttt_hash_buckets = 0\n"
    assert found("PG112", train_gpt__py=HOLDER, helper__py=helper, train_seed42__log=extra + LOG) == []


def test_names_of_an_opaque_script() -> None:
    """PG112 says nothing where a wrapper could not be unpacked: its names are not known."""
    closed = "import sys\nexec(compile(sys.stdin.read(), 'x', 'exec'))\n"
    assert found("PG112", train_gpt__py=closed, train_seed42__log=DUMP + LOG) == []


@pytest.mark.parametrize(
    ("size", "outcome", "severity"),
    [(50_000, PASS, None), (49_000, WARN, Severity.ADVICE), (70_000, WARN, Severity.DEFECT)],
)
def test_code_size(size: int, outcome: Outcome, severity: Severity | None) -> None:
    """PG113 holds the printed bytes of code against the files; a small difference is advice."""
    line = "print('one line of a plain script')\n"
    script = line * (50_000 // len(line))
    script += "#" * (50_000 - len(script))
    log = LOG.replace("Code size: 50000", f"Code size: {size}")
    (finding,) = found("PG113", train_gpt__py=script, train_seed42__log=log)
    assert finding.outcome is outcome
    assert severity is None or finding.severity is severity


def test_entry_point() -> None:
    """PG114 fails a file of definitions, and no file that does something."""
    (finding,) = found("PG114", train_gpt__py="def main():\n    pass\n")
    assert (finding.outcome, finding.severity) == (FAIL, Severity.DEFECT)
    for end in ("main()\n", "if __name__ == '__main__':\n    main()\n", "for i in range(2):\n    main()\n"):
        assert found("PG114", train_gpt__py="def main():\n    pass\n" + end) == []


def test_artifact_read_back() -> None:
    """PG115 asks where the artifact is written and nothing is read; tracks without records are not asked."""
    writes = "import torch, zlib\nb = zlib.compress(b'x')\nopen('m', 'wb').write(b)\n"
    (finding,) = found("PG115", train_gpt__py=writes)
    assert finding.outcome is WARN
    assert found("PG115", train_gpt__py=writes + "zlib.decompress(open('m', 'rb').read())\n") == []
    path = "records/track_non_record_16mb/2026-03-20_Mine"
    assert findings_of({**COMPLETE, "train_gpt.py": writes}, "PG115", path) == []


def test_clean_metadata_untouched() -> None:
    """None of the rules has anything against the complete submission."""
    for rule in ("PG109", "PG110", "PG111", "PG112", "PG114", "PG115", "PG116"):
        assert [f for f in found(rule, submission__json=METADATA) if f.outcome is not PASS] == []
