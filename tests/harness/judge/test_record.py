"""Record status: against which record, under which policy, with which runs."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from tests_support.cases import FOLDER, case_of, findings_of
from tests_support.repository import LOG, METADATA

from harness.judge.case import Case
from harness.judge.record import compare, standing
from harness.model.competition import AcceptedRecord, load
from harness.model.findings import Finding, Outcome, Severity
from harness.model.review import RecordStatus

DAY = dt.date(2026, 4, 12)
"""A day on which the record stands at 1.0810."""


def log(bpb: float, seed: int = 42, **settings: object) -> str:
    """The log of one run with its final score, its seed and settings printed as the baseline prints them."""
    text = LOG.replace("1.20520000", f"{bpb:.8f}").replace("val_bpb:1.2052 eval", f"val_bpb:{bpb:.4f} eval")
    text = text.replace("seed:42", f"seed:{seed}")
    return "".join(f"{name}:{value}\n" for name, value in settings.items()) + text


def files(*logs: str, metadata: str = METADATA, script: str | None = None) -> dict[str, str]:
    """A submission with these logs, under names of different seeds."""
    named = {f"train_seed{i}.log": text.replace("seed:42", f"seed:{i}") for i, text in enumerate(logs, 1)}
    code = script or "import os\nseed = int(os.environ.get('SEED', 1))\nlr = float(os.environ.get('LR', 0.1))\n"
    return {"README.md": "# M\n", "submission.json": metadata, "train_gpt.py": code, **named}


def case(*scores: float, as_of: dt.date = DAY, **changes: object) -> Case:
    """A case with one log a score."""
    return replace(case_of(files(*map(log, scores)), as_of=as_of), **changes)  # type: ignore[arg-type]


def status(of: Case, policy: str = "readme") -> RecordStatus:
    """Record status under a policy."""
    return compare(replace(of, policy=policy))[0].status


@pytest.mark.parametrize(
    ("scores", "readme", "chronological"),
    [
        ((1.0700, 1.0704, 1.0702), "record", "record"),
        ((1.0800, 1.0804, 1.0802), "not_significant", "record"),
        ((1.0500, 1.1000, 1.0800), "not_significant", "not_significant"),
        ((1.0820, 1.0824), "not_better", "not_better"),
        ((1.0700,), "unverified", "unverified"),
        ((1.0805,), "not_significant", "unverified"),
        ((1.0900,), "not_better", "not_better"),
    ],
)
def test_status(scores: tuple[float, ...], readme: str, chronological: str) -> None:
    """Better by the margin and by the test: record; one run can fail but not win; worse is not better."""
    assert status(case(*scores)) == readme
    assert status(case(*scores), "chronological") == chronological


def test_claim_without_logs() -> None:
    """A claim that no log shows can be too weak, and never a record."""
    weak = case_of(files(), as_of=DAY)
    assert status(weak) is RecordStatus.NOT_BETTER
    strong = case_of(files(metadata=METADATA.replace("1.2052", "1.0")), as_of=DAY)
    assert status(strong) is RecordStatus.UNVERIFIED
    assert status(case_of(files(metadata="{}"), as_of=DAY)) is RecordStatus.UNVERIFIED


def test_claim_of_another_line() -> None:
    """A log may end with another evaluation than the claimed one: the lines that show the claim are compared."""
    claimed = "ttt_lora val_loss:2.0000 val_bpb:{:.4f}\n"
    logs = [claimed.format(bpb) + log(1.2) for bpb in (1.0700, 1.0702)]
    found = compare(case_of(files(*logs, metadata=METADATA.replace("1.2052", "1.0701")), as_of=DAY))[0]
    assert (found.status, found.mean) == (RecordStatus.RECORD, pytest.approx(1.0701))
    unclaimed = compare(case_of(files(*logs, metadata=METADATA.replace("1.2052", "1.05")), as_of=DAY))[0]
    assert unclaimed.mean == pytest.approx(1.2)


def test_tracks_without_records() -> None:
    """A non-record submission has no record status to lose, and no rule of the family speaks."""
    path = "records/track_non_record_16mb/2026-03-20_Mine"
    assert status(case_of(files(log(1.0)), path)) is RecordStatus.NON_RECORD
    for rule in ("PG601", "PG602", "PG603", "PG604"):
        assert findings_of(files(log(1.0), log(1.1)), rule, path) == []


def test_before_the_launch() -> None:
    """Without any record there is nothing to beat."""
    assert status(case(1.0, 1.1, as_of=dt.date(2026, 3, 17))) is RecordStatus.UNVERIFIED


def best(day: str, pr: int | None = None, folder: str = "Mine") -> AcceptedRecord:
    """The record to beat on a day."""
    found = standing(load(), dt.date.fromisoformat(day), pr, f"records/track_10min_16mb/{folder}")
    assert found is not None
    return found


def test_records_of_a_date() -> None:
    """The lowest accepted score of the date; on the very day those of earlier pull requests, by number."""
    assert best("2026-03-18").score == 1.2244
    assert best("2026-04-12").score == 1.081
    assert best("2026-04-09", pr=1400).score == 1.0856
    assert best("2026-04-09", pr=1200).score == 1.1147
    assert best("2026-11-21").score == 1.0611


def test_own_row() -> None:
    """An accepted submission is compared with the table as it stood before the update that took it in."""
    assert best("2026-11-21", pr=1529).prs == (1493,)
    assert best("2026-11-21", pr=1851) == best("2026-11-21", pr=1868)
    assert best("2026-11-21", folder="2026-04-09_SP8192_3LayerRecur_ParResid_QK525_LegalTTT").prs == (1019,)
    assert best("2026-03-20", pr=180).score == 1.1748


def test_data() -> None:
    """Records are dated and in order; the printed score is the mean of the seeds (or of its own printed digits)."""
    records = load().records
    assert [record.accepted for record in records] == sorted(record.accepted for record in records)
    for record in records:
        mean = sum(record.val_bpb) / len(record.val_bpb)
        assert abs(mean - record.score) < 6e-4, record.title
        assert 0.5 < record.nats_per_bpb < 4
    with pytest.raises(KeyError, match="readme, chronological"):
        load().policy("none")


def only(found: list[Finding]) -> Finding:
    """The one finding that there must be."""
    (finding,) = found
    return finding


def test_run_count() -> None:
    """PG601 warns of a single run and never touches compliance."""
    assert only(findings_of(files(log(1.07)), "PG601")).outcome is Outcome.WARN
    assert only(findings_of(files(log(1.07)), "PG601")).severity is Severity.ADVICE
    assert only(findings_of(files(log(1.07), log(1.071)), "PG601")).outcome is Outcome.PASS
    assert findings_of(files(), "PG601") == []


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [((1.07, 1.0704), Outcome.PASS), ((1.0805, 1.0801), Outcome.WARN), ((1.07,), Outcome.INCONCLUSIVE)],
)
def test_significance(scores: tuple[float, ...], outcome: Outcome) -> None:
    """PG602 prints both policies and the numbers of the test."""
    finding = only(findings_of(files(*map(log, scores)), "PG602", as_of=DAY))
    assert finding.outcome is outcome
    assert "Policy readme" in finding.message
    assert "Policy chronological" in finding.message
    assert finding.evidence[0].measured["record_seeds"] == 3


def test_same_configuration() -> None:
    """PG603 asks about a setting that differs; the test then leaves the odd run out."""
    alike = files(log(1.07, lr=0.1), log(1.0701, lr=0.10), log(1.0702, lr="0.1"))
    assert only(findings_of(alike, "PG603")).outcome is Outcome.PASS
    odd = files(log(1.07, lr=0.1), log(1.0701, lr=0.1), log(1.05, lr=0.2))
    finding = only(findings_of(odd, "PG603"))
    assert (finding.outcome, "lr 0.1 / 0.2" in finding.message) == (Outcome.WARN, True)
    compared = compare(case_of(odd, as_of=DAY))[0]
    assert [run.seed for run in compared.runs] == [1, 2]


def test_seed_under_another_name() -> None:
    """A setting that is the seed, and words such as run ids, are no difference of configuration."""
    names = "seed = int(e('SEED', 1))\nrun_id = e('RUN_ID', 'x')\nlr = int(e('LR', 1))\n"
    logs = [log(1.07, run_id=name, lr=seed) for name, seed in (("a", 1), ("b", 2))]
    found = findings_of(files(*logs, script="import os\ne = os.environ.get\n" + names), "PG603")
    assert only(found).outcome is Outcome.PASS


def test_code_size() -> None:
    """Another size of the code is advice, and leaves the runs together."""
    odd = files(log(1.07), log(1.0701).replace("Code size: 50000", "Code size: 50001"))
    finding = only(findings_of(odd, "PG603"))
    assert (finding.outcome, finding.severity) == (Outcome.WARN, Severity.ADVICE)
    assert len(compare(case_of(odd, as_of=DAY))[0].runs) == 2


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        ("1.0710", Outcome.PASS),
        ("1.0720", Outcome.PASS),
        ("1.0700", Outcome.WARN),
        ("1.07000001", Outcome.WARN),
        ("1.070015", None),
        ("1.0600", None),
    ],
)
def test_seeds_chosen(claim: str, outcome: Outcome | None) -> None:
    """PG604 asks about a claim that is the best seed; the mean of all, or a worse claim, passes."""
    found = findings_of(files(log(1.07), log(1.072), metadata=METADATA.replace("1.2052", claim)), "PG604")
    assert [finding.outcome for finding in found] == ([] if outcome is None else [outcome])


def test_cut_claim() -> None:
    """A mean that is cut to four digits rather than rounded is no choice of seeds."""
    found = findings_of(files(log(1.07), log(1.07218), metadata=METADATA.replace("1.2052", "1.0710")), "PG604")
    assert only(found).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("claim", "outcome", "severity"),
    [
        (0.00200, Outcome.PASS, Severity.DEFECT),
        (0.00163, Outcome.PASS, Severity.DEFECT),
        (0.00020, Outcome.WARN, Severity.DEFECT),
        (0.02000, Outcome.WARN, Severity.ADVICE),
    ],
)
def test_spread(claim: float, outcome: Outcome, severity: Severity) -> None:
    """PG605 takes sample or population deviation; one too small is a defect, one too large only advice."""
    metadata = METADATA.replace("}", f', "val_bpb_std": {claim}}}')
    finding = only(findings_of(files(log(1.07), log(1.072), log(1.074), metadata=metadata), "PG605", FOLDER))
    assert (finding.outcome, finding.severity) == (outcome, severity)
