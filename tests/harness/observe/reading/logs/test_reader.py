"""Whole logs, in miniature: what each dialect yields, and where each number was read."""

import pytest

from harness.model.base import Fact
from harness.model.logs import LogFacts, RunFacts
from harness.observe.reading.logs import read_log

BASELINE = """\
logs/abc.txt
train_loader:dataset:fineweb10B_sp1024 train_shards:80
val_loader:shards pattern=./val_*.bin tokens:62021632
model_params:17060432
world_size:8 grad_accum_steps:1
tie_embeddings:True embed_lr:0.05 matrix_lr:0.04
train_batch_tokens:524288 train_seq_len:1024 iterations:20000 warmup_steps:20 max_wallclock_seconds:600.000
seed:1337
warmup_step:1/20
warmup_step:2/20
step:0/20000 val_loss:6.9318 val_bpb:4.1054 train_time:0ms step_avg:0.02ms
step:13000/20000 train_loss:2.10 train_time:593000ms step_avg:45.6ms
step:13137/20000 val_loss:2.0570 val_bpb:1.2183 train_time:600042ms step_avg:45.68ms
stopping_early: wallclock_cap train_time:600042ms step:13137/20000
peak memory allocated: 10298 MiB reserved: 10726 MiB
Serialized model: 67229857 bytes
Code size: 74966 bytes
Total submission size: 67304823 bytes
Serialized model int8+zlib: 16102053 bytes (payload:17702192 raw_torch:17749769 payload_ratio:3.80x)
Total submission size int8+zlib: 16177019 bytes
final_int8_zlib_roundtrip val_loss:2.0585 val_bpb:1.2192 eval_time:1448ms
final_int8_zlib_roundtrip_exact val_loss:2.05850955 val_bpb:1.21916531
final_int8_ttt_cross_doc val_loss:1.9990 val_bpb:1.1839 eval_time:80318ms
"""

REFACTORED = """\
Hyperparameters:
  iterations: 20000
  max_wallclock_seconds: 600.0
  seed: 42
  world_size: 8
train_shards: 80
val_tokens: 47851520
model_params:35945671
1/20000 train_loss: 9.0105 train_time: 0.0m tok/s: 12596538
4500/20000 train_loss: 2.2795 train_time: 9.0m tok/s: 6589531
4932/20000 val_loss: 2.3570 val_bpb: 1.0770
stopping_early: wallclock_cap train_time: 599433ms step: 4932/20000
diagnostic pre-quantization post-ema val_loss:2.33174699 val_bpb:1.06544819 eval_time:6737ms
Serialized model: 135417533 bytes
Code size (uncompressed): 157868 bytes
Code size (compressed): 31999 bytes
Serialized model quantized+pergroup: 15868948 bytes
ttt_phased: total_docs:50000 prefix_docs:2500 suffix_docs:47500
quantized_ttt_phased val_loss:2.32239991 val_bpb:1.06124613 eval_time:455128ms
total_eval_time:455.3s
"""

STATUS = """\
Running on 8×H100 with seed=42...
Config: dim=416, layers=11, steps=5000, seed=42
GPUs: 1
Step 4500/5000 | Loss 3.8639 | LR 2.45e-05 | Time 484s
Step 5000/5000 | Loss 3.8045 | LR 0.00e+00 | Time 538s
Training complete in 538s
   Compressed:   14.41 MB
Pre-TTT BPB: 1.5188 | Loss: 3.8637
  GPU 0: Doc 200/200 | BPB 1.1070
  TTT Time:     166s (200 docs on 1 GPUs)
  Total Time:   704s
  Status:       ⚠️ OVER TIME
🏁 Final BPB: 1.1070
Status: NEEDS_FIX
"""

RAW, CODE = "Serialized model: 5000 bytes", "Code size: 100 bytes"

SMI = """\
Running Python 3.12.3 (main, Nov  6 2025, 13:44:16) [GCC 13.3.0]
Running PyTorch 2.9.1+cu128
| NVIDIA-SMI 570.211.01             Driver Version: 570.211.01     CUDA Version: 12.8     |
|   0  NVIDIA H100 80GB HBM3          On  |   00000000:04:00.0 Off |                    0 |
| N/A   38C    P0            128W /  700W |    1521MiB /  81559MiB |      0%      Default |
|   1  NVIDIA H100 80GB HBM3          On  |   00000000:05:00.0 Off |                    0 |
step:1/2 train_loss:6.9 train_time:12ms
"""


