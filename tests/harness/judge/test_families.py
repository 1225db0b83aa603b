"""Each rule on a submission that breaks it, and on the legal twin beside it."""

from __future__ import annotations

import datetime as dt

import pytest
from tests_support.cases import COMPLETE, findings_of
from tests_support.repository import LOG, METADATA

from harness.judge.rulebook import rules
from harness.model.findings import Finding, Outcome, Severity

FAIL, WARN, PASS, UNKNOWN = Outcome.FAIL, Outcome.WARN, Outcome.PASS, Outcome.INCONCLUSIVE


WORDS = {
    "total": "15850000",
    "model": "15800000",
    "code": "Code size: 50000 bytes",
    "bpb": "1.20520000",
    "train": "599900ms",
    "eval": "eval_time:1500ms",
    "world": "world_size:8",
    "seed": "seed:42",
}
"""The words of the complete log that tests replace."""


def only(found: list[Finding]) -> Finding:
    """The one finding that there must be."""
    (finding,) = found
    return finding


def log(**changes: str) -> str:
    """The complete log with single words replaced."""
    text = LOG
    for old, new in changes.items():
        text = text.replace(WORDS[old], new)
    return text


def with_(**files: str | bytes | None) -> dict[str, str | bytes]:
    """The complete submission with files replaced (`__` for the dot) or dropped."""
    changed: dict[str, str | bytes | None] = {**COMPLETE, **{k.replace("__", "."): v for k, v in files.items()}}
    return {name: data for name, data in changed.items() if data is not None}


def test_clean_twin() -> None:
    """A complete honest submission passes every rule of compliance that applies (its record status is apart)."""
    for rule in rules():
        if rule.id.startswith("PG6"):
            continue
        for finding in findings_of(COMPLETE, rule.id):
            assert finding.outcome in {PASS, Outcome.NOT_APPLICABLE}, finding


@pytest.mark.parametrize("name", ["README.md", "submission.json", "train_gpt.py", "train_seed42.log"])
def test_required_files(name: str) -> None:
    """PG004 names the file that is missing; an empty one is missing too."""
    for files in ({k: v for k, v in COMPLETE.items() if k != name}, {**COMPLETE, name: ""}):
        finding = only(findings_of(files, "PG004"))
        assert finding.outcome is FAIL
        assert ("log" if name.endswith(".log") else name) in finding.message


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("{", FAIL), (METADATA + "}", WARN), ('{"author": "a"}', FAIL), ('{"author": "a", "val_bpb": 1.2}', WARN)],
)
def test_metadata(text: str, outcome: Outcome) -> None:
    """PG005 tells a broken file, a repaired one, a missing field and a missing name apart."""
    assert outcome in {finding.outcome for finding in findings_of(with_(submission__json=text), "PG005")}


@pytest.mark.parametrize(("text", "outcome"), [("def f(:\n", FAIL), ('x = f"{d["k"]}"\n', PASS)])
def test_script_parses(text: str, outcome: Outcome) -> None:
    """PG006 fails on a syntax error and not on the grammar of 3.12."""
    assert only(findings_of(with_(train_gpt__py=text), "PG006")).outcome is outcome


def test_local_imports() -> None:
    """PG007 asks about a module that the folder lacks, and not when it is there, guarded, or in requirements.txt."""
    text = "from my_helpers_x import go\ngo()\n"
    assert only(findings_of(with_(train_gpt__py=text), "PG007")).outcome is WARN
    assert findings_of(with_(train_gpt__py=text, my_helpers_x__py="def go(): ...\n"), "PG007") == []
    assert findings_of(with_(train_gpt__py=text, requirements__txt="my-helpers-x==1\n"), "PG007") == []
    guarded = "try:\n    import my_helpers_x\nexcept ImportError:\n    my_helpers_x = None\n"
    assert findings_of(with_(train_gpt__py=guarded), "PG007") == []


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("records/Mine", FAIL),
        ("records/track_unknown/2026-03-20_Mine", FAIL),
        ("records/records/track_10min_16mb/2026-03-20_Mine", FAIL),
        ("records/track_10min_16mb/Mine", WARN),
    ],
)
def test_location(path: str, outcome: Outcome) -> None:
    """PG008 finds misplaced folders; a name without a date is advice only."""
    assert only(findings_of(COMPLETE, "PG008", path)).outcome is outcome


