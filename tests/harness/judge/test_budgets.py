"""Rules about bytes and seconds that need more than one line of a log, each with its legal twin."""

from __future__ import annotations

import datetime as dt

import pytest
from tests_support.cases import COMPLETE, findings_of

from harness.model.findings import Finding, Outcome, Strength

FAIL, WARN, PASS = Outcome.FAIL, Outcome.WARN, Outcome.PASS
LATE, EARLY = dt.date(2026, 4, 28), dt.date(2026, 4, 10)


def run(stop: float, *after: str, evaluation: int = 90_000) -> dict[str, str]:
    """The complete submission with a run that stops training at `stop` seconds and then prints `after`."""
    clock = f"{1000 * stop:.0f}ms"
    lines = [
        "world_size:8 grad_accum_steps:1",
        "seed:42",
        f"step:13000/20000 val_loss:2.0300 val_bpb:1.2023 train_time:{clock}",
        f"stopping_early: wallclock_cap train_time:{clock} step:13000/20000",
        *after,
        f"final_int8_zlib_roundtrip val_loss:2.0350 val_bpb:1.2052 eval_time:{evaluation}ms",
    ]
    return {**COMPLETE, "train_seed42.log": "\n".join(lines) + "\n"}


def one(found: list[Finding]) -> Finding:
    """The one finding that there must be."""
    (finding,) = found
    return finding


TRAINED = ("gptq:calibrating with training data...", "gptq:calibrated 68 layers in 3.6s")
WRITTEN = ("gptq:generating autoregressive calibration data (64 seqs)...", "gptq:generated 64 sequences in 196.7s")
UNSAID = ("GPTQ:collecting Hessians from calibration data...", "GPTQ:collected 67 Hessians in 4.1s")


@pytest.mark.parametrize(
    ("stop", "after", "outcome", "strength"),
    [
        (600.04, TRAINED, FAIL, Strength.DERIVED),
        (600.04, TRAINED[:1], FAIL, Strength.DERIVED),  # no time is printed: the loop alone took it all
        (590.03, TRAINED, PASS, Strength.DERIVED),
        (596.9, TRAINED, PASS, Strength.DERIVED),  # 600.5 s: within the slack of the cap
        (600.04, UNSAID, WARN, Strength.SUSPECTED),
        (588.0, (*UNSAID[:1], "GPTQ:collected 67 Hessians in 51.0s"), WARN, Strength.SUSPECTED),
    ],
)
def test_calibration_after_training(stop: float, after: tuple[str, ...], outcome: Outcome, strength: Strength) -> None:
    """PG207: training data read after 600 s accuses; data that neither log nor code names asks."""
    finding = one(findings_of(run(stop, *after), "PG207"))
    assert (finding.outcome, finding.strength) == (outcome, strength)


def test_generated_calibration() -> None:
    """PG207 has nothing to say about calibration on text that the model writes itself."""
    assert findings_of(run(600.04, *WRITTEN), "PG207") == []


def test_calibration_before_the_stop() -> None:
    """PG207 counts only what comes after the loop: a reserve announced at the start is no calibration."""
    files = run(588.0)
    files["train_seed42.log"] = "gptq:reserving 12s, effective=588000ms\n" + files["train_seed42.log"]
    assert findings_of(files, "PG207") == []


def test_short_reserve() -> None:
    """PG207: a reserve that is kept and too short is a question, and tolerated from the first such record on."""
    files = run(599.63, *UNSAID)
    early, late = (one(findings_of(files, "PG207", as_of=date)) for date in (EARLY, LATE))
    assert (early.outcome, early.tolerated) == (WARN, None)
    assert late.tolerated == "short_reserve"
    kept = run(588.0, TRAINED[0], "gptq:calibrated 68 layers in 51.0s")
    assert one(findings_of(kept, "PG207", as_of=LATE)).outcome is FAIL


CODE = """\
import os, torch

class Settings:
    data = os.path.join("data", "fineweb_train_*.bin")
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))
    {reserve}

def gather(model, pattern):
    sums = {{}}
    def hook(module, inputs, output):
        x = inputs[0]
        sums[module].addmm_(x.t(), x)
    model.register_forward_hook(hook)
    return sums

def main():
    settings = Settings()
    print(settings.max_wallclock_seconds, gather(torch.nn.Linear(2, 2), settings.data))

main()
"""