def facts(text: str) -> LogFacts:
    """The facts of a log with this text."""
    return read_log("train_seed42.log", text.encode()).facts


def only(text: str) -> RunFacts:
    """The only run of a log with this text."""
    (run,) = facts(text).runs
    return run


def value(fact: Fact[int] | Fact[float] | Fact[str] | None) -> object:
    """The value of a fact that must be there."""
    assert fact is not None
    return fact.value


def test_baseline_dialect() -> None:
    """Every number of a baseline log, with the artifact's total and never the uncompressed one."""
    log, run = facts(BASELINE), only(BASELINE)
    assert (log.dialect, log.seed_in_name, log.lines, log.errors) == ("baseline", 42, 23, ())
    assert (value(run.seed), value(run.steps), value(run.steps_planned)) == (1337, 13137, 20000)
    assert (value(run.train_seconds), value(run.eval_seconds), run.total_seconds) == (600.042, 80.318, None)
    assert (value(run.bytes_total), value(run.bytes_total_uncompressed)) == (16177019, 67304823)
    assert (value(run.bytes_code), value(run.bytes_model), value(run.bytes_model_raw)) == (74966, 16102053, 67229857)
    assert (run.codec, value(run.model_params), value(run.world_size)) == ("int8+zlib", 17060432, 8)
    assert (value(run.val_tokens), value(run.train_shards), value(run.peak_memory_mib)) == (62021632, 80, 10298)
    assert run.final is not None
    assert (run.final.label, run.final.val_bpb) == ("final_int8_ttt_cross_doc", 1.1839)
    assert not any("sliding" in score.label for score in run.scores)
    assert ("train_seq_len", "1024") in {(s.name, s.value) for s in run.settings}
    assert [e.kind for e in run.events] == ["warmup", "training_start", "stopping_early", "serialize", "serialize"]
    assert [p.step for p in run.curve] == [0, 13000, 13137]


def test_every_fact_shows_its_line() -> None:
    """A fact's line holds the number, and the text seen there is kept."""
    run = only(BASELINE)
    lines = BASELINE.splitlines()
    for name in ("seed", "steps", "bytes_total", "bytes_code", "model_params", "world_size", "peak_memory_mib"):
        fact = getattr(run, name)
        assert str(fact.value) in lines[fact.at.line - 1]
        assert fact.text == lines[fact.at.line - 1]
        assert fact.at.path == "train_seed42.log"


def test_refactored_dialect() -> None:
    """Minutes become seconds, the stop line is preferred, and a missing total is code plus model."""
    log, run = facts(REFACTORED), only(REFACTORED)
    assert log.dialect == "refactored"
    assert (value(run.seed), value(run.steps), value(run.train_seconds)) == (42, 4932, 599.433)
    assert (value(run.eval_seconds), value(run.documents)) == (455.3, 50000)
    assert (value(run.bytes_code), value(run.bytes_code_compressed)) == (157868, 31999)
    assert value(run.bytes_total) == 31999 + 15868948
    assert run.bytes_total is not None
    assert run.bytes_total.text == "code + model = 31999 + 15868948"
    assert run.codec == "quantized+pergroup"
    assert [p.seconds for p in run.curve] == [0.0, 540.0, None]
    assert run.final is not None
    assert (run.final.label, run.final.seconds) == ("quantized_ttt_phased", 455.128)


def test_a_run_that_reports_its_own_failure() -> None:
    """Totals, devices and documents in a script's own words; its words of failure are errors."""
    log, run = facts(STATUS), only(STATUS)
    assert (value(run.total_seconds), value(run.gpus), value(run.documents)) == (704.0, 1, 200)
    assert (value(run.train_seconds), value(run.eval_seconds), value(run.steps)) == (538.0, 166.0, 5000)
    assert (value(run.megabytes_total), run.bytes_total) == (14.41, None)
    before = next(score for score in run.scores if score.label == "pre-ttt")
    assert (before.val_bpb, before.val_loss, before.diagnostic) == (1.5188, 3.8637, True)
    assert run.final is not None
    assert (run.final.label, run.final.val_bpb) == ("final", 1.107)
    assert [(e.at.line, e.value) for e in log.errors] == [(12, "Status: ⚠️ OVER TIME"), (14, "Status: NEEDS_FIX")]