@pytest.mark.parametrize(
    ("claim", "outcome", "severity"),
    [("1.2052", PASS, None), ("1.1900", FAIL, Severity.DEFECT), ("1.2437", WARN, Severity.ADVICE)],
)
def test_score_shown(claim: str, outcome: Outcome, severity: Severity | None) -> None:
    """PG101: the logged score passes, an unlogged one fails, a worse line of the log is advice."""
    finding = only(findings_of(with_(submission__json=METADATA.replace("1.2052", claim)), "PG101"))
    assert finding.outcome is outcome
    assert severity is None or finding.severity is severity


def test_mean_of_seeds() -> None:
    """PG101 compares with the mean over seeds, not with the best of them."""
    files = with_(train_seed7__log=log(seed="seed:7", bpb="1.20720000"))
    assert (
        only(findings_of({**files, "submission.json": METADATA.replace("1.2052", "1.2062")}, "PG101")).outcome is PASS
    )
    best = only(findings_of(files, "PG101"))
    assert (best.outcome, best.severity) == (WARN, Severity.DEFECT)


def test_seeds() -> None:
    """PG102 finds a copied log under another seed's name, a name that contradicts the log, and a seed without a log."""
    assert any(f.outcome is FAIL for f in findings_of(with_(train_seed7__log=LOG), "PG102"))
    assert any("prints seed 9" in f.message for f in findings_of(with_(train_seed42__log=log(seed="seed:9")), "PG102"))
    claimed = METADATA.replace('"date"', '"seeds": [42, 7], "date"')
    assert any("7" in f.message for f in findings_of(with_(submission__json=claimed), "PG102") if f.outcome is WARN)


def test_bytes_shown() -> None:
    """PG103 finds a claim below every log, and only advises where it is above."""
    low = only(findings_of(with_(submission__json=METADATA.replace("15850000", "15000000")), "PG103"))
    high = only(findings_of(with_(submission__json=METADATA.replace("15850000", "15900000")), "PG103"))
    assert (low.outcome, low.severity) == (WARN, Severity.DEFECT)
    assert high.severity is Severity.ADVICE


def test_source_logged() -> None:
    """PG104 accepts the submitted source, advises on a small difference and asks about a large one."""
    bar = "\n" + "=" * 100 + "\n"
    head = "import os\nimport math\n\ndef main():\n    return os.sep\n\nclass Model:\n    size = 3\n\n"
    script = head + "".join(f"x{i} = {i}\n" for i in range(60))
    same = with_(train_gpt__py=script, train_seed42__log=script + bar + LOG)
    assert only(findings_of(same, "PG104")).outcome is PASS
    small = with_(train_gpt__py=script.replace("x3 = 3", "x3 = 4"), train_seed42__log=script + bar + LOG)
    assert only(findings_of(small, "PG104")).severity is Severity.ADVICE
    other = head + "".join(f"y{i} = {i * 7}\n" for i in range(60))
    large = with_(train_gpt__py=other, train_seed42__log=script + bar + LOG)
    assert only(findings_of(large, "PG104")).severity is Severity.DEFECT


def test_sizes_declared() -> None:
    """PG105 finds a declared size that the log contradicts."""
    claimed = METADATA.replace('"date"', '"num_layers": 11, "date"')
    logged = "num_layers:9 model_dim:512\n" + LOG
    assert only(findings_of(with_(submission__json=claimed, train_seed42__log=logged), "PG105")).outcome is WARN
    agreed = "num_layers:11 model_dim:512\n" + LOG
    assert findings_of(with_(submission__json=claimed, train_seed42__log=agreed), "PG105") == []


MODEL = """\
import torch.nn as nn

class GPT(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.a = nn.Linear(dim, dim, bias=False)

if __name__ == "__main__":
    model = GPT(10)
"""


def test_parameters_derived() -> None:
    """PG106 derives the count from the constructors and asks when the log prints another."""
    same = with_(train_gpt__py=MODEL, train_seed42__log="model_params:100\n" + LOG)
    other = with_(train_gpt__py=MODEL, train_seed42__log="model_params:120\n" + LOG)
    assert only(findings_of(same, "PG106")).outcome is PASS
    assert only(findings_of(other, "PG106")).outcome is WARN


def test_logs_end_well() -> None:
    """PG107 repeats the failure that a log reports of itself."""
    finding = only(findings_of(with_(train_seed42__log=LOG + "torch.OutOfMemoryError: CUDA out of memory.\n"), "PG107"))
    assert "memory" in finding.message


