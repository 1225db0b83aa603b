"""What tests of the guest share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests_support.positions import tracking

from harness.observe.cpu_run.guest.positions import Tracker


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracker]:
    """A tracker at work."""
    with tracking(monkeypatch) as found:
        yield found