def test_calibration_in_code() -> None:
    """PG207 asks about code without a log that uses the whole time and then calibrates, unless it keeps a reserve."""
    none = {**COMPLETE, "train_seed42.log": ""}
    bare = {**none, "train_gpt.py": CODE.format(reserve="pass")}
    kept = 'gptq_reserve_ms = float(os.environ.get("GPTQ_RESERVE_MS", 14000.0))'
    finding = one(findings_of(bare, "PG207"))
    assert (finding.outcome, finding.strength) == (WARN, Strength.SUSPECTED)
    assert findings_of({**none, "train_gpt.py": CODE.format(reserve=kept)}, "PG207") == []


def test_code_tells_the_data() -> None:
    """PG207: where the log does not name the data, the code does."""
    files = {**run(600.04, *UNSAID), "train_gpt.py": CODE.format(reserve="pass")}
    assert one(findings_of(files, "PG207")).outcome is FAIL


PREQUANT = "prequant_ttt:done total_time={seconds}s"


@pytest.mark.parametrize(
    ("stop", "seconds", "evaluation", "outcome"),
    [(588.0, 523.6, 115_000, FAIL), (588.0, 400.0, 115_000, None), (60.0, 523.6, 115_000, None)],
)
def test_phase_in_neither_budget(stop: float, seconds: float, evaluation: int, outcome: Outcome | None) -> None:
    """PG208 accuses a phase that fits neither into training nor into evaluation."""
    found = findings_of(run(stop, PREQUANT.format(seconds=seconds), evaluation=evaluation), "PG208")
    assert [f.outcome for f in found] == ([outcome] if outcome else [])


def test_tables_in_advance() -> None:
    """PG208 asks whether the timer leaves out tables computed in advance, and tolerates it from its date on."""
    files = run(599.0, "ngram_tilt:precompute_done elapsed=196.79s total_targets=47851520", evaluation=567_000)
    finding = one(findings_of(files, "PG208"))
    assert (finding.outcome, finding.strength, finding.tolerated) == (WARN, Strength.SUSPECTED, None)
    assert one(findings_of(files, "PG208", as_of=dt.date(2026, 5, 2))).tolerated == "precomputed_hints"
    short = run(599.0, "ngram_tilt:precompute_done elapsed=33.0s", evaluation=342_000)
    assert findings_of(short, "PG208") == []


def test_own_words() -> None:
    """PG209 repeats what the log says of its own time."""
    finding = one(findings_of(run(538.0, "  Total Time:   704s", "  Status: OVER TIME"), "PG209"))
    assert "OVER TIME" in finding.message
    assert "704" in finding.message
    assert findings_of(run(538.0), "PG209") == []


def heavy(code: int, model: int, **files: str) -> dict[str, str]:
    """A submission whose log bills `code` bytes and a model of `model` bytes."""
    sizes = (
        f"Serialized model int8+zlib: {model} bytes",
        f"Code size: {code} bytes",
        f"Total submission size int8+zlib: {code + model} bytes",
    )
    return {**run(599.0, *sizes), **files}


def test_helper_not_billed() -> None:
    """PG202: a log that bills the launched script alone is tolerated a little above the limit, not far above it."""
    script = "import helper\nprint(helper)\n" + "# x\n" * 100
    files = {"train_gpt.py": script, "helper.py": "value = 1\n" * 800}
    near = heavy(len(script), 16_000_000 - len(script) - 5_000, **files)
    far = heavy(len(script), 16_000_000 - len(script) - 1_000, **files)
    assert one(findings_of(near, "PG202", as_of=EARLY)).tolerated == "unbilled_helpers"
    assert one(findings_of(far, "PG202", as_of=EARLY)).outcome is FAIL
    assert one(findings_of(near, "PG202", as_of=dt.date(2026, 3, 25))).outcome is FAIL


def test_wrapper_that_could_be() -> None:
    """PG202: a billed size that a wrapper could reach is a question before the tolerance; one far below it accuses."""
    script = "".join(f"value_{i} = {i * i}\n" for i in range(4_000))
    plausible = heavy(21_000, 15_970_000, **{"train_gpt.py": script})
    absurd = heavy(500, 15_980_000, **{"train_gpt.py": script})
    assert one(findings_of(plausible, "PG202", as_of=dt.date(2026, 3, 25))).outcome is WARN
    assert one(findings_of(absurd, "PG202", as_of=dt.date(2026, 3, 25))).outcome is FAIL


def test_mebibytes() -> None:
    """PG201 says that the README's number is the size in MiB, where it is."""
    files = heavy(50_000, 16_127_019, **{"README.md": "# Mine\n\nThe artifact has 15.43 MB.\n"})
    finding = one(findings_of(files, "PG201"))
    assert finding.outcome is FAIL
    assert "MiB" in finding.message
    assert any(row.path == "README.md" for row in finding.evidence)
