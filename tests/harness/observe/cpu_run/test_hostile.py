"""Hostile submissions, really run: each ends as told, leaves nothing, breaks nothing of ours and writes no verdict."""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests_support.battery import BATTERY, MARK, Hostile
from tests_support.cases import facts_of
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import CpuRunFacts, RunStage
from harness.model.plan import RunLimits
from harness.observe.cpu_run.driver import run_on_cpu
from harness.observe.cpu_run.session import Session
from harness.observe.cpu_run.trial import Trial, prepared
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.observe.sandbox.provider import Limits
from harness.observe.sandbox.self_check import marked

pytestmark = needs_sandbox
_LIMITS = Limits(
    wall_seconds=600.0, cpu_seconds=600.0, memory_bytes=3 << 29, processes=64, disk_bytes=256 << 20, files=20_000
)
_NEIGHBOUR = """
import os
others = {name for name in os.listdir("/proc") if name.isdigit()} - {"1", str(os.getpid())}
print("others", sorted(others), "left", sorted(os.listdir("..")), sorted(os.listdir(os.environ["TMPDIR"])))
"""


class Bench:
    """Runs one script after the other in one sandbox, and in a new one where a script took it along."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._session: Session | None = None

    def trial(self, script: str, limits: RunLimits) -> Trial:
        """The script, ready to be run with tight limits."""
        files = {"train_gpt.py": textwrap.dedent(script).encode()}
        found = prepared(facts_of(files), files, self._cache)
        assert isinstance(found, Trial), found
        rung = found.plan.rungs[:1]
        return replace(found, plan=found.plan.model_copy(update={"limits": limits, "rungs": rung}))

    def run(self, script: str, limits: RunLimits) -> CpuRunFacts:
        """Its facts."""
        if self._session is None:
            self._cache.chmod(0o755)
            self._session = Session(Bubblewrap(), _LIMITS, self._cache)
        facts = run_on_cpu(self.trial(script, limits), self._session)
        if self._session.sandbox.poll() is not None:
            self.close()
        return facts

    def close(self) -> None:
        """End the sandbox."""
        if self._session is not None:
            self._session.__exit__(None, None, None)
            self._session = None


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for all."""
    found = Bench(tmp_path_factory.mktemp("inputs"))
    yield found
    found.close()


@pytest.mark.parametrize("hostile", BATTERY, ids=[hostile.name for hostile in BATTERY])
def test_hostile(bench: Bench, hostile: Hostile) -> None:
    """It ends as told, by the fault of the right one; what it did is named; the next script finds nothing of it."""
    facts = bench.run(hostile.script, hostile.limits)
    attempt = facts.attempts[-1]
    assert attempt.ended in hostile.ended, (attempt, facts.failure)
    assert (facts.failure.fault if facts.failure is not None else None) is hostile.fault, facts.failure
    assert {one.kind for one in facts.tampering} == hostile.tampering, facts.tampering
    assert hostile.trusted in {None, facts.trusted}, facts.doubts()
    assert hostile.prints in "\n".join(facts.printed)
    assert hostile.check(facts), facts
    assert RunStage.EVALUATED not in facts.reached
    assert RunStage.TRAINED not in facts.reached
    assert len(facts.model_dump_json()) < 1 << 20
    after = bench.run(_NEIGHBOUR, hostile.limits)
    if after.attempts[-1].ended in hostile.ended - {"exit 0", "exit 1"}:  # its own limit, noticed one look later
        after = bench.run(_NEIGHBOUR, hostile.limits)
    assert after.trusted, after.doubts()
    assert after.printed[-1:] == ("others [] left ['submission'] []",)
    assert not marked(MARK)
    assert not any((Path(folder) / MARK).exists() for folder in ("/tmp", tempfile.gettempdir(), Path.home()))
