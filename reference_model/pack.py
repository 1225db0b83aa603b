"""`python -m reference_model.pack --run DIR`: turn the weights of a run into its artifact, and weigh it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from reference_model.artifact.pack import loaded, packed
from reference_model.commands import parser, told
from reference_model.data.source import opened
from reference_model.entry import calibrated
from reference_model.model.gpt import GPT
from reference_model.rundir import RunDir, RunError
from reference_model.runtime import World


def pack(run: RunDir) -> int:
    """Write the artifact of a run; its bytes. Raises RunError where nothing was trained."""
    config, weights = run.config(), run.load("weights")
    if weights is None:
        raise RunError(f"{run.path} has no weights: its training has not ended yet")
    model = loaded(GPT(config.model, config.data.train_seq_len, config.seed), weights)
    world = World()
    hessians = calibrated(model, opened(config, world), config, world) if config.quant.quantizer == "gptq" else None
    return run.artifact.write_bytes(packed(model, config.quant, hessians))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    given = parser("pack", __doc__.partition(": ")[2]).parse_args(arguments)
    run = RunDir(given.run)
    size = pack(run)
    quant = run.config().quant
    sys.stdout.write(f"{run.artifact}: {size} bytes ({quant.quantizer}, {quant.codec})\n")


if __name__ == "__main__":
    told(main)
