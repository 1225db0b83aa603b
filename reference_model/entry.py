"""A whole run as the competition starts it: train, pack, read the artifact back, score it.

This is what a bundled submission does under torchrun; every field of the configuration answers to its environment
variable.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from reference_model.artifact.pack import model_of, packed
from reference_model.config import Config
from reference_model.data.source import Source, opened
from reference_model.dialect import (
    final_lines,
    is_logged,
    memory_line,
    opening,
    size_lines,
    step_line,
    stopped_line,
    validation_line,
)
from reference_model.evaluation.evaluate import evaluated, validation_score
from reference_model.evaluation.score import Score
from reference_model.model.gpt import GPT
from reference_model.optim.schedule import Progress
from reference_model.quant.gptq import Hessians, collected
from reference_model.runtime import Clock, World, clock, seeded
from reference_model.training import Step, Trainer

ARTIFACT = "final_model.bin"


class Log:
    """Prints lines, and puts them into a file; silent on all ranks but the first."""

    def __init__(self, world: World, path: Path, *, keep: bool = False) -> None:
        """`keep` goes on with a file that is there."""
        self.world, self.path = world, path
        if world.leads:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not keep:
                path.unlink(missing_ok=True)

    def __call__(self, lines: str | Iterable[str], *, shown: bool = True) -> None:
        """One line or several; those that are not `shown` stand in the file only."""
        if not self.world.leads:
            return
        with self.path.open("a", encoding="utf-8") as stream:
            for line in [lines] if isinstance(lines, str) else lines:
                stream.write(f"{line}\n")
                if shown:
                    print(line, flush=True)  # noqa: T201  the competition reads what is printed


def validated(source: Source, config: Config, world: World) -> Callable[[GPT], Score]:
    """What scores a model while it is trained."""
    return lambda model: validation_score(model, source.val_tokens, source.table, config, world)


def calibrated(model: GPT, source: Source, config: Config, world: World) -> Hessians | None:
    """Hessians over training batches, where the quantiser asks for them."""
    if config.quant.quantizer != "gptq":
        return None
    loader = source.loader(config, World(0, 1, world.device))
    tokens = min(config.data.micro_batch_tokens, config.data.train_batch_tokens)
    batches = (x for _ in range(config.quant.gptq_batches) for x, _ in loader.micro_batches(tokens, tokens))
    return collected(model, batches)


def begin(trainer: Trainer, source: Source, log: Log) -> None:
    """The first lines of a log, and the steps before the clock runs."""
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    shards, tokens = len(source.train_paths), len(source.val_tokens)
    log(opening(trainer.config, trainer.world, parameters, shards, source.val_pattern, tokens))
    trainer.warm_up()


def trained(config: Config, source: Source, world: World, log: Log, now: Clock) -> GPT:
    """The weights that are to be packed."""
    trainer = Trainer(config, source.loader(config, world), world, now)
    begin(trainer, source, log)
    score = validated(source, config, world)

    def told(step: Step) -> None:
        if is_logged(config, step.step):
            log(step_line(config, step))

    def validate(model: GPT, progress: Progress) -> None:
        log(validation_line(config, progress.step, progress.seconds, score(model)))

    trainer.train(told, validate)
    if trainer.step < config.schedule.iterations:
        log(stopped_line(config, trainer.step, trainer.seconds))
    if world.device.type == "cuda":
        log(memory_line(torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()))
    return trainer.finished()


def run(config: Config, world: World, code: str, folder: Path) -> Score:
    """Everything, with files in `folder`; `code` is the text whose bytes count."""
    log, now = Log(world, folder / "logs" / f"{config.run_id}.txt"), clock(world.device)
    log(
        [code, "=" * 100, f"Running Python {sys.version}", f"Running PyTorch {torch.__version__}", "=" * 100],
        shown=False,
    )
    seeded(config.seed)
    source = opened(config, world)
    model = trained(config, source, world, log, now)
    path = folder / ARTIFACT
    if world.leads:
        path.write_bytes(packed(model, config.quant, calibrated(model, source, config, world)))
    world.wait()
    label = f"{config.quant.quantizer}+{config.quant.codec}"
    log(size_lines(label, path.stat().st_size, len(code.encode())))
    del model
    return scored(path, config, source, world, log, now)


def scored(path: Path, config: Config, source: Source, world: World, log: Log, now: Clock) -> Score:
    """The score of the file on disk, in a model that never saw the training."""
    started = now()
    model = model_of(path.read_bytes(), config).to(world.device)
    score, _ = evaluated(model, source.val_tokens, source.table, config, world)
    how = config.evaluation.evaluation
    label = f"{config.quant.quantizer}_{config.quant.codec}_roundtrip" if how == "plain" else how
    log(final_lines(label, score, now() - started))
    return score
