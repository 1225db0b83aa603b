"""Runs submissions, each in a sandbox of its own, and keeps the next sandbox warm while one is at work."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from harness.model.cpu_run import Begun, CpuRunFacts
from harness.model.facts import SubmissionFacts
from harness.observe.cpu_run.driver import Keep, Prove, run_on_cpu, sandbox_limits
from harness.observe.cpu_run.examiner import examined
from harness.observe.cpu_run.session import Session
from harness.observe.cpu_run.trial import prepared
from harness.observe.moment import Moment, Show, silent
from harness.observe.sandbox.provider import Provider, SandboxUnavailableError

_WAIT = 600.0
"""Seconds that a sandbox may wait until the inputs of its submission are made."""


class CpuRunner:
    """A provider, a cache of inputs, and a sandbox with torch loaded ahead of its use. Use as a context manager."""

    def __init__(
        self, provider: Provider, cache: Path, *, warm: bool = False, world_size: int = 1, prove: Prove | None = None
    ) -> None:
        """`warm` starts the next sandbox while a submission runs: for sweeps. `world_size`: processes of a run.
        `prove` makes experiments on a run that came to its end.
        """
        self._provider, self._cache, self._keep_warm, self._prove = provider, cache, warm, prove
        self.world_size, self.proof = world_size, prove is not None
        self._next: Session | None = None
        self._refused = provider.unavailable()

    def __enter__(self) -> CpuRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._next is not None:
            self._next.__exit__(kind, value, trace)
            self._next = None

    def run(
        self,
        submission: SubmissionFacts,
        files: Mapping[str, bytes],
        show: Show = silent,
        keep: Keep = lambda _: None,
        begun: Begun | None = None,
    ) -> CpuRunFacts:
        """Facts of the run of a submission; `files` maps its paths to their bytes. Raises nothing for what it holds.

        `keep` is given what is known whenever a part of the run is finished; `begun`, what it was given last, lets a
        run go on that was cut short.
        """
        if self._refused is not None:
            return CpuRunFacts(refused=self._refused)

        def work(session: Session, show: Show, keep: Keep) -> CpuRunFacts:
            trial = prepared(submission, files, self._cache, self.world_size)
            if isinstance(trial, CpuRunFacts):
                return trial
            return run_on_cpu(replace(trial, rows=self.proof), session, show, keep, begun, self._prove)

        try:
            show(Moment("making the inputs"))
            if self._next is not None and not self._next.waits(_WAIT):
                # The time of waiting was over, or the machine took it: nothing that the next submission has to do with.
                self._next.__exit__(None, None, None)
                self._next = None
            session = self._next or self._start()  # it loads torch while the inputs are made
            self._next = None
        except SandboxUnavailableError as error:
            return CpuRunFacts(refused=str(error))

        def begins(so_far: Begun) -> None:
            if self._keep_warm and self._next is None:
                with contextlib.suppress(SandboxUnavailableError):  # the next run will say so
                    self._next = self._start()
            keep(so_far)

        with contextlib.ExitStack() as stack:
            stack.push(session.__exit__)
            found = examined(work, session, show, begins)
            if found.untouched and self._next is None:
                self._next = session
                stack.pop_all()
        return found.facts

    def _start(self) -> Session:
        self._cache.mkdir(parents=True, exist_ok=True)
        self._cache.chmod(0o755)  # the user that the sandbox runs as reads it, and it holds nothing of anybody
        return Session(self._provider, sandbox_limits(), self._cache)
