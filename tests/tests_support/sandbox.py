"""Tests that need a real sandbox: skipped where a machine has none, failing where it was promised one."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import pytest

from harness.observe.cpu_run.driver import Prove, sandbox_limits
from harness.observe.cpu_run.runner import CpuRunner
from harness.observe.cpu_run.session import Session
from harness.observe.sandbox.bubblewrap import Bubblewrap

needs_sandbox = pytest.mark.skipif(
    not os.environ.get("GOLF_SANDBOX") and Bubblewrap().unavailable() is not None,
    reason="this machine cannot isolate; with GOLF_SANDBOX these tests fail instead",
)
_WAIT = 600.0
"""Seconds that the sandbox may wait for its next submission: as long as other tests take."""


class OneSandbox(CpuRunner):
    """A runner that runs submissions of our own one after the other in one sandbox: loading torch takes longer than
    most of their runs. A sandbox that a submission took along is replaced by a new one.

    That strangers get one each is tested with a plain runner.
    """

    def __init__(self, cache: Path, prove: Prove | None = None) -> None:
        super().__init__(Bubblewrap(), cache, prove=prove)
        self._kept: _Kept | None = None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept is not None:
            self._kept.end()
        super().__exit__(kind, value, trace)

    def session(self) -> Session:
        """The sandbox itself, with nothing of a submission in it."""
        found = self._start()
        found.clear()
        return found

    def _start(self) -> Session:
        if self._kept is not None and not self._kept.waits(_WAIT):
            self._kept.end()
            self._kept = None
        if self._kept is None:
            self._cache.mkdir(parents=True, exist_ok=True)
            self._cache.chmod(0o755)
            self._kept = _Kept(self._provider, sandbox_limits(), self._cache)
            self._kept.wait_ready()
        return self._kept


class _Kept(Session):
    """A session that goes on when its submission is done."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing ends."""

    def end(self) -> None:
        """End the sandbox."""
        super().__exit__(None, None, None)
