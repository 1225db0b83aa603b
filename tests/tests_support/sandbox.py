"""Tests that need a real sandbox: skipped where a machine has none, failing where it was promised one."""

from __future__ import annotations

import os

import pytest

from harness.observe.sandbox.bubblewrap import Bubblewrap

needs_sandbox = pytest.mark.skipif(
    not os.environ.get("GOLF_SANDBOX") and Bubblewrap().unavailable() is not None,
    reason="this machine cannot isolate; with GOLF_SANDBOX these tests fail instead",
)
