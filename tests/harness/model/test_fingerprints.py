"""Fingerprints: the dated counts of the validation set agree with each other."""

from __future__ import annotations

import pytest

from harness.model.fingerprints import load


def test_bytes_of_one_set() -> None:
    """Every tokenizer's count of the same documents has the same bytes; only the first export holds other documents."""
    data = load()
    for fingerprint in data.fingerprints:
        same = abs(fingerprint.bytes / data.validation.bytes - 1) < 0.001
        assert same != (fingerprint.id == "sp1024_first_export")


@pytest.mark.parametrize(
    ("ratio", "name"), [(2.4359, "sp1024"), (3.3197, "sp4096"), (3.7266, "sp8192"), (1.0, "bytes")]
)
def test_ratio(ratio: float, name: str) -> None:
    """Published ratios of bytes per token are found again."""
    found = load().of_ratio(ratio, 0.0005)
    assert found is not None
    assert found.id == name


def test_nothing_near() -> None:
    """A ratio or a number of tokens that is near to none has no fingerprint."""
    assert load().of_ratio(2.9, 0.004) is None
    assert load().of_tokens(9_662_464, 0.001) is None
