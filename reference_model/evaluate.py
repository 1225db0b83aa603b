"""`python -m reference_model.evaluate --run DIR`: score the artifact of a run as its configuration says."""

from __future__ import annotations

from collections.abc import Sequence

from reference_model.commands import parser, told
from reference_model.config import from_environment
from reference_model.data.source import opened
from reference_model.entry import Log, scored
from reference_model.rundir import RunDir, RunError
from reference_model.runtime import clock, joined, seeded


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; variables of the environment change the evaluation (`EVALUATION=ttt_sgd`)."""
    given = parser("evaluate", __doc__.partition(": ")[2]).parse_args(arguments)
    run = RunDir(given.run)
    config = run.placed(from_environment(run.config()))
    if not run.artifact.exists():
        raise RunError(f"{run.path} has no artifact: pack it first (python -m reference_model.pack --run {run.path})")
    with joined() as world:
        seeded(config.seed)
        log = Log(world, run.path / "logs" / f"{config.run_id}.txt", keep=True)
        scored(run.artifact, config, opened(config, world), world, log, clock(world.device))


if __name__ == "__main__":
    told(main)