def test_machine_and_software() -> None:
    """The table of nvidia-smi gives name and number of the devices."""
    run = only(SMI)
    assert (value(run.gpu), value(run.gpus)) == ("NVIDIA H100 80GB HBM3", 2)
    assert (value(run.torch), value(run.cuda), value(run.python)) == ("2.9.1+cu128", "12.8", "3.12.3")


def test_a_table_without_its_head() -> None:
    """Where the first rows were overwritten the last index tells how many devices there are."""
    assert value(only(SMI.replace("|   0  NV", "|   6  NV").replace("|   1  NV", "|   7  NV")).gpus) == 8


@pytest.mark.parametrize("stamp", ["1776144156.999 ", "[05:05:53] "])
def test_stamped_dialect(stamp: str) -> None:
    """Time stamps change nothing but the dialect."""
    stamped = facts("".join(stamp + line + "\n" for line in REFACTORED.splitlines()))
    assert stamped.dialect == "stamped"
    assert stamped.runs[0].bytes_total is not None
    assert stamped.runs[0].bytes_total.value == 31999 + 15868948


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    """A console that writes UTF-16 loses nothing."""
    log = read_log("train.log", BASELINE.encode(encoding)).facts
    assert log.encoding == encoding
    assert log.runs == tuple(
        run.model_validate_json(run.model_dump_json().replace("train_seed42.log", "train.log"))
        for run in facts(BASELINE).runs
    )


def test_a_result_that_is_not_finite() -> None:
    """`nan` gives a score without numbers, an error, and no final score."""
    log = facts("step:5/9 train_loss:nan train_time:5ms\nfinal_q val_loss:nan val_bpb:nan eval_time:9ms\n")
    assert log.runs[0].final is None
    assert [score.val_bpb for score in log.runs[0].scores] == [None]
    assert [error.at.line for error in log.errors] == [1, 2]


def test_a_clock_read_long_before_the_end_is_no_training_time() -> None:
    """The refactored stack prints the clock only now and then: an early one says nothing of the whole."""
    text = "5/360 train_loss: 8.4 train_time: 0.0m tok/s: 7\n360/360 val_loss: 3.3 val_bpb: 1.33\n"
    assert only(text).train_seconds is None


@pytest.mark.parametrize(
    ("lines", "total", "uncompressed"),
    [
        (("Serialized model zlib-9: 900 bytes", "Total submission size: 1000 bytes"), 1000, None),
        ((RAW, CODE, "Serialized model int6+zstd: 900 bytes", "Total submission size: 1000 bytes"), 1000, None),
        ((RAW, CODE, "Total submission size: 5100 bytes"), None, 5100),
        (("Serialized model int6: 900 bytes", CODE), 1000, None),
        ((CODE, "Total submission: 1000 bytes"), 1000, None),
    ],
)
def test_what_a_bare_total_means(lines: tuple[str, ...], total: int | None, uncompressed: int | None) -> None:
    """A total without a codec is the uncompressed model's where one is printed and the sum says so."""
    run = only("\n".join((*lines, "final_q val_loss:2.0 val_bpb:1.2")))
    assert (run.bytes_total.value if run.bytes_total else None) == total
    assert (run.bytes_total_uncompressed.value if run.bytes_total_uncompressed else None) == uncompressed


def test_truncation_is_passed_on() -> None:
    """The caller says that the middle was cut out."""
    assert read_log("train.log", BASELINE.encode(), truncated=True).facts.truncated
    assert not read_log("train.log", BASELINE.encode()).facts.truncated


def test_stop_clock_that_was_reset() -> None:
    """A stop line whose clock lies before that of the last step does not count as the training time."""
    text = (
        "seed:42\nstep:3600/20000 train_loss:2.06 train_time:580112ms step_avg:161.14ms\n"
        "step:3700/20000 train_loss:2.07 train_time:596145ms step_avg:161.12ms\n"
        "stopping_early: wallclock_cap train_time:0ms step:3723/20000\n"
    )
    (run,) = read_log("train.log", text.encode()).facts.runs
    assert run.train_seconds is not None
    assert run.train_seconds.value == 596.145
    assert run.steps is not None
    assert run.steps.value == 3723
