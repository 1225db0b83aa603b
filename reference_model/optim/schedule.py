"""What the learning rate, the momentum and the switches of a run do over its steps and its time.

Two clocks may end a run: a number of steps, and seconds. The decay is laid so that it ends with whichever comes first:
under a time limit, as many steps of decay as fit at the average pace so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reference_model.config import OptimConfig, ScheduleConfig


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps made, and seconds of training that they took."""

    step: int
    seconds: float


def share_done(config: ScheduleConfig, now: Progress) -> float:
    """Share of the run that is over, from 0 to 1, by whichever clock is further."""
    shares = [now.step / max(config.iterations, 1)]
    if config.max_wallclock_seconds > 0:
        shares.append(now.seconds / config.max_wallclock_seconds)
    return min(1.0, max(shares))


def lr_scale(config: ScheduleConfig, now: Progress) -> float:
    """Factor of all learning rates for the next step."""
    if config.schedule == "cosine":
        left = 0.5 * (1.0 + math.cos(math.pi * share_done(config, now)))
    elif config.warmdown_frac > 0:
        left = min(1.0, (1.0 - share_done(config, now)) / config.warmdown_frac)
    else:
        left = min(1.0, _warmdown_left(config, now))
    return config.min_lr + (1.0 - config.min_lr) * max(0.0, left)


def _warmdown_left(config: ScheduleConfig, now: Progress) -> float:
    """Steps left over steps of decay, or seconds left over the seconds that the decay takes."""
    if config.warmdown_iters <= 0:
        return 1.0
    left = (config.iterations - now.step) / config.warmdown_iters
    if config.max_wallclock_seconds > 0 and now.step:
        decay_seconds = config.warmdown_iters * now.seconds / now.step
        if decay_seconds > 0:
            left = min(left, (config.max_wallclock_seconds - now.seconds) / decay_seconds)
    return left


def muon_momentum(config: OptimConfig, step: int) -> float:
    """Rises in a line from `muon_momentum_start` over `muon_momentum_steps`."""
    share = min(1.0, step / config.muon_momentum_steps) if config.muon_momentum_steps else 1.0
    return (1.0 - share) * config.muon_momentum_start + share * config.muon_momentum
