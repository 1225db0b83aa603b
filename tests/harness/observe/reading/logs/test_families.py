"""Line families: each reads its own example, and nothing else of the kind that real logs confuse with it."""

import pytest

from harness.model.logs import RunFacts
from harness.observe.reading.logs.families import Family
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.run import FAMILIES


def read(field: str, text: str) -> object:
    """The value that the best family of `field` reads from `text`."""
    line = Line(1, text, text.lower())
    found = [(f.rank, r) for f in FAMILIES if f.field == field and (r := f.read(line)) is not None]
    return min(found)[1][0] if found else None


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f"{f.field}-{f.rank}-{f.example[:24]}")
def test_a_family_reads_its_example(family: Family) -> None:
    """The example in the table is the documentation of a family, so its pattern must match it."""
    assert family.read(Line(1, family.example, family.example.lower())) is not None


def test_every_family_feeds_a_field_of_run_facts() -> None:
    """A family of an unknown field would be lost silently."""
    assert {family.field for family in FAMILIES} <= set(RunFacts.model_fields)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("seed", "  seed: 314", 314),
        ("seed", '  "seed": 42,', 42),
        ("seed", "SEED=7", 7),
        ("seed", "repartition_seed: 1729", None),
        ("seed", "learned_adapter_rank:64 learned_adapter_seed:12345", None),
        ("seed", "logs/train_seed42.txt", None),
        ("bytes_total", "Total submission size quantized+brotli: 15,987,547 bytes", 15987547),
        ("bytes_total", "Total submission size: 67,272,625 bytes", None),
        ("bytes_total", "[QUANT] Total artifact size:   15,921,334 bytes  (ok)", 15921334),
        ("bytes_total", "target_artifact_bytes:16000000 headroom:2138337", None),
        ("bytes_total", "submission_cap:16000000", None),
        ("bytes_total", "artifact:15.92MB ternary:64880640(14245920B) code:70853", None),
        ("bytes_total", "Raw model: 85587955 bytes | Code: 70969 bytes | Total: 85658924 bytes", None),
        ("bytes_total_uncompressed", "Total submission size: 67272625 bytes", 67272625),
        ("bytes_code", "Code size (compressed): 31999 bytes", None),
        ("bytes_code", "Code size: 58,380 bytes", 58380),
        ("bytes_code_compressed", "Code size (uncompressed): 157868 bytes", None),
        ("bytes_model", "Serialized model: 67224983 bytes", None),
        ("bytes_model_raw", "Serialized model int6+lzma: 15887928 bytes", None),
        ("train_seconds", "Training complete in 590s (1858 steps)", 590.0),
        ("train_seconds", "total training wallclock time spent: 597.227s", 597.227),
        ("train_seconds", "training_seconds: 300.2", 300.2),
        ("train_seconds", "train_time_ms: 599980", 599.98),
        ("steps", "Training complete in 590s (1858 steps)", 1858),
        ("eval_seconds", "total_eval_time:455.1s", 455.1),
        ("eval_seconds", "total_eval_time_with_compile:663.2s", None),
        ("total_seconds", "[2026-04-19] Total time: 1086 seconds", None),
        ("total_seconds", "Total time    : 696.2s", 696.2),
        ("total_seconds", "  Total wall time: 2500.2s (41.7 min)", 2500.2),
        ("total_seconds", "total_tokens_seen:3328475136", None),
        ("total_seconds", "ngram_two_pass: total time=143.4s", None),
        ("gpus", "   grad_accum=1 x microbatch=65536 x 1 GPUs", 1),
        ("gpus", "[bench] gpus=0,1,2,3", None),
        ("gpus", "mixed_seq_len: GPU0=2048x36=73728tok", None),
        ("gpu", "fa:3 gpu:NVIDIA H100 80GB HBM3 he:True", "NVIDIA H100 80GB HBM3"),
        ("gpu", "| NVIDIA-SMI 570.211.01   Driver Version: 570.211.01 |", None),
        ("torch", "torch: 2.9.1+cu128", "2.9.1+cu128"),
        ("torch", "sdp:torch.nn.functional 2 heads", None),
        ("peak_memory_mib", "Peak memory: 9205 MiB", 9205),
        ("model_params", "Model params: 20.55M", None),
        ("model_params", "Total params: 29,926,689", 29926689),
        ("model_params", "f1_corr:rank=0 params=0", None),
        ("documents", "ttt:long_docs time=232864ms docs=3857", None),
        ("documents", "ttt:val_docs:50000/50000 frac:1.0000", 50000),
        ("documents", "  phased_ttt_prefix_docs: 2000", None),
        ("documents", "TTT: 50000 docs (0 short, 50000 long), rank 0: 6250 long", 50000),
        ("documents", "Encoded 100,000/1,562,500 docs, 120,778,188 tokens buffered", None),
        ("megabytes_total", "SIZE CHECK PASSED: 15.29 MB < 16.00 MB", None),
        ("world_size", "World size: 2, Grad accum: 4", 2),
    ],
)
def test_a_field_is_read_or_left_alone(field: str, text: str, value: object) -> None:
    """Each field takes the spellings met in real logs and keeps off their neighbours."""
    assert read(field, text) == value