def test_other_scores() -> None:
    """PG108 asks for the log line of a second score, and is content when there is one."""
    wrong = METADATA.replace('"date"', '"pre_quant_val_bpb": 1.2200, "date"')
    right = METADATA.replace('"date"', '"pre_quant_val_bpb": 1.2023, "date"')
    assert only(findings_of(with_(submission__json=wrong), "PG108")).outcome is WARN
    assert findings_of(with_(submission__json=right), "PG108") == []


def test_artifact_logged() -> None:
    """PG201: a total above the decimal limit is a violation on the record track and a defect on the other."""
    heavy = with_(train_seed42__log=log(total="16100001", model="16050001"))
    finding = only(findings_of(heavy, "PG201"))
    assert (finding.outcome, finding.severity) == (FAIL, Severity.VIOLATION)
    path = "records/track_non_record_16mb/2026-03-20_Mine"
    assert only(findings_of(heavy, "PG201", path)).severity is Severity.DEFECT
    assert only(findings_of(with_(train_seed42__log=log(total="16000000")), "PG201")).outcome is PASS


def test_smaller_script_submitted() -> None:
    """PG201 and PG202: a log that weighs a longer script than the one submitted is tolerated when the latter fits."""
    files = with_(train_seed42__log=log(total="16010000", model="15940000", code="Code size: 70000 bytes"))
    finding = only(findings_of(files, "PG201"))
    assert (finding.outcome, finding.tolerated) == (WARN, "wrapped_claim")
    early = only(findings_of(files, "PG201", as_of=dt.date(2026, 3, 20)))
    assert early.tolerated is None


def test_helper_files_count() -> None:
    """PG202 counts imported helpers, and only those."""
    script = "import helper_mod\nhelper_mod.go()\n"
    helper = "def go(): ...\n" + "#" * 300_000
    files = with_(train_gpt__py=script, helper_mod__py=helper)
    assert only(findings_of(files, "PG202")).outcome is FAIL
    unused = with_(other_mod__py=helper)
    assert only(findings_of(unused, "PG202")).outcome is PASS


def test_virtual_wrapper() -> None:
    """PG202 tolerates a compressed wrapper that the log bills and nobody committed, and lists it."""
    text = log(code="Code size (uncompressed): 260000 bytes\nCode size (compressed): 50000 bytes")
    files = with_(train_seed42__log=text, train_gpt__py=COMPLETE["train_gpt.py"] + "#" * 260_000)
    finding = only(findings_of(files, "PG202"))
    assert (finding.outcome, finding.tolerated) == (WARN, "virtual_wrapper")


def test_artifact_claimed() -> None:
    """PG203: the claim alone can break the limit."""
    files = with_(submission__json=METADATA.replace("15850000", "16155425"), train_seed42__log=None)
    assert only(findings_of(files, "PG203")).severity is Severity.VIOLATION


@pytest.mark.parametrize(("clock", "outcome"), [("600400ms", PASS), ("601100ms", FAIL), ("599000ms", PASS)])
def test_training_time(clock: str, outcome: Outcome) -> None:
    """PG204 lets the cap's slack of about a second pass, and nothing above it."""
    assert only(findings_of(with_(train_seed42__log=log(train=clock)), "PG204")).outcome is outcome


def test_evaluation_time() -> None:
    """PG205 has no slack."""
    assert only(findings_of(with_(train_seed42__log=log(eval="eval_time:600100ms")), "PG205")).outcome is FAIL


def test_other_machine() -> None:
    """PG206 finds another machine; the time limits say nothing there, and nothing is asked on the other track."""
    files = with_(train_seed42__log=log(world="world_size:1", train="4000000ms"))
    assert only(findings_of(files, "PG206")).outcome is FAIL
    assert findings_of(files, "PG204") == []
    assert findings_of(files, "PG206", "records/track_non_record_16mb/2026-03-20_Mine") == []


def test_no_size_in_log() -> None:
    """PG201 is inconclusive, never a pass, when no log prints a size."""
    text = "\n".join(line for line in LOG.splitlines() if "bytes" not in line)
    assert only(findings_of(with_(train_seed42__log=text), "PG201")).outcome is UNKNOWN


def test_every_rule_has_a_page() -> None:
    """Each rule's docstring is a page with its four parts, and its basis exists."""
    for rule in rules():
        page = rule.page()
        assert all(f"{part}:" in page for part in ("What", "Why", "Mend", "Blind spots")), rule.id
        assert rule.title()
        assert rule.remedy
        assert rule.basis
    ids = [rule.id for rule in rules()]
    assert len(ids) == len(set(ids))
