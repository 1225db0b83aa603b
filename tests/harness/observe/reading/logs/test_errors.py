"""Errors: what a log reports of its own failure, and what only sounds like one."""

import pytest

from harness.observe.reading.logs.errors import MAX_ERRORS, ErrorReader
from harness.observe.reading.logs.lines import clean_lines, split_lines


def read(text: str) -> list[tuple[str, int | None]]:
    """Errors of `text` with their lines."""
    reader = ErrorReader("train.log")
    for line in clean_lines(split_lines(text)[0]):
        reader.read(line)
    return [(fact.value, fact.at.line) for fact in reader.finish()]


@pytest.mark.parametrize(
    "text",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 96.00 MiB.",
        "Status: OVER TIME",
        "Status: NEEDS_FIX",
        "Killed",
        "train_gpt.py FAILED",
        "exitcode : -9 (pid: 2423)",
        "ERROR: no shards found",
        "AssertionError: shape",
        "ncclSystemError: System call failed",
        "WARNING: submission 16048632 bytes exceeds 16MB limit by 48632 bytes.",
        "fused_chunk bpb=1.1300 TIMEOUT: budget=600s exceeded",
    ],
)
def test_failures(text: str) -> None:
    """Each failure that a log reports is an error with its line."""
    assert read(f"fine\n{text}\nfine\n") == [(text, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "NCCL version 2.27.5+cuda12.9",
        "[W318 14:38:11.51 Utils.hpp:137] Warning: NCCL_ASYNC_ERROR_HANDLING is deprecated",
        "timeout: 1200s",
        "step:1/2 train_time:10ms error:0.1",
        "selective_prune: pruning 40288/9380500 lowest-error values",
        "artifact_headroom: 711174 bytes remaining",
        "Guessing device ID based on global rank. This can cause a hang if NCCL fails",
    ],
)
def test_words_of_libraries_are_no_failures(text: str) -> None:
    """Warnings and settings that contain the words are left alone."""
    assert read(text) == []


def test_a_traceback_is_its_exception() -> None:
    """Of a traceback the exception counts, at its own line, also with a rank before each line."""
    frames = '[rank0]: Traceback (most recent call last):\n[rank0]:   File "a.py", line 1\n[rank0]:     x\n'
    assert read(f"{frames}[rank0]: IndexError: too many indices\n") == [("IndexError: too many indices", 4)]


def test_a_traceback_may_be_cut() -> None:
    """A log that ends inside a traceback still reports it."""
    assert read('ok\nTraceback (most recent call last):\n  File "a.py", line 1\n') == [
        ("Traceback without its last line", 2)
    ]


def test_a_warning_may_hold_a_traceback() -> None:
    """The compiler prints tracebacks as warnings: the run went on."""
    assert read("W0412 21:55:37 1 codecache.py:1021] [0/6] Traceback (most recent call last):\nstep:1/2\n") == []


def test_equal_errors_count_once_and_many_are_counted() -> None:
    """Eight ranks fail with one text; a flood of different ones is cut and counted."""
    assert len(read("Killed\n" * 8)) == 1
    reader = ErrorReader("train.log")
    for line in clean_lines(split_lines("\n".join(f"AssertionError: {n}" for n in range(MAX_ERRORS + 7)))[0]):
        reader.read(line)
    assert len(reader.finish()) == MAX_ERRORS
    assert reader.omitted == 7
