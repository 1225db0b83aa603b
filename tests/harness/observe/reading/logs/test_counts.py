"""Counts of tokens and bytes that evaluations print."""

from __future__ import annotations

import pytest

from harness.observe.reading.logs.counts import MAX_COUNTS, read_count
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.reader import read_log


def _line(text: str) -> Line:
    return Line(number=3, text=text, low=text.lower())


@pytest.mark.parametrize(
    ("text", "size", "tokens", "scores"),
    [
        ("mix tokens=47851520 bytes=164594398 mix_bpb=0.979547 alpha=25.0", 164594398, 47851520, (0.979547,)),
        ("ppm_mixer val_bpb:0.9291 eval_time:542203ms order=5 N_bytes=40540160", 40540160, None, (0.9291,)),
        (
            "eval_stride:128 val_bpb:1.2882 scored_tokens:62021632 scored_bytes:151080363",
            151080363,
            62021632,
            (1.2882,),
        ),
        ("mixer val_bpb:0.972 N_tokens=47851520 N_sidecar_bytes=151074499", 151074499, 47851520, (0.972,)),
    ],
)
def test_read(text: str, size: int, tokens: int | None, scores: tuple[float, ...]) -> None:
    """Bytes, tokens and scores of one line, in the spellings of the field."""
    count = read_count(_line(text))
    assert count is not None
    assert (count.bytes, count.tokens, count.scores, count.line) == (size, tokens, scores, 3)


@pytest.mark.parametrize(
    "text",
    [
        "Serialized model int8+zlib: 15815847 bytes (payload:17178912)",
        "quant_bytes=15826872 val_bpb:1.2000",
        "checkpoint bytes=81927437",
        "ppm_progress tokens:3073024 bytes:11211930 mix_bpb:0.818434",
        "rank:3 tokens=62023616 bytes=151084796 elapsed=96s",
        "bytes=" + "9" * 500,
    ],
)
def test_other_lines(text: str) -> None:
    """Sizes of models and files, and counts on the way, are no counts of an evaluation."""
    assert read_count(_line(text)) is None


def test_kept() -> None:
    """Of many counts the last ones are kept with their run."""
    head = "seed:42\nstep:1000/2000 val_loss:2.1000 val_bpb:1.2437 train_time:45000ms\n"
    text = head + "".join(f"mix bytes={10_000_000 + i} mix_bpb=1.1000\n" for i in range(30))
    (run,) = read_log("train.log", text.encode()).facts.runs
    assert len(run.counts) == MAX_COUNTS
    assert run.counts[-1].bytes == 10_000_029
