"""Whose fault an import is that finds nothing, and the remedy."""

from __future__ import annotations

import pytest

from harness.model.cpu_run import Fault
from harness.observe.cpu_run.missing import missing_package


@pytest.mark.parametrize(
    ("name", "declared", "fault"),
    [
        ("modal", (), Fault.SUBMISSION),
        ("mamba_ssm.modules.mamba3", (), Fault.SUBMISSION),
        ("mamba_ssm", ("mamba-ssm",), Fault.MACHINE),
        ("brotli", (), Fault.MACHINE),
        ("tiktoken", (), Fault.MACHINE),
    ],
)
def test_whose_fault_a_missing_package_is(name: str, declared: tuple[str, ...], fault: Fault) -> None:
    """A package outside the competition's environment is the submission's to ship or to declare."""
    remedy = missing_package(name, declared)
    assert remedy is not None
    assert (remedy.package, remedy.fault) == (name.partition(".")[0], fault)
    assert remedy.package in remedy.sentence


def test_the_standard_library_needs_another_explanation() -> None:
    """A module of the standard library has no remedy here."""
    assert missing_package("lzma") is None
