"""Which files are logs, and the seed in a name."""

import pytest

from harness.observe.reading.logs.detect import is_log, seed_in_name

STEP = b"step:1/20 train_loss:6.9 train_time:12ms\n"


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("train.log", STEP),
        ("logs/train_seed42.txt", b"final_int8 val_loss:2.0 val_bpb:1.2\n"),
        ("train.log.1", STEP),
        ("run.out", b"Step 500/5000 | Loss 5.0 | Time 53s\n"),
        ("console", STEP),
        ("summary.log", b'{\n  "post_ttt_val_bpb": 1.06400238\n}\n'),
        ("train_seed42.log", b"pending: no compute yet\n"),
        ("train.log", STEP.decode().encode("utf-16")),
        ("train.log", b"W0318 run.py:852] Setting OMP_NUM_THREADS environment variable for each process\n"),
        ("train.log", b'"""Trains."""\nimport torch\nclass Hyperparameters:\n    pass\n' * 100),
        ("a.txt", b"Hyperparameters:\n  iterations: 20000\n  seed: 42\n"),
    ],
)
def test_logs(path: str, head: bytes) -> None:
    """Text with steps, scores or a printed script under a log's name is a log."""
    assert is_log(path, head)


@pytest.mark.parametrize(
    ("path", "head"),
    [
        ("requirements.txt", b"torch==2.9.1\n"),
        ("README.txt", STEP),
        ("LICENSE.txt", STEP),
        ("train_gpt.py", STEP),
        ("submission.json", b'{"val_bpb": 1.2}'),
        ("notes.txt", b"some words about the idea\n"),
        (".gitignore", STEP),
        ("train.log", b""),
        ("train.log", b"\0\1\2" * 100 + STEP),
        ("tokenizer.model", STEP),
        ("train_gpt.py.bak", STEP),
    ],
)
def test_other_files(path: str, head: bytes) -> None:
    """Requirements, READMEs, sources and binaries are none, whatever they mention."""
    assert not is_log(path, head)


@pytest.mark.parametrize(
    ("path", "seed"),
    [
        ("train_seed42.log", 42),
        ("logs/seed_1337.txt", 1337),
        ("log_seed-7.out", 7),
        ("run_s314.log", 314),
        ("seed2026/run_fast.log", 2026),
        ("semantic_s2_control_seed42.txt", 42),
        ("s1_a.txt", None),
        ("eval_s64.log", None),
        ("train.log", None),
        ("train_sp1024.log", None),
    ],
)
def test_seed_in_name(path: str, seed: int | None) -> None:
    """`seed` names a seed anywhere in the path; a bare `s` may be a stage or a stride."""
    assert seed_in_name(path) == seed
