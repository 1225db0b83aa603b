"""What tests of whole runs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.observe.cpu_run.runner import CpuRunner
from harness.observe.sandbox.bubblewrap import Bubblewrap


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CpuRunner]:
    """A runner with a cache of inputs of its own, one for all tests of a module."""
    with CpuRunner(Bubblewrap(), tmp_path_factory.mktemp("inputs"), warm=True) as found:
        yield found
