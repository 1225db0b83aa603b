"""The sandbox under test; where none can be made, tests are skipped unless GOLF_SANDBOX=1 demands them."""

from __future__ import annotations

import os

import pytest

from harness.observe.sandbox.bubblewrap import Bubblewrap


@pytest.fixture(scope="session")
def sandbox() -> Bubblewrap:
    """The provider of this machine."""
    provider = Bubblewrap()
    if reason := provider.unavailable():
        if os.environ.get("GOLF_SANDBOX") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return provider
