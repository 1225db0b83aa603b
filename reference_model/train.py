"""`python -m reference_model.train --preset NAME`: train, with progress, and go on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from reference_model.commands import parser, told
from reference_model.config import Config, from_environment
from reference_model.data.source import opened
from reference_model.dialect import is_logged, step_line, stopped_line, validation_line
from reference_model.entry import Log, begin, validated
from reference_model.model.gpt import GPT
from reference_model.optim.schedule import Progress as Made
from reference_model.plot import chart
from reference_model.presets import PRESETS, preset
from reference_model.rundir import RunDir
from reference_model.runtime import World, clock, joined, seeded
from reference_model.training import Step, Trainer


def train(config: Config, run: RunDir, world: World, checkpoint_every: int, console: Console) -> list[float]:
    """Train a configuration in a run's folder, from its checkpoint if there is one; the losses of this part."""
    seeded(config.seed)
    source = opened(config, world)
    trainer = Trainer(config, source.loader(config, world), world, clock(world.device))
    state = run.load("checkpoint")
    log = Log(world, run.path / "logs" / f"{config.run_id}.txt", keep=state is not None)
    if state is not None:
        trainer.restore(state)
        log(f"resumed at step {trainer.step}")
    else:
        begin(trainer, source, log)
    score = validated(source, config, world)
    losses: list[float] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (world.leads and console.is_terminal)) as progress:
        task = progress.add_task("training", total=config.schedule.iterations, completed=trainer.step, now="")

        def told_step(step: Step) -> None:
            losses.append(step.loss)
            progress.update(task, completed=step.step, now=f"step {step.step}, loss {step.loss:.3f}")
            if is_logged(config, step.step):
                log(step_line(config, step), shown=not console.is_terminal)

        def validate(model: GPT, made: Made) -> None:
            found = score(model)
            log(validation_line(config, made.step, made.seconds, found), shown=not console.is_terminal)
            if world.leads and console.is_terminal:
                console.print(f"step {made.step}: {found.val_bpb:.4f} bits per byte on validation text")

        def saved(now: Trainer) -> None:
            if world.leads and checkpoint_every > 0 and now.step % checkpoint_every == 0:
                run.save("checkpoint", now.state())

        trainer.train(told_step, validate, saved)
    if trainer.step < config.schedule.iterations:
        log(stopped_line(config, trainer.step, trainer.seconds))
    if world.leads:
        run.save("checkpoint", trainer.state())
        run.save("weights", trainer.finished().state_dict())
    return losses


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    made = parser("train", __doc__.partition(": ")[2])
    made.add_argument("--preset", default="tiny_cpu", metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    made.add_argument(
        "--checkpoint-every", type=int, default=50, metavar="STEPS", help="0: never; default: %(default)s"
    )
    given = made.parse_args(arguments)
    console = Console(stderr=True)
    wanted, run = from_environment(preset(given.preset)), RunDir(given.run)
    with joined() as world:
        if world.leads:
            run.begin(wanted)
        world.wait()
        config = run.begin(wanted)
        losses = train(config, run, world, given.checkpoint_every, console)
    if world.leads:
        console.print(chart(losses, "loss in nats per token over the steps of this part"), highlight=False)
        console.print(
            f"weights in {Path(given.run) / 'weights.pt'}; next: python -m reference_model.pack --run {given.run}"
        )


if __name__ == "__main__":
    told(main)
