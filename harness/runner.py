"""A runner of submissions for this machine, or one that says why nothing can be run on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version

from harness.facts import Runner
from harness.model.cpu_run import Begun, CpuRunFacts
from harness.model.facts import SubmissionFacts
from harness.model.review import Depth
from harness.observe.moment import Show, silent
from harness.store.store import Store

_PROJECT = "golf-harness"
_INSTALL = "install them: pip install 'golf-harness[run]', or pip install -e '.[run]' in a clone"


class Refusing:
    """Runs nothing and says why."""

    def __init__(self, reason: str, world_size: int, *, proof: bool) -> None:
        self._reason = reason
        self.world_size, self.proof = world_size, proof

    def run(
        self,
        submission: SubmissionFacts,  # noqa: ARG002  nothing is done with what is not run
        files: Mapping[str, bytes],  # noqa: ARG002  as above
        show: Show = silent,  # noqa: ARG002  as above
        keep: Callable[[Begun], None] = lambda _: None,  # noqa: ARG002  as above
        begun: Begun | None = None,  # noqa: ARG002  as above
    ) -> CpuRunFacts:
        """Facts that only say why."""
        return CpuRunFacts(refused=self._reason)


@contextmanager
def open_runner(store: Store, *, warm: bool = False, world_size: int = 1, depth: Depth = Depth.RUN) -> Iterator[Runner]:
    """A runner whose sandboxes end with the context; `warm` keeps the next one ready, for many submissions.

    `world_size` is the number of processes of every run; at depth `proof` experiments are made on it. Inputs are kept
    in the store's folder. Where nothing can be run it refuses (see `refusal`).
    """
    reason = refusal()
    if reason is not None:
        yield Refusing(reason, world_size, proof=depth is Depth.PROOF)
        return
    # Loaded only where something is run: numpy and sentencepiece make the inputs.
    from harness.observe.cpu_run.runner import CpuRunner
    from harness.observe.probes.prove import prove
    from harness.observe.sandbox.bubblewrap import Bubblewrap

    inputs = store.root / "inputs"
    experiments = partial(prove, cache=inputs) if depth is Depth.PROOF else None
    with CpuRunner(Bubblewrap(), inputs, warm=warm, world_size=world_size, prove=experiments) as runner:
        yield runner


def refusal() -> str | None:
    """Why nothing can be run on this machine, and the remedy; None where it can: packages first, then the sandbox."""
    if lacking := missing_packages():
        return f"{', '.join(lacking)}: not installed; {_INSTALL}"
    from harness.observe.sandbox.bubblewrap import Bubblewrap

    return Bubblewrap().unavailable()


def missing_packages() -> list[str]:
    """Packages of the extra `run` that are not installed, as the project's own metadata names them."""
    wanted = [line for line in requires(_PROJECT) or () if re.search(r"extra == .run\b", line)]
    return [name for line in wanted if not _installed(name := re.split(r"[^\w.-]", line, maxsplit=1)[0])]


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
