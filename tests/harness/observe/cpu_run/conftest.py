"""What tests of whole runs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests_support.sandbox import OneSandbox

from harness.observe.cpu_run.session import Session


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneSandbox]:
    """A runner with one sandbox, and a cache of inputs, for all tests of a process of pytest."""
    with OneSandbox(tmp_path_factory.mktemp("inputs")) as found:
        yield found


@pytest.fixture
def session(runner: OneSandbox) -> Session:
    """That sandbox, with the server in it and nothing else."""
    return runner.session()
