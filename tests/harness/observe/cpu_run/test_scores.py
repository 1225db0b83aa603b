"""A printed score is matched with the two sums whose quotient it is, and with no others."""

from __future__ import annotations

import math

import pytest

from harness.model.base import At
from harness.model.cpu_run import Total
from harness.model.logs import RunFacts, Score
from harness.observe.cpu_run.scores import in_nats, matched, quotient, result_of


def total(target: str, *ends: float | None, function: str = "eval_val", line: int = 1) -> Total:
    """What a statement of train_gpt.py added up."""
    at = At(path="train_gpt.py", line=line)
    return Total(at=at, target=target, function=function, additions=len(ends), values=ends)


LOSS, BYTES, TOKENS = 5_000.125, 3_211.0, 1_023.0
BPB = LOSS / math.log(2) / BYTES


def found(printed: str, *totals: Total) -> list[tuple[int | None, int | None]]:
    """Lines of the sums that a printed number is made of."""
    line = f"final_int8_zlib_roundtrip val_loss:4.8 val_bpb:{printed}"
    score = Score(label="final_int8_zlib_roundtrip", val_bpb=float(printed), line=1)
    return [(match.losses.line, match.counts.line) for match in matched([score], totals, [line])]


@pytest.mark.parametrize("digits", [3, 4, 8])
def test_quotient(digits: int) -> None:
    """Nats over ln 2 over bytes, to the digits that were printed; tokens are no bytes."""
    sums = [total("loss", LOSS, line=5), total("tokens", TOKENS, line=6), total("bytes", BYTES, line=7)]
    assert found(f"{BPB:.{digits}f}", *sums) == [(5, 7)]
    assert found(f"{BPB * 1.01:.{digits}f}", *sums) == []


def test_bits() -> None:
    """A program may add up bits: they are divided by the bytes alone."""
    bits, counts = total("bits", LOSS / math.log(2), line=5), total("bytes", BYTES, line=7)
    assert found(f"{BPB:.6f}", bits, counts) == [(5, 7)]
    assert quotient(LOSS, BYTES, BPB) == quotient(LOSS / math.log(2), BYTES, BPB) == pytest.approx(BPB)
    assert in_nats(LOSS, BYTES, BPB)
    assert not in_nats(LOSS / math.log(2), BYTES, BPB)


def test_passes() -> None:
    """Sums of several passes are taken pass by pass."""
    losses, counts = total("loss", 9.0, LOSS, 4.0, line=5), total("bytes", 70.0, BYTES, 50.0, line=7)
    assert found(f"{BPB:.6f}", losses, counts) == [(5, 7)]
    assert found(f"{LOSS / math.log(2) / 50.0:.6f}", losses, counts) == []


def test_functions() -> None:
    """Sums of different functions make no score."""
    assert found(f"{BPB:.4f}", total("loss", LOSS), total("bytes", BYTES, function="other")) == []


def test_the_result_is_the_last_evaluation() -> None:
    """A run that calls no score final ends with its last evaluation; validations within training are none."""
    step, rough = Score(label="step", val_bpb=3.0, line=1), Score(label="diagnostic quantized", val_bpb=2.0, line=2)
    final = Score(label="final", val_bpb=1.0, line=3)
    assert result_of(RunFacts(first_line=1, last_line=9, scores=(step, rough, final), final=final)) == final
    assert result_of(RunFacts(first_line=1, last_line=9, scores=(step, rough, step))) == rough
    assert result_of(RunFacts(first_line=1, last_line=9, scores=(step,))) is None


def test_awkward_sums() -> None:
    """Counts of nothing, infinite sums and no sums at all match nothing."""
    assert found("1.0", total("loss", None, line=5), total("bytes", 0.0, line=7)) == []
    assert found("1.0") == []


def test_the_nearest_pair() -> None:
    """Of several pairs that would do within rounding, that is taken which is the printed score, wherever it stands."""
    other = 1.5 * (1 + 1e-5)
    pairs = found(
        "1.50000000",
        total("loss", other * math.log(2) * 100, line=5),
        total("bytes", 100.0, line=7),
        total("loss", 1.5 * math.log(2) * 200, line=15),
        total("bytes", 200.0, line=17),
    )
    assert pairs == [(15, 17)]


def test_the_finest_of_equals() -> None:
    """Where parts of a sum are added up once more, the sum of most additions is the one that was printed."""
    fine = total("loss", BPB * math.log(2) * 100, line=5).model_copy(update={"additions": 128})
    again = total("running", BPB * math.log(2) * 100 * (1 + 1e-15), line=25).model_copy(update={"additions": 8})
    for sums in ((fine, again), (again, fine)):
        assert found(f"{BPB:.8f}", *sums, total("bytes", 100.0, line=7)) == [(5, 7)]
